//! Two versions at work on one database: what the newer one changes lets the older one go on, and be
//! started again.
//!
//! Migrations only add until the version that needed the former shape is gone. So every statement of
//! the version before, which names its columns, works on the newest schema.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use heartbeat_domain::execution::{Outcome, Status};
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::ids::NodeId;
use heartbeat_domain::step::StepState;
use heartbeat_testkit::postgres::cluster;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::world::{World, minute, open_database, second};

/// The newest migration of the version before; moves with each release.
const PREVIOUS: i64 = 21;

/// Constraints of the version before that allow more by now. The key of executions names the part of
/// the history too.
const LOOSENED: [&str; 1] = ["executions_pkey"];

/// A column: its type, whether it may be absent, and whether it is filled in where nobody names it.
type Column = (String, bool, bool);

/// What the statements of a version rely on.
struct Shape {
    columns: BTreeMap<(String, String), Column>,
    constraints: BTreeMap<(String, String), String>,
}

const COLUMNS: &str = "SELECT table_name::TEXT, column_name::TEXT, data_type::TEXT, \
    is_nullable = 'YES', column_default IS NOT NULL OR is_identity = 'YES' \
    FROM information_schema.columns WHERE table_schema = current_schema()";

/// Constraints, and indexes that refuse a second row.
const CONSTRAINTS: &str = "SELECT conrelid::regclass::TEXT, conname::TEXT, \
    pg_get_constraintdef(oid) FROM pg_constraint \
    WHERE connamespace = current_schema()::regnamespace AND contype <> 'n' \
    UNION ALL SELECT tablename::TEXT, indexname::TEXT, \
    replace(indexdef, ' ON ONLY ', ' ON ') FROM pg_indexes \
    WHERE schemaname = current_schema() AND indexdef LIKE 'CREATE UNIQUE%'";

impl Shape {
    async fn of(conn: &mut PgConnection) -> Self {
        let columns: Vec<(String, String, String, bool, bool)> =
            sqlx::query_as(COLUMNS).fetch_all(&mut *conn).await.unwrap();
        let constraints: Vec<(String, String, String)> =
            sqlx::query_as(CONSTRAINTS).fetch_all(conn).await.unwrap();
        Self {
            columns: columns
                .into_iter()
                .map(|(table, name, kind, absent, filled)| ((table, name), (kind, absent, filled)))
                .collect(),
            constraints: constraints
                .into_iter()
                .map(|(table, name, what)| ((table, name), what))
                .collect(),
        }
    }

    fn tables(&self) -> BTreeSet<&str> {
        self.columns
            .keys()
            .map(|(table, _)| table.as_str())
            .collect()
    }

    /// What stands in the way of the statements of an `older` version.
    fn breaks(&self, older: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for ((table, name), (kind, absent, filled)) in &older.columns {
            match self.columns.get(&(table.clone(), name.clone())) {
                None => found.push(format!("{table}.{name} is gone")),
                Some((now, ..)) if now != kind => found.push(format!("{table}.{name} is {now}")),
                Some((_, now_absent, now_filled)) => {
                    let stricter =
                        *absent && !now_absent || *filled && !(*now_filled || *now_absent);
                    found.extend(stricter.then(|| format!("{table}.{name} must be named now")));
                }
            }
        }
        let tables = older.tables();
        for ((table, name), (_, absent, filled)) in &self.columns {
            let is_new = !older.columns.contains_key(&(table.clone(), name.clone()));
            if is_new && tables.contains(table.as_str()) && !absent && !filled {
                found.push(format!("{table}.{name} must be named, and nobody knew it"));
            }
        }
        for ((table, name), what) in &self.constraints {
            let before = older.constraints.get(&(table.clone(), name.clone()));
            let is_known = before == Some(what) || LOOSENED.contains(&name.as_str());
            if tables.contains(table.as_str()) && !is_known {
                found.push(format!("{table} must now keep {name}: {what}"));
            }
        }
        found
    }
}

/// Applies the migrations of the version before, as it does.
async fn previous(url: &str) -> PgConnection {
    let mut conn = PgConnection::connect(url).await.unwrap();
    run(
        &mut conn,
        "CREATE TABLE migrations (number BIGINT NOT NULL, name TEXT NOT NULL, \
        CONSTRAINT migrations_pkey PRIMARY KEY (number))",
    )
    .await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres/migrations");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let number: i64 = name[..4].parse().unwrap();
        if number <= PREVIOUS {
            run(&mut conn, &std::fs::read_to_string(&file).unwrap()).await;
            let record =
                format!("INSERT INTO migrations (number, name) VALUES ({number}, '{name}')");
            run(&mut conn, &record).await;
        }
    }
    conn
}

