//! The history in months, where the database can divide a table: made ahead, filled, dropped whole.

use std::collections::BTreeMap;

use futures::future::join;
use heartbeat_domain::claim::Hold;
use heartbeat_domain::execution::{Ending, Outcome};
use heartbeat_store::Store;
use heartbeat_store::verbs::{Fires as _, HistoryKept, Tended};
use heartbeat_testkit::postgres::cluster;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::world::{World, answer, minute, open_database, turn};

/// A database whose history these cases look into.
struct Past {
    w: World,
    conn: PgConnection,
    url: String,
}

impl Past {
    async fn new() -> Self {
        let url = cluster().database();
        let w = World::postgres_at(&url).await;
        let conn = PgConnection::connect(&url).await.unwrap();
        Self { w, conn, url }
    }

    /// Tends until there is nothing to be done; answers what was.
    async fn tend(&self, kept: HistoryKept, now: Timestamp) -> Vec<Tended> {
        let mut done = Vec::new();
        loop {
            match self.w.store.tend_history(kept, now).await.unwrap() {
                Tended::Done => return done,
                one => done.push(one),
            }
            assert!(done.len() < 100, "it does not end: {done:?}");
        }
    }

    /// How many rows each part has; its name as PostgreSQL keeps it.
    async fn rows(&mut self) -> BTreeMap<String, i64> {
        let text = "SELECT tableoid::regclass::TEXT, COUNT(*) FROM executions GROUP BY 1 \
            UNION ALL SELECT tableoid::regclass::TEXT, COUNT(*) FROM steps GROUP BY 1";
        let rows: Vec<(String, i64)> = sqlx::query_as(text)
            .fetch_all(&mut self.conn)
            .await
            .unwrap();
        rows.into_iter().collect()
    }

    async fn execute(&mut self, text: &str) {
        let text = AssertSqlSafe(text.to_owned());
        sqlx::query(text).execute(&mut self.conn).await.unwrap();
    }

    /// Begins an execution with one turn on record; answers its hold.
    async fn begin(&self, now: Timestamp) -> Hold {
        let heartbeat = self.w.every(30, now - SignedDuration::from_mins(60)).await;
        let node = self.w.node(now).await;
        // What fell due while no node was live is let go over a minute.
        let now = now + SignedDuration::from_secs(61);
        self.w.renew(node, now).await;
        let claims = self.w.claim(node, 10, now).await;
        let claim = claims
            .into_iter()
            .find(|claim| claim.execution.heartbeat_id == Some(heartbeat.id));
        let hold = claim.unwrap().hold;
        self.w
            .store
            .open_journal(&hold, &json!({}), now)
            .await
            .unwrap();
        self.go_on(&hold, 1, now).await;
        hold
    }

    async fn go_on(&self, hold: &Hold, seq: u32, now: Timestamp) {
        go_on(&*self.w.store, hold, seq, now).await;
    }
}

