//! Broken engines: each breaks one promise on purpose, in the simulation's store or in its database,
//! and is to be found by the checker named for it.

use heartbeat_domain::claim::{Claim, Hold};
use heartbeat_domain::execution::{Ending, Outcome};
use heartbeat_domain::ids::{ExecutionId, NodeId};
use heartbeat_domain::settlement::Settlement;
use heartbeat_domain::step::{Step, StepState};
use heartbeat_domain::tool::Repeat;
use heartbeat_store::StoreError;
use heartbeat_store::verbs::{CallIntent, Channel, Intent, Result, Settled, TurnIntent};
use jiff::{SignedDuration, Timestamp};

use super::db::{Db, blob};

macro_rules! sabotages {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal found by $checker:literal),* $(,)?) => {
        /// A way to break an engine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Sabotage { $($(#[doc = $doc])* $variant,)* }

        impl Sabotage {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on the command line.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The checker that must find it.
            pub(crate) fn checker(self) -> &'static str {
                match self { $(Self::$variant => $checker,)* }
            }

            /// The one with that name.
            pub(crate) fn find(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

sabotages! {
    /// Whoever finishes is believed, whatever fence it has.
    FinishWithoutFence = "finish-without-fence" found by "fence",
    /// A fire that one node holds is given to another one too.
    ClaimWithoutKey = "claim-without-unique-key" found by "twice",
    /// The next due time is counted from the end of the run.
    DueFromNow = "due-from-now" found by "accounted",
    /// Missed moments leave no row.
    MissedDropped = "missed-dropped" found by "accounted",
    /// A heartbeat is claimed while an execution of it is open.
    OverlapAllowed = "overlap-allowed" found by "overlap",
    /// A call is made before it is written down.
    CallBeforeIntent = "call-before-intent" found by "intent",
    /// What is on record is not replayed.
    RecordedAskedAgain = "recorded-turn-asked-again" found by "replay",
    /// Turns are asked without a reservation.
    NoReserve = "settle-without-reserve" found by "reserve",
    /// What a dead holder had reserved stays reserved.
    LeakedReservation = "reservation-leaked" found by "held",
    /// A failed run of a watch moves its baseline.
    BaselineOnFailure = "baseline-on-failure" found by "baseline",
    /// A message is written after the call that made it, in a transaction of its own.
    OutboxOutside = "outbox-outside" found by "outbox",
    /// Every call counts as safe to repeat.
    UnknownRepeated = "unknown-call-repeated" found by "effects",
    /// Nobody marks what a pause left unmarked.
    PauseNotSettled = "pause-not-settled" found by "leftover",
    /// Nobody looks whether an execution was asked to stop.
    PauseNotPolled = "pause-not-polled" found by "stopped",
    /// The window is looked up in UTC.
    WindowInUtc = "window-in-utc" found by "window",
}

const DROP_MISSED: &str = "CREATE TRIGGER drop_missed AFTER INSERT ON executions \
    WHEN NEW.missed_count IS NOT NULL AND NEW.phase = 'ended' BEGIN \
    DELETE FROM executions WHERE project_id = NEW.project_id AND id = NEW.id; END";

impl Sabotage {
    /// Breaks the database, where that is the way.
    pub(crate) async fn prepare(self, db: &Db) {
        if self == Self::MissedDropped {
            db.execute(DROP_MISSED).await;
        }
    }
}

/// A finish that needs no fence.
pub(crate) async fn finish_anyway(
    db: &Db,
    hold: &Hold,
    (ending, channels): (&Ending, &[Channel]),
    now: Timestamp,
) -> Result<Settlement> {
    let id = blob(hold.execution_id);
    let open =
        format!("SELECT fence, holder FROM executions WHERE id = {id} AND phase = 'running'");
    let Some(row) = db.row(open).await else {
        return Err(StoreError::Fenced);
    };
    let Some(node_id) = row.id("holder") else {
        return Err(StoreError::Fenced);
    };
    let forged = Hold {
        node_id,
        fence: row.number("fence"),
        ..*hold
    };
    db.store.finish(&forged, ending, channels, now).await
}

/// Makes the next due time `now` and the interval.
pub(crate) async fn due_from_now(db: &Db, settlement: &mut Settlement, now: Timestamp) {
    let Some(heartbeat) = &mut settlement.heartbeat else {
        return;
    };
    let minutes = heartbeat.settings.schedule.interval_minutes.unwrap_or(60);
    let Some(next) = &mut heartbeat.next else {
        return;
    };
    next.at = now + SignedDuration::from_mins(i64::from(minutes));
    let at = next.at.as_millisecond();
    let id = blob(heartbeat.id);
    db.execute(format!(
        "UPDATE heartbeats SET next_due_at = {at}, \
         claimable_at = CASE WHEN claimable_at IS NULL THEN NULL ELSE {at} END WHERE id = {id}"
    ))
    .await;
}

/// Gives what somebody holds to the asker as well, under a row of its own: the same fire once more,
/// or the next one of its schedule that is due although this one is open.
pub(crate) async fn claim_held_too(
    db: &Db,
    (claims, held): (&mut Vec<Claim>, &[Claim]),
    node_id: NodeId,
    (next, now): (bool, Timestamp),
) {
    for claim in held {
        let due_at = claim.execution.due_at;
        let is_value = due_at.as_millisecond() % 1_000 == 0;
        let known = claims
            .iter()
            .any(|own| own.hold.execution_id == claim.hold.execution_id);
        let due_at = match next {
            true => following(claim).filter(|at| *at <= now),
            false => Some(due_at + SignedDuration::from_millis(1)),
        };
        if let (Some(due_at), true, false) = (due_at, is_value, known) {
            claims.push(double(db, claim, node_id, due_at).await);
            return;
        }
    }
}

fn following(claim: &Claim) -> Option<Timestamp> {
    let heartbeat = claim.heartbeat.as_ref()?;
    let schedule = heartbeat.schedule().ok()?;
    let due = schedule.preview(claim.execution.due_at, 1);
    due.first().copied()
}

async fn double(db: &Db, held: &Claim, node_id: NodeId, due_at: Timestamp) -> Claim {
    let mut bytes = *held.hold.execution_id.0.as_bytes();
    bytes[15] ^= 1;
    let id = ExecutionId(uuid::Uuid::from_bytes(bytes));
    let (old, new, node) = (blob(held.hold.execution_id), blob(id), blob(node_id));
    let due_ms = due_at.as_millisecond();
    db.execute(format!(
        "INSERT OR IGNORE INTO executions SELECT project_id, {new}, bot_id, heartbeat_id, \
         member_id, kind, triggered_by, {due_ms}, 'running', NULL, NULL, prompt, '', NULL, 0, 0, \
         0, 0, NULL, NULL, NULL, missed_reason, 0, NULL, 1, {node}, NULL, NULL, created_at, \
         created_at, NULL FROM executions WHERE id = {old}"
    ))
    .await;
    let mut double = held.clone();
    double.hold = Hold {
        execution_id: id,
        due_at,
        node_id,
        fence: 1,
        ..held.hold
    };
    double.execution.id = id;
    double.execution.due_at = due_at;
    double.execution.fence = 1;
    double
}

/// Reads every window in UTC.
pub(crate) fn in_utc(claims: &mut [Claim]) {
    for claim in claims {
        if let Some(heartbeat) = &mut claim.heartbeat {
            heartbeat.settings.schedule.timezone = "UTC".to_owned();
        }
    }
}

/// Forgets the results of turns.
pub(crate) fn forget(steps: &mut [Step]) {
    for step in steps {
        if step.state == StepState::Done && step.seq > 0 {
            step.state = StepState::Begun;
            step.result = None;
        }
    }
}

/// Says that all heartbeats are marked.
pub(crate) async fn leave_unsettled(db: &Db) -> Result<Settled> {
    for table in ["projects", "bots"] {
        db.execute(format!("UPDATE {table} SET unsettled = NULL"))
            .await;
    }
    Ok(Settled::default())
}

/// Says of every call that it may be repeated.
pub(crate) fn all_safe(calls: &[CallIntent]) -> Vec<CallIntent> {
    let safe = calls.iter().map(|call| CallIntent {
        repeat: Repeat::Safe,
        ..call.clone()
    });
    safe.collect()
}

/// Begins a turn without a reservation.
pub(crate) async fn begin_without_reserve(
    db: &Db,
    hold: &Hold,
    intent: &TurnIntent,
    now: Timestamp,
) -> Result<Intent> {
    let free = TurnIntent {
        rates: heartbeat_domain::budget::Rates {
            input: 0,
            cached_input: 0,
            output: 0,
        },
        ..intent.clone()
    };
    db.store.begin_turn(hold, &free, now).await
}

/// Leaves a credit held for each turn that was lost.
pub(crate) async fn leak(db: &Db, hold: &Hold) {
    let (project, id) = (blob(hold.project_id), blob(hold.execution_id));
    db.execute(format!(
        "UPDATE budgets SET held = held + 1 WHERE project_id = {project} AND EXISTS \
         (SELECT 1 FROM steps WHERE execution_id = {id} AND state = 'lost_turn')"
    ))
    .await;
}

/// Moves the baseline of a watch although its run failed.
pub(crate) async fn move_baseline(db: &Db, hold: &Hold, outcome: &Outcome) {
    if !matches!(outcome, Outcome::Error { .. }) {
        return;
    }
    let id = blob(hold.execution_id);
    db.execute(format!(
        "UPDATE heartbeats SET baseline = (SELECT json_extract(s.intent, '$.sighting.baseline') \
         FROM steps s WHERE s.execution_id = {id} AND s.seq = 0) \
         WHERE id = (SELECT heartbeat_id FROM executions WHERE id = {id}) \
         AND (SELECT json_extract(s.intent, '$.sighting.baseline') \
         FROM steps s WHERE s.execution_id = {id} AND s.seq = 0) IS NOT NULL"
    ))
    .await;
}

/// Writes the message of a call by itself.
pub(crate) async fn tell_late(db: &Db, hold: &Hold, seq: u32, (title, now): (&str, Timestamp)) {
    let mut bytes = *hold.execution_id.0.as_bytes();
    bytes[9] = bytes[9].wrapping_add(1 + u8::try_from(seq % 200).unwrap_or(0));
    let notice = blob(uuid::Uuid::from_bytes(bytes));
    let (id, title) = (blob(hold.execution_id), title.replace('\'', "''"));
    let now = now.as_millisecond();
    db.execute(format!(
        "INSERT OR IGNORE INTO notices (project_id, id, bot_id, heartbeat_id, execution_id, title, \
         message, priority, created_at) SELECT project_id, {notice}, bot_id, heartbeat_id, id, \
         '{title}', 'late', 'normal', {now} FROM executions WHERE id = {id}"
    ))
    .await;
}
