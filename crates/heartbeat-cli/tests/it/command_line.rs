//! Every subcommand, for people and as JSON, beside a running server.

use heartbeat_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::home::{Home, Ran};
use crate::support::server::Server;
use crate::support::wait::within;

struct World {
    home: Home,
    server: Server,
    _model: ModelServer,
}

impl World {
    async fn new() -> Self {
        let model = ModelServer::answering(|body| {
            let asked = body["messages"].to_string();
            match asked.contains("fail") {
                true => Reply::status(400, &[], r#"{"error":{"message":"cannot"}}"#),
                false => Reply::say("HEARTBEAT_OK"),
            }
        })
        .await;
        let home = Home::new().with_openai(&model);
        home.project("acme", "self_hosted").await;
        let server = home.serve(&[]).await;
        Self {
            home,
            server,
            _model: model,
        }
    }

    async fn run(&self, line: &str) -> Ran {
        self.home.run(&words(line)).await
    }

    async fn json(&self, line: &str) -> Value {
        self.run(&format!("{line} --json")).await.json()
    }

    /// What people read, which is no JSON and holds all these words.
    async fn shows(&self, line: &str, expected: &[&str]) -> String {
        let text = self.run(line).await.ok();
        assert!(
            serde_json::from_str::<Value>(&text).is_err(),
            "{line}: {text}"
        );
        for word in expected {
            assert!(text.contains(word), "{line}: no `{word}` in {text}");
        }
        text
    }

    /// How a line fails: the code, nothing on stdout, and the reason on stderr.
    async fn fails(&self, line: &str, code: i32, expected: &str) {
        let ran = self.run(line).await;
        assert_eq!(ran.code, code, "{line}: {ran:?}");
        assert!(ran.stdout.is_empty(), "{line}: {ran:?}");
        assert!(
            ran.stderr.contains(expected),
            "{line}: no `{expected}` in {ran:?}"
        );
    }
}

/// Words of a command line; those between quotes are one.
fn words(line: &str) -> Vec<&str> {
    let quoted = line.split('"').enumerate();
    let words = quoted.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    words.collect()
}

#[tokio::test]
async fn agents_and_heartbeats_are_made_shown_changed_and_deleted() {
    let world = World::new().await;
    world
        .shows(
            "bot create scout --model openai/m --heartbeat true",
            &["scout", "openai/m", "on"],
        )
        .await;
    let bots = world.json("bot list").await;
    assert_eq!(
        (&bots["bots"][0]["name"], &bots["bots"][0]["heartbeat"]),
        (&json!("scout"), &json!(1))
    );
    world.shows("bot list", &["NUMBER", "scout"]).await;
    world
        .shows("bot update scout --instruction \"Be brief.\"", &["scout"])
        .await;
    let hosts = "bot update scout --web-hosts docs.example.org,api.example:8443";
    world
        .shows(hosts, &["docs.example.org, api.example:8443"])
        .await;
    world
        .shows("bot update scout --web-hosts none", &["web hosts  none"])
        .await;
    world
        .shows("bot update scout --web-hosts any", &["any, none once"])
        .await;
    world
        .fails(
            "bot update scout --web-hosts https://a.example",
            2,
            "no host",
        )
        .await;
    let bot = world.json("bot read scout").await["bot"].clone();
    assert_eq!(bot["instruction"], "Be brief.");

    let made = world
        .json("configure --bot scout --label Round --prompt \"Look.\" --cron \"30 8 * * 1-5\" --timezone Europe/Berlin")
        .await["heartbeat"]
        .clone();
    assert_eq!(
        (&made["cron_pattern"], &made["enabled"]),
        (&json!("30 8 * * 1-5"), &json!(0))
    );
    let id = made["uuid"].as_str().unwrap();
    let change = format!("configure --uuid {id} --interval-minutes 60 --active-hours 09:00-17:30");
    let changed = world.json(&change).await["heartbeat"].clone();
    assert_eq!(
        (&changed["interval_minutes"], &changed["active_hours_end"]),
        (&json!(60), &json!("17:30"))
    );
    world
        .shows("enable Round", &["Round", "active", "Europe/Berlin"])
        .await;
    assert_eq!(world.json("read Round").await["heartbeat"]["enabled"], 1);
    world
        .shows("list", &["NAME", "Round", "every 60 min", id])
        .await;
    assert_eq!(
        world.json("list --bot scout").await["heartbeats"][0]["uuid"],
        id
    );
    world.shows("pause --bot scout", &["Stopped 1"]).await;
    assert_eq!(
        world.json("resume --bot scout").await["heartbeats"],
        json!([id])
    );
    world.shows("disable Round", &["off"]).await;
    assert_eq!(world.json("delete Round").await["deleted"], id);
    world.shows("bot delete scout", &["Deleted scout"]).await;
    world.server.stop().await;
}

#[tokio::test]
async fn work_is_triggered_and_read_in_the_log_the_counts_and_the_inbox() {
    let world = World::new().await;
    world
        .run("bot create scout --model openai/m --heartbeat true")
        .await
        .ok();
    world
        .run("configure --bot scout --label Round --prompt Look.")
        .await
        .ok();
    world
        .run("configure --bot scout --label Bad --prompt fail")
        .await
        .ok();
    let result = world.json("trigger Round").await["result"].clone();
    assert_eq!(
        (&result["status"], &result["tokens_used"]),
        (&json!("success"), &json!(110))
    );
    world
        .shows("trigger Round", &["success in", "110 tokens", "1 credits"])
        .await;
    let failed = world.run("trigger Bad").await;
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stdout.contains("error: model_error"), "{failed:?}");
    world
        .shows("trigger Round --wait-seconds 0", &["is not through yet"])
        .await;

