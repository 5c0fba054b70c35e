//! The one client for every URL that comes from a project.
//!
//! Invariant: a connection is made to an address that was checked for this very request, and to no
//! other: each request looks its host up once, connects anew, reads no proxy variable, and comes back
//! here before a redirect is followed. Nothing is tried twice.

mod failure;
mod lookup;
mod networks;
mod reach;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Response, Url};

pub use self::failure::OutgoingError;
pub use self::lookup::{Lookup, SystemLookup};
pub use self::networks::{Networks, NetworksError};
pub use self::reach::Reach;

use self::lookup::Checked;
use self::reach::Treatment;

/// Longest time for looking a name up, connecting and shaking hands.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Most redirects of one request.
const REDIRECTS_MAX: usize = 5;

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Method.
    pub method: Method,
    /// Where to.
    pub url: String,
    /// Headers; they go to the first origin only.
    pub headers: HeaderMap,
    /// Body, if there is one.
    pub body: Option<Bytes>,
}

/// An answer whose body has been read.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Its type, as the host wrote it.
    pub content_type: Option<String>,
    /// Where it came from, after redirects.
    pub url: Url,
    /// Where the redirects led, in order; empty if there were none.
    pub redirects: Vec<Url>,
    /// Body.
    pub body: Bytes,
}

/// The client. Clones share it.
#[derive(Clone)]
pub struct Outgoing {
    lookup: Arc<dyn Lookup>,
    /// One HTTP client for each way in which addresses are treated; plans make a handful of them.
    clients: Arc<Mutex<HashMap<Treatment, reqwest::Client>>>,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::with_lookup(Arc::new(SystemLookup))
    }
}

impl Outgoing {
    /// A client that finds hosts by that lookup.
    #[must_use]
    pub fn with_lookup(lookup: Arc<dyn Lookup>) -> Self {
        Self {
            lookup,
            clients: Arc::default(),
        }
    }

    /// Sends a request and follows redirects; the body of the answer is still to be read, and the
    /// caller bounds how long that takes. Only a GET follows a redirect to another origin, without its
    /// headers; anything else may follow one within its origin that keeps method and body.
    ///
    /// # Errors
    /// See [`OutgoingError`]; whether anything was sent, [`OutgoingError::nothing_was_sent`] says.
    pub async fn send(
        &self,
        ask: &Ask,
        reach: &Reach,
    ) -> Result<(Response, Vec<Url>), OutgoingError> {
        let mut url = reach.check(&ask.url)?;
        let mut headers = ask.headers.clone();
        let mut redirects = Vec::new();
        loop {
            let response = self.send_once(ask, &url, &headers, reach).await?;
            let Some(next) = redirect(ask, &url, &response)? else {
                return Ok((response, redirects));
            };
            // Something was sent by now, so a refusal of the next address is told as a redirect.
            let next = reach.check(next.as_str()).map_err(|refused| {
                OutgoingError::Redirected(format!("a redirect was not followed: {refused}"))
            })?;
            if redirects.len() == REDIRECTS_MAX {
                let message = format!("more than {REDIRECTS_MAX} redirects");
                return Err(OutgoingError::Redirected(message));
            }
            if next.origin() != url.origin() {
                headers = HeaderMap::new();
            }
            redirects.push(next.clone());
            url = next;
        }
    }

    /// Sends a request and reads its answer, all of it within a time and a size.
    ///
    /// # Errors
    /// See [`OutgoingError`].
    pub async fn fetch(
        &self,
        ask: &Ask,
        reach: &Reach,
        (within, bytes_max): (Duration, usize),
    ) -> Result<Answer, OutgoingError> {
        let host = reach.check(&ask.url)?;
        let host = host.host_str().unwrap_or_default();
        let whole = async {
            let (response, redirects) = self.send(ask, reach).await?;
            let status = response.status();
            let url = response.url().clone();
            let content_type = response
                .headers()
                .get(CONTENT_TYPE)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            let body = read(response, bytes_max).await?;
            Ok(Answer {
                status,
                content_type,
                url,
                redirects,
                body,
            })
        };
        tokio::time::timeout(within, whole)
            .await
            .unwrap_or_else(|_| Err(OutgoingError::TimedOut { host: host.into() }))
    }

    async fn send_once(
        &self,
        ask: &Ask,
        url: &Url,
        headers: &HeaderMap,
        reach: &Reach,
    ) -> Result<Response, OutgoingError> {
        let host = url.host_str().unwrap_or_default();
        let client = self.client(reach.treatment(url))?;
        let mut request = client
            .request(ask.method.clone(), url.clone())
            .headers(headers.clone());
        if let Some(body) = &ask.body {
            request = request.body(body.clone());
        }
        request
            .send()
            .await
            .map_err(|error| OutgoingError::from_client(host, &error))
    }

    fn client(&self, treatment: Treatment) -> Result<reqwest::Client, OutgoingError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&treatment) {
            return Ok(client.clone());
        }
        let networks = match &treatment {
            Treatment::Checked(networks) => Some(networks.clone()),
            Treatment::Trusted => None,
        };
        let checked = Checked {
            lookup: Arc::clone(&self.lookup),
            networks,
        };
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(checked))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_MAX)
            .pool_max_idle_per_host(0)
            .referer(false)
            .user_agent("heartbeat")
            .build()
            .map_err(|error| OutgoingError::BadUrl(format!("no HTTP client: {error}")))?;
        clients.insert(treatment, client.clone());
        Ok(client)
    }
}

/// Where an answer redirects to, if it does and if that may be followed at all.
fn redirect(ask: &Ask, url: &Url, response: &Response) -> Result<Option<Url>, OutgoingError> {
    let keeps_method = matches!(response.status().as_u16(), 307 | 308);
    let is_redirect = keeps_method || matches!(response.status().as_u16(), 301..=303);
    let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect) else {
        return Ok(None);
    };
    let refuse = |why: &str| {
        let message = format!(
            "the host answered with a redirect ({}) {why}",
            response.status()
        );
        Err(OutgoingError::Redirected(message))
    };
    let Some(next) = location
        .to_str()
        .ok()
        .and_then(|location| url.join(location).ok())
    else {
        return refuse("to what is no URL");
    };
    if url.scheme() == "https" && next.scheme() == "http" {
        return refuse("from https to http, which is not followed");
    }
    if ask.method == Method::GET {
        return Ok(Some(next));
    }
    if next.origin() != url.origin() {
        return refuse("to another origin, which is not followed with a body: use that address");
    }
    match keeps_method {
        true => Ok(Some(next)),
        false => refuse("that drops the request's body, which is not followed"),
    }
}

/// Reads a body of bounded size.
///
/// # Errors
/// It is larger, or the connection breaks.
pub(crate) async fn read(mut response: Response, bytes_max: usize) -> Result<Bytes, OutgoingError> {
    let declared = response
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > bytes_max as u64) {
        return Err(OutgoingError::TooLarge(bytes_max));
    }
    let host = response.url().host_str().unwrap_or_default().to_owned();
    let mut body = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| OutgoingError::from_client(&host, &error))?
    {
        if body.len() + chunk.len() > bytes_max {
            return Err(OutgoingError::TooLarge(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
