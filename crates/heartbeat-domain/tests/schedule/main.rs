//! The rules of schedules, as cases by city and date and as laws.

mod advance;
mod cron_clock;
mod cron_pattern;
mod frequency;
mod interval;
mod laws;
mod oracle;
mod support;
mod window;
mod zone;
