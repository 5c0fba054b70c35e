//! A receiver of webhooks that answers as it was told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;

use super::wait::beside;

/// A message as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) body: String,
}

#[derive(Default)]
struct Desk {
    received: Vec<Received>,
    refusals: Vec<u16>,
}

/// A receiver on a real port.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    desk: Arc<Mutex<Desk>>,
}

impl Receiver {
    /// Answers with these statuses, one after another, then with 204.
    pub(crate) async fn start(refusals: &[u16]) -> Self {
        let mut refusals = refusals.to_vec();
        refusals.reverse();
        let desk = Arc::new(Mutex::new(Desk {
            received: Vec::new(),
            refusals,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/hook", post(take))
            .with_state(Arc::clone(&desk));
        beside(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, desk }
    }

    /// Everything that came in, in its order.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.desk.lock().unwrap().received.clone()
    }
}

async fn take(desk: State<Arc<Mutex<Desk>>>, headers: HeaderMap, body: String) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let mut desk = desk.lock().unwrap();
    desk.received.push(Received {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
    });
    let refusal = desk.refusals.pop();
    refusal.map_or(StatusCode::NO_CONTENT, |code| {
        StatusCode::from_u16(code).unwrap()
    })
}
