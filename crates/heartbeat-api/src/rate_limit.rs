//! How many requests a key may make: counted in memory, by minute and by UTC day.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue};
use heartbeat_domain::ids::KeyId;
use heartbeat_domain::plan::Plan;
use heartbeat_store::Limit;
use jiff::Timestamp;

use crate::problem::Problem;

/// Keys that are remembered; beyond it those of former days are forgotten.
const KEYS_MAX: usize = 10_000;

/// Counts of all keys.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter(Mutex<HashMap<KeyId, [Count; 2]>>);

/// Requests within one window.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    window: i64,
    used: u32,
}

/// A limit, as a header tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    limit: u32,
    used: u32,
    /// Unix seconds.
    resets_at: i64,
    seconds: i64,
}

const WINDOWS: [i64; 2] = [60, 86_400];

impl RateLimiter {
    /// Counts a request. The tightest limit of the plan; nothing if it has none.
    pub(crate) fn count(
        &self,
        key: KeyId,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<Option<Allowance>, (Allowance, Problem)> {
        let limits = [plan.requests_per_minute, plan.requests_per_day];
        if limits == [None, None] {
            return Ok(None);
        }
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut keys, now);
        let counts = keys.entry(key).or_default();
        let mut tightest: Option<Allowance> = None;
        for ((count, limit), seconds) in counts.iter_mut().zip(limits).zip(WINDOWS) {
            count.enter(now.as_second().div_euclid(seconds));
            let Some(limit) = limit else { continue };
            let allowance = count.within(limit, seconds);
            if tightest.is_none_or(|tightest| allowance.remaining() < tightest.remaining()) {
                tightest = Some(allowance);
            }
        }
        let Some(allowance) = tightest else {
            return Ok(None);
        };
        if allowance.remaining() == 0 {
            return Err((allowance, allowance.refusal(plan, now)));
        }
        counts.iter_mut().for_each(|count| count.used += 1);
        Ok(Some(Allowance {
            used: allowance.used + 1,
            ..allowance
        }))
    }
}

fn forget(keys: &mut HashMap<KeyId, [Count; 2]>, now: Timestamp) {
    if keys.len() > KEYS_MAX {
        let today = now.as_second().div_euclid(WINDOWS[1]);
        keys.retain(|_, [_, day]| day.window == today);
    }
}

impl Count {
    fn enter(&mut self, window: i64) {
        if self.window != window {
            *self = Self { window, used: 0 };
        }
    }

    fn within(self, limit: u32, seconds: i64) -> Allowance {
        Allowance {
            limit,
            used: self.used,
            resets_at: (self.window + 1) * seconds,
            seconds,
        }
    }
}

impl Allowance {
    fn remaining(self) -> u32 {
        self.limit.saturating_sub(self.used)
    }

    fn refusal(self, plan: &Plan, now: Timestamp) -> Problem {
        let wait = (self.resets_at - now.as_second()).max(1);
        let span = if self.seconds == WINDOWS[0] {
            "minute"
        } else {
            "day"
        };
        let message = format!(
            "Rate limit exceeded: the plan `{}` allows {} requests per {span}. Come back in {wait} s",
            plan.name, self.limit
        );
        let limit = Limit {
            code: "RATE_LIMITED",
            message,
            limit: Some(self.limit.into()),
            used: Some(self.used.into()),
            resets_at: Timestamp::from_second(self.resets_at).ok(),
        };
        Problem::rate_limited(limit, wait)
    }

    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert("x-ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(self.remaining()));
        headers.insert("x-ratelimit-reset", HeaderValue::from(self.resets_at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartbeat_domain::ids::IdSource;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn plan(minute: Option<u32>, day: Option<u32>) -> Plan {
        Plan {
            requests_per_minute: minute,
            requests_per_day: day,
            ..Plan::default()
        }
    }

    #[test]
    fn a_minute_has_its_limit_and_the_next_begins_anew() {
        let (rates, plan) = (RateLimiter::default(), plan(Some(2), Some(100)));
        let key = KeyId::new(&IdSource::from_seed(1), at("2026-05-04T08:00:00Z"));
        let now = at("2026-05-04T08:00:30Z");
        let first = rates.count(key, &plan, now).unwrap().unwrap();
        assert_eq!(
            (first.remaining(), first.resets_at),
            (1, at("2026-05-04T08:01:00Z").as_second())
        );
        rates.count(key, &plan, now).unwrap();
        let (full, _) = rates.count(key, &plan, now).unwrap_err();
        assert_eq!(full.remaining(), 0);
        assert!(rates.count(key, &plan, at("2026-05-04T08:01:00Z")).is_ok());
    }

    #[test]
    fn the_day_counts_what_the_minutes_forget() {
        let (rates, plan) = (RateLimiter::default(), plan(Some(2), Some(3)));
        let key = KeyId::new(&IdSource::from_seed(1), at("2026-05-04T08:00:00Z"));
        for minute in 0..3 {
            let now = at(&format!("2026-05-04T08:0{minute}:00Z"));
            assert!(rates.count(key, &plan, now).is_ok());
        }
        let (full, _) = rates
            .count(key, &plan, at("2026-05-04T08:03:00Z"))
            .unwrap_err();
        assert_eq!(full.resets_at, at("2026-05-05T00:00:00Z").as_second());
    }

    #[test]
    fn one_key_does_not_count_for_another_and_no_limit_is_none() {
        let (rates, ids, now) = (
            RateLimiter::default(),
            IdSource::from_seed(1),
            Timestamp::UNIX_EPOCH,
        );
        let (a, b) = (KeyId::new(&ids, now), KeyId::new(&ids, now));
        rates.count(a, &plan(Some(1), None), now).unwrap();
        assert!(rates.count(b, &plan(Some(1), None), now).is_ok());
        assert_eq!(rates.count(a, &plan(None, None), now).unwrap(), None);
    }
}
