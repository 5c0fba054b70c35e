//! The journal of an execution: what was asked of the world and what it answered.

use async_trait::async_trait;
use heartbeat_domain::budget::{Held, Reservation, reserve};
use heartbeat_domain::claim::Hold;
use heartbeat_domain::execution::Execution;
use heartbeat_domain::ids::{ExecutionId, ProjectId};
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::step::{Step, StepKind, StepState};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::batch::Batch;
use super::budgets::{Purse, further};
use super::failure::failure;
use super::fires::held;
use super::outbox::write_notices;
use super::rows::{self, Cursor, execution_columns, int, ms};
use super::tx::{Statement, Tx, sql};
use super::{SqliteStore, executions};
use crate::StoreError;
use crate::error::Thing;
use crate::journaling::{Ends, Kept, Place, begun, kept, standing};
use crate::messages::Origin;
use crate::verbs::{CallIntent, Channel, Intent, Journal, Result, TurnIntent, TurnRecord};

static INSERT: Batch = Batch::new(
    "INSERT INTO steps (project_id, execution_id, seq, attempt, kind, state, name, intent, \
     effect_id, max_tokens, micro_reserved, micro_input_bound, fence, begun_at, ended_at, notes, \
     tokens, micro_charged) SELECT column1, column2, column3, column4, column5, column6, column7, \
     column8, column9, column10, column11, column12, column13, column14, column15, '[]', 0, 0 \
     FROM (VALUES",
    15,
    ") WHERE true ON CONFLICT (project_id, execution_id, seq, attempt) DO NOTHING",
);

/// An execution, its heartbeat's budget, and the latest attempt at one of its steps.
const AT: &str = concat!(
    "SELECT ",
    execution_columns!(),
    ", (SELECT credit_budget FROM heartbeats WHERE project_id = e.project_id \
     AND id = e.heartbeat_id), s.seq IS NOT NULL, s.seq, s.attempt, s.kind, s.state, s.name, \
     s.intent, s.result, s.notes, s.effect_id, s.tokens, s.micro_reserved, s.micro_charged, \
     s.fence, s.begun_at, s.ended_at, s.max_tokens, s.micro_input_bound \
     FROM executions e LEFT JOIN steps s ON s.project_id = e.project_id \
     AND s.execution_id = e.id AND s.seq = $3 AND s.attempt = (SELECT MAX(attempt) FROM steps \
     WHERE project_id = e.project_id AND execution_id = e.id AND seq = $3) \
     WHERE e.project_id = $1 AND e.id = $2"
);

const ALL: &str = "SELECT seq, attempt, kind, state, name, intent, result, notes, effect_id, \
    tokens, micro_reserved, micro_charged, fence, begun_at, ended_at, max_tokens, \
    micro_input_bound FROM steps WHERE project_id = $1 AND execution_id = $2 \
    ORDER BY seq, attempt";

const END: &str = "UPDATE steps SET state = $5, result = $6, tokens = $7, micro_charged = $8, \
    micro_reserved = 0, ended_at = $9 \
    WHERE project_id = $1 AND execution_id = $2 AND seq = $3 AND attempt = $4 AND state = 'begun'";

const NOTE: &str = "UPDATE steps SET notes = $5 \
    WHERE project_id = $1 AND execution_id = $2 AND seq = $3 AND attempt = $4";

const SPEND: &str = "UPDATE executions SET micro_spent = $3, micro_reserved = $4, \
    tokens_used = tokens_used + $5, started_at = COALESCE(started_at, $6) \
    WHERE project_id = $1 AND id = $2";

