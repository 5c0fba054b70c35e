//! Declared servers as child processes, scripted in sh: their environment, their number, their end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use heartbeat_domain::tool::Place;
use heartbeat_tools::{
    CallEnd, Declared, DeclaredServers, HandCall, Hands, McpHands, Outgoing, Server,
};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::support::{PATIENCE, call, install_tls, not_made, server, text, unknown};

/// A correct tool server in nothing but sh. `CALL` is what it does when it is called, with the id of
/// the request in `$id`; it holds `$LIFE` open as long as anything of it lives.
const SERVER: &str = r#"
exec 9>"$LIFE"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
say() { answer "{\"content\":[{\"type\":\"text\",\"text\":\"$1\"}]}"; }
while IFS= read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *'"initialize"'*) answer '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}';;
    *'"tools/list"'*) answer '{"tools":[{"name":"run","inputSchema":{"type":"object"}}]}';;
    *'"tools/call"'*) CALL;;
    *'"ping"'*) answer '{}';;
  esac
done
"#;

/// A declared server and the pipe by which a test sees that all of it has ended.
struct Child {
    folder: tempfile::TempDir,
    life: pipe::Receiver,
    declared: Declared,
}

impl Child {
    fn that(does: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("life");
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let life = pipe::OpenOptions::new().open_receiver(&fifo).unwrap();
        let script = folder.path().join("server.sh");
        std::fs::write(&script, SERVER.replace("CALL", does)).unwrap();
        let declared = Declared {
            program: PathBuf::from("/bin/sh"),
            args: vec![script.display().to_string()],
            env: BTreeMap::from([
                ("LIFE".to_owned(), fifo.display().to_string()),
                ("FOLDER".to_owned(), folder.path().display().to_string()),
            ]),
            projects: None,
        };
        Self {
            folder,
            life,
            declared,
        }
    }

    /// Waits until every process that inherited the pipe has ended.
    async fn ended(&mut self) {
        let mut said = Vec::new();
        let end = self.life.read_to_end(&mut said);
        tokio::time::timeout(PATIENCE, end)
            .await
            .expect("a process of the group goes on living")
            .unwrap();
    }
}

fn hands(children: &[(&str, &Child)], processes_max: usize) -> McpHands {
    install_tls();
    let named = |&(name, child): &(&str, &Child)| (name.to_owned(), child.declared.clone());
    let declared = DeclaredServers(children.iter().map(named).collect());
    McpHands::new(Outgoing::default(), declared, processes_max)
}

fn declared(name: &str) -> Server {
    server(Place::Declared { name: name.into() })
}

fn short(within: Duration) -> HandCall {
    HandCall {
        within,
        ..call("run", json!({}))
    }
}

fn run() -> HandCall {
    short(PATIENCE)
}

#[tokio::test]
async fn a_declared_server_is_listed_and_called() {
    let child = Child::that("say hello");
    let hands = hands(&[("house", &child)], 2);
    let tools = hands.list(&declared("house")).await.unwrap();
    assert_eq!(tools[0].name, "run");
    assert_eq!(text(hands.call(&declared("house"), &run()).await), "hello");
}

#[tokio::test]
async fn a_child_sees_what_is_declared_and_nothing_of_ours() {
    let mut child = Child::that("say \"$(tr '\\0' ' ' < /proc/$$/environ)\"");
    child
        .declared
        .env
        .insert("TOKEN".into(), "declared-value".into());
    let hands = hands(&[("house", &child)], 2);
    let seen = text(hands.call(&declared("house"), &run()).await);
    let mut names: Vec<&str> = seen
        .split_whitespace()
        .map(|pair| pair.split('=').next().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["FOLDER", "LIFE", "TOKEN"]);
    assert!(
        seen.contains("TOKEN=[secret]"),
        "it has it and may not show it: {seen}"
    );
    assert!(
        std::env::var("PATH").is_ok(),
        "the test has an environment to leak"
    );
}

#[tokio::test]
async fn calls_share_one_process() {
    let child = Child::that("say $$");
    let hands = hands(&[("house", &child)], 2);
    let first = text(hands.call(&declared("house"), &run()).await);
    let second = text(hands.call(&declared("house"), &run()).await);
    assert_eq!(first, second);
}

#[tokio::test]
async fn what_is_not_declared_for_a_project_starts_nothing() {
    let mut child = Child::that("say hello");
    child.declared.projects = Some(vec![declared("house").project_id]);
    let started = child.folder.path().join("started");
    let script = child.declared.args[0].clone();
    let body = std::fs::read_to_string(&script).unwrap();
    std::fs::write(&script, format!("echo > {}\n{body}", started.display())).unwrap();
    let hands = hands(&[("house", &child)], 2);
    let remote = Server {
        local_access: false,
        ..declared("house")
    };
    for (asked, code) in [
        (declared("other"), "NOT_DECLARED"),
        (declared("house"), "NOT_DECLARED"),
        (declared("/bin/sh"), "NOT_DECLARED"),
        (remote, "LOCAL_ACCESS_OFF"),
    ] {
        assert_eq!(hands.check(&asked).unwrap_err().code, code);
        assert_eq!(hands.list(&asked).await.unwrap_err().code, code);
        not_made(hands.call(&asked, &run()).await);
    }
    assert!(!started.exists());

    let mine = Server {
        project_id: child.declared.projects.as_ref().unwrap()[0],
        ..declared("house")
    };
    assert_eq!(text(hands.call(&mine, &run()).await), "hello");
    assert!(started.exists());
}

