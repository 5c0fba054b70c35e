//! Counts, and the arithmetic that is published with them.

use heartbeat_store::verbs::{Counts, StatsSummary};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which counts.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatsRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// UTC days that end with today, 1 to 366; 30 where left out.
    pub days: Option<u32>,
}

/// Counts of an agent's executions.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
pub struct StatsObject {
    /// All that ended.
    pub total_executions: u64,
    /// That succeeded.
    pub success_count: u64,
    /// That failed.
    pub error_count: u64,
    /// That were not carried out.
    pub skipped_count: u64,
    /// Percent of all, skipped ones included, with one decimal.
    pub success_rate: f64,
    /// Tokens.
    pub total_tokens: u64,
    /// Whole credits.
    pub total_credits: u64,
    /// Milliseconds of those that were carried out, with one decimal.
    pub avg_duration_ms: f64,
    /// Heartbeats that are active now.
    pub active_heartbeats: u64,
    /// By type: `count` and `success_rate` of each.
    #[schema(value_type = std::collections::HashMap<String, TypeCounts>)]
    pub by_type: serde_json::Map<String, Value>,
    /// By UTC day, newest first; days without executions are left out.
    pub time_series: Vec<DayCounts>,
    /// That were stopped.
    pub cancelled_count: u64,
}

/// Counts of one type.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct TypeCounts {
    /// All that ended.
    pub count: u64,
    /// Percent of them, with one decimal.
    pub success_rate: f64,
}

/// Counts of one day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DayCounts {
    /// The day, UTC.
    pub date: String,
    /// All that ended.
    pub total: u64,
    /// That succeeded.
    pub success: u64,
    /// That failed.
    pub error: u64,
}

/// Counts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatsResponse {
    /// The counts.
    pub stats: StatsObject,
}

impl From<StatsSummary> for StatsObject {
    fn from(summary: StatsSummary) -> Self {
        let all = summary.all;
        let by_type = summary.by_kind.iter().filter_map(|(kind, counts)| {
            Some((
                kind.as_str().to_owned(),
                serde_json::to_value(TypeCounts::from(*counts)).ok()?,
            ))
        });
        let days = summary.by_day.iter().map(|(date, counts)| DayCounts {
            date: date.to_string(),
            total: counts.total(),
            success: counts.success,
            error: counts.error,
        });
        Self {
            total_executions: all.total(),
            success_count: all.success,
            error_count: all.error,
            skipped_count: all.skipped,
            success_rate: percent(all.success, all.total()),
            total_tokens: all.tokens,
            total_credits: all.credits,
            avg_duration_ms: tenths(all.duration_ms, all.total() - all.skipped),
            active_heartbeats: summary.active_heartbeats,
            by_type: by_type.collect(),
            time_series: days.collect(),
            cancelled_count: all.cancelled,
        }
    }
}

impl From<Counts> for TypeCounts {
    fn from(counts: Counts) -> Self {
        let count = counts.total();
        Self {
            count,
            success_rate: percent(counts.success, count),
        }
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    tenths(part.saturating_mul(100), whole)
}

/// A quotient, rounded to one decimal; 0 of nothing.
fn tenths(sum: u64, count: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let tenths = (u128::from(sum) * 10 + u128::from(count) / 2) / u128::from(count);
    let whole = u32::try_from(tenths).unwrap_or(u32::MAX);
    f64::from(whole) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartbeat_domain::execution::ExecutionType;
    use jiff::civil::date;

    fn counts(success: u64, error: u64, skipped: u64) -> Counts {
        Counts {
            success,
            error,
            skipped,
            ..Counts::default()
        }
    }

    #[test]
    fn the_published_sample_comes_out_byte_for_byte() {
        let summary = StatsSummary {
            all: Counts {
                tokens: 41_200,
                credits: 96,
                duration_ms: 149_784,
                ..counts(44, 4, 2)
            },
            by_kind: vec![
                (ExecutionType::Heartbeat, counts(37, 3, 1)),
                (ExecutionType::ScheduledTask, counts(7, 1, 1)),
            ],
            by_day: vec![
                (date(2026, 5, 6), counts(5, 1, 0)),
                (date(2026, 5, 5), counts(8, 0, 0)),
            ],
            active_heartbeats: 2,
        };
        let response = StatsResponse {
            stats: summary.into(),
        };
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            concat!(
                r#"{"stats":{"total_executions":50,"success_count":44,"error_count":4,"#,
                r#""skipped_count":2,"success_rate":88.0,"total_tokens":41200,"total_credits":96,"#,
                r#""avg_duration_ms":3120.5,"active_heartbeats":2,"by_type":{"heartbeat":"#,
                r#"{"count":41,"success_rate":90.2},"scheduled_task":{"count":9,"success_rate":77.8}},"#,
                r#""time_series":[{"date":"2026-05-06","total":6,"success":5,"error":1},"#,
                r#"{"date":"2026-05-05","total":8,"success":8,"error":0}],"cancelled_count":0}}"#,
            )
        );
    }

    #[test]
    fn nothing_divides_by_nothing() {
        let stats = StatsObject::from(StatsSummary::default());
        assert_eq!((stats.success_rate, stats.avg_duration_ms), (0.0, 0.0));
        assert_eq!(percent(1, 1), 100.0);
    }
}