/// Both in one visit to the driver's thread.
const SPEND_AND_DRAW: &str = "UPDATE executions SET micro_spent = $3, micro_reserved = $4, \
    tokens_used = tokens_used + $5, started_at = COALESCE(started_at, $6) \
    WHERE project_id = $1 AND id = $2; \
    INSERT INTO budgets (project_id, scope, scope_id, period, credit_limit, used, held) \
    VALUES ($1, 'heartbeat', $7, $8, NULL, 0, MAX($10, 0)), \
    ($1, 'project_day', $1, $9, $11, 0, MAX($10, 0)) \
    ON CONFLICT (project_id, scope, scope_id, period) DO UPDATE SET \
    held = MAX(budgets.held + $10, 0), \
    credit_limit = CASE WHEN $12 THEN excluded.credit_limit ELSE budgets.credit_limit END";

#[async_trait]
impl Journal for SqliteStore {
    async fn open_journal(&self, hold: &Hold, request: &Value, now: Timestamp) -> Result<Value> {
        let (hold, request) = (*hold, request.clone());
        self.write(move |tx| Box::pin(open(tx, hold, request, now)))
            .await
    }

    async fn take_over(&self, hold: &Hold, now: Timestamp) -> Result<Vec<Step>> {
        let hold = *hold;
        self.write(move |tx| Box::pin(take_over(tx, hold, now)))
            .await
    }

    async fn begin_turn(&self, hold: &Hold, intent: &TurnIntent, now: Timestamp) -> Result<Intent> {
        let (hold, intent) = (*hold, intent.clone());
        self.write(move |tx| Box::pin(begin_turn(tx, hold, intent, now)))
            .await
    }

    async fn record_turn(&self, hold: &Hold, record: &TurnRecord, now: Timestamp) -> Result<()> {
        let (hold, record) = (*hold, record.clone());
        self.write(move |tx| Box::pin(record_turn(tx, hold, record, now)))
            .await
    }

    async fn begin_calls(
        &self,
        hold: &Hold,
        calls: &[CallIntent],
        now: Timestamp,
    ) -> Result<Intent> {
        let (hold, calls) = (*hold, calls.to_vec());
        self.write(move |tx| Box::pin(begin_calls(tx, hold, calls, now)))
            .await
    }

    async fn record_call(
        &self,
        hold: &Hold,
        (seq, result): (u32, &Value),
        (notices, channels): (&[NoticeDraft], &[Channel]),
        now: Timestamp,
    ) -> Result<()> {
        let (hold, result) = (*hold, (seq, result.clone()));
        let told = (notices.to_vec(), channels.to_vec());
        self.write(move |tx| Box::pin(record_call(tx, hold, result, told, now)))
            .await
    }

    async fn note_step(&self, hold: &Hold, seq: u32, note: &str) -> Result<()> {
        let (hold, note) = (*hold, note.to_owned());
        self.write(move |tx| Box::pin(note_step(tx, hold, seq, note)))
            .await
    }

    async fn steps(&self, project_id: ProjectId, id: ExecutionId) -> Result<Vec<Step>> {
        let mut conn = self.read().await?;
        executions::find(&mut conn, project_id, id).await?;
        let steps = read_all(&mut conn, project_id, id).await?;
        Ok(steps.into_iter().map(|kept| kept.step).collect())
    }
}

fn read(row: &SqliteRow) -> Result<Kept> {
    kept(&mut Cursor::new(row))
}

async fn read_all(
    conn: &mut SqliteConnection,
    project_id: ProjectId,
    id: ExecutionId,
) -> Result<Vec<Kept>> {
    let rows = sql(ALL).bind(project_id.0).bind(id.0).fetch_all(conn).await;
    rows.map_err(|error| failure(&error))?
        .iter()
        .map(read)
        .collect()
}

async fn place(tx: &mut Tx, hold: &Hold, seq: u32) -> Result<Place> {
    let statement = sql(AT)
        .bind(hold.project_id.0)
        .bind(hold.execution_id.0)
        .bind(i64::from(seq));
    let row = tx.find(statement).await?;
    let row = row.ok_or(StoreError::NotFound(Thing::Execution))?;
    let mut c = Cursor::new(&row);
    let execution = standing(rows::held_execution(&mut c)?, hold)?;
    let credit_budget = c.find_count()?;
    let kept = match c.take::<bool>()? {
        true => Some(kept(&mut c)?),
        false => None,
    };
    Ok(Place {
        execution,
        credit_budget,
        kept,
    })
}