async fn run(conn: &mut PgConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(conn)
        .await;
    if let Err(error) = done {
        panic!("{error}: {sql}")
    }
}

#[tokio::test]
async fn what_the_version_before_says_to_the_database_still_holds() {
    let url = cluster().database();
    let mut conn = previous(&url).await;
    let older = Shape::of(&mut conn).await;
    open_database(&url).await.unwrap().close().await;
    let newer = Shape::of(&mut conn).await;
    assert_eq!(newer.breaks(&older), Vec::<String>::new());
}

#[tokio::test]
async fn what_would_stop_the_version_before_is_found() {
    let url = cluster().database();
    let mut conn = previous(&url).await;
    let older = Shape::of(&mut conn).await;
    for (change, expected) in [
        (
            "ALTER TABLE nodes DROP COLUMN awake_since",
            "nodes.awake_since is gone",
        ),
        (
            "ALTER TABLE nodes RENAME COLUMN name TO title",
            "nodes.name is gone",
        ),
        (
            "ALTER TABLE bots ALTER COLUMN credit_limit TYPE TEXT",
            "bots.credit_limit is text",
        ),
        (
            "ALTER TABLE nodes ALTER COLUMN ended_at SET NOT NULL",
            "nodes.ended_at must be named",
        ),
        (
            "ALTER TABLE nodes ADD COLUMN zone TEXT NOT NULL",
            "nodes.zone must be named",
        ),
        (
            "CREATE UNIQUE INDEX one_name ON nodes (name)",
            "nodes must now keep one_name",
        ),
        (
            "ALTER TABLE bots ADD CONSTRAINT named CHECK (name <> '')",
            "bots must now keep named",
        ),
    ] {
        let mut tx = conn.begin().await.unwrap();
        run(&mut tx, change).await;
        let breaks = Shape::of(&mut tx).await.breaks(&older);
        assert!(
            breaks.iter().any(|one| one.starts_with(expected)),
            "{change}: {breaks:?}"
        );
        tx.rollback().await.unwrap();
    }
    let mut tx = conn.begin().await.unwrap();
    run(&mut tx, "ALTER TABLE nodes ADD COLUMN zone TEXT").await;
    run(
        &mut tx,
        "CREATE TABLE zones (name TEXT NOT NULL, CHECK (name <> ''))",
    )
    .await;
    assert_eq!(
        Shape::of(&mut tx).await.breaks(&older),
        Vec::<String>::new()
    );
}

/// Rows as the version before writes them: a node that carries an execution out, in the middle of a
/// turn, and a heartbeat that waits for its end. Moments are milliseconds since 1970.
fn rows_of_the_version_before() -> String {
    let (born, due) = (minute(0).as_millisecond(), minute(30).as_millisecond());
    let lease = second(1_810).as_millisecond();
    format!(
        "INSERT INTO projects VALUES ('{PROJECT}', 'elder', 'self_hosted', NULL, {born}); \
         INSERT INTO bots (project_id, id, name, model, instruction, status, heartbeat, created_at, \
            updated_at) VALUES ('{PROJECT}', '{BOT}', 'Ada', 'openai/m', '', TRUE, TRUE, {born}, {born}); \
         INSERT INTO nodes (id, name, started_at, awake_since, lease_until, ended_at) \
            VALUES ('{NODE}', 'elder', {born}, {born}, {lease}, NULL); \
         INSERT INTO heartbeats (project_id, id, bot_id, prompt, interval_minutes, timezone, \
            max_consecutive_errors, spread_minutes, enabled, next_due_at, next_anchor, grid_since, \
            open_execution_id, open_due_at, error_count, execution_count, created_at, updated_at) \
            VALUES ('{PROJECT}', '{HEARTBEAT}', '{BOT}', 'look', 30, 'UTC', 5, 0, TRUE, {due}, 30600, \
            {born}, '{EXECUTION}', {due}, 0, 0, {born}, {born}); \
         INSERT INTO executions (project_id, id, bot_id, heartbeat_id, kind, triggered_by, due_at, \
            phase, prompt, response, tokens_used, micro_spent, micro_reserved, credits_charged, \
            missed_reason, needs_review, fence, holder, created_at, started_at) \
            VALUES ('{PROJECT}', '{EXECUTION}', '{BOT}', '{HEARTBEAT}', 'heartbeat', 'schedule', {due}, \
            'running', 'look', '', 0, 0, 0, 0, 'downtime', FALSE, 1, '{NODE}', {due}, {due}); \
         INSERT INTO steps (project_id, execution_id, seq, attempt, kind, state, name, intent, result, \
            notes, tokens, max_tokens, micro_reserved, micro_input_bound, micro_charged, fence, \
            begun_at, ended_at) VALUES \
            ('{PROJECT}', '{EXECUTION}', 0, 1, 'request', 'done', '', '{{}}', NULL, '[]', 0, 0, 0, 0, 0, 1, \
            {due}, {due}), \
            ('{PROJECT}', '{EXECUTION}', 1, 1, 'turn', 'begun', 'openai/m', '{{}}', NULL, '[]', 0, 0, 0, 0, \
            0, 1, {due}, NULL);"
    )
}

