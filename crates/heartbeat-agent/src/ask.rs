//! One model turn: intent, a place in the queue, attempts, record.
//!
//! Retries live here and nowhere else. A turn that is refused, that shows no first byte in time or
//! that meets an overloaded server is tried again; every wait goes through the waiter.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::{Either, select};
use heartbeat_domain::conversation::{Turn, TurnRequest};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OwnedSemaphorePermit;

use crate::backoff::wait_after;
use crate::journal::{BegunTurn, Halt, StepSeq};
use crate::model::{ModelError, ModelErrorKind};
use crate::session::{Ended, MODEL_ERROR, Progress, Session, failed, later};
use crate::usage::estimate;

/// The attempts at one turn so far.
struct Tries {
    queued: SignedDuration,
    started_at: Timestamp,
    count: u32,
    /// Whether any of them reached the server.
    reached: bool,
}

impl Session<'_> {
    /// Asks for the next turn, or takes it from the record.
    pub(crate) async fn ask(
        &self,
        request: &mut TurnRequest,
        progress: &Progress,
    ) -> Result<Turn, Ended> {
        if self.waiter.now() >= progress.ends_at {
            return Err(self.time_is_up());
        }
        let queued_at = self.waiter.now();
        let _place = self.place(progress.ends_at).await?;
        let started_at = self.waiter.now();
        let queued = started_at.duration_since(queued_at);
        let mut tries = Tries {
            queued,
            started_at,
            count: 0,
            reached: false,
        };
        loop {
            let error = match self.attempt(request, progress, &tries).await? {
                Ok(turn) => return Ok(turn),
                Err(error) => error,
            };
            tries.count += 1;
            tries.reached |= error.kind != ModelErrorKind::Unreachable;
            let Some(wait) = self.wait_before_next(&error, &tries, progress) else {
                self.journal.record_failure(progress.next, &error).await?;
                return Err(self.conclude(error, &tries, progress));
            };
            let (count, of) = (tries.count, self.limits.attempts);
            let note = format!("attempt {count} of {of}: {error}; asked again after {wait:#}");
            self.journal.note(progress.next, &note).await;
            let again_at = later(self.waiter.now(), wait);
            let waited = self.unless_stopped(self.waiter.wait_until(again_at));
            if waited.await.is_none() {
                self.journal.record_failure(progress.next, &error).await?;
                return Err(Halt::Cancelled.into());
            }
        }
    }

    /// A place among those who ask the same server at once; taken before the budget is touched, so
    /// that nobody queues with a reservation in hand.
    async fn place(&self, ends_at: Timestamp) -> Result<Option<OwnedSemaphorePermit>, Ended> {
        let Some(lane) = self.provider.lane() else {
            return Ok(None);
        };
        let place = pin!(lane.acquire_owned());
        let place = self.unless_stopped(select(place, self.waiter.wait_until(ends_at)));
        match place.await.ok_or(Halt::Cancelled)? {
            Either::Left((place, _)) => Ok(place.ok()),
            Either::Right(_) => Err(self.time_is_up()),
        }
    }

    /// One attempt with its intent before and its record after it.
    ///
    /// The intent is written before every attempt, not only the first: who lost the lease or was
    /// told to stop while waiting must not ask again.
    async fn attempt(
        &self,
        request: &mut TurnRequest,
        progress: &Progress,
        tries: &Tries,
    ) -> Result<Result<Turn, ModelError>, Ended> {
        let wanted = request.max_tokens;
        match self.journal.begin_turn(progress.next, request).await? {
            BegunTurn::Recorded(turn) => return Ok(Ok(turn)),
            BegunTurn::Failed(error) => return Err(self.replayed(error, progress)),
            BegunTurn::Go { max_tokens } => request.max_tokens = wanted.min(max_tokens),
        }
        if tries.count == 0 {
            self.note_queue(progress.next, tries.queued).await;
        }
        let answer = self.unless_stopped(self.ask_once(request, progress)).await;
        request.max_tokens = wanted;
        let Some(answer) = answer else {
            self.journal.lose_turn(progress.next).await?;
            return Err(Halt::Cancelled.into());
        };
        if let Ok(turn) = &answer {
            self.journal.record_turn(progress.next, turn).await?;
        }
        Ok(answer)
    }

    async fn note_queue(&self, seq: StepSeq, queued: SignedDuration) {
        if queued.as_millis() >= 100 {
            let label = self.provider.label();
            let note = format!("waited {queued:#} for a place at {label}");
            self.journal.note(seq, &note).await;
        }
    }

    /// How long to wait before the next attempt, if there is to be one.
    fn wait_before_next(
        &self,
        error: &ModelError,
        tries: &Tries,
        progress: &Progress,
    ) -> Option<SignedDuration> {
        let seed = self.seed ^ (u64::from(progress.next) << 32);
        let wait = wait_after(tries.count, error.retry_after, seed);
        let last_start = later(tries.started_at, self.limits.retry_total).min(progress.ends_at);
        let in_time = later(self.waiter.now(), wait) < last_start;
        let again = error.is_passing() && tries.count < self.limits.attempts && in_time;
        again.then_some(wait)
    }

    /// The request itself, cut off when no first byte comes in time or the session's time is up.
    async fn ask_once(
        &self,
        request: &TurnRequest,
        progress: &Progress,
    ) -> Result<Turn, ModelError> {
        let heard = AtomicBool::new(false);
        let heard_bytes = AtomicUsize::new(0);
        let on_text = |text: &str| {
            heard.store(true, Ordering::Relaxed);
            heard_bytes.fetch_add(text.len(), Ordering::Relaxed);
            if !text.is_empty() {
                self.journal.delta(progress.next, text);
            }
        };
        let first_byte_by = later(self.waiter.now(), self.limits.first_byte).min(progress.ends_at);
        let mut answer = self.provider.turn(request, &on_text);
        if let Either::Left((result, _)) =
            select(answer.as_mut(), self.waiter.wait_until(first_byte_by)).await
        {
            return result;
        }
        if !heard.load(Ordering::Relaxed) {
            let waited = self.limits.first_byte;
            let message = format!("{} sent no first byte in {waited:#}", self.provider.label());
            return Err(ModelError::new(ModelErrorKind::Unreachable, message));
        }
        match select(answer, self.waiter.wait_until(progress.ends_at)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => {
                let error = ModelError::broken("the run's time was up before the answer was");
                let spent = estimate(request, heard_bytes.load(Ordering::Relaxed));
                Err(error.having_spent(Some(spent)))
            }
        }
    }

    /// How the session ends on a failure that a former holder left on record.
    fn replayed(&self, error: ModelError, progress: &Progress) -> Ended {
        let tries = Tries {
            queued: SignedDuration::ZERO,
            started_at: self.waiter.now(),
            count: 0,
            reached: error.kind != ModelErrorKind::Unreachable,
        };
        self.conclude(error, &tries, progress)
    }

    fn conclude(&self, error: ModelError, tries: &Tries, progress: &Progress) -> Ended {
        if self.waiter.now() >= progress.ends_at {
            return self.time_is_up();
        }
        let count = tries.count;
        let tried = if count > 1 {
            format!(" (tried {count} times)")
        } else {
            String::new()
        };
        let message = format!("{}: {error}{tried}", self.provider.label());
        match error.kind {
            ModelErrorKind::Denied | ModelErrorKind::UnknownModel => Ended::ModelDenied(error),
            ModelErrorKind::Unreachable if !tries.reached => Ended::ModelUnavailable {
                message,
                spent: progress.turns > 0,
            },
            _ => failed(MODEL_ERROR, message),
        }
    }
}