async fn open(tx: &mut Tx, hold: Hold, request: Value, now: Timestamp) -> Result<Value> {
    if let Some(kept) = place(tx, &hold, 0).await?.kept {
        return Ok(kept.step.intent);
    }
    let mut step = begun(
        0,
        StepKind::Request,
        (String::new(), request.clone()),
        (&hold, now),
    );
    step.state = StepState::Done;
    step.ended_at = Some(now);
    insert_alone(
        tx,
        &hold,
        &[Kept {
            step,
            max_tokens: 0,
            micro_input_bound: 0,
        }],
    )
    .await?;
    Ok(request)
}

/// Writes steps; of a verb that writes nothing else if there is only one.
async fn insert_alone(tx: &mut Tx, hold: &Hold, steps: &[Kept]) -> Result<u64> {
    match steps {
        [step] => {
            INSERT
                .write_alone(tx, step, |statement, step| bind(statement, hold, step))
                .await
        }
        steps => insert(tx, hold, steps).await,
    }
}

async fn insert(tx: &mut Tx, hold: &Hold, steps: &[Kept]) -> Result<u64> {
    INSERT
        .write(tx, steps, |statement, step| bind(statement, hold, step))
        .await
}

fn bind(statement: Statement<'static>, hold: &Hold, kept: &Kept) -> Statement<'static> {
    let step = &kept.step;
    statement
        .bind(hold.project_id.0)
        .bind(hold.execution_id.0)
        .bind(i64::from(step.seq))
        .bind(i64::from(step.attempt))
        .bind(step.kind.as_str())
        .bind(step.state.as_str())
        .bind(step.name.clone())
        .bind(step.intent.to_string())
        .bind(step.effect_id.clone())
        .bind(i64::from(kept.max_tokens))
        .bind(int(step.micro_reserved))
        .bind(int(kept.micro_input_bound))
        .bind(step.fence)
        .bind(ms(step.begun_at))
        .bind(step.ended_at.map(ms))
}

async fn take_over(tx: &mut Tx, hold: Hold, now: Timestamp) -> Result<Vec<Step>> {
    let execution = held(tx, &hold).await?;
    let mut after = execution.held;
    let steps = read_all(tx.conn(), hold.project_id, hold.execution_id).await?;
    let was_lost = |kept: &&Kept| {
        let step = &kept.step;
        step.kind == StepKind::Turn && step.state == StepState::Begun && step.fence < hold.fence
    };
    let mut lost = 0;
    for kept in steps.iter().filter(was_lost) {
        lose(tx, &hold, kept, &mut after, now).await?;
        lost += 1;
    }
    if lost == 0 {
        return Ok(steps.into_iter().map(|kept| kept.step).collect());
    }
    spend(tx, &execution, after, (0, None), now).await?;
    let steps = read_all(tx.conn(), hold.project_id, hold.execution_id).await?;
    Ok(steps.into_iter().map(|kept| kept.step).collect())
}

/// A turn whose answer nobody will read: it costs its input, and its reservation ends.
async fn lose(
    tx: &mut Tx,
    hold: &Hold,
    kept: &Kept,
    held: &mut Held,
    now: Timestamp,
) -> Result<()> {
    let ends = Ends {
        state: StepState::Lost,
        result: None,
        tokens: 0,
        micro: kept.micro_input_bound,
    };
    end(tx, hold, &kept.step, ends, now).await?;
    held.spent = held.spent.saturating_add(kept.micro_input_bound);
    held.reserved = held.reserved.saturating_sub(kept.step.micro_reserved);
    Ok(())
}

async fn end(tx: &mut Tx, hold: &Hold, step: &Step, ends: Ends, now: Timestamp) -> Result<u64> {
    tx.write(ending(hold, step, ends, now)).await
}

fn ending(hold: &Hold, step: &Step, ends: Ends, now: Timestamp) -> Statement<'static> {
    sql(END)
        .bind(hold.project_id.0)
        .bind(hold.execution_id.0)
        .bind(i64::from(step.seq))
        .bind(i64::from(step.attempt))
        .bind(ends.state.as_str())
        .bind(ends.result.map(|result| result.to_string()))
        .bind(int(ends.tokens))
        .bind(int(ends.micro))
        .bind(ms(now))
}

