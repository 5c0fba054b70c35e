//! What the processes on one database tell each other: it is heard, it comes back after a break, and
//! a flood of it takes no more room than it may.

use std::sync::Arc;
use std::time::Duration;

use heartbeat_domain::ids::IdSource;
use heartbeat_store::bell::{Bell, Heard};
use heartbeat_store::postgres::{OpenOptions, PostgresStore};
use heartbeat_testkit::losing_way::LosingWay;
use heartbeat_testkit::postgres::cluster;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::mpsc::Receiver;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends every connection that listens.
const CUT: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
    WHERE datname = current_database() AND query LIKE 'LISTEN%'";

async fn open(url: &str, options: OpenOptions) -> PostgresStore {
    let ids = Arc::new(IdSource::from_system().unwrap());
    PostgresStore::open(url, ids, options).await.unwrap()
}

/// Two processes on one database.
async fn two(url: &str) -> (PostgresStore, PostgresStore) {
    let options = OpenOptions::default();
    (open(url, options).await, open(url, options).await)
}

async fn next(heard: &mut Receiver<Heard>) -> Heard {
    let next = tokio::time::timeout(PATIENCE, heard.recv()).await;
    let next = next.expect("something is heard in time");
    next.expect("it is listened on")
}

/// The next line, whatever gaps there are before it.
async fn next_line(heard: &mut Receiver<Heard>) -> String {
    loop {
        if let Heard::Line(line) = next(heard).await {
            return line;
        }
    }
}

/// Listens, and returns once it is heard what others say from then on.
async fn listening(bell: &Arc<dyn Bell>) -> Receiver<Heard> {
    let mut heard = bell.listen();
    assert_eq!(
        next(&mut heard).await,
        Heard::Gap,
        "what was before is unknown"
    );
    heard
}

#[tokio::test]
async fn what_one_process_says_the_others_hear_and_it_does_not() {
    let url = cluster().database();
    let (one, two) = two(&url).await;
    let (here, there) = (one.bell(), two.bell());
    let (mut hears, mut hears_there) = (listening(&here).await, listening(&there).await);
    for n in 0..500 {
        here.ring(format!("line {n}, with \"quotes\" and ünïcode"));
    }
    here.ring_once("due");
    let mut lines = Vec::new();
    for _ in 0..=500 {
        lines.push(next_line(&mut hears_there).await);
    }
    lines.retain(|line| line != "due");
    let expected: Vec<_> = (0..500)
        .map(|n| format!("line {n}, with \"quotes\" and ünïcode"))
        .collect();
    assert_eq!(lines, expected, "all of them, in order");
    there.ring("an answer".into());
    assert_eq!(next(&mut hears).await, Heard::Line("an answer".into()));
    assert!(hears.try_recv().is_err(), "nobody hears himself");
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn who_says_something_and_ends_at_once_is_heard() {
    let url = cluster().database();
    let (one, two) = two(&url).await;
    let mut heard = listening(&two.bell()).await;
    let bell = one.bell();
    bell.ring("the last word".into());
    one.close().await;
    assert_eq!(next_line(&mut heard).await, "the last word");
    two.close().await;
    let ended = tokio::time::timeout(PATIENCE, heard.recv()).await;
    assert_eq!(ended.expect("it ends with its store"), None);
}

#[tokio::test]
async fn a_connection_that_listens_and_is_cut_comes_back_and_tells_of_the_gap() {
    let url = cluster().database();
    let (one, two) = two(&url).await;
    let (here, mut heard) = (one.bell(), listening(&two.bell()).await);
    let mut conn = PgConnection::connect(&url).await.unwrap();
    for round in 0..3 {
        let cut: i64 = sqlx::query_scalar(CUT).fetch_one(&mut conn).await.unwrap();
        assert_eq!(cut, 1, "it has one connection to listen on");
        assert_eq!(next(&mut heard).await, Heard::Gap);
        here.ring(format!("round {round}"));
        assert_eq!(next_line(&mut heard).await, format!("round {round}"));
    }
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn a_server_that_falls_silent_and_comes_back_is_heard_again() {
    let url = cluster().database();
    let (way, over_way) = LosingWay::to(&url).await;
    let one = open(&url, OpenOptions::default()).await;
    let impatient = OpenOptions {
        patience: Duration::from_millis(500),
        quiet: Duration::from_millis(200),
        ..OpenOptions::default()
    };
    let two = open(&over_way, impatient).await;
    let mut heard = listening(&two.bell()).await;
    one.bell().ring("before".into());
    assert_eq!(next_line(&mut heard).await, "before");
    way.fall_silent();
    // The connection stands as far as either end knows, and nothing comes over it any more.
    one.bell().ring("unheard".into());
    way.speak_again();
    assert_eq!(next(&mut heard).await, Heard::Gap, "it listens anew");
    one.bell().ring("after".into());
    assert_eq!(next_line(&mut heard).await, "after");
    one.close().await;
}

#[tokio::test]
async fn a_flood_is_cut_off_and_what_comes_after_it_is_heard() {
    let url = cluster().database();
    let (one, two) = two(&url).await;
    let (here, mut heard) = (one.bell(), listening(&two.bell()).await);
    // Nothing can be said in between: this thread does not wait.
    for n in 0..20_000 {
        here.ring(format!("{n:0>1000}"));
    }
    here.say_the_rest().await;
    let mut lines = 0;
    here.ring("calm".into());
    let mut gaps = 0;
    loop {
        match next(&mut heard).await {
            Heard::Line(line) if line == "calm" => break,
            Heard::Line(_) => lines += 1,
            Heard::Gap => gaps += 1,
        }
    }
    assert!(
        (100..=300).contains(&lines),
        "{lines} lines were let through"
    );
    assert_eq!(gaps, 1, "that there were more is said");
    one.close().await;
    two.close().await;
}
