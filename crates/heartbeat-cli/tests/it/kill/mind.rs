//! A model that counts: what it is asked says which execution asks and which turn it is, and its
//! messages name both.

use std::sync::{Arc, Mutex};

use heartbeat_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use super::hands::{BLUNT, KNOWS};

/// Which execution: its prompt and, to the minute, its due time as the agent is told it.
pub(crate) type Who = String;

/// The model and everything that it was asked, in order.
pub(crate) struct Mind {
    pub(crate) server: ModelServer,
    asked: Arc<Mutex<Vec<(Who, usize)>>>,
}

impl Mind {
    pub(crate) async fn start() -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let server = ModelServer::answering(move |body| {
            let (who, turn) = who_asks(body);
            log.lock().unwrap().push((who.clone(), turn));
            answer(&who, turn)
        })
        .await;
        Self { server, asked }
    }

    pub(crate) fn asked(&self) -> Vec<(Who, usize)> {
        self.asked.lock().unwrap().clone()
    }
}

/// Whether an execution works with tool servers: every fourth round, and errands. One that waits for a
/// lost call to settle misses its next moment, and most moments are to be successes.
pub(super) fn uses_tools(who: &str) -> bool {
    let number = who
        .strip_prefix("Round ")
        .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    number.is_none_or(|number| number % 4 == 0)
}

/// A message and a look, another message with the calls of tool servers, and the end.
fn answer(who: &str, turn: usize) -> Reply {
    let message = json!({ "title": title(who, turn), "message": "m" });
    match turn {
        1 => Reply::Calls(vec![
            ("notify_user".into(), message),
            ("host_status".into(), json!({})),
        ]),
        2 if uses_tools(who) => Reply::Calls(vec![
            (BLUNT.into(), json!({ "who": who })),
            ("notify_user".into(), message),
            (KNOWS.into(), json!({ "who": who })),
        ]),
        2 => Reply::call("notify_user", message),
        _ => Reply::say("done"),
    }
}

/// What the message of a turn is called.
pub(crate) fn title(who: &str, turn: usize) -> String {
    format!("{who} turn {turn}")
}

fn who_asks(body: &Value) -> (Who, usize) {
    let messages = body["messages"].as_array().unwrap();
    let last = messages
        .iter()
        .rposition(|message| message["role"] == "user")
        .unwrap();
    let since = messages[last..]
        .iter()
        .filter(|message| message["role"] == "assistant");
    let system = messages[0]["content"].as_str().unwrap();
    let now = system
        .split("It is ")
        .nth(1)
        .unwrap()
        .split(" (")
        .next()
        .unwrap();
    let now = now.split_once(' ').unwrap().1;
    let prompt = messages[last]["content"].as_str().unwrap();
    (format!("{prompt} {now}"), since.count() + 1)
}
