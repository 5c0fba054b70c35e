//! Nodes over one PostgreSQL: equal, without a leader, and any of them may die.

use std::sync::Arc;

use heartbeat_domain::clock::Clock as _;
use heartbeat_engine::system_clock::SystemClock;
use heartbeat_testkit::model_server::{ModelServer, Reply};
use heartbeat_testkit::postgres::cluster;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::api::{Api, texts};
use crate::support::home::Home;
use crate::support::wait::{until, within};

/// Longest time from the death of a node to the first thing that another does in its place.
const TAKEOVER: SignedDuration = SignedDuration::from_secs(15);

fn home() -> Home {
    Home::new().with("HEARTBEAT_DATABASE_URL", &cluster().database())
}

/// The first node, an agent on a scripted model, and a heartbeat that only triggers carry out.
async fn first_node(home: &Home) -> (Api, String, Value) {
    let api = home.api().await;
    let bot = api.bot("Scout", "openai/scripted-model").await;
    let fields = json!({ "prompt": "Look at the machine.", "label": "Round" });
    let heartbeat = api.configure(&bot, fields).await;
    (api, bot, heartbeat)
}

/// Another node of the same database, reached with the same key.
async fn another_node(home: &Home, first: &Api) -> Api {
    Api::new(home.serve(&[]).await, &first.project_id, &first.key)
}

#[tokio::test]
async fn serve_on_a_server_does_real_work_and_the_commands_work_beside_it() {
    let home = home().with_clock(20);
    let server = home.serve(&["--demo"]).await;
    let said = server.stdout.wait_for("How to sign in").await;
    assert!(said.ends_with("heartbeat.sign-in"), "{said}");
    let shown = server.stdout.wait_for("Database: ").await;
    assert!(
        shown.starts_with("Database: postgres://127.0.0.1:"),
        "{shown}"
    );
    assert!(home.path("heartbeat.key").exists());
    let logs = until("the first executions of the demo", || async {
        let logs = home.run(&["logs", "--json"]).await.json();
        let logs = logs["logs"].as_array().unwrap().clone();
        (logs.len() >= 3).then_some(logs)
    })
    .await;
    let statuses = texts(&logs, "status");
    assert!(statuses.iter().all(|one| *one == "success"), "{logs:#?}");
    let inbox = home.run(&["inbox", "--json"]).await.json();
    assert!(inbox["total"].as_u64().unwrap() >= 2, "{inbox:#}");
    let doctor = home.run(&["doctor"]).await.ok();
    assert!(doctor.contains("server: "), "{doctor}");
    server.stop().await;
    std::fs::remove_file(home.path("heartbeat.key")).unwrap();
    let Err(refused) = home.try_serve(&[]).await else {
        panic!("a node without the key of its database started")
    };
    assert!(refused.stderr.contains("the sealing key"), "{refused:?}");
}

