//! Checks of the whole record: at checkpoints, and once more when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use heartbeat_domain::heartbeat::ScheduleFields;
use heartbeat_domain::ids::{DeliveryId, ExecutionId};
use heartbeat_domain::schedule::Schedule;
use jiff::{SignedDuration, Timestamp};

use super::super::db::{Db, blob};
use super::super::ledger::Entry;
use super::super::stage::Stage;
use super::accounted::{Account, Covers, Stretch, faults};
use super::seen;

/// Everything that must hold at any time.
pub(crate) async fn check(stage: &Stage, db: &Db, tolerance: SignedDuration) {
    accounted(stage, db, tolerance).await;
    seen::budgets(stage, db).await;
    seen::held_credits(stage, db).await;
    twice(stage, db).await;
    window(stage, db).await;
    replay(stage, db).await;
    outbox(stage, db).await;
    counts(stage, db).await;
    deliveries(stage, db).await;
}

/// What must hold when everything has come to rest.
pub(crate) async fn at_rest(stage: &Stage, db: &Db, tolerance: SignedDuration) {
    check(stage, db, tolerance).await;
    for (what, sql) in LEFT {
        for row in db.rows(sql).await {
            let left = format!("{what}: {}", row.text("id"));
            stage.find("leftover", left);
        }
    }
}

const LEFT: [(&str, &str); 7] = [
    (
        "a call of an ended execution has no end",
        "SELECT s.execution_id AS id FROM steps s JOIN executions e \
         ON e.project_id = s.project_id AND e.id = s.execution_id \
         WHERE s.kind = 'call' AND s.state = 'begun' AND e.phase = 'ended'",
    ),
    (
        "whether somebody has to look does not follow from its calls",
        "SELECT e.id FROM executions e WHERE e.needs_review <> EXISTS (SELECT 1 FROM steps s \
         WHERE s.project_id = e.project_id AND s.execution_id = e.id \
         AND s.state = 'outcome_unknown' AND s.decision IS NULL)",
    ),
    (
        "a heartbeat does not stand as the switches above it say",
        "SELECT h.id FROM heartbeats h JOIN projects p ON p.id = h.project_id \
         JOIN bots b ON b.project_id = h.project_id AND b.id = h.bot_id \
         WHERE h.enabled AND h.paused_reason IS NULL \
         AND (p.paused_at IS NOT NULL OR NOT (b.status AND b.heartbeat)) \
         OR h.paused_reason = 'project_paused' AND p.paused_at IS NULL \
         OR h.paused_reason = 'switched_off' AND b.status AND b.heartbeat",
    ),
    (
        "an execution is open",
        "SELECT id FROM executions WHERE phase <> 'ended'",
    ),
    (
        "a heartbeat thinks that it runs",
        "SELECT id FROM heartbeats WHERE open_execution_id IS NOT NULL",
    ),
    (
        "a delivery is neither done nor given up",
        "SELECT id FROM deliveries WHERE state = 'pending'",
    ),
    (
        "credits are held",
        "SELECT scope_id AS id FROM budgets WHERE held <> 0",
    ),
];

const TWICE: &str = "SELECT heartbeat_id, due_at / 1000 AS second, COUNT(*) AS many \
    FROM executions WHERE triggered_by <> 'manual' \
    GROUP BY heartbeat_id, due_at / 1000 HAVING COUNT(*) > 1";

async fn twice(stage: &Stage, db: &Db) {
    for row in db.rows(TWICE).await {
        let (id, many) = (row.text("heartbeat_id"), row.number("many"));
        let what = format!("{id} fired {many} times at second {}", row.number("second"));
        stage.find("twice", what);
    }
}

const RAN: &str = "SELECT id, status, due_at FROM executions WHERE triggered_by <> 'manual' \
    AND (status IN ('success', 'error') OR (status = 'skipped' AND reason = 'window_closed' \
    AND missed_count IS NULL))";

async fn window(stage: &Stage, db: &Db) {
    let rows = db.rows(RAN).await;
    let mut wrong = Vec::new();
    let state = stage.lock();
    let mut known: BTreeMap<String, Schedule> = BTreeMap::new();
    for row in &rows {
        let id: ExecutionId = row.id("id").expect("an id");
        let Some(moments) = state.memory.admitted.get(&id) else {
            continue;
        };
        let ran = row.text("status") != "skipped";
        let mut inside = moments.iter().filter_map(|moment| {
            let schedule = parsed(&mut known, moment.fields.as_ref()?)?;
            Some(schedule.window.contains(moment.at, &schedule.zone) == ran)
        });
        if !moments.is_empty() && !inside.any(|right| right) {
            wrong.push(format!(
                "{id}, due {:?}, {}, admitted {:?}",
                row.moment("due_at"),
                row.text("status"),
                moments.first().map(|moment| moment.at)
            ));
        }
    }
    drop(state);
    for what in wrong {
        stage.find("window", what);
    }
}

