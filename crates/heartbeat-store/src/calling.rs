//! What the journal's verbs decide about calls of tools, whichever database keeps them.
//!
//! Invariant: a call that may not be repeated is never `begun` by a second holder.

use heartbeat_domain::claim::Hold;
use heartbeat_domain::execution::Execution;
use heartbeat_domain::ids::NodeId;
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::step::{Decision, Review, Step, StepKind, StepState, outcome_unknown};
use heartbeat_domain::tool::Repeat;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::StoreError;
use crate::error::Thing;
use crate::progress::{Kept, Progress};
use crate::verbs::{CallIntent, CallRecord, Channel, Intent, Result, ReviewAsk};

const GO: Intent = Intent::Go { max_tokens: 0 };

/// [`crate::verbs::Journal::begin_calls`], given the first of them as it is on record; nothing
/// where a former holder wrote them: then all steps are needed, for [`begin_again`].
pub(crate) fn begin(
    at: &mut Progress,
    hold: &Hold,
    calls: &[CallIntent],
    now: Timestamp,
) -> Result<Option<Intent>> {
    let execution = at.execution(hold)?;
    let first = calls.first().and_then(|call| at.find_step(hold, call.seq));
    if let Some(first) = first {
        let own = first.step.fence == hold.fence;
        return Ok(own.then_some(GO));
    }
    if let Some(reason) = execution.cancel_requested {
        return Ok(Some(Intent::Cancelled(reason)));
    }
    for call in calls {
        at.begin(hold, begun(call, hold, now));
    }
    Ok(Some(GO))
}

/// [`crate::verbs::Journal::begin_calls`], given all steps on record.
pub(crate) fn begin_again(
    at: &mut Progress,
    hold: &Hold,
    (calls, steps): (&[CallIntent], &[Kept]),
    now: Timestamp,
) -> Result<Intent> {
    let execution = at.execution(hold)?;
    at.lay_out(hold.execution_id, steps);
    let (known, fresh): (Vec<&CallIntent>, Vec<&CallIntent>) = calls
        .iter()
        .partition(|call| at.find_step(hold, call.seq).is_some());
    let left = known.iter().filter_map(|call| at.find_step(hold, call.seq));
    let left = left.filter(|kept| kept.was_left_by_one_before(hold));
    let left: Vec<(u32, String)> = left
        .map(|kept| Ok((kept.step.seq, made_again(&kept.step)?)))
        .collect::<Result<_>>()?;
    if left.is_empty() && fresh.is_empty() {
        return Ok(GO);
    }
    if let Some(reason) = execution.cancel_requested {
        return Ok(Intent::Cancelled(reason));
    }
    for (seq, note) in left {
        at.change(hold, seq, |kept| {
            kept.step.fence = hold.fence;
            kept.step.settles_at = None;
            kept.step.notes.push(note);
        });
    }
    for call in fresh {
        at.begin(hold, begun(call, hold, now));
    }
    Ok(GO)
}

fn begun(call: &CallIntent, hold: &Hold, now: Timestamp) -> Kept {
    let asked = (call.tool.clone(), call.call.clone());
    let mut kept = Kept::begun(call.seq, StepKind::Call, asked, (hold, now));
    kept.step.effect_id = Some(call.effect_id.clone());
    kept.step.repeat = Some(call.repeat);
    kept.step.within = Some(call.within);
    kept
}

/// What is noted of a call that a new holder makes again; `Conflict` if it may not.
fn made_again(step: &Step) -> Result<String> {
    let how = match step.repeat.unwrap_or(Repeat::Never) {
        Repeat::Safe => "it is safe to repeat",
        Repeat::ByEffectId => "the other side recognises its effect id",
        Repeat::Never => {
            let what = format!("step {} may not be made again", step.seq);
            return Err(StoreError::Conflict(what));
        }
    };
    Ok(format!(
        "its answer was lost with its node; made again because {how}"
    ))
}

/// [`crate::verbs::Journal::record_call`].
pub(crate) fn record(
    at: &mut Progress,
    hold: &Hold,
    record: &CallRecord,
    told: (&[NoticeDraft], &[Channel]),
    now: Timestamp,
) -> Result<()> {
    let execution = at.execution(hold)?;
    if at.step(hold, record.seq)?.step.state != StepState::Begun {
        return Ok(());
    }
    let state = match record.unknown {
        true => StepState::Unknown,
        false => StepState::Done,
    };
    at.end(hold, record.seq, |kept| {
        kept.end(state, Some(record.result.clone()), now);
    });
    if record.unknown {
        at.mark(hold);
    }
    at.tell(&execution, told, now);
    Ok(())
}