/// Puts one more turn on record.
async fn go_on(store: &dyn Store, hold: &Hold, seq: u32, now: Timestamp) {
    store
        .begin_turn(hold, &turn(seq, 10, 10), now)
        .await
        .unwrap();
    store
        .record_turn(hold, &answer(seq, 5, 5), now)
        .await
        .unwrap();
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn made(parts: &[&str]) -> Vec<Tended> {
    parts
        .iter()
        .map(|part| Tended::Made((*part).into()))
        .collect()
}

fn kept(from: &str) -> HistoryKept {
    HistoryKept {
        steps_from: Some(at(from)),
        rows_from: Some(at(from)),
    }
}

const MONTHS: [&str; 8] = [
    "executions_2026_11",
    "executions_2026_12",
    "executions_2027_01",
    "executions_2027_02",
    "steps_2026_11",
    "steps_2026_12",
    "steps_2027_01",
    "steps_2027_02",
];

#[tokio::test]
async fn months_are_made_ahead_and_take_in_what_was_written_before_them() {
    let mut past = Past::new().await;
    let hold = past.begin(minute(60)).await;
    let rows = past.rows().await;
    assert_eq!((rows["executions_other"], rows["steps_other"]), (1, 2));
    let done = past.tend(HistoryKept::default(), minute(61)).await;
    assert_eq!(done, made(&MONTHS));
    let rows = past.rows().await;
    assert_eq!((rows["executions_2026_11"], rows["steps_2026_11"]), (1, 2));
    assert_eq!(rows.len(), 2, "{rows:?}");
    past.go_on(&hold, 2, minute(63)).await;
    let settled = past
        .w
        .finish(&hold, Outcome::Success, minute(64))
        .await
        .unwrap();
    assert_eq!(settled.execution.due_at, minute(60));
    past.begin(at("2026-12-05T10:00:00Z")).await;
    let rows = past.rows().await;
    // One more row, which covers what was missed since.
    assert_eq!((rows["executions_2026_11"], rows["steps_2026_11"]), (2, 3));
    assert_eq!(rows["steps_2026_12"], 2);
    let next = past
        .tend(HistoryKept::default(), at("2026-12-05T11:00:00Z"))
        .await;
    assert_eq!(next, made(&["executions_2027_03", "steps_2027_03"]));
    assert_eq!(past.w.ended().await.last().unwrap().id, hold.execution_id);
}

#[tokio::test]
async fn a_moment_from_before_all_months_gets_its_month_and_one_out_of_this_world_waits() {
    let mut past = Past::new().await;
    past.tend(HistoryKept::default(), minute(0)).await;
    past.begin(at("2026-07-31T23:30:00Z")).await;
    past.begin(at("2199-01-01T00:00:00Z")).await;
    let done = past.tend(HistoryKept::default(), minute(0)).await;
    assert_eq!(done, made(&["executions_2026_07", "steps_2026_07"]));
    let rows = past.rows().await;
    assert_eq!((rows["executions_2026_07"], rows["steps_2026_07"]), (1, 2));
    assert!(rows["executions_other"] >= 1, "{rows:?}");
}

#[tokio::test]
async fn a_month_goes_whole_a_day_after_nobody_keeps_of_it_and_not_while_it_is_open() {
    let mut past = Past::new().await;
    past.tend(HistoryKept::default(), minute(0)).await;
    let hold = past.begin(minute(60)).await;
    assert_eq!(
        past.tend(kept("2026-12-02T00:00:00Z"), minute(60)).await,
        []
    );
    past.w
        .finish(&hold, Outcome::Success, minute(61))
        .await
        .unwrap();
    assert_eq!(
        past.tend(kept("2026-12-01T23:59:59Z"), minute(62)).await,
        []
    );
    // The month it is now would be made again at once; so look from the next.
    let now = at("2026-12-03T00:00:00Z");
    let done = past.tend(kept("2026-12-02T00:00:00Z"), now).await;
    let dropped = |part: &str| Tended::Dropped(part.into());
    assert_eq!(
        done,
        [
            made(&["executions_2027_03"]),
            vec![dropped("executions_2026_11")],
            made(&["steps_2027_03"]),
            vec![dropped("steps_2026_11")],
        ]
        .concat()
    );
    assert_eq!(past.rows().await, BTreeMap::new());
    let gone = past.w.store.execution(hold.project_id, hold.execution_id);
    gone.await.unwrap_err();
    assert_eq!(past.tend(kept("2026-12-02T00:00:00Z"), now).await, []);
}

#[tokio::test]
async fn steps_that_wait_for_a_person_keep_their_month_as_long_as_their_rows_are_kept() {
    let mut past = Past::new().await;
    past.tend(HistoryKept::default(), minute(0)).await;
    let hold = past.begin(minute(60)).await;
    past.w
        .finish(&hold, Outcome::Success, minute(61))
        .await
        .unwrap();
    past.execute("UPDATE executions SET needs_review = TRUE")
        .await;
    let now = at("2026-12-30T00:00:00Z");
    let steps_only = HistoryKept {
        steps_from: Some(at("2026-12-20T00:00:00Z")),
        rows_from: None,
    };
    let done = past.tend(steps_only, now).await;
    assert_eq!(done, made(&["executions_2027_03", "steps_2027_03"]));
    past.execute("UPDATE executions SET needs_review = FALSE")
        .await;
    let done = past.tend(steps_only, now).await;
    assert_eq!(done, [Tended::Dropped("steps_2026_11".into())]);
    let rows = past.rows().await;
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["executions_2026_11"]);
}

#[tokio::test]
async fn nodes_that_tend_together_make_each_month_once() {
    let past = Past::new().await;
    let (mut made, mut rounds) = (Vec::new(), 0);
    loop {
        let tend = || past.w.store.tend_history(HistoryKept::default(), minute(0));
        let (one, other) = join(tend(), tend()).await;
        // One that waited too long for the other comes again.
        let answers: Vec<Tended> = [one, other].into_iter().flatten().collect();
        if !answers.is_empty() && answers.iter().all(|one| *one == Tended::Done) {
            break;
        }
        made.extend(answers.into_iter().filter(|one| *one != Tended::Done));
        rounds += 1;
        assert!(rounds < 100, "{made:?}");
    }
    let mut names: Vec<String> = made.iter().map(|one| format!("{one:?}")).collect();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), made.len()), (MONTHS.len(), MONTHS.len()));
}