fn parsed(known: &mut BTreeMap<String, Schedule>, fields: &ScheduleFields) -> Option<Schedule> {
    let key = format!("{fields:?}");
    if let Some(schedule) = known.get(&key) {
        return Some(schedule.clone());
    }
    let schedule = fields
        .parse(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(490_000))
        .ok()?;
    known.insert(key, schedule.clone());
    Some(schedule)
}

const TURNS: &str = "SELECT s.execution_id, s.seq, s.state, s.fence, e.phase FROM steps s \
    JOIN executions e ON e.project_id = s.project_id AND e.id = s.execution_id \
    WHERE s.kind = 'turn' ORDER BY s.execution_id, s.seq, s.attempt";

/// Each asking of a turn but the last stands as lost; nothing stays under way after the end.
async fn replay(stage: &Stage, db: &Db) {
    type Attempts = Vec<(i64, String)>;
    let mut turns: BTreeMap<(ExecutionId, u32), Attempts> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in db.rows(TURNS).await {
        let id: ExecutionId = row.id("execution_id").expect("an id");
        let seq = u32::try_from(row.number("seq")).unwrap_or_default();
        let state = row.text("state").to_owned();
        if row.text("phase") == "ended" && state == "begun" {
            wrong.push(format!(
                "turn {seq} of {id} is under way, but {id} has ended"
            ));
        }
        let attempts = turns.entry((id, seq)).or_default();
        attempts.push((row.number("fence"), state));
    }
    for ((id, seq), attempts) in &turns {
        let former = attempts.iter().rev().skip(1);
        if former.clone().any(|(_, state)| state != "lost_turn") {
            wrong.push(format!("turn {seq} of {id} was asked again: {attempts:?}"));
        }
        let fences: BTreeSet<i64> = attempts.iter().map(|(fence, _)| *fence).collect();
        if fences.len() != attempts.len() {
            wrong.push(format!("turn {seq} of {id} was begun twice: {attempts:?}"));
        }
    }
    for ((id, seq), fences) in &stage.lock().memory.asked {
        let attempts = turns.get(&(*id, *seq));
        let known = |fence: &i64| {
            attempts.is_some_and(|attempts| attempts.iter().any(|(own, _)| own == fence))
        };
        if !fences.iter().all(known) {
            wrong.push(format!(
                "turn {seq} of {id}: {fences:?} asked, {attempts:?} on record"
            ));
        }
    }
    for what in wrong {
        stage.find("replay", what);
    }
}

const CALLS: &str = "SELECT execution_id, seq, json_extract(result, '$.notices[0].title') AS title \
    FROM steps WHERE kind = 'call' AND state = 'done' \
    AND json_extract(result, '$.notices[0].title') IS NOT NULL";

const TOLD: &str = "SELECT execution_id, title, COUNT(*) AS many FROM notices \
    WHERE title LIKE 'n %' GROUP BY execution_id, title";

/// A message for each recorded call that made one, and none beside.
async fn outbox(stage: &Stage, db: &Db) {
    let mut told: BTreeMap<(String, String), i64> = BTreeMap::new();
    for row in db.rows(TOLD).await {
        let key = (
            row.text("execution_id").to_owned(),
            row.text("title").to_owned(),
        );
        told.insert(key, row.number("many"));
    }
    for row in db.rows(CALLS).await {
        let key = (
            row.text("execution_id").to_owned(),
            row.text("title").to_owned(),
        );
        match told.remove(&key) {
            Some(1) => {}
            many => {
                let what = format!("call {} of {}: {many:?} messages", row.number("seq"), key.0);
                stage.find("outbox", what);
            }
        }
    }
    for ((id, title), _) in told {
        stage.find(
            "outbox",
            format!("{id} told \"{title}\", and no call is on record"),
        );
    }
}

const USED: &str = "SELECT b.scope_id, b.used, COALESCE(r.charged, 0) AS charged FROM \
    (SELECT scope_id, SUM(used) AS used FROM budgets WHERE scope = 'heartbeat' GROUP BY scope_id) b \
    LEFT JOIN (SELECT heartbeat_id, SUM(credits_charged) AS charged FROM executions \
    GROUP BY heartbeat_id) r ON r.heartbeat_id = b.scope_id \
    WHERE b.used <> COALESCE(r.charged, 0)";

const USED_BY_BOT: &str = "SELECT b.scope_id, b.used, COALESCE(r.charged, 0) AS charged FROM \
    (SELECT scope_id, SUM(used) AS used FROM budgets WHERE scope = 'bot' GROUP BY scope_id) b \
    LEFT JOIN (SELECT bot_id, SUM(credits_charged) AS charged FROM executions \
    GROUP BY bot_id) r ON r.bot_id = b.scope_id WHERE b.used <> COALESCE(r.charged, 0)";

