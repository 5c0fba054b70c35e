//! One command in an empty directory, and real work is done; and how a server starts and stops.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::api::{Api, texts};
use crate::support::dialect::Dialect;
use crate::support::home::Home;
use crate::support::server::Server;
use crate::support::visitor::Visitor;
use crate::support::wait::{until, within};

use heartbeat_testkit::model_server::Reply;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const DISK: &str = "Disk space of this machine, in percent free";
const QUEUE: &str = "Length of the demo queue";
const ROUND: &str = "Round of this machine";

/// The value behind `name` in the file that says how to sign in.
fn signed(home: &Home, name: &str) -> String {
    let text = std::fs::read_to_string(home.path("heartbeat.db.sign-in")).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .unwrap_or_else(|| panic!("{text}"));
    line.rsplit(' ').next().unwrap().to_owned()
}

fn api(home: &Home, server: Server) -> Api {
    Api::new(server, &signed(home, "Project:"), &signed(home, "API key"))
}

/// The record, once the demo's three heartbeats have each beaten.
async fn first_three(home: &Home) -> Vec<Value> {
    until("the first executions of the demo", || async {
        let logs = home.run(&["logs", "--json"]).await.json();
        let logs = logs["logs"].as_array().unwrap().clone();
        let is_done = logs.len() >= 3;
        is_done.then_some(logs)
    })
    .await
}

