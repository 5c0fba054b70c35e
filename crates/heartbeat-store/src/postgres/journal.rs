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
use crate::calling;
use crate::journaling::{self, about, drawing};
use crate::progress::Progress;
use crate::verbs::{
    CallIntent, CallRecord, Channel, Intent, Journal, Result, ReviewAsk, TurnIntent, TurnRecord,
};

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

    async fn lose_turn(&self, hold: &Hold, seq: u32, now: Timestamp) -> Result<()> {
        let hold = *hold;
        let work = move |at: &mut Progress| journaling::lose_turn(at, &hold, seq, now);
        self.go_on(drawing(&hold, seq), work).await
    }

    async fn begin_calls(
        &self,
        hold: &Hold,
        calls: &[CallIntent],
        now: Timestamp,
    ) -> Result<Intent> {
        let (hold, calls) = (*hold, calls.to_vec());
        let first = calls.first().map_or(0, |call| call.seq);
        let asked = calls.clone();
        let work = move |at: &mut Progress| calling::begin(at, &hold, &asked, now);
        match self.go_on(about(&hold, first), work).await? {
            Some(intent) => Ok(intent),
            None => {
                self.write(move |tx| Box::pin(begin_again(tx, hold, calls.clone(), now)))
                    .await
            }
        }
    }

    async fn record_call(
        &self,
        hold: &Hold,
        record: &CallRecord,
        (notices, channels): (&[NoticeDraft], &[Channel]),
        now: Timestamp,
    ) -> Result<()> {
        let (hold, record) = (*hold, record.clone());
        let about = about(&hold, record.seq);
        let (notices, channels) = (notices.to_vec(), channels.to_vec());
        let work = move |at: &mut Progress| {
            calling::record(at, &hold, &record, (&notices, &channels), now)
        };
        self.go_on(about, work).await
    }

    async fn note_step(&self, hold: &Hold, seq: u32, note: &str) -> Result<()> {
        let (hold, note) = (*hold, note.to_owned());
        self.write_once(move |tx| Box::pin(note_step(tx, hold, seq, note.clone())))
            .await
    }

    async fn late_send(&self, hold: &Hold, seq: u32, sent_at: Timestamp) -> Result<()> {
        let hold = *hold;
        self.write(move |tx| Box::pin(late_send(tx, hold, seq, sent_at)))
            .await
    }

    async fn review(&self, project_id: ProjectId, ask: &ReviewAsk, now: Timestamp) -> Result<Step> {
        let ask = ask.clone();
        self.write(move |tx| Box::pin(review(tx, project_id, ask.clone(), now)))
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

async fn begin_again(
    tx: &mut Tx,
    hold: Hold,
    calls: Vec<CallIntent>,
    now: Timestamp,
) -> Result<Intent> {
    let mut at = progress::load(tx, &[about(&hold, 0)]).await?;
    let steps = steps::of(tx.conn(), hold.project_id, hold.execution_id).await?;
    let intent = calling::begin_again(&mut at, &hold, (&calls, &steps), now)?;
    progress::write(tx, &at).await?;
    Ok(intent)
}

async fn late_send(tx: &mut Tx, hold: Hold, seq: u32, sent_at: Timestamp) -> Result<()> {
    let mut at = progress::load(tx, &[about(&hold, seq)]).await?;
    calling::late_send(&mut at, &hold, seq, sent_at)?;
    progress::write(tx, &at).await
}

async fn review(
    tx: &mut Tx,
    project_id: ProjectId,
    ask: ReviewAsk,
    now: Timestamp,
) -> Result<Step> {
    let execution = executions::find(tx.conn(), project_id, ask.execution_id).await?;
    let hold = calling::nobodys(&execution);
    let mut at = progress::load(tx, &[about(&hold, ask.seq)]).await?;
    let steps = steps::of(tx.conn(), project_id, ask.execution_id).await?;
    let step = calling::review(&mut at, &hold, (&ask, &steps), now)?;
    progress::write(tx, &at).await?;
    Ok(step)
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
