//! Money: micro-credits inside an execution, whole credits between executions.
//!
//! Nothing that costs starts unless its worst case fits every level above it. What an open
//! execution has spent and reserved is *held*, in whole credits, on every level; at the end the
//! spent sum is rounded up once and becomes *used*, so the rows of a period add up to its total.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::conversation::{TurnRequest, Usage};
use crate::execution::names;
use crate::heartbeat::{next_billing_period, next_utc_day};
use crate::ids::ExecutionId;
use crate::notice::{NoticeDraft, Priority};
use crate::reason::Reason;
use crate::violation::Violation;

/// Micro-credits in a credit.
pub const MICRO: u64 = 1_000_000;

/// Most credits that a limit may name: their micro-credits still fit every column.
pub const CREDITS_MAX: u64 = i64::MAX as u64 / MICRO;

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

/// Checks a number of credits that somebody wrote.
///
/// # Errors
/// It is more than [`CREDITS_MAX`].
pub fn check_credits(field: &'static str, credits: u64) -> Result<(), Violation> {
    if credits <= CREDITS_MAX {
        return Ok(());
    }
    let message = format!("must be a whole number of credits, at most {CREDITS_MAX}");
    Err(Violation::input(field, message))
}

/// What people are told when a provider billed more for a turn than was reserved for its worst case.
#[must_use]
pub fn overbilled_notice(
    model: &str,
    step: (ExecutionId, u32),
    (reserved, charged): (u64, u64),
) -> NoticeDraft {
    let (execution, seq) = step;
    let message = format!(
        "Step {seq} of execution {execution} was allowed {} credits at most, and the answer says \
         that it used {}. It was charged in full; whatever budget that left without room has \
         paused. Look at the rates of {model} in the configuration, and at what its provider bills.",
        in_credits(reserved),
        in_credits(charged),
    );
    NoticeDraft {
        title: format!("Model {model} billed more than it was allowed"),
        message,
        priority: Priority::Urgent,
        topic: Some(format!("overbilled:{model}")),
        state: Some(format!("{execution}.{seq}")),
        ..NoticeDraft::default()
    }
}

/// Micro-credits as a decimal number of credits.
fn in_credits(micro: u64) -> String {
    let text = format!("{}.{:06}", micro / MICRO, micro % MICRO);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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

impl Level {
    /// Whether nothing more can be drawn.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.used >= limit)
    }
}

names! {
    /// Levels of budget, from the narrowest.
    Scope {
        /// `credit_budget` of a heartbeat, for each calendar month in UTC.
        Heartbeat = "heartbeat",
        /// `credit_limit` of a subscriber, for each calendar month in UTC.
        Member = "member",
        /// `credit_limit` of an agent, for each calendar month in UTC.
        Bot = "bot",
        /// `daily_credit_limit` of a project, for each UTC day.
        ProjectDay = "project_day",
        /// A project's credits: those of its plan for each calendar month in UTC, then its balance.
        ProjectMonth = "project_month",
    }
}

impl Scope {
    /// Why something did not happen where this level has no room.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Heartbeat | Self::Member | Self::Bot => Reason::BudgetExhausted,
            Self::ProjectDay | Self::ProjectMonth => Reason::CreditsExhausted,
        }
    }

    /// When the period after that of `at` begins.
    #[must_use]
    pub fn resets_at(self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::ProjectDay => next_utc_day(at),
            _ => next_billing_period(at),
        }
    }

    /// The level in words, as messages say it.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Heartbeat => "the heartbeat's credit_budget for this billing period",
            Self::Member => "the subscriber's credit_limit for this billing period",
            Self::Bot => "the agent's credit_limit for this billing period",
            Self::ProjectDay => "the project's credits for this UTC day",
            Self::ProjectMonth => {
                "the project's credits: what its plan has for this month, and its balance"
            }
        }
    }
}

/// A project's credits in one month: the plan's, then the balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Credits that the plan has for a month; `None` is unlimited, 0 leaves the balance alone.
    pub plan: Option<u64>,
    /// Drawn in this month, from either.
    pub used: u64,
    /// Held by executions of this month.
    pub held: u64,
    /// Put on the balance so far.
    pub added: u64,
    /// Drawn from the balance so far, in whatever month.
    pub drawn: u64,
    /// Held by executions of other months beyond what the plan had for them.
    pub held_elsewhere: u64,
}

impl Allowance {
    /// What is left on the balance; less than nothing where a provider overbilled.
    #[must_use]
    pub fn balance(&self) -> i64 {
        let amount = |credits: u64| i64::try_from(credits).unwrap_or(i64::MAX);
        amount(self.added) - amount(self.drawn)
    }

    /// Both together as one level.
    #[must_use]
    pub fn level(&self) -> Level {
        let of_balance = self.added.saturating_sub(self.drawn);
        let limit = self
            .plan
            .map(|plan| plan.max(self.used).saturating_add(of_balance));
        Level {
            scope: Scope::ProjectMonth,
            limit,
            used: self.used,
            held: self.held.saturating_add(self.held_elsewhere),
        }
    }

    /// How much of a further charge the balance pays.
    #[must_use]
    pub fn from_balance(&self, charge: u64) -> u64 {
        let beyond = |used: u64, plan| used.saturating_sub(plan);
        self.plan.map_or(0, |plan| {
            beyond(self.used.saturating_add(charge), plan) - beyond(self.used, plan)
        })
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