/// Scans of each part so far. The server counts them when whoever made them goes, so all others are
/// sent away.
async fn scans(conn: &mut PgConnection) -> BTreeMap<String, i64> {
    const OTHERS: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid() \
        AND backend_type = 'client backend'";
    const SCANS: &str = "SELECT relname::TEXT, (seq_scan + COALESCE(idx_scan, 0))::BIGINT \
        FROM pg_stat_user_tables WHERE relname LIKE 'executions@_%' ESCAPE '@' \
        OR relname LIKE 'steps@_%' ESCAPE '@'";
    while sqlx::query_scalar::<_, i64>(OTHERS)
        .fetch_one(&mut *conn)
        .await
        .unwrap()
        > 0
    {}
    let rows: Vec<(String, i64)> = sqlx::query_as(SCANS).fetch_all(conn).await.unwrap();
    rows.into_iter().collect()
}

#[tokio::test]
async fn what_goes_on_in_one_month_leaves_the_others_alone() {
    let mut past = Past::new().await;
    past.tend(HistoryKept::default(), minute(0)).await;
    let hold = past.begin(minute(60)).await;
    let before = scans(&mut past.conn).await;
    let store = open_database(&past.url).await.unwrap();
    go_on(&store, &hold, 2, minute(61)).await;
    let ending = Ending::plain(Outcome::Success);
    store.finish(&hold, &ending, &[], minute(62)).await.unwrap();
    store.close().await;
    let after = scans(&mut past.conn).await;
    let touched: Vec<&str> = after
        .iter()
        .filter(|(part, scans)| before.get(*part) != Some(*scans))
        .map(|(part, _)| part.as_str())
        .collect();
    assert_eq!(touched, ["executions_2026_11", "steps_2026_11"]);
}

#[tokio::test]
async fn a_month_that_fills_up_is_counted_before_the_server_comes_to_it() {
    let mut past = Past::new().await;
    past.tend(HistoryKept::default(), minute(0)).await;
    assert_eq!(past.w.store.take_stock().await.unwrap(), [""; 0]);
    past.begin(minute(60)).await;
    let copies = "INSERT INTO executions (project_id, id, bot_id, heartbeat_id, kind, triggered_by, \
        due_at, phase, prompt, response, tokens_used, micro_spent, micro_reserved, credits_charged, \
        missed_reason, needs_review, fence, claimable_at, created_at) \
        SELECT project_id, gen_random_uuid(), bot_id, heartbeat_id, kind, triggered_by, \
        due_at + n, phase, prompt, response, tokens_used, micro_spent, micro_reserved, \
        credits_charged, missed_reason, needs_review, fence, created_at, created_at \
        FROM executions, generate_series(1, 4000) AS n";
    past.execute(copies).await;
    let counted = past.w.store.take_stock().await.unwrap();
    assert_eq!(counted, ["executions_2026_11"]);
    let known: f32 = sqlx::query_scalar(
        "SELECT reltuples FROM pg_class WHERE oid = 'executions_2026_11'::regclass",
    )
    .fetch_one(&mut past.conn)
    .await
    .unwrap();
    assert_eq!(known, 4001.0);
    assert_eq!(past.w.store.take_stock().await.unwrap(), [""; 0]);
}

/// How often parts without rows were read from end to end; making one does so.
async fn read_from_end_to_end(past: Past) -> Vec<(String, i64)> {
    let Past { w, mut conn, .. } = past;
    scans(&mut conn).await;
    drop(w);
    let text = "SELECT relname::TEXT, seq_scan FROM pg_stat_user_tables \
        WHERE relname IN ('executions_2026_12', 'steps_2026_12') ORDER BY relname";
    sqlx::query_as(text).fetch_all(&mut conn).await.unwrap()
}

#[tokio::test]
async fn a_plan_made_while_a_table_was_empty_still_finds_rows_by_their_key() {
    let at_rest = Past::new().await;
    at_rest.tend(HistoryKept::default(), minute(0)).await;
    let past = Past::new().await;
    past.tend(HistoryKept::default(), minute(0)).await;
    let hold = past.begin(minute(60)).await;
    for seq in 2..=8 {
        past.go_on(&hold, seq, minute(61)).await;
    }
    let before = read_from_end_to_end(at_rest).await;
    assert_eq!(before.len(), 2);
    assert_eq!(read_from_end_to_end(past).await, before);
}
