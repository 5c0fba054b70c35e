//! Money: micro-credits inside an execution, whole credits between executions.
//!
//! Nothing that costs starts unless its worst case fits every level above it. What an open
//! execution has spent and reserved is *held*, in whole credits, on every level; at the end the
//! spent sum is rounded up once and becomes *used*, so the rows of a period add up to its total.

use serde::{Deserialize, Serialize};

use crate::conversation::{TurnRequest, Usage};
use crate::execution::names;

/// Micro-credits in a credit.
pub const MICRO: u64 = 1_000_000;

/// Lowest `max_tokens` that a turn may be lowered to before it is refused.
pub const MAX_TOKENS_FLOOR: u32 = 256;

/// Micro-credits for 1,000 tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Input tokens that were not cached.
    pub input: u64,
    /// Input tokens read from the provider's cache.
    pub cached_input: u64,
    /// Output tokens.
    pub output: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            input: MICRO,
            cached_input: MICRO,
            output: MICRO,
        }
    }
}

impl Rates {
    /// What `usage` costs, in micro-credits, rounded up.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> u64 {
        let fresh = usage.input_tokens.saturating_sub(usage.cached_input_tokens);
        let sum = [
            (fresh, self.input),
            (usage.cached_input_tokens, self.cached_input),
            (usage.output_tokens, self.output),
        ]
        .into_iter()
        .map(|(tokens, rate)| u128::from(tokens) * u128::from(rate))
        .fold(0, u128::saturating_add);
        u64::try_from(sum.div_ceil(1_000)).unwrap_or(u64::MAX)
    }

    /// The most that a turn can cost: its input bound, at the dearer of the two input rates, and
    /// `max_tokens` of output.
    #[must_use]
    pub fn worst_case(&self, input_tokens_max: u64, max_tokens: u32) -> u64 {
        let dearest = Self {
            input: self.input.max(self.cached_input),
            ..*self
        };
        dearest.cost(&Usage {
            input_tokens: input_tokens_max,
            output_tokens: u64::from(max_tokens),
            ..Usage::default()
        })
    }
}

/// Upper bound of a request's input tokens: one for each UTF-8 byte that is sent.
#[must_use]
pub fn input_bound(request: &TurnRequest) -> u64 {
    let body = serde_json::to_vec(&(&request.messages, &request.tools))
        .expect("strings, numbers and maps with string keys always serialise");
    u64::try_from(body.len()).unwrap_or(u64::MAX)
}

/// Micro-credits as whole credits, rounded up.
#[must_use]
pub fn whole_credits(micro: u64) -> u64 {
    micro.div_ceil(MICRO)
}

/// A level of budget: whole credits of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Which level, for messages.
    pub scope: Scope,
    /// Most credits; `None` is unlimited, 0 is nothing.
    pub limit: Option<u64>,
    /// Drawn by executions that ended.
    pub used: u64,
    /// Held by executions that are open.
    pub held: u64,
}

names! {
    /// Levels of budget, from the narrowest.
    Scope {
        /// `credit_budget` of a heartbeat, for each calendar month in UTC.
        Heartbeat = "heartbeat",
        /// `daily_credit_limit` of a project, for each UTC day.
        ProjectDay = "project_day",
    }
}

/// Whether a further hold fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It fits every level.
    Fits,
    /// It would fit if other open executions held less.
    Busy(Scope),
    /// It does not fit even alone.
    Exhausted(Scope),
}

/// Whether `more` whole credits fit every level.
///
/// `own` is what this execution already holds; it does not count as somebody else's.
#[must_use]
pub fn fit(levels: &[Level], own: u64, more: u64) -> Fit {
    let mut answer = Fit::Fits;
    for level in levels {
        let Some(limit) = level.limit else { continue };
        let alone = level.used.saturating_add(own).saturating_add(more);
        let together = level.used.saturating_add(level.held).saturating_add(more);
        if alone > limit {
            return Fit::Exhausted(level.scope);
        }
        if together > limit && answer == Fit::Fits {
            answer = Fit::Busy(level.scope);
        }
    }
    answer
}

/// A reservation that fits, or why none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// Reserve this many micro-credits and send this `max_tokens`.
    Granted {
        /// Micro-credits.
        micro: u64,
        /// Possibly lowered.
        max_tokens: u32,
    },
    /// Only other executions' holds are in the way.
    Busy(Scope),
    /// It does not fit.
    Exhausted(Scope),
}

/// Reserves the worst case of a turn, lowering `max_tokens` as far as [`MAX_TOKENS_FLOOR`].
///
/// `spent` and `reserved` are this execution's micro-credits so far.
#[must_use]
pub fn reserve(levels: &[Level], own: &Held, rates: &Rates, ask: &Ask) -> Reservation {
    let mut max_tokens = ask.max_tokens;
    loop {
        let micro = rates.worst_case(ask.input_tokens_max, max_tokens);
        let refusal = match fit(levels, own.credits(), own.further(micro)) {
            Fit::Fits => return Reservation::Granted { micro, max_tokens },
            Fit::Busy(scope) => Reservation::Busy(scope),
            Fit::Exhausted(scope) => Reservation::Exhausted(scope),
        };
        if max_tokens <= MAX_TOKENS_FLOOR {
            return refusal;
        }
        max_tokens = (max_tokens / 2).max(MAX_TOKENS_FLOOR);
    }
}

/// What a turn asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Upper bound of the input.
    pub input_tokens_max: u64,
    /// Output tokens wanted.
    pub max_tokens: u32,
}

/// Micro-credits that one open execution has spent and reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Spent by recorded turns.
    pub spent: u64,
    /// Reserved by turns under way.
    pub reserved: u64,
}

impl Held {
    /// Whole credits held.
    #[must_use]
    pub fn credits(&self) -> u64 {
        whole_credits(self.spent.saturating_add(self.reserved))
    }

    /// Whole credits that a further reservation adds.
    #[must_use]
    pub fn further(&self, micro: u64) -> u64 {
        let after = Self {
            spent: self.spent,
            reserved: self.reserved.saturating_add(micro),
        };
        after.credits().saturating_sub(self.credits())
    }
}