/// Writes what an execution has spent and reserved, and what that changes of the budgets.
async fn spend(
    tx: &mut Tx,
    execution: &Execution,
    after: Held,
    (tokens, day_limit): (u64, Option<Option<u64>>),
    now: Timestamp,
) -> Result<()> {
    let more = further(execution.held, after);
    let statement = sql(if more == 0 { SPEND } else { SPEND_AND_DRAW })
        .bind(execution.project_id.0)
        .bind(execution.id.0)
        .bind(int(after.spent))
        .bind(int(after.reserved))
        .bind(int(tokens))
        .bind(ms(execution.started_at.unwrap_or(now)));
    let statement = match more {
        0 => statement,
        more => purse(execution, now).bind(statement, more, day_limit),
    };
    tx.write(statement).await?;
    Ok(())
}

/// The first turn fixes the period of an execution that was not said to have started.
fn purse(execution: &Execution, now: Timestamp) -> Purse {
    let started_at = execution.started_at.unwrap_or(now);
    Purse::new(execution.project_id, execution.heartbeat_id, started_at)
}

async fn begin_turn(tx: &mut Tx, hold: Hold, intent: TurnIntent, now: Timestamp) -> Result<Intent> {
    let place = place(tx, &hold, intent.seq).await?;
    let (mut execution, limit) = (place.execution, place.credit_budget);
    let mut attempt = 0;
    if let Some(kept) = place.kept {
        match kept.step.state {
            StepState::Begun if kept.step.fence == hold.fence => {
                return Ok(Intent::Go {
                    max_tokens: kept.max_tokens,
                });
            }
            StepState::Begun => {
                let mut after = execution.held;
                lose(tx, &hold, &kept, &mut after, now).await?;
                spend(tx, &execution, after, (0, None), now).await?;
                execution.held = after;
            }
            StepState::Lost => {}
            _ => {
                let what = format!("turn {} has its result on record", intent.seq);
                return Err(StoreError::Conflict(what));
            }
        }
        attempt = kept.step.attempt + 1;
    }
    if let Some(reason) = execution.cancel_requested {
        return Ok(Intent::Cancelled(reason));
    }
    reserve_turn(tx, (&execution, limit), (&hold, attempt), intent, now).await
}

async fn reserve_turn(
    tx: &mut Tx,
    (execution, limit): (&Execution, Option<u64>),
    (hold, attempt): (&Hold, u32),
    intent: TurnIntent,
    now: Timestamp,
) -> Result<Intent> {
    let day_limit = Some(intent.daily_credit_limit);
    let levels = purse(execution, now).levels(tx, limit, day_limit).await?;
    let (micro, max_tokens) = match reserve(&levels, &execution.held, &intent.rates, &intent.ask) {
        Reservation::Granted { micro, max_tokens } => (micro, max_tokens),
        Reservation::Busy(scope) => return Ok(Intent::Busy(scope)),
        Reservation::Exhausted(scope) => return Ok(Intent::Exhausted(scope)),
    };
    let asked = (intent.model, intent.request);
    let mut step = begun(intent.seq, StepKind::Turn, asked, (hold, now));
    step.attempt = attempt;
    step.micro_reserved = micro;
    let micro_input_bound = intent.rates.worst_case(intent.ask.input_tokens_max, 0);
    insert(
        tx,
        hold,
        &[Kept {
            step,
            max_tokens,
            micro_input_bound,
        }],
    )
    .await?;
    let mut after = execution.held;
    after.reserved = after.reserved.saturating_add(micro);
    spend(tx, execution, after, (0, day_limit), now).await?;
    Ok(Intent::Go { max_tokens })
}

