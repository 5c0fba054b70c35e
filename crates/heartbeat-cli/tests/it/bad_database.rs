//! A database that cannot be used: each case said plainly, nothing lost, and where the process
//! lives, the next fire still comes.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use heartbeat_domain::ids::IdSource;
use heartbeat_store::sqlite::{OpenOptions, SqliteStore};
use heartbeat_testkit::model_server::{ModelServer, Reply};
use serde_json::json;

use crate::support::api::{Api, covered, texts};
use crate::support::home::{Home, Ran};
use crate::support::server::Server;
use crate::support::wait::until;

/// A directory with a database in it, all of it in its one file, and nobody at work.
async fn database() -> Home {
    let home = Home::new();
    home.project("acme", "self_hosted").await;
    home.serve(&[]).await.stop().await;
    assert!(!home.path("heartbeat.db-wal").exists());
    home
}

/// How `serve`, and a command, refuse to work.
async fn refusals(home: &Home) -> [Ran; 2] {
    let served = home.try_serve(&[]).await.err().expect("it is refused");
    [served, home.run(&["project", "list"]).await]
}

#[track_caller]
fn says(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.stdout.is_empty(), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "no `{word}` in {ran:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let home = database().await;
    let file = home.path("heartbeat.db");
    std::fs::write(&file, "this is a letter, not a database\n".repeat(500)).unwrap();
    let before = std::fs::read(&file).unwrap();
    for refused in refusals(&home).await {
        says(
            &refused,
            1,
            &["heartbeat.db", "not a SQLite database", "restore a backup"],
        );
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let home = database().await;
    let file = home.path("heartbeat.db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4_096..].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    for refused in refusals(&home).await {
        says(&refused, 1, &["damaged", "restore a backup"]);
    }
}

#[tokio::test]
async fn a_database_that_needs_a_newer_version_is_refused_and_left_as_it_is() {
    let home = database().await;
    let ids = Arc::new(IdSource::from_seed(1));
    let file = home.path("heartbeat.db");
    let store = SqliteStore::open(&file, ids, OpenOptions::default())
        .await
        .unwrap();
    let newer = "INSERT INTO migrations (number, name, needs) VALUES (9999, 'of_tomorrow', 9999)";
    store.execute_unchecked(newer.to_owned()).await.unwrap();
    store.close().await;
    for refused in refusals(&home).await {
        says(
            &refused,
            1,
            &["newer version", "9999", "upgrade the program"],
        );
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let home = Home::new();
    let refused = home.run(&["list"]).await;
    says(&refused, 1, &["there is no database", "heartbeat serve"]);
    assert!(!home.path("heartbeat.db").exists(), "looking makes nothing");
}

#[tokio::test]
async fn a_missing_or_wrong_key_file_is_refused_and_the_right_one_taken_back() {
    let home = database().await;
    let (key, away) = (home.path("heartbeat.db.key"), home.path("away"));
    std::fs::rename(&key, &away).unwrap();
    for refused in refusals(&home).await {
        says(&refused, 1, &["heartbeat.db.key", "missing", "--key-file"]);
    }
    assert!(!key.exists(), "no other key is made");

    let other = Home::new();
    other.project("other", "self_hosted").await;
    std::fs::copy(other.path("heartbeat.db.key"), &key).unwrap();
    for refused in refusals(&home).await {
        says(&refused, 1, &["another key"]);
    }
    std::fs::write(&key, "no key at all").unwrap();
    for refused in refusals(&home).await {
        says(&refused, 1, &["heartbeat.db.key", "32 bytes"]);
    }
    std::fs::rename(&away, &key).unwrap();
    home.serve(&[]).await.stop().await;
}

#[tokio::test]
async fn a_directory_that_does_not_exist_is_named() {
    let home = Home::new();
    let nowhere = ["--database", "sqlite://nowhere/heartbeat.db"];
    let refused = home.try_serve(&nowhere).await.err().unwrap();
    says(&refused, 5, &["nowhere/heartbeat.db"]);
    let refused = home
        .try_serve(&["--database", "mysql://db"])
        .await
        .err()
        .unwrap();
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("sqlite://"), "{refused:?}");
}

/// Sets the permissions of a path.
fn permit(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Permissions mean nothing to root, who becomes nobody for this, with a copy of the binary that
/// nobody may run.
async fn serve_as_nobody(home: &Home) -> Result<Server, Ran> {
    let is_root = std::fs::metadata(home.dir()).unwrap().uid() == 0;
    let binary = home.path("bin/heartbeat");
    let mut command = home.command(binary.to_str().unwrap());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    if is_root {
        command.uid(65_534).gid(65_534);
    }
    Server::start(command.spawn().unwrap()).await
}

#[tokio::test]
async fn a_directory_or_file_that_is_read_only_is_said_to_be() {
    let home = database().await;
    std::fs::create_dir(home.path("bin")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_heartbeat"), home.path("bin/heartbeat")).unwrap();
    permit(&home.path("bin/heartbeat"), 0o755);
    permit(&home.path("bin"), 0o755);
    // The directory may not be written.
    permit(home.dir(), 0o555);
    let refused = serve_as_nobody(&home).await.err().unwrap();
    says(&refused, 5, &["heartbeat.db"]);
    let plain = ["ermission denied", "read-only"];
    assert!(
        plain.iter().any(|words| refused.stderr.contains(words)),
        "{refused:?}"
    );
    // The directory may, the file may not.
    permit(home.dir(), 0o777);
    permit(&home.path("heartbeat.db"), 0o444);
    permit(&home.path("heartbeat.db.key"), 0o444);
    let _none_yet = std::fs::remove_file(home.path("heartbeat.db.lock"));
    let refused = serve_as_nobody(&home).await.err().unwrap();
    says(&refused, 5, &["heartbeat.db", "read-only", "writable"]);
    permit(&home.path("heartbeat.db"), 0o666);
    home.run(&["project", "list"]).await.ok();
}

/// Sets how large a file of a process may become, which is how a disk fills up for one process.
async fn limit(server: &Server, bytes: &str) {
    let script = format!("prlimit --pid {} --fsize={bytes}:unlimited", server.pid());
    let set = tokio::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .await
        .unwrap();
    assert!(
        set.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&set.stderr)
    );
}

#[tokio::test]
async fn a_full_disk_is_said_loses_nothing_and_the_next_fire_still_comes() {
    let model = ModelServer::answering(|_| Reply::say("HEARTBEAT_OK")).await;
    let home = Home::new().with_openai(&model).with_clock(60);
    let (project_id, key) = home.project("acme", "self_hosted").await;
    // A process that is not asked to ignore the signal dies of the first write that is too long.
    let script = format!(
        "trap '' XFSZ; exec {} serve --listen 127.0.0.1:0",
        env!("CARGO_BIN_EXE_heartbeat")
    );
    let child = home.command("sh").args(["-c", &script]).spawn().unwrap();
    let api = Api::new(Server::start(child).await.unwrap(), &project_id, &key);
    let bot = api.bot("Scout", "openai/scripted-model").await;
    let fields = json!({ "prompt": "Look.", "interval_minutes": 1, "enabled": true });
    let heartbeat = api.configure(&bot, fields).await;
    let fires = async |count: usize| {
        until("fires", || async {
            let logs = api.logs(&bot, "status=success").await;
            (logs.len() >= count).then_some(logs)
        })
        .await
    };
    fires(1).await;

    limit(&api.server, "1").await;
    api.server.stderr.wait_for("disk").await;
    let refused = api.act("disable", &heartbeat).await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (503, &json!("UNAVAILABLE"))
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(
        api.read(&heartbeat).await["enabled"],
        1,
        "nothing of it happened"
    );

    limit(&api.server, "unlimited").await;
    let before = api.logs(&bot, "status=success").await.len();
    fires(before + 2).await;
    api.act("disable", &heartbeat).await.ok();
    let mut rows = api.logs(&bot, "per_page=100").await;
    rows.reverse();
    let created = heartbeat["created_at"].as_str().unwrap();
    let count = rows
        .iter()
        .map(|row| row["missed_count"].as_u64().unwrap_or(1))
        .sum::<u64>();
    let count = count.to_string();
    let next = ["next", "--interval-minutes", "1", "--from", created];
    let next = [&next[..], &["--count", &count]].concat();
    let expected = home.run(&next).await.ok();
    assert_eq!(
        covered(&rows),
        expected.lines().collect::<Vec<_>>(),
        "{rows:#?}"
    );
    assert!(
        texts(&rows, "status")
            .iter()
            .all(|status| ["success", "skipped"].contains(status))
    );
    api.server.stop().await;
}