/// A fire of a heartbeat that was deleted meanwhile, with its request, as the version before writes
/// them; twice is once.
fn fire_of_the_version_before() -> String {
    let due = minute(31).as_millisecond();
    format!(
        "INSERT INTO executions (project_id, id, bot_id, heartbeat_id, member_id, kind, \
            triggered_by, due_at, phase, status, reason, prompt, response, tokens_used, micro_spent, \
            micro_reserved, credits_charged, first_due_at, last_due_at, missed_count, missed_reason, \
            needs_review, fence, holder, claimable_at, created_at, started_at, finished_at) \
            VALUES ('{PROJECT}', '{LATER}', '{BOT}', '{BOT}', NULL, 'heartbeat', 'schedule', {due}, \
            'ended', 'success', NULL, 'look', 'all well', 0, 0, 0, 0, NULL, NULL, NULL, 'downtime', \
            FALSE, 1, NULL, NULL, {due}, {due}, {due}) \
            ON CONFLICT (project_id, heartbeat_id, due_at) DO NOTHING; \
         INSERT INTO steps (project_id, execution_id, seq, attempt, kind, state, name, intent, \
            effect_id, max_tokens, micro_reserved, micro_input_bound, fence, begun_at, ended_at, \
            result, tokens, micro_charged, notes) SELECT column1::UUID, column2::UUID, 0, 1, \
            'request', 'done', '', '{{}}', NULL, 0, 0, 0, 1, {due}, {due}, NULL, 0, 0, '[]' \
            FROM (VALUES ('{PROJECT}', '{LATER}')) AS v \
            ON CONFLICT (project_id, execution_id, seq, attempt) DO NOTHING"
    )
}

const LATER: &str = "019a0000-0000-7000-8000-000000000006";
const PROJECT: &str = "019a0000-0000-7000-8000-000000000001";
const BOT: &str = "019a0000-0000-7000-8000-000000000002";
const HEARTBEAT: &str = "019a0000-0000-7000-8000-000000000003";
const EXECUTION: &str = "019a0000-0000-7000-8000-000000000004";
const NODE: &str = "019a0000-0000-7000-8000-000000000005";

/// What the version before says every three seconds.
const RENEW: &str = "UPDATE nodes SET lease_until = $2, awake_since = $3 \
    WHERE id = $1 AND ended_at IS NULL";

async fn renew(conn: &mut PgConnection, node: NodeId) -> u64 {
    let renewed = sqlx::query(RENEW)
        .bind(node.0)
        .bind(second(1_810).as_millisecond())
        .bind(minute(0).as_millisecond())
        .execute(conn);
    renewed.await.unwrap().rows_affected()
}

#[tokio::test]
async fn a_node_of_the_version_before_goes_on_during_the_upgrade_and_is_taken_over_after_it() {
    let url = cluster().database();
    let mut conn = previous(&url).await;
    run(&mut conn, &rows_of_the_version_before()).await;
    let node: NodeId = NODE.parse().unwrap();
    let mut upgrade = std::pin::pin!(open_database(&url));
    let upgraded = loop {
        tokio::select! {
            biased;
            upgraded = &mut upgrade => break upgraded.unwrap(),
            renewed = renew(&mut conn, node) => assert_eq!(renewed, 1),
        }
    };
    upgraded.close().await;
    assert_eq!(renew(&mut conn, node).await, 1, "it goes on afterwards");
    run(&mut conn, &fire_of_the_version_before()).await;
    run(&mut conn, &fire_of_the_version_before()).await;

    let w = World::postgres_at(&url).await;
    let listed = w.store.nodes(second(1_801)).await.unwrap();
    let elder = listed.iter().find(|one| one.id == node).unwrap();
    assert_eq!((elder.name.as_str(), elder.version.as_str()), ("elder", ""));
    let younger = w.node(second(1_801)).await;
    assert!(
        w.claim(younger, 9, second(1_801)).await.is_empty(),
        "it is held"
    );
    w.renew(younger, second(1_809)).await;
    let claim = w.claim_one(younger, second(1_811)).await;
    assert_eq!(claim.execution.id.to_string(), EXECUTION);
    assert_eq!((claim.hold.fence, claim.taken_over), (2, true));
    let steps = w.store.take_over(&claim.hold, second(1_811)).await.unwrap();
    let states: Vec<_> = steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Done, StepState::Lost]);
    w.finish(&claim.hold, Outcome::Success, second(1_812))
        .await
        .unwrap();
    let row = w
        .store
        .execution(claim.hold.project_id, claim.hold.execution_id)
        .await;
    assert_eq!(row.unwrap().status, Some(Status::Success));
    let later = w.store.steps(claim.hold.project_id, LATER.parse().unwrap());
    assert_eq!(later.await.unwrap().len(), 1);
    assert_eq!(
        renew(&mut conn, node).await,
        0,
        "it learns that it was taken over"
    );
}

