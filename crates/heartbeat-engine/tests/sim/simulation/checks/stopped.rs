//! What was asked to stop has ended within five seconds, but for the time in which its node was
//! frozen, the store was unavailable, or the machine was busy.

use heartbeat_domain::claim::Hold;
use heartbeat_domain::ids::ExecutionId;

use super::super::db::Db;
use super::super::gate::Door;
use super::super::memory::AskedToStop;

/// How long it may take, in milliseconds.
const WITHIN: i64 = 5_000;

const ASKED: &str = "SELECT id, fence FROM executions \
    WHERE cancel_requested IS NOT NULL AND holder IS NOT NULL";

/// Something may have been asked to stop.
pub(crate) async fn asked(door: &Door, db: &Db) {
    let rows = db.rows(ASKED).await;
    let at = door.stage.time.real();
    let mut state = door.stage.lock();
    for row in rows {
        let id: ExecutionId = row.id("id").expect("an id");
        let fence = row.number("fence");
        let first = AskedToStop { at, fence };
        state.memory.asked_to_stop.entry(id).or_insert(first);
    }
}

/// An answer is waited for although nobody should wait any more.
pub(crate) fn answered(door: &Door, (id, fence): (ExecutionId, i64), what: &str) {
    let real = door.stage.time.real();
    let late = {
        let state = door.stage.lock();
        let asked = state.memory.asked_to_stop.get(&id);
        let asked = asked.filter(|asked| asked.fence == fence);
        asked.map(|asked| state.blamed(door.process, (asked.at, real)))
    };
    if let Some(late) = late.filter(|late| *late > WITHIN) {
        let process = door.process;
        let what = format!("p{process} {what} {id} {late} ms after it was asked to stop");
        door.stage.find("stopped", what);
    }
}

/// An execution ended.
pub(crate) fn ended(door: &Door, hold: &Hold) {
    answered(door, (hold.execution_id, hold.fence), "ends");
}
