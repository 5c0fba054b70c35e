//! What the published Node client was seen to send, byte for byte, over a real connection.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world::World;

/// The API behind a port, and who stands for `P-1`, `B-1` and `K-1`.
struct Served {
    world: World,
    address: std::net::SocketAddr,
}

impl Served {
    async fn new() -> Self {
        let world = World::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = axum::serve(listener, world.router.clone()).into_future();
        #[expect(clippy::disallowed_methods, reason = "the server ends with the test")]
        tokio::spawn(server);
        Self { world, address }
    }

    /// Writes with the headers of the client; GETs have fewer.
    async fn send(&self, line: &str, body: &str) -> (u16, Value) {
        let is_get = line.starts_with("GET");
        let kind = match is_get {
            true => "Accept: */*\r\n".to_owned(),
            false => format!(
                "Accept: application/json\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n",
                body.len()
            ),
        };
        let request = format!(
            "{line} HTTP/1.1\r\n{kind}Authorization: Bearer K-1\r\n\
             User-Agent: node-fetch/1.0 (+https://github.com/bitinn/node-fetch)\r\n\
             Accept-Encoding: gzip,deflate\r\nConnection: close\r\nHost: {}\r\n\r\n{body}",
            self.address
        );
        self.raw(&request).await
    }

    async fn raw(&self, request: &str) -> (u16, Value) {
        let request = request
            .replace("P-1", &self.world.project.to_string())
            .replace("K-1", &self.world.key);
        let length = request.split("\r\n\r\n").nth(1).unwrap_or_default().len();
        let request = with_length(&request, length);
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    fn bot(&self, text: &str) -> String {
        text.replace("B-1", &self.world.bot.to_string())
    }
}

/// The length of the body once names stand for what they stand for.
fn with_length(request: &str, length: usize) -> String {
    let lines = request
        .split("\r\n")
        .map(|line| match line.starts_with("Content-Length: ") {
            true => format!("Content-Length: {length}"),
            false => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\r\n")
}

#[tokio::test]
async fn the_calls_of_the_client_work_in_a_row() {
    let served = Served::new().await;
    let minimal = served.bot(r#"{"project_id":"P-1","bot_id":"B-1","prompt":"p"}"#);
    let (status, made) = served
        .send("POST /v1/bot/heartbeat/configure", &minimal)
        .await;
    assert_eq!(status, 200, "{made}");
    assert_eq!(
        (
            &made["heartbeat"]["interval_minutes"],
            &made["heartbeat"]["enabled"]
        ),
        (&30.into(), &0.into())
    );
    let id = made["heartbeat"]["uuid"].as_str().unwrap().to_owned();
    let with_ids = |text: &str| served.bot(text).replace("H-1", &id);

    let query = with_ids("project_id=P-1&bot_id=B-1&heartbeat_id=H-1");
    let (_, read) = served
        .send(&format!("GET /v1/bot/heartbeat/read?{query}"), "")
        .await;
    assert_eq!(read["heartbeat"]["uuid"], *id);
    let list = served.bot("project_id=P-1&bot_id=B-1");
    let (_, all) = served
        .send(&format!("GET /v1/bot/heartbeat/readall?{list}"), "")
        .await;
    assert_eq!(all["heartbeats"][0]["uuid"], *id);

    let action = with_ids(r#"{"project_id":"P-1","bot_id":"B-1","heartbeat_id":"H-1"}"#);
    let (_, enabled) = served.send("POST /v1/bot/heartbeat/enable", &action).await;
    assert_eq!(enabled["heartbeat"]["enabled"], 1);
    let (_, disabled) = served.send("POST /v1/bot/heartbeat/disable", &action).await;
    assert_eq!(disabled["heartbeat"]["enabled"], 0);

    let (_, logs) = served
        .send(&format!("GET /v1/bot/heartbeat/logs?{list}"), "")
        .await;
    assert_eq!(
        (&logs["total"], &logs["pagination"]["per_page"]),
        (&0.into(), &20.into())
    );
    let (_, stats) = served
        .send(&format!("GET /v1/bot/heartbeat/stats?{list}"), "")
        .await;
    assert_eq!(stats["stats"]["total_executions"], 0);
    let subscribers = "GET /v1/bot/subscriber/readall?project_id=P-1&page=1&per_page=10";
    let (_, none) = served.send(subscribers, "").await;
    assert_eq!(none["subscribers"], serde_json::json!([]));

    let (status, gone) = served
        .send(&format!("DELETE /v1/bot/heartbeat/delete?{query}"), "")
        .await;
    assert_eq!((status, gone["message"].is_string()), (200, true));
}

#[tokio::test]
async fn everything_that_the_client_can_send_is_taken() {
    let served = Served::new().await;
    let all = served.bot(
        r#"{"project_id":"P-1","bot_id":"B-1","prompt":"p","cron_pattern":"0 9 * * 1","enabled":true,"timezone":"Europe/Berlin","credit_budget":100,"max_consecutive_errors":3,"chat_mode":"ask"}"#,
    );
    let (status, made) = served.send("POST /v1/bot/heartbeat/configure", &all).await;
    assert_eq!(
        (status, &made["heartbeat"]["cron_pattern"]),
        (200, &"0 9 * * 1".into()),
        "{made}"
    );
    let off = served.bot(r#"{"project_id":"P-1","bot_id":"B-1","prompt":"p","enabled":false}"#);
    let (status, made) = served.send("POST /v1/bot/heartbeat/configure", &off).await;
    assert_eq!(
        (status, &made["heartbeat"]["enabled"]),
        (200, &0.into()),
        "{made}"
    );
}

#[tokio::test]
async fn a_call_without_arguments_is_an_error_that_the_client_sees() {
    let served = Served::new().await;
    let nothing = r#"{"project_id":"P-1","bot_id":null,"prompt":null}"#;
    let (status, problem) = served
        .send("POST /v1/bot/heartbeat/configure", nothing)
        .await;
    assert_eq!((status, &problem["field"]), (400, &"bot_id".into()));
    assert_eq!(problem["error"]["status"], 400);
    let query = "project_id=P-1&bot_id=null&heartbeat_id=null";
    let (status, problem) = served
        .send(&format!("GET /v1/bot/heartbeat/read?{query}"), "")
        .await;
    assert_eq!((status, &problem["error"]["status"]), (400, &400.into()));
    let delete = format!("DELETE /v1/bot/heartbeat/delete?{query}");
    let (status, problem) = served.send(&delete, "").await;
    assert_eq!((status, problem["message"].is_string()), (400, true));
}

#[tokio::test]
async fn what_the_client_leaves_behind_in_its_body_changes_nothing() {
    let served = Served::new().await;
    let create = r#"{"project_id":"P-1","name":"n","model":"m","instruction":"i","status":1}"#;
    let (status, made) = served.send("POST /v1/bot/create", create).await;
    assert_eq!(status, 200, "{made}");
    let bot = made["bot"]["id"].as_str().unwrap();
    let update = format!(
        r#"{{"project_id":"P-1","name":"n","model":"m","instruction":"i","status":1,"bot_id":"{bot}","heartbeat":1}}"#
    );
    let (_, updated) = served.send("PUT /v1/bot/update", &update).await;
    assert_eq!(updated["heartbeat"], 1);

    let left_over = r#""project_id":"P-1","name":"n","model":"m","instruction":"i","status":1"#;
    let configure = format!(
        r#"{{{left_over},"bot_id":"{bot}","prompt":"p","cron_pattern":"0 * * * *","enabled":true,"credit_budget":5}}"#
    );
    let (_, first) = served
        .send("POST /v1/bot/heartbeat/configure", &configure)
        .await;
    let id = first["heartbeat"]["uuid"].as_str().unwrap();
    let disable = format!(
        r#"{{{left_over},"bot_id":"{bot}","prompt":"p","cron_pattern":"0 * * * *","enabled":true,"credit_budget":5,"heartbeat_id":"{id}"}}"#
    );
    let (_, disabled) = served
        .send("POST /v1/bot/heartbeat/disable", &disable)
        .await;
    assert_eq!(disabled["heartbeat"]["enabled"], 0);
    let (_, second) = served
        .send("POST /v1/bot/heartbeat/configure", &disable)
        .await;
    assert_ne!(second["heartbeat"]["uuid"], *id);
    assert_eq!(second["heartbeat"]["enabled"], 1);
}

#[tokio::test]
async fn a_body_that_is_too_large_gets_its_answer_through() {
    let served = Served::new().await;
    let body = format!(r#"{{"prompt":"{}"}}"#, "x".repeat(12 << 20));
    let (status, problem) = served.send("POST /v1/bot/heartbeat/configure", &body).await;
    assert_eq!((status, &problem["code"]), (413, &"BODY_TOO_LARGE".into()));
}