#[tokio::test]
async fn the_version_before_may_be_started_again_on_the_newest_schema() {
    let url = cluster().database();
    open_database(&url).await.unwrap().close().await;
    let mut conn = PgConnection::connect(&url).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    crate::world::open_file(&path).await.unwrap().close().await;
    let mut file = crate::schema::connect(&path).await;
    let needs = "SELECT MAX(needs) FROM migrations";
    let of_server: Option<i64> = sqlx::query_scalar(needs)
        .fetch_one(&mut conn)
        .await
        .unwrap();
    let of_file: Option<i64> = sqlx::query_scalar(needs)
        .fetch_one(&mut file)
        .await
        .unwrap();
    for needs in [of_server, of_file].into_iter().flatten() {
        assert!(needs <= PREVIOUS, "it must know schema {needs}");
    }
}

/// What a version after this one may add.
const ADDED: [&str; 5] = [
    "ALTER TABLE nodes ADD COLUMN zone TEXT",
    "ALTER TABLE executions ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'",
    "CREATE TABLE zones (name TEXT NOT NULL, CONSTRAINT zones_pkey PRIMARY KEY (name))",
    "CREATE INDEX nodes_by_zone ON nodes (zone)",
    "INSERT INTO migrations (number, name) VALUES (9999, '9999_zones')",
];

/// A process of this version dies while it carries something out, and is started `again` after a
/// newer version has brought the database up to date.
async fn goes_on(before: &World, upgrade: impl AsyncFnOnce(), again: impl AsyncFnOnce() -> World) {
    let heartbeat = before.every(30, minute(0)).await;
    let dead = before.node(minute(30)).await;
    let lost = before.claim_one(dead, minute(30)).await;
    upgrade().await;
    let w = again().await;
    let node = w.node(minute(31)).await;
    let claim = w.claim_one(node, minute(31)).await;
    assert_eq!(claim.execution.id, lost.execution.id);
    assert!(claim.taken_over);
    w.finish(&claim.hold, Outcome::Success, minute(31))
        .await
        .unwrap();
    w.edit(
        heartbeat.id,
        |change| change.label = Patch::Set("Round".into()),
        minute(32),
    )
    .await;
    let rows = w.ended().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].status, Some(Status::Success));
}

#[tokio::test]
async fn this_version_goes_on_and_starts_again_on_a_server_that_a_newer_one_has_added_to() {
    let url = cluster().database();
    let w = World::postgres_at(&url).await;
    let add = async || {
        let mut conn = PgConnection::connect(&url).await.unwrap();
        for statement in ADDED {
            run(&mut conn, statement).await;
        }
    };
    goes_on(&w, add, async || w.beside(&url).await).await;
    assert_eq!(
        w.store.projects().await.unwrap().len(),
        1,
        "what ran goes on"
    );
}

#[tokio::test]
async fn this_version_goes_on_and_starts_again_on_a_file_that_a_newer_one_has_added_to() {
    let w = World::sqlite().await;
    let add = async || {
        let mut conn = crate::schema::connect(&w.path).await;
        for statement in ADDED {
            sqlx::query(statement).execute(&mut conn).await.unwrap();
        }
        conn.close().await.unwrap();
    };
    goes_on(&w, add, async || w.beside_in_file().await).await;
}

#[tokio::test]
async fn a_database_from_before_there_was_such_a_mark_gets_it_with_the_next_migration() {
    let url = cluster().database();
    let mut conn = previous(&url).await;
    open_database(&url).await.unwrap().close().await;
    let marks: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM migrations WHERE needs IS NULL")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert!(marks >= PREVIOUS, "what was applied before has only added");
}