    let logs = world.json("logs --status error").await;
    assert_eq!(
        (&logs["total"], &logs["logs"][0]["reason"]),
        (&json!(1), &json!("model_error"))
    );
    world
        .shows(
            "logs --heartbeat Round --per-page 1",
            &["DUE", "success", "110"],
        )
        .await;
    let id = logs["logs"][0]["uuid"].as_str().unwrap();
    let log = world.json(&format!("log {id}")).await;
    assert_eq!(log["steps"][1]["kind"], "turn");
    world
        .shows(&format!("log {id}"), &["request", "turn", "failed"])
        .await;
    let stats = world.json("stats --bot scout --days 1").await["stats"].clone();
    assert_eq!(stats["error_count"], 1);
    world.shows("stats", &["DAY", "all"]).await;
    assert_eq!(world.json("inbox").await["total"], 0);
    let nothing = world.run("inbox --unread").await;
    assert!(
        nothing.stdout.is_empty() && nothing.stderr.contains("No messages"),
        "{nothing:?}"
    );
    let nothing = world.run("cancel Bad").await;
    assert_eq!(nothing.code, 3, "{nothing:?}");
}

#[tokio::test]
async fn a_log_that_is_followed_shows_executions_as_they_end() {
    let world = World::new().await;
    world
        .run("bot create scout --model openai/m --heartbeat true")
        .await
        .ok();
    world
        .run("configure --bot scout --label Round --prompt Look.")
        .await
        .ok();
    let first = world.json("trigger Round").await["result"]["execution_id"].clone();
    let mut command = world.home.command(env!("CARGO_BIN_EXE_heartbeat"));
    let mut child = command
        .args(["logs", "--follow", "--json"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = within("a line of the log", lines.next_line()).await;
        serde_json::from_str::<Value>(&line.unwrap().unwrap()).unwrap()
    };
    assert_eq!(next().await["uuid"], first, "what there is");
    let second = world.json("trigger Round").await["result"]["execution_id"].clone();
    assert_eq!(next().await["uuid"], second, "and what comes");
}

#[tokio::test]
async fn projects_keys_and_sign_in_links_are_made_beside_a_running_server() {
    let world = World::new().await;
    world
        .shows(
            "project create other --plan starter",
            &["Project:", "API key"],
        )
        .await;
    let listed = world.json("project list").await;
    assert_eq!(listed["projects"].as_array().unwrap().len(), 2);
    world
        .shows("project list", &["NAME", "acme", "starter"])
        .await;
    assert_eq!(world.json("project plan other pro").await["plan"], "pro");
    let key = world
        .json("key create --project acme --scope read_only")
        .await;
    assert!(key["api_key"].as_str().unwrap().starts_with("hb_"), "{key}");
    let link = world.shows("login --project acme", &["/login?code="]).await;
    assert!(
        link.starts_with(&format!("http://{}/", world.server.address)),
        "{link}"
    );
    let found = world.json("doctor").await;
    assert_eq!(found["ok"], true, "{found:#}");
    world
        .shows(
            "doctor",
            &["ok     database", "ok     server", "ok     model"],
        )
        .await;
    world.shows("config default", &["[engine]", "listen"]).await;
    world.shows("pause --all", &["Stopped"]).await;
    world.shows("resume --all", &["go on"]).await;
}

#[tokio::test]
async fn the_exit_code_says_what_kind_of_failure_it_is() {
    let world = World::new().await;
    world.run("bot create scout --model openai/m").await.ok();
    world.fails("fly", 2, "fly").await;
    world.fails("bot create", 2, "NAME").await;
    world.fails("bot create other", 2, "--model").await;
    world.fails("logs --status done", 2, "--status").await;
    world.fails("logs --per-page 101", 2, "--per-page").await;
    world.fails("stats --days 0", 2, "--days").await;
    world.fails("log x", 2, "not an execution's id").await;
    world.fails("key create --scope root", 2, "--scope").await;
    world
        .fails("project create third --plan gold", 2, "gold")
        .await;
    world.fails("project create acme", 1, "acme").await;
    world
        .fails("configure --bot scout --prompt p --watch {", 2, "--watch")
        .await;
    world
        .fails(
            "configure --bot scout --prompt p --active-hours 9",
            2,
            "active",
        )
        .await;
    world.fails("bot read nobody", 3, "not found").await;
    world.fails("read nothing", 3, "not found").await;
    world.fails("list --project nowhere", 3, "not found").await;
    world
        .fails("configure --bot scout --prompt p", 4, "switched off")
        .await;
    world
        .fails("list --config nowhere.toml", 1, "nowhere.toml")
        .await;
    let database = format!(
        "list --database sqlite://{}/x/heartbeat.db",
        world.home.dir().display()
    );
    world.fails(&database, 1, "there is no database").await;
}
