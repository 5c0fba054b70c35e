//! How executions end: settled one after another, written together.
//!
//! Differs: PostgreSQL locks the rows first; here the writer is alone.

use std::collections::{BTreeMap, HashMap};

use heartbeat_domain::budget::Level;
use heartbeat_domain::claim::Hold;
use heartbeat_domain::execution::{Ending, Execution, Phase};
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::ids::{ExecutionId, HeartbeatId, NodeId, ProjectId};
use heartbeat_domain::settlement::{Owner, Settlement, settle};
use jiff::Timestamp;

use super::batch::Batch;
use super::budgets;
use super::outbox::{Origin, write_notices};
use super::records::{self, Standstill};
use super::rollups::Rollups;
use super::rows::{
    self, Cursor, HeldExecution, execution_columns, heartbeat_columns, int, ms, opt_ms,
};
use super::tx::Tx;
use crate::StoreError;
use crate::error::Thing;
use crate::verbs::{Channel, Result};

/// What [`crate::verbs::Fires::finish`] was asked.
#[derive(Clone, Debug)]
pub(super) struct FinishAsk {
    pub(super) hold: Hold,
    pub(super) ending: Ending,
    pub(super) channels: Vec<Channel>,
    pub(super) now: Timestamp,
}

static LOAD: Batch = Batch::new(
    "WITH v(project_id, id) AS (VALUES",
    2,
    concat!(
        ") SELECT ",
        execution_columns!(),
        ", h.id IS NOT NULL, ",
        heartbeat_columns!(),
        " FROM v JOIN executions e ON e.project_id = v.project_id AND e.id = v.id \
         LEFT JOIN heartbeats h ON h.project_id = e.project_id AND h.id = e.heartbeat_id"
    ),
);

static END: Batch = Batch::new(
    "WITH v(project_id, id, status, reason, response, error_message, credits_charged, \
     first_due_at, last_due_at, missed_count, finished_at, ended_by) AS (VALUES",
    12,
    ") UPDATE executions SET phase = 'ended', status = v.status, reason = v.reason, \
     response = v.response, error_message = v.error_message, \
     credits_charged = v.credits_charged, first_due_at = v.first_due_at, \
     last_due_at = v.last_due_at, missed_count = v.missed_count, finished_at = v.finished_at, \
     ended_by = v.ended_by, micro_reserved = 0, holder = NULL, claimable_at = NULL \
     FROM v WHERE executions.project_id = v.project_id AND executions.id = v.id",
);

type Key = (ProjectId, HeartbeatId);

/// The rows that several endings read and change.
#[derive(Default)]
struct Desk {
    executions: HashMap<ExecutionId, HeldExecution>,
    heartbeats: HashMap<Key, Heartbeat>,
    /// Heartbeats that cannot be read, with what is wrong.
    unreadable: HashMap<ExecutionId, StoreError>,
    ended: HashMap<ExecutionId, Settlement>,
    changed: Vec<Key>,
    rollups: Rollups,
    standstills: Vec<Standstill>,
}

/// Ends executions in the order asked; an answer for each. An error is that of all of them.
pub(super) async fn finish_all(
    tx: &mut Tx,
    asks: &[&FinishAsk],
) -> Result<Vec<Result<Settlement>>> {
    let mut desk = load(tx, asks).await?;
    let mut answers = Vec::with_capacity(asks.len());
    let mut ends = Vec::with_capacity(asks.len());
    for ask in asks {
        let answer = match check(&desk, ask) {
            Ok(None) => {
                let settlement = finish_one(tx, &mut desk, ask).await?;
                ends.push((settlement.execution.clone(), ask.hold.node_id));
                Ok(settlement)
            }
            Ok(Some(settlement)) => Ok(settlement),
            Err(error) => Err(error),
        };
        answers.push(answer);
    }
    write(tx, desk, &ends).await?;
    Ok(answers)
}

async fn load(tx: &mut Tx, asks: &[&FinishAsk]) -> Result<Desk> {
    let found = LOAD
        .rows(tx, asks, |statement, ask| {
            statement
                .bind(ask.hold.project_id.0)
                .bind(ask.hold.execution_id.0)
        })
        .await?;
    let mut desk = Desk::default();
    for row in &found {
        let mut c = Cursor::new(row);
        let held = rows::held_execution(&mut c)?;
        let id = held.execution.id;
        desk.executions.insert(id, held);
        if !c.take::<bool>()? {
            continue;
        }
        match rows::heartbeat(&mut c) {
            Ok(heartbeat) => {
                desk.heartbeats
                    .insert((heartbeat.project_id, heartbeat.id), heartbeat);
            }
            Err(error) => {
                desk.unreadable.insert(id, error);
            }
        }
    }
    Ok(desk)
}

