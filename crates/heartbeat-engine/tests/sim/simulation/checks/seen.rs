//! Checks at the moment at which the store confirms something.

use heartbeat_domain::claim::{Claim, Hold};
use heartbeat_domain::execution::{BreakerEffect, Ending, Outcome, Status, Trigger};
use heartbeat_domain::heartbeat::{Heartbeat, Standing};
use heartbeat_domain::ids::{HeartbeatId, ProjectId};
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::settlement::Settlement;
use heartbeat_domain::watch::Baseline;
use jiff::Timestamp;

use super::super::db::{Db, blob};
use super::super::gate::Door;
use super::super::stage::Stage;
use super::stopped;

/// Fires were claimed.
pub(crate) async fn claims(door: &Door, db: &Db, claims: &[Claim]) {
    if claims.is_empty() {
        return;
    }
    let process = door.process;
    for claim in claims {
        let hold = claim.hold;
        let due = claim.execution.due_at;
        door.stage.say(&format!(
            "p{process} holds {} of {:?} due {due} fence {} taken over: {}",
            hold.execution_id, claim.execution.heartbeat_id, hold.fence, claim.taken_over
        ));
        let mut state = door.stage.lock();
        let memory = &mut state.memory;
        memory
            .claims
            .insert((hold.execution_id, hold.fence), process);
        if let Some(heartbeat) = claim.execution.heartbeat_id {
            let own = (hold.execution_id, hold.fence);
            memory.latest.insert((process, heartbeat), own);
        }
        memory.recent.push((process, claim.clone()));
        let extra = memory.recent.len().saturating_sub(12);
        memory.recent.drain(..extra);
    }
    overlap(&door.stage, db).await;
}

/// Claims that have not ended: of other processes, or of all.
pub(crate) fn held(door: &Door, own_too: bool) -> Vec<Claim> {
    let state = door.stage.lock();
    let memory = &state.memory;
    let others = memory.recent.iter().filter(|(process, claim)| {
        (own_too || *process != door.process) && !memory.ended.contains(&claim.hold.execution_id)
    });
    others.map(|(_, claim)| claim.clone()).collect()
}

const OPEN_TWICE: &str = "SELECT heartbeat_id, COUNT(*) AS many, \
    CASE WHEN MIN(due_at / 1000) = MAX(due_at / 1000) THEN 1 ELSE 0 END AS same FROM executions \
    WHERE (holder IS NOT NULL OR claimable_at IS NOT NULL) AND phase = 'running' \
    GROUP BY heartbeat_id HAVING COUNT(*) > 1";

/// At most one open execution of a heartbeat that is not parked.
pub(crate) async fn overlap(stage: &Stage, db: &Db) {
    for row in db.rows(OPEN_TWICE).await {
        let checker = match row.number("same") {
            0 => "overlap",
            _ => "twice",
        };
        let what = format!(
            "heartbeat {} has {} open executions",
            row.text("heartbeat_id"),
            row.number("many")
        );
        stage.find(checker, what);
    }
}

/// An execution ended.
pub(crate) async fn finish(
    door: &Door,
    db: &Db,
    (hold, ending): (&Hold, &Ending),
    settlement: &Settlement,
    now: Timestamp,
) {
    let stage = &door.stage;
    let id = hold.execution_id;
    stage.say(&format!(
        "p{} ends {id} fence {}: {:?}",
        door.process, hold.fence, ending.outcome
    ));
    let sql = format!(
        "SELECT fence, ended_by FROM executions WHERE id = {}",
        blob(id)
    );
    if let Some(row) = db.row(sql).await {
        let ended_by = row.text("ended_by");
        let stands =
            row.number("fence") == hold.fence && ended_by == hold.node_id.0.simple().to_string();
        if !stands {
            let what = format!(
                "{id} was ended under fence {}, which is {} by now",
                hold.fence,
                row.number("fence")
            );
            stage.find("fence", what);
        }
    }
    let is_first = stage.lock().memory.ended.insert(id);
    if is_first {
        stopped::ended(door, hold);
    }
    if let (Some(heartbeat), true) = (&settlement.heartbeat, is_first) {
        next(stage, heartbeat, now);
        breaker(stage, heartbeat, settlement, ending, now);
        let edited = heartbeat.updated_at > settlement.execution.created_at;
        baseline(stage, db, (heartbeat, edited), (hold, ending)).await;
    }
    budgets(stage, db).await;
}

