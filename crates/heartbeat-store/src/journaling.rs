//! What the journal's verbs decide: functions of how far an execution has come, whichever database
//! keeps it.

use heartbeat_domain::budget::{Held, Reservation, overbilled_notice, reserve};
use heartbeat_domain::claim::Hold;
use heartbeat_domain::step::{StepKind, StepState};
use jiff::Timestamp;
use serde_json::Value;

use crate::StoreError;
use crate::calling;
use crate::progress::{About, Kept, Progress};
use crate::verbs::{Intent, Result, TurnIntent, TurnRecord};

/// A verb that writes a step down, or its end.
pub(crate) fn about(hold: &Hold, seq: u32) -> About {
    About {
        hold: *hold,
        seq,
        draws: false,
    }
}

/// A verb that reserves or settles, too.
pub(crate) fn drawing(hold: &Hold, seq: u32) -> About {
    About {
        draws: true,
        ..about(hold, seq)
    }
}

/// [`crate::verbs::Journal::open_journal`].
pub(crate) fn open(
    at: &mut Progress,
    hold: &Hold,
    request: &Value,
    now: Timestamp,
) -> Result<Value> {
    at.execution(hold)?;
    if let Some(kept) = at.find_step(hold, 0) {
        return Ok(kept.step.intent.clone());
    }
    let asked = (String::new(), request.clone());
    let mut kept = Kept::begun(0, StepKind::Request, asked, (hold, now));
    kept.end(StepState::Done, None, now);
    at.begin(hold, kept);
    Ok(request.clone())
}

/// A turn whose answer nobody will read: it costs its input, and its reservation ends.
fn lose(at: &mut Progress, hold: &Hold, kept: &Kept, held: &mut Held, now: Timestamp) {
    held.spent = held.spent.saturating_add(kept.micro_input_bound);
    held.reserved = held.reserved.saturating_sub(kept.step.micro_reserved);
    at.end(hold, kept.step.seq, |kept| {
        kept.end(StepState::Lost, None, now);
        kept.step.micro_charged = kept.micro_input_bound;
    });
}

/// [`crate::verbs::Journal::lose_turn`].
pub(crate) fn lose_turn(at: &mut Progress, hold: &Hold, seq: u32, now: Timestamp) -> Result<()> {
    let execution = at.execution(hold)?;
    let Some(kept) = at.find_step(hold, seq).cloned() else {
        return Ok(());
    };
    let step = &kept.step;
    let own = step.kind == StepKind::Turn && step.fence == hold.fence;
    if own && step.state == StepState::Begun {
        let mut after = execution.held;
        lose(at, hold, &kept, &mut after, now);
        at.spend(hold, after, 0);
    }
    Ok(())
}

/// [`crate::verbs::Journal::begin_turn`].
pub(crate) fn begin_turn(
    at: &mut Progress,
    hold: &Hold,
    intent: &TurnIntent,
    now: Timestamp,
) -> Result<Intent> {
    let execution = at.execution(hold)?;
    let mut attempt = 0;
    if let Some(kept) = at.find_step(hold, intent.seq).cloned() {
        match kept.step.state {
            StepState::Begun if kept.step.fence == hold.fence => {
                return Ok(Intent::Go {
                    max_tokens: kept.max_tokens,
                });
            }
            StepState::Begun => {
                let mut after = execution.held;
                lose(at, hold, &kept, &mut after, now);
                at.spend(hold, after, 0);
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
    reserve_turn(at, (hold, attempt), intent, now)
}

/// Reserves a turn's worst case and writes its intent down.
fn reserve_turn(
    at: &mut Progress,
    (hold, attempt): (&Hold, u32),
    intent: &TurnIntent,
    now: Timestamp,
) -> Result<Intent> {
    let execution = at.execution(hold)?;
    let levels = at.levels(&execution, intent.spending);
    let (micro, max_tokens) = match reserve(&levels, &execution.held, &intent.rates, &intent.ask) {
        Reservation::Granted { micro, max_tokens } => (micro, max_tokens),
        Reservation::Busy(scope) => return Ok(Intent::Busy(scope)),
        Reservation::Exhausted(scope) => return Ok(Intent::Exhausted(scope)),
    };
    let asked = (intent.model.clone(), intent.request.clone());
    let mut kept = Kept::begun(intent.seq, StepKind::Turn, asked, (hold, now));
    kept.step.attempt = attempt;
    kept.step.micro_reserved = micro;
    kept.max_tokens = max_tokens;
    kept.micro_input_bound = intent.rates.worst_case(intent.ask.input_tokens_max, 0);
    at.begin(hold, kept);
    at.remember(&execution, intent.spending);
    let mut after = execution.held;
    after.reserved = after.reserved.saturating_add(micro);
    at.spend(hold, after, 0);
    Ok(Intent::Go { max_tokens })
}

/// [`crate::verbs::Journal::record_turn`].
pub(crate) fn record_turn(
    at: &mut Progress,
    hold: &Hold,
    record: &TurnRecord,
    now: Timestamp,
) -> Result<()> {
    let execution = at.execution(hold)?;
    let step = &at.step(hold, record.seq)?.step;
    if step.state != StepState::Begun {
        return Ok(());
    }
    if step.fence != hold.fence {
        return Err(StoreError::Fenced);
    }
    let reserved = step.micro_reserved;
    let mut after = execution.held;
    after.reserved = after.reserved.saturating_sub(reserved);
    after.spent = after.spent.saturating_add(record.micro);
    let place = (execution.id, record.seq);
    let overbilled = (record.micro > reserved)
        .then(|| overbilled_notice(&step.name, place, (reserved, record.micro)));
    let state = match record.failed {
        true => StepState::Failed,
        false => StepState::Done,
    };
    at.end(hold, record.seq, |kept| {
        kept.end(state, Some(record.result.clone()), now);
        kept.step.tokens = record.tokens;
        kept.step.micro_charged = record.micro;
    });
    at.spend(hold, after, record.tokens);
    at.tell(&execution, (overbilled.as_slice(), &record.channels), now);
    Ok(())
}

/// [`crate::verbs::Journal::take_over`], given all steps on record; answers whether it changed any.
pub(crate) fn take_over(
    at: &mut Progress,
    hold: &Hold,
    steps: &[Kept],
    now: Timestamp,
) -> Result<bool> {
    let mut after = at.execution(hold)?.held;
    at.lay_out(hold.execution_id, steps);
    let was_lost =
        |kept: &&Kept| kept.step.kind == StepKind::Turn && kept.was_left_by_one_before(hold);
    let lost: Vec<&Kept> = steps.iter().filter(was_lost).collect();
    for kept in &lost {
        lose(at, hold, kept, &mut after, now);
    }
    if !lost.is_empty() {
        at.spend(hold, after, 0);
    }
    let settled = calling::take_over(at, hold, steps, now);
    Ok(settled || !lost.is_empty())
}
