//! A standing instruction: prompt, schedule and limits; and what people and the engine do to it.
//!
//! Every change is a pure function from a heartbeat and `now` to a [`Rescheduled`]: the heartbeat
//! as it is from then on, and the due moments that were passed over, which the caller writes down
//! in the same transaction. So no due moment is ever lost between two values of `next`.

mod change;
mod cover;
mod settings;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::change::{HeartbeatChange, Patch};
pub use self::cover::{Coverage, OpenRun, Skipped, cover};
pub use self::settings::{ScheduleFields, Settings};
use crate::ids::{BotId, ExecutionId, HeartbeatId, MemberId, ProjectId};
use crate::reason::Reason;
use crate::schedule::stretch::floor_second;
use crate::schedule::{Due, Schedule};
use crate::watch::Baseline;

/// A standing instruction of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// Id.
    pub id: HeartbeatId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its agent.
    pub bot_id: BotId,
    /// Its agent's row number, for the wire.
    pub bot_number: i64,
    /// The subscriber that it belongs to, if it does.
    pub member_id: Option<MemberId>,
    /// What a person set.
    pub settings: Settings,
    /// What a person asked for; the breaker clears it.
    pub enabled: bool,
    /// Why it is paused, if it is.
    pub paused: Option<Pause>,
    /// The next value of its schedule that has not been accounted for. Kept through pauses, which
    /// keep the grid; absent while off.
    pub next: Option<Due>,
    /// When a node may take it: `next`, or later for a spread; or when a pause ends by itself.
    /// Absent while an execution is open.
    pub claimable_at: Option<Timestamp>,
    /// Its open execution that is not parked.
    pub open: Option<OpenRun>,
    /// Errors in a row; what the breaker compares.
    pub error_count: u32,
    /// Executions that were not skipped.
    pub execution_count: u64,
    /// Credits drawn in the present billing period; filled in by the verbs that read for people.
    pub credits_used: u64,
    /// Start of the last execution that was not skipped.
    pub last_executed_at: Option<Timestamp>,
    /// How the last fire ended: `success`, `error` or `skipped`.
    pub last_status: Option<String>,
    /// What its watch last told about.
    pub baseline: Option<Baseline>,
    /// Since when its present grid runs; where the accounting of due moments starts.
    pub grid_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed by a person.
    pub updated_at: Timestamp,
}

/// Why and until when a heartbeat is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself, where that is known.
    pub resumes_at: Option<Timestamp>,
}

/// What a person sees of `enabled` and `paused` together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has due moments.
    Active,
    /// It has none for now.
    Paused(Pause),
    /// It has none until somebody enables it.
    Off,
}

/// A changed heartbeat, and the due moments that the change passed over.
#[derive(Clone, Debug, PartialEq)]
pub struct Rescheduled {
    /// As it is from now on.
    pub heartbeat: Heartbeat,
    /// Rows to write in the same transaction.
    pub skipped: Vec<Skipped>,
}

