//! One model turn: intent, a place in the queue, attempts, record.
//!
//! Retries live here and nowhere else. A turn that is refused, that shows no first byte in time or
//! that meets an overloaded server is tried again; every wait goes through the waiter.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::{Either, select};
use heartbeat_domain::conversation::{Turn, TurnRequest};
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use crate::backoff::wait_after;
use crate::journal::{BegunTurn, StepSeq};
use crate::model::{ModelError, ModelErrorKind};
use crate::session::{Ended, MODEL_ERROR, Progress, Session, failed, later};
use crate::usage::estimate;

/// Why no attempt was answered.
struct GaveUp {
    error: ModelError,
    attempts: u32,
    /// Whether any attempt reached the server.
    reached: bool,
    time_is_up: bool,
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
        let max_tokens = match self.journal.begin_turn(progress.next, request).await? {
            BegunTurn::Recorded(turn) => return Ok(turn),
            BegunTurn::Go { max_tokens } => max_tokens,
        };
        self.note_queue(progress.next, queued_at).await;
        let wanted = request.max_tokens;
        request.max_tokens = wanted.min(max_tokens);
        let answer = self.attempts(request, progress).await;
        request.max_tokens = wanted;
        match answer {
            Ok(turn) => {
                self.journal.record_turn(progress.next, &turn).await?;
                Ok(turn)
            }
            Err(gave_up) => {
                self.journal
                    .record_failure(progress.next, &gave_up.error)
                    .await?;
                Err(self.conclude(gave_up, progress))
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
        match select(place, self.waiter.wait_until(ends_at)).await {
            Either::Left((place, _)) => Ok(place.ok()),
            Either::Right(_) => Err(self.time_is_up()),
        }
    }

    async fn note_queue(&self, seq: StepSeq, queued_at: Timestamp) {
        let waited = self.waiter.now().duration_since(queued_at);
        if waited.as_millis() >= 100 {
            let label = self.provider.label();
            self.journal
                .note(seq, &format!("waited {waited:#} for a place at {label}"))
                .await;
        }
    }

    async fn attempts(&self, request: &TurnRequest, progress: &Progress) -> Result<Turn, GaveUp> {
        let seq = progress.next;
        let started_at = self.waiter.now();
        let last_start = later(started_at, self.limits.retry_total).min(progress.ends_at);
        let mut reached = false;
        let mut attempt = 1;
        loop {
            let error = match self.attempt(request, progress).await {
                Ok(turn) => return Ok(turn),
                Err(error) => error,
            };
            reached |= error.kind != ModelErrorKind::Unreachable;
            let wait = wait_after(
                attempt,
                error.retry_after,
                self.seed ^ (u64::from(seq) << 32),
            );
            let again_at = later(self.waiter.now(), wait);
            let time_is_up = self.waiter.now() >= progress.ends_at;
            if !error.is_passing() || attempt >= self.limits.attempts || again_at >= last_start {
                return Err(GaveUp {
                    error,
                    attempts: attempt,
                    reached,
                    time_is_up,
                });
            }
            let of = self.limits.attempts;
            let note = format!("attempt {attempt} of {of}: {error}; asked again after {wait:#}");
            self.journal.note(seq, &note).await;
            self.waiter.wait_until(again_at).await;
            attempt += 1;
        }
    }

    /// One attempt, cut off when no first byte comes in time or the session's time is up.
    async fn attempt(
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

    fn conclude(&self, gave_up: GaveUp, progress: &Progress) -> Ended {
        let GaveUp {
            error,
            attempts,
            reached,
            time_is_up,
        } = gave_up;
        if time_is_up {
            return self.time_is_up();
        }
        let tried = if attempts > 1 {
            format!(" (tried {attempts} times)")
        } else {
            String::new()
        };
        let message = format!("{}: {error}{tried}", self.provider.label());
        match error.kind {
            ModelErrorKind::Denied | ModelErrorKind::UnknownModel => Ended::ModelDenied(error),
            ModelErrorKind::Unreachable if !reached => Ended::ModelUnavailable {
                message,
                spent: progress.turns > 0,
            },
            _ => failed(MODEL_ERROR, message),
        }
    }
}