/// Whether the hold stands; the first answer if this is a repeat.
fn check(desk: &Desk, ask: &FinishAsk) -> Result<Option<Settlement>> {
    let hold = &ask.hold;
    let held = desk.executions.get(&hold.execution_id);
    let held = held
        .filter(|held| held.execution.project_id == hold.project_id)
        .ok_or(StoreError::NotFound(Thing::Execution))?;
    if held.execution.fence != hold.fence {
        return Err(StoreError::Fenced);
    }
    if held.ended_by == Some(hold.node_id) {
        let again = desk.ended.get(&hold.execution_id).cloned();
        return Ok(Some(
            again.unwrap_or_else(|| equivalent(desk, &held.execution)),
        ));
    }
    if held.holder != Some(hold.node_id) || held.execution.phase != Phase::Running {
        return Err(StoreError::Fenced);
    }
    match desk.unreadable.get(&hold.execution_id) {
        Some(error) => Err(error.clone()),
        None => Ok(None),
    }
}

fn equivalent(desk: &Desk, execution: &Execution) -> Settlement {
    let key = execution.heartbeat_id.map(|id| (execution.project_id, id));
    Settlement {
        execution: execution.clone(),
        heartbeat: key.and_then(|key| desk.heartbeats.get(&key).cloned()),
        skipped: Vec::new(),
        notices: Vec::new(),
    }
}

async fn finish_one(tx: &mut Tx, desk: &mut Desk, ask: &FinishAsk) -> Result<Settlement> {
    let held = desk.executions.get(&ask.hold.execution_id);
    let execution = held.expect("`check` found it").execution.clone();
    let now = rows::whole_ms(ask.now);
    let levels = budgets::levels_of_ending(tx, &execution, desk.heartbeat_of(&execution)).await?;
    let mut settlement = settle_on(
        tx,
        desk.heartbeat_of(&execution),
        &execution,
        (ask, &levels),
        now,
    );
    settlement.execution.held.reserved = 0;
    if execution.held.credits() > 0 {
        let charge = settlement.execution.credits_charged;
        budgets::charge(tx, &execution, charge).await?;
    }
    desk.rollups.count(&settlement.execution);
    if let Some(after) = settlement.heartbeat.clone() {
        for skipped in &settlement.skipped {
            let row = records::write_skipped(tx, &after, skipped, now).await?;
            desk.rollups.count(&row);
        }
        desk.replace(after, now);
    }
    let origin = Origin::of_execution(&settlement.execution);
    write_notices(tx, &origin, &settlement.notices, (&ask.channels, now)).await?;
    let held = desk
        .executions
        .get_mut(&ask.hold.execution_id)
        .expect("`check` found it");
    held.ended_by = Some(ask.hold.node_id);
    held.execution = settlement.execution.clone();
    desk.ended.insert(ask.hold.execution_id, settlement.clone());
    Ok(settlement)
}

impl Desk {
    fn heartbeat_of(&self, execution: &Execution) -> Option<&Heartbeat> {
        let id = execution.heartbeat_id?;
        self.heartbeats.get(&(execution.project_id, id))
    }

    fn replace(&mut self, after: Heartbeat, now: Timestamp) {
        let key = (after.project_id, after.id);
        if let Some(before) = self.heartbeats.get(&key) {
            self.standstills
                .extend(Standstill::between(before, &after, now));
        }
        self.changed.push(key);
        self.heartbeats.insert(key, after);
    }
}

/// Settles; a heartbeat whose schedule has become unreadable pauses.
fn settle_on(
    tx: &Tx,
    heartbeat: Option<&Heartbeat>,
    execution: &Execution,
    (ask, levels): (&FinishAsk, &[Level]),
    now: Timestamp,
) -> Settlement {
    let ending = ask.ending.clone();
    let Some(heartbeat) = heartbeat else {
        return settle(execution, None, ending, now);
    };
    match tx.schedules.of(heartbeat) {
        Ok(schedule) => {
            let owner = Owner {
                heartbeat,
                schedule: &schedule,
                levels,
            };
            settle(execution, Some(owner), ending, now)
        }
        Err(error) => {
            tracing::error!(heartbeat.id = %heartbeat.id, %error, "a heartbeat had to pause");
            let mut settlement = settle(execution, None, ending, now);
            settlement.heartbeat = Some(records::broken(heartbeat, now));
            settlement
        }
    }
}

async fn write(tx: &mut Tx, desk: Desk, ends: &[(Execution, NodeId)]) -> Result<()> {
    if ends.is_empty() {
        return Ok(());
    }
    END.write(tx, ends, |statement, (row, node)| {
        statement
            .bind(row.project_id.0)
            .bind(row.id.0)
            .bind(row.status.map(|status| status.as_str()))
            .bind(row.reason.map(|reason| reason.as_str()))
            .bind(row.response.clone())
            .bind(row.error_message.clone())
            .bind(int(row.credits_charged))
            .bind(opt_ms(row.first_due_at))
            .bind(opt_ms(row.last_due_at))
            .bind(row.missed_count.map(int))
            .bind(row.finished_at.map(ms))
            .bind(node.0)
    })
    .await?;
    let changed: BTreeMap<Key, ()> = desk.changed.iter().map(|key| (*key, ())).collect();
    let changed: Vec<Heartbeat> = changed
        .keys()
        .filter_map(|key| desk.heartbeats.get(key).cloned())
        .collect();
    records::save_states(tx, &changed).await?;
    records::write_standstills(tx, &desk.standstills).await?;
    desk.rollups.write(tx).await
}