/// The nodes of the database, newest first, as the command lists them.
async fn listed(home: &Home) -> Vec<Value> {
    let list = home.run(&["nodes", "--json"]).await.json();
    list["nodes"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_nodes_of_a_database_are_listed_while_they_work_and_after_they_stopped() {
    let done = Arc::new(Notify::new());
    let model = ModelServer::start([Reply::hold_until(&done, Reply::say("HEARTBEAT_OK"))]).await;
    let home = home().with_openai(&model);
    let (one, bot, heartbeat) = first_node(&home).await;
    let execution = one.begin(&heartbeat).await;
    within("the turn", model.wait_for_requests(1)).await;
    let two = another_node(&home, &one).await;
    let busy = until("a renewal that says how busy the node is", || async {
        let nodes = listed(&home).await;
        (nodes.len() == 2 && nodes[1]["slots_used"] == 1).then_some(nodes)
    })
    .await;
    for (node, pid) in busy.iter().zip([two.server.pid(), one.server.pid()]) {
        assert_eq!(node["status"], "live", "{node:#}");
        assert!(node["name"].as_str().unwrap().ends_with(&format!(":{pid}")));
        assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(node["slots"], 1_000);
        let offset = node["clock_offset_ms"].as_i64().unwrap();
        assert!(offset.abs() < 250, "one machine has one clock: {node:#}");
    }
    one.server.signal("INT").await;
    until("a node that drains", || async {
        let nodes = listed(&home).await;
        (nodes[1]["status"] == "draining").then_some(())
    })
    .await;
    done.notify_one();
    until("a node that has ended", || async {
        let nodes = listed(&home).await;
        (nodes[1]["status"] == "ended" && nodes[0]["status"] == "live").then_some(())
    })
    .await;
    let log = two.ended(&bot, &execution).await;
    assert_eq!(log["log"]["status"], "success", "{log:#}");
    let table = home.run(&["nodes"]).await.ok();
    assert!(
        table.contains("STATUS") && table.contains("ended"),
        "{table}"
    );
    two.server.stop().await;
}

#[tokio::test]
async fn a_node_whose_clock_is_an_hour_off_goes_by_the_clock_of_the_database() {
    for minutes in [60, -60] {
        let model = ModelServer::answering(|_| Reply::say("HEARTBEAT_OK")).await;
        let url = cluster().database_ahead_by(minutes);
        let home = Home::new()
            .with("HEARTBEAT_DATABASE_URL", &url)
            .with_openai(&model);
        let (node, bot, heartbeat) = first_node(&home).await;
        node.server.stderr.wait_for("clock is far from").await;
        let hour = SignedDuration::from_mins(minutes.into());
        let offset = listed(&home).await[0]["clock_offset_ms"].as_i64().unwrap();
        let off = SignedDuration::from_millis(offset) - hour;
        assert!(off.abs() < SignedDuration::from_secs(1), "{offset}");
        let clock = SystemClock::with_offset(hour);
        let is_now = |text: &Value, within: i64| {
            let at: Timestamp = text.as_str().unwrap().parse().unwrap();
            let late = clock.now().duration_since(at);
            let within = SignedDuration::from_secs(within);
            assert!(late.abs() < within, "{text}: {late:#}");
        };
        let execution = node.begin(&heartbeat).await;
        let log = node.ended(&bot, &execution).await["log"].clone();
        assert_eq!(log["status"], "success", "{log:#}");
        is_now(&log["due_at"], 30);
        is_now(&log["started_at"], 30);
        let fields = json!({ "prompt": "Look.", "interval_minutes": 1, "enabled": true });
        let often = node.configure(&bot, fields).await;
        is_now(&node.read(&often).await["next_run_at"], 90);
        node.server.stop().await;
    }
}

#[tokio::test]
async fn what_is_triggered_on_one_node_is_answered_whichever_carries_it_out() {
    let model = ModelServer::answering(|_| Reply::say("HEARTBEAT_OK")).await;
    let home = home().with_openai(&model);
    let (one, bot, heartbeat) = first_node(&home).await;
    let two = another_node(&home, &one).await;
    for node in [&one, &two, &one, &two] {
        let result = node.trigger(&heartbeat).await;
        assert_eq!(result["status"], "success", "{result}");
    }
    assert_eq!(two.logs(&bot, "").await.len(), 4);
    assert_eq!(model.requests().len(), 4, "nothing was asked twice");
    one.server.stop().await;
    let result = two.trigger(&heartbeat).await;
    assert_eq!(result["status"], "success", "{result}");
    two.server.stop().await;
}

#[tokio::test]
async fn a_node_that_is_killed_is_taken_over_by_the_other() {
    let message = json!({ "title": "Disk is filling", "message": "Two weeks left" });
    let never = Arc::new(Notify::new());
    let model = ModelServer::start([
        Reply::call("notify_user", message),
        Reply::hold_until(&never, Reply::say("lost")),
        Reply::say("One thing needs attention."),
    ])
    .await;
    let home = home().with_openai(&model);
    let (one, bot, heartbeat) = first_node(&home).await;
    let execution = one.begin(&heartbeat).await;
    within("the second turn", model.wait_for_requests(2)).await;
    let two = another_node(&home, &one).await;

    let clock = SystemClock::default();
    let died_at = clock.now();
    one.server.kill().await;
    within("the turn of the successor", model.wait_for_requests(3)).await;
    let took = clock.now().duration_since(died_at);
    assert!(took < TAKEOVER, "it took {took:#}");

    let log = two.ended(&bot, &execution).await;
    assert_eq!(log["log"]["status"], "success", "{log:#}");
    assert_eq!(log["log"]["response"], "One thing needs attention.");
    let steps = log["steps"].as_array().unwrap();
    assert_eq!(
        texts(steps, "state"),
        ["done", "done", "done", "lost_turn", "done"]
    );
    assert_eq!(
        model.requests().len(),
        3,
        "the first turn is not asked again"
    );
    let told = texts(&two.inbox().await, "title").join(", ");
    assert_eq!(told, "Disk is filling", "told once");
    assert_eq!(two.logs(&bot, "").await.len(), 1);
    two.server.stop().await;
}

#[tokio::test]
async fn a_node_that_froze_past_its_lease_changes_nothing_when_it_wakes() {
    let woken = Arc::new(Notify::new());
    let model = ModelServer::start([
        Reply::hold_until(&woken, Reply::say("too late")),
        Reply::say("in time"),
        Reply::say("the next one"),
    ])
    .await;
    let home = home().with_openai(&model);
    let (one, bot, heartbeat) = first_node(&home).await;
    let execution = one.begin(&heartbeat).await;
    within("the first turn", model.wait_for_requests(1)).await;
    let two = another_node(&home, &one).await;
    one.server.signal("STOP").await;
    within("the turn of the successor", model.wait_for_requests(2)).await;
    let log = two.ended(&bot, &execution).await;
    assert_eq!(log["log"]["response"], "in time", "{log:#}");

    one.server.signal("CONT").await;
    woken.notify_one();
    one.server.stderr.wait_for("this one starts anew").await;
    assert_eq!(two.log(&bot, &execution).await, log, "nothing has changed");
    assert_eq!(two.logs(&bot, "").await.len(), 1);
    let result = one.trigger(&heartbeat).await;
    assert_eq!(result["status"], "success", "it works on: {result}");
    one.server.stop().await;
    two.server.stop().await;
}