fn next(stage: &Stage, heartbeat: &Heartbeat, now: Timestamp) {
    let Some(next) = heartbeat.next else { return };
    if heartbeat.standing() == Standing::Active && next.at <= now {
        let what = format!("{} is next due {}, not after {now}", heartbeat.id, next.at);
        stage.find("next", what);
    }
}

fn breaker(
    stage: &Stage,
    heartbeat: &Heartbeat,
    settlement: &Settlement,
    ending: &Ending,
    now: Timestamp,
) {
    let row = &settlement.execution;
    let counts = matches!(row.trigger, Trigger::Schedule | Trigger::CatchUp);
    let counted = matches!(
        ending.outcome,
        Outcome::Error {
            breaker: BreakerEffect::Counts,
            ..
        }
    );
    let pause = heartbeat
        .paused
        .filter(|pause| pause.reason == Reason::Breaker);
    let open_since = pause.map(|pause| pause.since);
    let mut state = stage.lock();
    let Some(entry) = state.ledger.entries.get_mut(&heartbeat.id) else {
        return;
    };
    if row.status != Some(Status::Skipped) {
        entry.ran_at = row.started_at.or(entry.ran_at);
    }
    if counts && ending.outcome == Outcome::Success {
        entry.errors = 0;
    }
    if counts && counted {
        entry.errors += 1;
    }
    let (errors, most) = (entry.errors, entry.errors_max);
    let was_off = !entry.enabled;
    let should_open = counts && counted && errors >= most && !was_off;
    // One that had opened before opens no more, whichever way the clock was turned since.
    let opens = open_since.is_some() && open_since != entry.breaker_since;
    entry.breaker_since = open_since;
    if entry.enabled && !heartbeat.enabled {
        entry.close(now);
        entry.enabled = false;
    }
    drop(state);
    if opens != should_open || heartbeat.error_count != errors {
        let what = format!(
            "{}: {errors} errors in a row of {most}, breaker opens: {opens}, count: {}, {:?}",
            heartbeat.id, heartbeat.error_count, heartbeat.paused
        );
        stage.find("breaker", what);
    }
}

async fn baseline(
    stage: &Stage,
    db: &Db,
    (heartbeat, edited): (&Heartbeat, bool),
    (hold, ending): (&Hold, &Ending),
) {
    if heartbeat.settings.watch.is_none() {
        return;
    }
    let sql = format!(
        "SELECT baseline FROM heartbeats WHERE id = {}",
        blob(heartbeat.id)
    );
    let Some(row) = db.row(sql).await else { return };
    let kept: Option<Baseline> = serde_json::from_str(row.text("baseline")).ok();
    let expected = {
        let mut state = stage.lock();
        let Some(entry) = state.ledger.entries.get_mut(&heartbeat.id) else {
            return;
        };
        // What was edited while it first looked is told once more as a first look.
        let is_told_again = edited && entry.baseline.is_none() && kept.is_none();
        if ending.outcome == Outcome::Success && ending.baseline.is_some() && !is_told_again {
            entry.baseline.clone_from(&ending.baseline);
        }
        entry.baseline.clone()
    };
    if kept != expected {
        let what = format!(
            "{} has the baseline {kept:?} after {:?}, not {expected:?}",
            heartbeat.id, ending.outcome
        );
        stage.find("baseline", what);
    }
    let sql = format!(
        "SELECT json_extract(intent, '$.sighting.baseline') AS told FROM steps \
         WHERE execution_id = {} AND seq = 0",
        blob(hold.execution_id)
    );
    let told = db.row(sql).await;
    let told: Option<Baseline> = told.and_then(|row| serde_json::from_str(row.text("told")).ok());
    if let (Some(told), Some(moved)) = (told, &ending.baseline)
        && told != *moved
    {
        let what = format!(
            "the model of {} was told {told:?}, the baseline moved to {moved:?}",
            hold.execution_id
        );
        stage.find("baseline", what);
    }
}

