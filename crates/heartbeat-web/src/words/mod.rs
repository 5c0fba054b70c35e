//! Values of the domain in words for people: schedules, moments, amounts.

mod amount;
mod cadence;
mod cron;
mod elapsed;
mod watch;

pub(crate) use self::amount::{count, credits_of_micro, duration, excerpt, plural, signed};
pub(crate) use self::cadence::schedule;
pub(crate) use self::elapsed::relative;
pub(crate) use self::watch::watch;