#[tokio::test]
async fn a_child_that_dies_in_a_call_leaves_it_open_and_the_next_call_starts_another() {
    let once = "if [ -e $FOLDER/died ]; then say again; else > $FOLDER/died; echo 'out of ink' >&2; exit 3; fi";
    let child = Child::that(once);
    let hands = hands(&[("house", &child)], 2);
    let message = unknown(hands.call(&declared("house"), &run()).await);
    assert!(message.contains("ended"), "{message}");
    assert_eq!(text(hands.call(&declared("house"), &run()).await), "again");
}

#[tokio::test]
async fn a_child_that_dies_at_its_start_says_its_last_words() {
    let mut child = Child::that("say never");
    std::fs::write(&child.declared.args[0], "echo 'no license' >&2; exit 1").unwrap();
    let hands = hands(&[("house", &child)], 2);
    let refused = hands.list(&declared("house")).await.unwrap_err();
    assert_eq!(refused.code, "TOOL_SERVER_UNREACHABLE");
    assert!(refused.message.contains("ended"), "{refused}");
    not_made(hands.call(&declared("house"), &run()).await);

    child.declared.program = "/nonexistent/server".into();
    let hands = self::hands(&[("house", &child)], 2);
    let message = not_made(hands.call(&declared("house"), &run()).await);
    assert!(message.contains("/nonexistent/server"), "{message}");
}

#[tokio::test]
async fn a_child_that_hangs_is_killed_with_everything_that_it_started() {
    let mut child = Child::that("sleep 1000 & sleep 1000");
    let hands = hands(&[("house", &child)], 2);
    let end = hands
        .call(&declared("house"), &short(Duration::from_secs(2)))
        .await;
    let message = unknown(end);
    assert!(message.contains("no answer within 2 seconds"), "{message}");
    child.ended().await;
}

#[tokio::test]
async fn a_child_that_floods_is_cut_off() {
    let mut child = Child::that("while :; do printf '%04096d' 7; done");
    let hands = hands(&[("house", &child)], 2);
    let message = unknown(hands.call(&declared("house"), &run()).await);
    assert!(message.contains("more than is read"), "{message}");
    drop(hands);
    child.ended().await;
}

#[tokio::test]
async fn words_between_the_messages_are_ignored() {
    let child = Child::that("echo 'starting the engine'; echo '{}'; say hello");
    let hands = hands(&[("house", &child)], 2);
    assert_eq!(text(hands.call(&declared("house"), &run()).await), "hello");
}

#[tokio::test]
async fn an_idle_process_makes_room_for_another() {
    let mut first = Child::that("say first");
    let second = Child::that("say second");
    let hands = hands(&[("first", &first), ("second", &second)], 1);
    assert_eq!(text(hands.call(&declared("first"), &run()).await), "first");
    assert_eq!(
        text(hands.call(&declared("second"), &run()).await),
        "second"
    );
    first.ended().await;
}

#[tokio::test]
async fn a_busy_process_is_left_alone_and_who_waited_too_long_is_told() {
    let busy = Child::that("> $FOLDER/called; sleep 1000");
    let other = Child::that("say other");
    let hands = hands(&[("busy", &busy), ("other", &other)], 1);
    let (occupied, waits) = (declared("busy"), declared("other"));
    let (long, brief) = (short(PATIENCE), short(Duration::from_millis(300)));
    let working = hands.call(&occupied, &long);
    tokio::pin!(working);
    // Until it is at work, the busy one is driven alone.
    while !busy.folder.path().join("called").exists() {
        tokio::select! {
            end = &mut working => panic!("it ended: {end:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    let message = tokio::select! {
        end = &mut working => panic!("it ended: {end:?}"),
        end = hands.call(&waits, &brief) => not_made(end),
    };
    assert!(message.contains("mcp_processes"), "{message}");
}

#[tokio::test]
async fn processes_end_with_the_node() {
    let mut child = Child::that("sleep 1000 9>&9 & say started");
    let hands = hands(&[("house", &child)], 2);
    text(hands.call(&declared("house"), &run()).await);
    hands.close().await;
    child.ended().await;

    let mut child = Child::that("sleep 1000 & say started");
    let hands = self::hands(&[("house", &child)], 2);
    text(hands.call(&declared("house"), &run()).await);
    drop(hands);
    child.ended().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled_at_the_child() {
    let child = Child::that(
        "> $FOLDER/called; IFS= read -r line; case \"$line\" in *notifications/cancelled*) > $FOLDER/cancelled;; esac; say late",
    );
    let hands = hands(&[("house", &child)], 2);
    let (asked, long) = (declared("house"), run());
    {
        let working = hands.call(&asked, &long);
        tokio::pin!(working);
        while !child.folder.path().join("called").exists() {
            tokio::select! {
                end = &mut working => panic!("it ended: {end:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    // The next call goes over the same pipe, behind the notification.
    let end = hands.call(&asked, &short(Duration::from_secs(5))).await;
    assert!(child.folder.path().join("cancelled").exists(), "{end:?}");
    assert!(!matches!(end, CallEnd::NotMade { .. }), "{end:?}");
}
