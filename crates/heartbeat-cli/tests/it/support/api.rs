//! The API of one project, as its clients use it.

use serde_json::{Map, Value, json};

use super::client::{Answer, Ask, send};
use super::server::Server;
use super::wait::until;

/// A project on a running server.
pub(crate) struct Api {
    pub(crate) server: Server,
    pub(crate) project_id: String,
    pub(crate) key: String,
}

impl Api {
    pub(crate) fn new(server: Server, project_id: &str, key: &str) -> Self {
        Self {
            server,
            project_id: project_id.to_owned(),
            key: key.to_owned(),
        }
    }

    /// Sends a request as it is, with the key.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        let ask = Ask {
            method,
            path,
            headers: &headers,
            body,
        };
        match send(&self.server.address, &ask).await {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error}; {:#?}", self.server.stderr.all()),
        }
    }

    /// A POST or PUT; the project is added.
    pub(crate) async fn write(&self, method: &str, path: &str, fields: Value) -> Answer {
        let mut body = Map::new();
        body.insert("project_id".into(), json!(self.project_id));
        if let Value::Object(fields) = fields {
            body.extend(fields);
        }
        self.send(method, path, Value::Object(body).to_string().as_bytes())
            .await
    }

    /// A POST.
    pub(crate) async fn post(&self, path: &str, fields: Value) -> Answer {
        self.write("POST", path, fields).await
    }

    /// A GET with a query; the project is added.
    pub(crate) async fn get(&self, path: &str, query: &str) -> Answer {
        let path = format!("{path}?project_id={}&{query}", self.project_id);
        self.send("GET", path.trim_end_matches('&'), b"").await
    }

    /// An agent with its switch on.
    pub(crate) async fn bot(&self, name: &str, model: &str) -> String {
        let fields = json!({ "name": name, "model": model, "heartbeat": true });
        let made = self.post("/v1/bot/create", fields).await.ok();
        made["bot"]["uuid"].as_str().unwrap().to_owned()
    }

    /// Configures a heartbeat and answers it.
    pub(crate) async fn configure(&self, bot: &str, fields: Value) -> Value {
        let mut body = json!({ "bot_id": bot });
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        self.post("/v1/bot/heartbeat/configure", body).await.ok()["heartbeat"].clone()
    }

    /// An action on a heartbeat: enable, disable, trigger, cancel.
    pub(crate) async fn act(&self, what: &str, heartbeat: &Value) -> Answer {
        let ids = json!({ "bot_id": heartbeat["bot_uuid"], "heartbeat_id": heartbeat["uuid"] });
        self.post(&format!("/v1/bot/heartbeat/{what}"), ids).await
    }

    /// Triggers a heartbeat and answers its result.
    pub(crate) async fn trigger(&self, heartbeat: &Value) -> Value {
        self.act("trigger", heartbeat).await.ok()["result"].clone()
    }

    /// Triggers a heartbeat without waiting for its end; answers the execution's id.
    pub(crate) async fn begin(&self, heartbeat: &Value) -> String {
        let fields = json!({
            "bot_id": heartbeat["bot_uuid"],
            "heartbeat_id": heartbeat["uuid"],
            "wait_seconds": 0,
        });
        let begun = self.post("/v1/bot/heartbeat/trigger", fields).await.ok();
        begun["result"]["execution_id"].as_str().unwrap().to_owned()
    }

    /// A heartbeat as it is now.
    pub(crate) async fn read(&self, heartbeat: &Value) -> Value {
        let query = format!(
            "bot_id={}&heartbeat_id={}",
            heartbeat["bot_uuid"].as_str().unwrap(),
            heartbeat["uuid"].as_str().unwrap()
        );
        self.get("/v1/bot/heartbeat/read", &query).await.ok()["heartbeat"].clone()
    }

    /// The newest rows of an agent's log.
    pub(crate) async fn logs(&self, bot: &str, query: &str) -> Vec<Value> {
        let answer = self
            .get("/v1/bot/heartbeat/logs", &format!("bot_id={bot}&{query}"))
            .await;
        answer.ok()["logs"].as_array().unwrap().clone()
    }

    /// An execution with its steps.
    pub(crate) async fn log(&self, bot: &str, execution: &str) -> Value {
        let query = format!("bot_id={bot}&execution_id={execution}");
        self.get("/v1/bot/heartbeat/log", &query).await.ok()
    }

    /// An execution with its steps, once it has ended.
    pub(crate) async fn ended(&self, bot: &str, execution: &str) -> Value {
        until("the end of an execution", || async {
            let log = self.log(bot, execution).await;
            let open = matches!(log["log"]["status"].as_str(), Some("running" | "waiting"));
            (!open).then_some(log)
        })
        .await
    }

    /// The inbox, newest first.
    pub(crate) async fn inbox(&self) -> Vec<Value> {
        let answer = self
            .get("/v1/bot/notification/readall", "per_page=100")
            .await
            .ok();
        answer["notifications"].as_array().unwrap().clone()
    }
}

/// The texts of one field of many objects.
pub(crate) fn texts<'v>(values: &'v [Value], field: &str) -> Vec<&'v str> {
    values
        .iter()
        .filter_map(|value| value[field].as_str())
        .collect()
}

/// Every moment that rows cover, in order.
pub(crate) fn covered(rows: &[Value]) -> Vec<String> {
    let mut moments = Vec::new();
    for row in rows {
        let first = row["first_due_at"]
            .as_str()
            .or(row["due_at"].as_str())
            .unwrap();
        let first: jiff::Timestamp = first.parse().unwrap();
        let count = row["missed_count"].as_i64().unwrap_or(1);
        moments.extend((0..count).map(|n| first + jiff::SignedDuration::from_mins(n)));
    }
    moments.sort();
    moments.iter().map(ToString::to_string).collect()
}