/// A call's result and the messages that it makes are on record together, or neither is.
pub(crate) async fn call(
    stage: &Stage,
    db: &Db,
    hold: &Hold,
    (seq, notices): (u32, &[NoticeDraft]),
) {
    let id = blob(hold.execution_id);
    for notice in notices.iter().filter(|notice| notice.topic.is_none()) {
        let title = notice.title.replace('\'', "''");
        // A late holder's result is not the one on record; what is on record is what counts.
        let sql = format!(
            "SELECT (SELECT COUNT(*) FROM steps s, json_each(s.result, '$.notices') n \
             WHERE s.execution_id = {id} AND s.seq = {seq} AND s.state = 'done' \
             AND json_extract(n.value, '$.title') = '{title}') AS done, \
             (SELECT COUNT(*) FROM notices WHERE execution_id = {id} \
             AND title = '{title}') AS told"
        );
        let Some(row) = db.row(sql).await else {
            continue;
        };
        let (done, told) = (row.number("done"), row.number("told"));
        if done != told {
            let execution = hold.execution_id;
            let what = format!("call {seq} of {execution}: {done} on record, {told} told");
            stage.find("outbox", what);
        }
    }
}

const LEVELS: &str = "SELECT project_id, scope, scope_id, used, held FROM budgets \
    WHERE scope IN ('heartbeat', 'project_day', 'project_month')";

/// No level has drawn and holds more than it may; more by what a provider overbilled.
pub(crate) async fn budgets(stage: &Stage, db: &Db) {
    let mut excesses = Vec::new();
    let rows = db.rows(LEVELS).await;
    let state = stage.lock();
    for row in rows {
        let drawn = row.count("used") + row.count("held");
        let (limit, excess) = if row.text("scope") == "heartbeat" {
            let id = row.id::<HeartbeatId>("scope_id").expect("an id");
            let entry = state.ledger.entries.get(&id);
            let excess = state.memory.overbilled.get(&id);
            (entry.and_then(|entry| entry.budget_max), excess)
        } else {
            let id = row.id::<ProjectId>("project_id").expect("an id");
            let most = state.ledger.spending_max.get(&id).copied();
            let limit = match row.text("scope") {
                "project_day" => most.and_then(|most| most.daily),
                _ => most.and_then(|most| most.monthly),
            };
            (limit, state.memory.overbilled_in.get(&id))
        };
        let excess = excess.map_or(0, |micro| micro.div_ceil(1_000_000));
        if limit.is_some_and(|limit| drawn > limit + excess) {
            excesses.push(format!(
                "{} {} has drawn and holds {drawn} of {limit:?} credits, {excess} overbilled",
                row.text("scope"),
                row.text("scope_id")
            ));
        }
    }
    drop(state);
    for what in excesses {
        stage.find("budget", what);
    }
}

const HELD: &str = "SELECT b.scope_id, b.held, o.held AS open FROM \
    (SELECT project_id, scope_id, SUM(held) AS held FROM budgets WHERE scope = 'heartbeat' \
    GROUP BY project_id, scope_id) b LEFT JOIN \
    (SELECT heartbeat_id, SUM((micro_spent + micro_reserved + 999999) / 1000000) AS held \
    FROM executions WHERE phase <> 'ended' GROUP BY heartbeat_id) o \
    ON o.heartbeat_id = b.scope_id WHERE b.held <> COALESCE(o.held, 0)";

const HELD_BY_BOT: &str = "SELECT b.scope_id, b.held, COALESCE(o.held, 0) AS open FROM \
    (SELECT project_id, scope_id, SUM(held) AS held FROM budgets WHERE scope = 'bot' \
    GROUP BY project_id, scope_id) b LEFT JOIN \
    (SELECT bot_id, SUM((micro_spent + micro_reserved + 999999) / 1000000) AS held \
    FROM executions WHERE phase <> 'ended' GROUP BY bot_id) o \
    ON o.bot_id = b.scope_id WHERE b.held <> COALESCE(o.held, 0)";

const HELD_BY_PROJECT: &str = "SELECT b.project_id AS scope_id, b.held, \
    COALESCE(o.held, 0) AS open FROM \
    (SELECT project_id, SUM(held) AS held FROM budgets \
    WHERE scope IN ('project_day', 'project_month') GROUP BY project_id, scope) b LEFT JOIN \
    (SELECT project_id, SUM((micro_spent + micro_reserved + 999999) / 1000000) AS held \
    FROM executions WHERE phase <> 'ended' GROUP BY project_id) o \
    ON o.project_id = b.project_id WHERE b.held <> COALESCE(o.held, 0)";

/// What is held is what open executions have spent and reserved.
pub(crate) async fn held_credits(stage: &Stage, db: &Db) {
    for sql in [HELD, HELD_BY_BOT, HELD_BY_PROJECT] {
        for row in db.rows(sql).await {
            let what = format!(
                "{} holds {} credits, its open executions {}",
                row.text("scope_id"),
                row.number("held"),
                row.number("open")
            );
            stage.find("held", what);
        }
    }
}