const USED_BY_PROJECT: &str = "SELECT b.project_id AS scope_id, b.used, r.charged FROM \
    (SELECT project_id, SUM(used) AS used FROM budgets \
    WHERE scope IN ('project_day', 'project_month') GROUP BY project_id, scope) b JOIN (SELECT project_id, SUM(credits_charged) AS charged \
    FROM executions GROUP BY project_id) r ON r.project_id = b.project_id \
    WHERE b.used <> r.charged";

const COUNTED: &str = "WITH rows AS (SELECT heartbeat_id AS id, \
    SUM(CASE status WHEN 'success' THEN 1 ELSE 0 END) AS s, \
    SUM(CASE status WHEN 'error' THEN 1 ELSE 0 END) AS e, \
    SUM(CASE status WHEN 'skipped' THEN 1 ELSE 0 END) AS k, \
    SUM(CASE status WHEN 'cancelled' THEN 1 ELSE 0 END) AS c, SUM(tokens_used) AS t, SUM(credits_charged) AS m \
    FROM executions WHERE phase = 'ended' GROUP BY heartbeat_id), \
    sums AS (SELECT heartbeat_id AS id, SUM(success) AS s, SUM(error) AS e, SUM(skipped) AS k, \
    SUM(cancelled) AS c, SUM(tokens) AS t, SUM(credits) AS m FROM rollups GROUP BY heartbeat_id) \
    SELECT id, COUNT(*) AS many FROM \
    (SELECT * FROM rows UNION SELECT * FROM sums) AS both_sides GROUP BY id HAVING COUNT(*) <> 1";

/// What is used, and the rollups, are what the rows say.
async fn counts(stage: &Stage, db: &Db) {
    for sql in [USED, USED_BY_BOT, USED_BY_PROJECT] {
        for row in db.rows(sql).await {
            let (used, charged) = (row.number("used"), row.number("charged"));
            let what = format!("{} used {used}, charged {charged}", row.text("scope_id"));
            stage.find("used", what);
        }
    }
    for row in db.rows(COUNTED).await {
        let what = format!(
            "the rollups of {} are not what its rows say",
            row.text("id")
        );
        stage.find("rollup", what);
    }
}

const DELIVERED: &str = "SELECT d.id, d.notice_id, d.state FROM deliveries d";

/// What counts as delivered was carried, and nothing else was.
async fn deliveries(stage: &Stage, db: &Db) {
    let mut wrong = Vec::new();
    let rows = db.rows(DELIVERED).await;
    let mut known = BTreeSet::new();
    {
        let state = stage.lock();
        for row in rows {
            let id: DeliveryId = row.id("id").expect("an id");
            known.insert(id);
            if row.text("state") == "delivered" && !state.memory.carried.contains_key(&id) {
                wrong.push(format!("{id} counts as delivered and was never carried"));
            }
        }
        let strangers = state.memory.carried.keys().filter(|id| !known.contains(id));
        wrong.extend(strangers.map(|id| format!("{id} was carried and is not on record")));
    }
    for what in wrong {
        stage.find("delivery", what);
    }
}

async fn accounted(stage: &Stage, db: &Db, tolerance: SignedDuration) {
    let entries: Vec<Entry> = stage.lock().ledger.entries.values().cloned().collect();
    for entry in entries {
        let account = account(db, &entry, tolerance).await;
        for fault in faults(&account) {
            stage.find("accounted", format!("{}: {fault}", entry.key.id));
        }
    }
}

async fn account(db: &Db, entry: &Entry, tolerance: SignedDuration) -> Account {
    let id = blob(entry.key.id);
    let rows = db
        .rows(format!(
            "SELECT due_at, first_due_at, last_due_at, missed_count FROM executions \
             WHERE heartbeat_id = {id} AND triggered_by <> 'manual'"
        ))
        .await;
    let rows = rows.iter().map(|row| {
        let due = row.moment("due_at").unwrap_or_default();
        Covers {
            first: row.moment("first_due_at").unwrap_or(due),
            last: row.moment("last_due_at").unwrap_or(due),
            count: row
                .find("missed_count")
                .map_or(1, |_| row.count("missed_count")),
        }
    });
    let pauses = db
        .rows(format!(
            "SELECT since, ended_at FROM pauses WHERE heartbeat_id = {id} AND reason <> 'off' \
             AND reason <> 'breaker'"
        ))
        .await;
    let pauses = pauses
        .iter()
        .filter_map(|row| Some((row.moment("since")?, row.moment("ended_at"))));
    let next = db
        .row(format!(
            "SELECT next_due_at FROM heartbeats WHERE id = {id}"
        ))
        .await
        .and_then(|row| row.moment("next_due_at"));
    let stretches = entry.grids.iter().map(|grid| Stretch {
        schedule: grid
            .fields
            .parse(grid.since)
            .expect("the store accepted it"),
        since: grid.since,
        until: grid.until,
    });
    Account {
        stretches: stretches.collect(),
        pauses: pauses.collect(),
        rows: rows.collect(),
        next,
        tolerance,
    }
}