async fn record_turn(tx: &mut Tx, hold: Hold, record: TurnRecord, now: Timestamp) -> Result<()> {
    let place = place(tx, &hold, record.seq).await?;
    let (execution, kept) = place.on_record(record.seq)?;
    if kept.step.state != StepState::Begun {
        return Ok(());
    }
    if kept.step.fence != hold.fence {
        return Err(StoreError::Fenced);
    }
    let ends = Ends {
        state: if record.failed {
            StepState::Failed
        } else {
            StepState::Done
        },
        result: Some(record.result),
        tokens: record.tokens,
        micro: record.micro,
    };
    end(tx, &hold, &kept.step, ends, now).await?;
    let mut after = execution.held;
    after.reserved = after.reserved.saturating_sub(kept.step.micro_reserved);
    after.spent = after.spent.saturating_add(record.micro);
    spend(tx, &execution, after, (record.tokens, None), now).await
}

async fn begin_calls(
    tx: &mut Tx,
    hold: Hold,
    calls: Vec<CallIntent>,
    now: Timestamp,
) -> Result<Intent> {
    let first = calls.first().map_or(0, |call| call.seq);
    let Place {
        execution, kept, ..
    } = place(tx, &hold, first).await?;
    if kept.is_some() && !calls.is_empty() {
        return Ok(Intent::Go { max_tokens: 0 });
    }
    if let Some(reason) = execution.cancel_requested {
        return Ok(Intent::Cancelled(reason));
    }
    let steps = calls.into_iter().map(|call| {
        let mut step = begun(
            call.seq,
            StepKind::Call,
            (call.tool, call.call),
            (&hold, now),
        );
        step.effect_id = Some(call.effect_id);
        Kept {
            step,
            max_tokens: 0,
            micro_input_bound: 0,
        }
    });
    let steps: Vec<Kept> = steps.collect();
    insert_alone(tx, &hold, &steps).await?;
    Ok(Intent::Go { max_tokens: 0 })
}

async fn record_call(
    tx: &mut Tx,
    hold: Hold,
    (seq, result): (u32, Value),
    (notices, channels): (Vec<NoticeDraft>, Vec<Channel>),
    now: Timestamp,
) -> Result<()> {
    let (execution, kept) = place(tx, &hold, seq).await?.on_record(seq)?;
    let ends = Ends {
        state: StepState::Done,
        result: Some(result),
        tokens: 0,
        micro: 0,
    };
    let ending = ending(&hold, &kept.step, ends, now);
    if notices.is_empty() {
        return tx.write_alone(ending).await.map(drop);
    }
    if tx.write(ending).await? == 0 {
        return Ok(());
    }
    let origin = Origin::of_execution(&execution);
    write_notices(tx, &origin, &notices, (&channels, now)).await?;
    Ok(())
}

async fn note_step(tx: &mut Tx, hold: Hold, seq: u32, note: String) -> Result<()> {
    let (_, kept) = place(tx, &hold, seq).await?.on_record(seq)?;
    let mut notes = kept.step.notes;
    notes.push(note);
    let notes = serde_json::to_string(&notes).expect("a list of texts always serialises");
    let statement = sql(NOTE)
        .bind(hold.project_id.0)
        .bind(hold.execution_id.0)
        .bind(i64::from(seq))
        .bind(i64::from(kept.step.attempt))
        .bind(notes);
    tx.write_alone(statement).await?;
    Ok(())
}