impl Heartbeat {
    /// Active, paused or off.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (self.paused, self.enabled) {
            (Some(pause), _) => Standing::Paused(pause),
            (None, true) => Standing::Active,
            (None, false) => Standing::Off,
        }
    }

    /// Its schedule. It was checked when it was set; a zone that has since left the time zone
    /// database is the one way to fail.
    ///
    /// # Errors
    /// The stored fields no longer make a schedule.
    pub fn schedule(&self) -> Result<Schedule, crate::violation::Violation> {
        self.settings.schedule.parse(self.created_at)
    }

    /// A new grid from `now` on; what a person does with "enable".
    ///
    /// Enabling an enabled one changes nothing but the error count.
    #[must_use]
    pub fn enabled_at(mut self, schedule: &Schedule, now: Timestamp) -> Rescheduled {
        self.error_count = 0;
        if self.enabled {
            return Rescheduled {
                heartbeat: self,
                skipped: Vec::new(),
            };
        }
        self.enabled = true;
        self.paused = None;
        self.start_grid(schedule, now);
        Rescheduled {
            heartbeat: self,
            skipped: Vec::new(),
        }
    }

    /// Off, as a person asks for with "disable".
    #[must_use]
    pub fn disabled_at(
        mut self,
        schedule: &Schedule,
        now: Timestamp,
        missed: Reason,
    ) -> Rescheduled {
        let skipped = self.cover_passed(schedule, now, missed);
        self.enabled = false;
        self.paused = None;
        self.next = None;
        self.grid_since = None;
        self.claimable_at = None;
        Rescheduled {
            heartbeat: self,
            skipped,
        }
    }

    /// Paused for a reason that is not a person's. The breaker also takes `enabled` away.
    #[must_use]
    pub fn paused_at(
        mut self,
        schedule: &Schedule,
        (reason, resumes_at): (Reason, Option<Timestamp>),
        now: Timestamp,
        missed: Reason,
    ) -> Rescheduled {
        if self.standing() != Standing::Active {
            return Rescheduled {
                heartbeat: self,
                skipped: Vec::new(),
            };
        }
        let skipped = self.cover_passed(schedule, now, missed);
        self.pause(reason, resumes_at, now);
        Rescheduled {
            heartbeat: self,
            skipped,
        }
    }

    /// A pause that was not the breaker's ended: the grid goes on. What the breaker paused, what is
    /// off and what is active stays as it is.
    #[must_use]
    pub fn resumed_at(mut self, schedule: &Schedule, now: Timestamp) -> Rescheduled {
        if self.enabled && self.paused.take().is_some() {
            match self.next {
                Some(next) => self.next = schedule.advance(&next, now).next,
                None => self.start_grid(schedule, now),
            }
            self.make_claimable();
        }
        Rescheduled {
            heartbeat: self,
            skipped: Vec::new(),
        }
    }

    /// With other settings. The grid starts anew if a schedule field changed its value.
    #[must_use]
    pub fn edited_at(
        mut self,
        settings: Settings,
        schedules: (&Schedule, &Schedule),
        now: Timestamp,
        missed: Reason,
    ) -> Rescheduled {
        let (old, new) = schedules;
        let same_grid = self.settings.schedule == settings.schedule;
        let same_watch = self.settings.watch == settings.watch;
        let same_spread = self.settings.spread_minutes == settings.spread_minutes;
        let mut skipped = Vec::new();
        if !same_grid && self.standing() == Standing::Active {
            skipped = self.cover_passed(old, now, missed);
        }
        self.settings = settings;
        self.updated_at = now;
        if !same_watch {
            self.baseline = None;
        }
        if !same_grid && self.enabled {
            self.start_grid(new, now);
        } else if !same_spread {
            self.make_claimable();
        }
        Rescheduled {
            heartbeat: self,
            skipped,
        }
    }

    /// What the execution that is being finished, or a pause, leaves uncovered up to `now`; moves
    /// `next` past it.
    pub(crate) fn cover_passed(
        &mut self,
        schedule: &Schedule,
        now: Timestamp,
        missed: Reason,
    ) -> Vec<Skipped> {
        if self.standing() != Standing::Active {
            return Vec::new();
        }
        let Some(next) = self.next else {
            return Vec::new();
        };
        let coverage = cover(schedule, &next, self.open.as_ref(), now, missed);
        self.next = coverage.next;
        coverage.skipped
    }

    /// Pauses without looking at passed due moments; the caller has covered them.
    pub(crate) fn pause(&mut self, reason: Reason, resumes_at: Option<Timestamp>, now: Timestamp) {
        self.paused = Some(Pause {
            reason,
            since: now,
            resumes_at,
        });
        if reason == Reason::Breaker {
            self.enabled = false;
            self.next = None;
            self.grid_since = None;
        }
        self.make_claimable();
    }

    /// Sets `claimable_at` from standing, next due time, spread and open execution.
    pub(crate) fn make_claimable(&mut self) {
        self.claimable_at = match (self.standing(), self.open) {
            (_, Some(_)) | (Standing::Off, None) => None,
            (Standing::Paused(pause), None) => pause.resumes_at,
            (Standing::Active, None) => self.next.map(|next| next.at + self.spread()),
        };
    }

    /// The stable share of `spread_minutes` that is this heartbeat's.
    #[must_use]
    pub fn spread(&self) -> SignedDuration {
        let seconds = u128::from(self.settings.spread_minutes) * 60;
        if seconds == 0 {
            return SignedDuration::ZERO;
        }
        let share = (self.id.0.as_u128() & u128::from(u64::MAX)) % seconds;
        SignedDuration::from_secs(i64::try_from(share).unwrap_or(0))
    }

    fn start_grid(&mut self, schedule: &Schedule, now: Timestamp) {
        let since = self.not_yet_lived(now);
        self.next = schedule.first_due(since);
        self.grid_since = Some(since);
        self.make_claimable();
    }

    /// `now`, or the last start where the clock was turned back since: the moments up to it have
    /// their rows, and are not to be covered again by a new grid. A start further ahead is that of a
    /// clock that was wrong, and must not keep a heartbeat silent.
    fn not_yet_lived(&self, now: Timestamp) -> Timestamp {
        let ran = self.last_executed_at.filter(|ran| *ran > now);
        ran.filter(|ran| ran.duration_since(now) <= TURNED_BACK_MAX)
            .unwrap_or(now)
    }
}

/// How far a clock is turned back that was right.
const TURNED_BACK_MAX: SignedDuration = SignedDuration::from_hours(1);

/// The billing period of a moment: months since year 0, UTC.
#[must_use]
pub fn billing_period(at: Timestamp) -> i32 {
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    i32::from(date.year()) * 12 + i32::from(date.month()) - 1
}

/// When the billing period after that of `at` begins.
#[must_use]
pub fn next_billing_period(at: Timestamp) -> Option<Timestamp> {
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let next = date
        .first_of_month()
        .checked_add(jiff::Span::new().months(1))
        .ok()?;
    Some(next.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// The UTC day of a moment, as days since 1970-01-01.
#[must_use]
pub fn utc_day(at: Timestamp) -> i32 {
    i32::try_from(floor_second(at).div_euclid(86_400)).unwrap_or(i32::MAX)
}

/// When the UTC day after that of `at` begins.
#[must_use]
pub fn next_utc_day(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second((i64::from(utc_day(at)) + 1) * 86_400).ok()
}

/// The open execution of a heartbeat, as the heartbeat remembers it.
impl OpenRun {
    /// Of that execution and due time.
    #[must_use]
    pub fn new(execution_id: ExecutionId, due_at: Timestamp) -> Self {
        Self {
            execution_id,
            due_at,
        }
    }
}
