//! Checks at the moment at which a request reaches the world outside.

use heartbeat_domain::budget::{Rates, input_bound};
use heartbeat_domain::conversation::{Message, TurnRequest};
use heartbeat_domain::ids::{ExecutionId, HeartbeatId};

use super::super::db::{Db, blob};
use super::super::gate::Door;
use super::super::mind::depth;

/// Who asks, as far as the world outside can tell.
pub(crate) struct Asker {
    process: usize,
    claimed: Option<(ExecutionId, i64)>,
    seq: u32,
}

impl Asker {
    /// The execution, and the fence under which it was claimed.
    pub(crate) fn claimed(&self) -> Option<(ExecutionId, i64)> {
        self.claimed
    }

    /// The execution.
    pub(crate) fn execution(&self) -> Option<ExecutionId> {
        self.claimed.map(|(id, _)| id)
    }
}

impl std::fmt::Display for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.claimed {
            Some((id, fence)) => write!(f, "turn {} of {id} under fence {fence}", self.seq),
            None => write!(f, "a turn of nothing that it claimed"),
        }
    }
}

/// The prompt: the last message of a person, verbatim.
pub(crate) fn prompt(request: &TurnRequest) -> Option<&str> {
    let mut messages = request.messages.iter().rev();
    messages.find_map(|message| match message {
        Message::User { text } => Some(text.as_str()),
        _ => None,
    })
}

/// Who asks.
pub(crate) fn by(door: &Door, request: &TurnRequest) -> Asker {
    let state = door.stage.lock();
    let heartbeat: Option<HeartbeatId> =
        prompt(request).and_then(|text| state.ledger.prompts.get(text).copied());
    let latest = heartbeat.and_then(|id| state.memory.latest.get(&(door.process, id)).copied());
    Asker {
        process: door.process,
        claimed: latest,
        seq: u32::try_from(depth(request)).unwrap_or(u32::MAX) + 1,
    }
}

/// What is durable when a turn is asked.
pub(crate) async fn check(door: &Door, db: &Db, asker: &Asker, request: &TurnRequest) {
    let Some((id, fence)) = asker.claimed else {
        door.stage
            .find("intent", format!("p{} asks {asker}", asker.process));
        return;
    };
    let sql = format!(
        "SELECT state, fence, micro_reserved FROM steps WHERE execution_id = {} AND seq = {} \
         ORDER BY attempt",
        blob(id),
        asker.seq
    );
    let rows = db.rows(sql).await;
    let was_frozen = {
        let mut state = door.stage.lock();
        let askings = state.memory.asked.entry((id, asker.seq)).or_default();
        askings.push(fence);
        state.memory.frozen.contains(&door.process)
    };
    let own = rows.iter().rev().find(|row| row.number("fence") == fence);
    let is_done = rows.iter().any(|row| row.text("state") == "done");
    if is_done && !(was_frozen && own.is_some()) {
        let what = format!("{asker}, whose answer is on record");
        return door.stage.find("replay", what);
    }
    let Some(own) = own else {
        return door
            .stage
            .find("intent", format!("{asker}, without an intent"));
    };
    let least = Rates::default().worst_case(input_bound(request), request.max_tokens);
    match own.text("state") {
        "begun" if own.count("micro_reserved") < least => {
            let reserved = own.count("micro_reserved");
            let what = format!("{asker}, with {reserved} of {least} micro-credits reserved");
            door.stage.find("reserve", what);
        }
        "begun" => {}
        _ if was_frozen => {}
        state => door
            .stage
            .find("replay", format!("{asker}, which is {state}")),
    }
}

const BEGUN: &str = "SELECT s.execution_id, e.fence FROM steps s \
    JOIN executions e ON e.project_id = s.project_id AND e.id = s.execution_id \
    WHERE s.kind = 'call' AND s.name = 'host_status' AND s.state = 'begun'";

/// A look of the tool that looks at the machine; it is over when this is dropped.
pub(crate) struct Look(Door);

impl Drop for Look {
    fn drop(&mut self) {
        let mut state = self.0.stage.lock();
        if let Some(looking) = state.memory.looking.get_mut(&self.0.process) {
            *looking -= 1;
        }
    }
}

/// The tool that looks at the machine is used: its calls must be durable.
pub(crate) async fn look(door: &Door, db: &Db) -> Look {
    let rows = db.rows(BEGUN).await;
    let look = Look(door.clone());
    let mut state = door.stage.lock();
    let looking = state.memory.looking.entry(door.process).or_default();
    *looking += 1;
    let looking = *looking;
    let of_process = rows.iter().filter(|row| {
        let id = row.id::<ExecutionId>("execution_id").expect("an id");
        state.memory.claims.get(&(id, row.number("fence"))) == Some(&door.process)
    });
    let begun = i64::try_from(of_process.count()).unwrap_or(i64::MAX);
    let was_frozen = state.memory.frozen.contains(&door.process);
    drop(state);
    if begun < looking && !was_frozen {
        let process = door.process;
        let what = format!("p{process} makes {looking} calls, {begun} are written down");
        door.stage.find("intent", what);
    }
    look
}