/// The part of [`crate::verbs::Journal::take_over`] that is about calls; answers whether it changed
/// any.
pub(crate) fn take_over(at: &mut Progress, hold: &Hold, steps: &[Kept], now: Timestamp) -> bool {
    let left = steps
        .iter()
        .filter(|kept| kept.step.kind == StepKind::Call && kept.was_left_by_one_before(hold));
    let (mut changed, mut unknown) = (false, false);
    for kept in left {
        let step = &kept.step;
        if step.settles_at.is_none() {
            let within = step.within.unwrap_or(SignedDuration::ZERO);
            let settles_at = now.checked_add(within).unwrap_or(now);
            at.change(hold, step.seq, |kept| {
                kept.step.settles_at = Some(settles_at);
            });
            changed = true;
        }
        if step.repeat.unwrap_or(Repeat::Never) == Repeat::Never {
            let told = left_unknown(step);
            at.end(hold, step.seq, |kept| {
                kept.end(StepState::Unknown, Some(told), now);
            });
            unknown = true;
        }
    }
    if unknown {
        at.mark(hold);
    }
    changed || unknown
}

/// What the model is told of a call of a former holder that may not be repeated.
fn left_unknown(step: &Step) -> serde_json::Value {
    let asked = (step.name.as_str(), step.effect_id.as_deref());
    let why = "the node that made it lost its hold before it wrote an answer down";
    let told = outcome_unknown(asked, step.begun_at, why);
    serde_json::to_value(told).expect("a tool's output always serialises")
}

/// [`crate::verbs::Journal::late_send`].
pub(crate) fn late_send(
    at: &mut Progress,
    hold: &Hold,
    seq: u32,
    sent_at: Timestamp,
) -> Result<()> {
    if hold.fence > at.known(hold)?.fence {
        return Err(StoreError::Fenced);
    }
    let step = &at.step(hold, seq)?.step;
    if step.kind != StepKind::Call {
        return Err(StoreError::Conflict(format!("step {seq} is no call")));
    }
    if step.late_sent_at.is_some() {
        return Ok(());
    }
    let denied = step.review.clone();
    let denied = denied.filter(|review| review.decision == Decision::NotDone);
    at.change(hold, seq, |kept| {
        kept.step.late_sent_at = Some(sent_at);
        if let Some(Review { by, at, .. }) = &denied {
            kept.step.review = None;
            kept.step.notes.push(format!(
                "set to not_done by {by} at {at}; then a late holder said that it had sent it"
            ));
        }
    });
    if denied.is_some() {
        at.mark(hold);
    }
    Ok(())
}

/// What [`review`] is about, as a hold that nobody has.
pub(crate) fn nobodys(execution: &Execution) -> Hold {
    Hold {
        project_id: execution.project_id,
        execution_id: execution.id,
        due_at: execution.due_at,
        node_id: NodeId(Uuid::nil()),
        fence: 0,
    }
}

/// [`crate::verbs::Journal::review`], given all steps on record.
pub(crate) fn review(
    at: &mut Progress,
    hold: &Hold,
    (ask, steps): (&ReviewAsk, &[Kept]),
    now: Timestamp,
) -> Result<Step> {
    at.known(hold)?;
    at.lay_out(hold.execution_id, steps);
    let step = at.find_step(hold, ask.seq).map(|kept| &kept.step);
    let mut step = step.ok_or(StoreError::NotFound(Thing::Step))?.clone();
    if step.state != StepState::Unknown {
        let what = format!("the outcome of step {} is known", ask.seq);
        return Err(StoreError::Conflict(what));
    }
    if step.review.as_ref().map(|review| review.decision) == Some(ask.decision) {
        return Ok(step);
    }
    let word = Review {
        decision: ask.decision,
        by: ask.by.clone(),
        at: crate::rows::whole_ms(now),
    };
    step.review = Some(word.clone());
    at.change(hold, ask.seq, |kept| kept.step.review = Some(word));
    at.mark(hold);
    Ok(step)
}

/// A duration as the databases keep it: not a part of a millisecond too short.
pub(crate) fn whole_millis(within: SignedDuration) -> i64 {
    let nanos = within.as_nanos().max(0).unsigned_abs();
    i64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(i64::MAX)
}
