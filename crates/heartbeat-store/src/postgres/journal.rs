//! The journal of an execution: what was asked of the world and what it answered.

use async_trait::async_trait;
use heartbeat_domain::claim::Hold;
use heartbeat_domain::ids::{ExecutionId, ProjectId};
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::step::Step;
use jiff::Timestamp;
use serde_json::Value;

use super::tx::{Tx, plain, sql};
use super::{PostgresStore, executions, progress, steps};
use crate::journaling::{self, about, drawing};
use crate::progress::Progress;
use crate::verbs::{CallIntent, Channel, Intent, Journal, Result, TurnIntent, TurnRecord};

const NOTE: &str = "UPDATE steps SET notes = $5 \
    WHERE project_id = $1 AND execution_id = $2 AND seq = $3 AND attempt = $4";

#[async_trait]
impl Journal for PostgresStore {
    async fn open_journal(&self, hold: &Hold, request: &Value, now: Timestamp) -> Result<Value> {
        let (hold, request) = (*hold, request.clone());
        let work = move |at: &mut Progress| journaling::open(at, &hold, &request, now);
        self.go_on(about(&hold, 0), work).await
    }

    async fn take_over(&self, hold: &Hold, now: Timestamp) -> Result<Vec<Step>> {
        let hold = *hold;
        self.write(move |tx| Box::pin(take_over(tx, hold, now)))
            .await
    }

    async fn begin_turn(&self, hold: &Hold, intent: &TurnIntent, now: Timestamp) -> Result<Intent> {
        let (hold, intent) = (*hold, intent.clone());
        let about = drawing(&hold, intent.seq);
        let work = move |at: &mut Progress| journaling::begin_turn(at, &hold, &intent, now);
        self.go_on(about, work).await
    }

    async fn record_turn(&self, hold: &Hold, record: &TurnRecord, now: Timestamp) -> Result<()> {
        let (hold, record) = (*hold, record.clone());
        let about = drawing(&hold, record.seq);
        let work = move |at: &mut Progress| journaling::record_turn(at, &hold, &record, now);
        self.go_on(about, work).await
    }

    async fn begin_calls(
        &self,
        hold: &Hold,
        calls: &[CallIntent],
        now: Timestamp,
    ) -> Result<Intent> {
        let (hold, calls) = (*hold, calls.to_vec());
        let first = calls.first().map_or(0, |call| call.seq);
        let work = move |at: &mut Progress| journaling::begin_calls(at, &hold, &calls, now);
        self.go_on(about(&hold, first), work).await
    }

    async fn record_call(
        &self,
        hold: &Hold,
        (seq, result): (u32, &Value),
        (notices, channels): (&[NoticeDraft], &[Channel]),
        now: Timestamp,
    ) -> Result<()> {
        let (hold, result) = (*hold, result.clone());
        let (notices, channels) = (notices.to_vec(), channels.to_vec());
        let work = move |at: &mut Progress| {
            journaling::record_call(at, &hold, (seq, &result), (&notices, &channels), now)
        };
        self.go_on(about(&hold, seq), work).await
    }

    async fn note_step(&self, hold: &Hold, seq: u32, note: &str) -> Result<()> {
        let (hold, note) = (*hold, note.to_owned());
        self.write(move |tx| Box::pin(note_step(tx, hold, seq, note.clone())))
            .await
    }

    async fn steps(&self, project_id: ProjectId, id: ExecutionId) -> Result<Vec<Step>> {
        let mut conn = self.read().await?;
        executions::find(&mut conn, project_id, id).await?;
        let steps = steps::of(&mut conn, project_id, id).await?;
        Ok(steps.into_iter().map(|kept| kept.step).collect())
    }
}

async fn take_over(tx: &mut Tx, hold: Hold, now: Timestamp) -> Result<Vec<Step>> {
    let mut at = progress::load(tx, &[drawing(&hold, 0)]).await?;
    let mut steps = steps::of(tx.conn(), hold.project_id, hold.execution_id).await?;
    if journaling::take_over(&mut at, &hold, &steps, now)? {
        progress::write(tx, &at).await?;
        steps = steps::of(tx.conn(), hold.project_id, hold.execution_id).await?;
    }
    Ok(steps.into_iter().map(|kept| kept.step).collect())
}

async fn note_step(tx: &mut Tx, hold: Hold, seq: u32, note: String) -> Result<()> {
    let at = progress::load(tx, &[about(&hold, seq)]).await?;
    at.execution(&hold)?;
    let kept = at.step(&hold, seq)?;
    let mut notes = kept.step.notes.clone();
    notes.push(note);
    let notes = serde_json::to_string(&notes).expect("a list of texts always serialises");
    let statement = sql(NOTE)
        .bind(hold.project_id.0)
        .bind(hold.execution_id.0)
        .bind(i64::from(seq))
        .bind(i64::from(kept.step.attempt))
        .bind(plain(&notes));
    tx.write(statement).await?;
    Ok(())
}
