//! Sums of counts by kind and by day, whichever database keeps the counts.

use std::collections::BTreeMap;

use heartbeat_domain::execution::ExecutionType;
use jiff::ToSpan;
use jiff::civil::Date;

use crate::StoreError;
use crate::rows::Cursor;
use crate::verbs::{Counts, Result, StatsSummary};

/// Sums of what is added.
#[derive(Default)]
pub(crate) struct Sums {
    all: Counts,
    by_kind: BTreeMap<&'static str, Counts>,
    by_day: BTreeMap<i64, Counts>,
}

impl Sums {
    /// Adds a row of day, kind and the counts in the order of [`Counts`].
    pub(crate) fn add(&mut self, c: &mut Cursor<'_>) -> Result<()> {
        let day: i64 = c.take()?;
        let kind = c.name(ExecutionType::find)?;
        let counts = Counts {
            success: c.count()?,
            error: c.count()?,
            skipped: c.count()?,
            cancelled: c.count()?,
            tokens: c.count()?,
            credits: c.count()?,
            duration_ms: c.count()?,
        };
        plus(&mut self.all, &counts);
        plus(self.by_kind.entry(kind.as_str()).or_default(), &counts);
        plus(self.by_day.entry(day).or_default(), &counts);
        Ok(())
    }

    /// The sums, newest day first.
    pub(crate) fn summary(self, active_heartbeats: u64) -> Result<StatsSummary> {
        let kinds = ExecutionType::ALL.iter().filter_map(|kind| {
            self.by_kind
                .get(kind.as_str())
                .map(|counts| (*kind, *counts))
        });
        let days = self
            .by_day
            .iter()
            .rev()
            .map(|(day, counts)| Ok((date(*day)?, *counts)));
        Ok(StatsSummary {
            all: self.all,
            by_kind: kinds.collect(),
            by_day: days.collect::<Result<_>>()?,
            active_heartbeats,
        })
    }
}

fn plus(sum: &mut Counts, more: &Counts) {
    sum.success += more.success;
    sum.error += more.error;
    sum.skipped += more.skipped;
    sum.cancelled += more.cancelled;
    sum.tokens += more.tokens;
    sum.credits += more.credits;
    sum.duration_ms += more.duration_ms;
}

fn date(day: i64) -> Result<Date> {
    Date::new(1970, 1, 1)
        .and_then(|epoch| epoch.checked_add(day.days()))
        .map_err(|_| StoreError::Corrupt(format!("{day} is not a day")))
}