#[tokio::test]
async fn serve_demo_in_an_empty_directory_does_real_work_at_once() {
    let home = Home::new().with_clock(20);
    let server = home.serve(&["--demo"]).await;
    let said = server.stdout.wait_for("How to sign in").await;
    assert!(said.ends_with("heartbeat.db.sign-in"), "{said}");
    let first = server.stdout.all();
    assert!(
        first[0].starts_with("Heartbeat is listening on http://127.0.0.1:"),
        "{first:#?}"
    );
    assert!(
        first[1].starts_with("Database: ") && first[1].ends_with("heartbeat.db"),
        "{first:#?}"
    );
    let model = &first[2];
    assert!(
        model.starts_with("Model: demo (no model is configured"),
        "{model}"
    );
    let mode = std::fs::metadata(home.path("heartbeat.db.sign-in"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let logs = first_three(&home).await;
    assert!(
        texts(&logs, "status")
            .iter()
            .all(|status| *status == "success"),
        "{logs:#?}"
    );
    let agent = logs.iter().find(|log| log["prompt"] != "").unwrap();
    assert!(
        agent["response"]
            .as_str()
            .unwrap()
            .starts_with("demo, no model"),
        "{agent}"
    );
    let api = api(&home, server);
    let inbox = api.inbox().await;
    let of = |label: &str| {
        inbox
            .iter()
            .find(|one| one["title"].as_str().unwrap().contains(label))
    };
    let disk = of(DISK).unwrap()["message"].as_str().unwrap();
    let figures = ["% free", "GiB), memory", "load "];
    assert!(figures.iter().all(|figure| disk.contains(figure)), "{disk}");
    assert_eq!(
        of(QUEUE).unwrap()["message"],
        "The baseline from now on: 12"
    );
    shows_all_of_it_on_the_home_page(&home, &api).await;

    let (_, command) = first[3].split_once("run: ").unwrap();
    let ran = home
        .command("sh")
        .args(["-c", command])
        .status()
        .await
        .unwrap();
    assert!(ran.success(), "{command}");
    let woken = until("the watch of the queue", || async {
        let inbox = api.inbox().await;
        inbox
            .into_iter()
            .find(|one| one["title"] == format!("{QUEUE}: above 100"))
    })
    .await;
    assert_eq!(woken["message"], "Before: 12\nNow: 150");
    api.server.stop().await;
}

async fn shows_all_of_it_on_the_home_page(home: &Home, api: &Api) {
    let code = signed(home, "Sign in");
    let visitor = Visitor::sign_in(&api.server.address, &code).await;
    let page = visitor.page("/").await;
    assert_eq!(page.status, 200);
    for seen in [
        "Machine watch",
        DISK,
        QUEUE,
        ROUND,
        "first look",
        "demo, no model",
    ] {
        assert!(
            page.text.contains(seen),
            "{seen} is not on the home page: {}",
            page.text
        );
    }
}

#[tokio::test]
async fn a_restart_fires_nothing_twice_and_tells_nothing_twice() {
    let home = Home::new();
    let server = home.serve(&["--demo"]).await;
    let before = first_three(&home).await;
    let first = api(&home, server);
    // Two observations, and a third message where the disk of this machine is nearly full.
    let told = first.inbox().await;
    assert!(told.len() >= 2, "{told:#?}");
    let (project_id, key) = (first.project_id, first.key);
    first.server.stop().await;
    let api = Api::new(home.serve(&["--demo"]).await, &project_id, &key);
    // A second trigger would have a row of its own by the time that the API answers this one.
    let inbox = api.inbox().await;
    let after = home.run(&["logs", "--json"]).await.json();
    assert_eq!(
        texts(after["logs"].as_array().unwrap(), "uuid"),
        texts(&before, "uuid")
    );
    assert_eq!(texts(&inbox, "uuid"), texts(&told, "uuid"));
    api.server.stop().await;
}

#[tokio::test]
async fn results_go_to_stdout_and_the_log_to_stderr() {
    let home = Home::new().with("HEARTBEAT_LOG_LEVEL", "debug");
    let server = home.serve(&["--demo"]).await;
    first_three(&home).await;
    server.signal("TERM").await;
    server.stderr.wait_for("Stopped").await;
    assert_eq!(server.stdout.all().len(), 5, "{:#?}", server.stdout.all());
    let key = signed(&home, "API key");
    let log = server.stderr.all().join("\n");
    assert!(!log.contains(&key) && !server.stdout.all().join("\n").contains(&key));
    let answer = home.run(&["logs", "--json"]).await;
    serde_json::from_str::<Value>(&answer.stdout).unwrap();
}

#[tokio::test]
async fn a_second_server_on_the_same_database_is_refused_by_the_pid_of_the_first() {
    let home = Home::new();
    let server = home.serve(&[]).await;
    let refused = home.try_serve(&[]).await.err().unwrap();
    assert_ne!(refused.code, 0);
    assert!(
        refused
            .stderr
            .contains(&format!("process {}", server.pid())),
        "{refused:?}"
    );
    assert!(refused.stdout.is_empty(), "{refused:?}");
    // The other commands work beside it.
    home.run(&["project", "list", "--json"]).await.json();
    server.stop().await;
    home.serve(&[]).await.stop().await;
}

#[tokio::test]
async fn what_runs_comes_to_its_end_before_a_server_stops() {
    let go = std::sync::Arc::new(Notify::new());
    let message = json!({ "title": "t", "message": "m" });
    let script = [
        Reply::call("notify_user", message),
        Reply::hold_until(&go, Reply::say("finished")),
    ];
    let work = Dialect::OpenAi.work(script).await;
    let execution = work.api.begin(&work.heartbeat).await;
    within("the second turn", work.model.wait_for_requests(2)).await;
    let mut server = work.api.server;
    server.signal("TERM").await;
    server.stderr.wait_for("Stopping").await;
    go.notify_one();
    assert_eq!(server.ended().await.code(), Some(0));
    let log = work.home.run(&["log", &execution, "--json"]).await.json();
    assert_eq!(
        (&log["log"]["status"], &log["log"]["response"]),
        (&json!("success"), &json!("finished"))
    );
}

#[tokio::test]
async fn what_does_not_end_in_time_is_given_back_and_goes_on_at_the_next_start() {
    let never = std::sync::Arc::new(Notify::new());
    let script = [
        Reply::hold_until(&never, Reply::say("never")),
        Reply::say("the next start"),
    ];
    let mut work = Dialect::OpenAi.work(script).await;
    work.home.set("HEARTBEAT_ENGINE_DRAIN_SECONDS", "1");
    work.api.server.stop().await;
    let server = work.home.serve(&[]).await;
    let api = Api::new(server, &work.api.project_id, &work.api.key);
    let execution = api.begin(&work.heartbeat).await;
    within("the turn", work.model.wait_for_requests(1)).await;
    let waiting = api.act("trigger", &work.heartbeat).await.ok();
    assert_eq!(waiting["result"]["reason"], "previous_run_active");
    api.server.stop().await;
    let server = work.home.serve(&[]).await;
    let api = Api::new(server, &api.project_id, &api.key);
    let log = api.ended(&work.bot, &execution).await;
    assert_eq!(log["log"]["response"], "the next start", "{log:#}");
    let steps = log["steps"].as_array().unwrap();
    assert_eq!(texts(steps, "state"), ["done", "lost_turn", "done"]);
}

#[tokio::test]
async fn a_page_that_looks_on_keeps_no_server_from_stopping() {
    let home = Home::new();
    let server = home.serve(&[]).await;
    let link = home.run(&["login", "--json"]).await.json();
    let visitor = Visitor::sign_in(&server.address, link["url"].as_str().unwrap()).await;
    let mut live = TcpStream::connect(&server.address).await.unwrap();
    let (address, accept) = (&server.address, "Accept: text/event-stream");
    let ask = format!(
        "GET /live HTTP/1.1\r\nHost: {address}\r\n{accept}\r\nCookie: {}\r\n\r\n",
        visitor.session
    );
    live.write_all(ask.as_bytes()).await.unwrap();
    let mut begun = [0; 12];
    within("the live view", live.read_exact(&mut begun))
        .await
        .unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    server.stop().await;
}
