//! When a schedule fires, or a heartbeat.

use axum::Json;
use heartbeat_domain::heartbeat::{Heartbeat, HeartbeatChange, ScheduleFields};
use heartbeat_domain::violation::Violation;
use jiff::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::input::{IdText, Input};
use crate::openapi::{Answer, Refusals};
use crate::page::within;
use crate::problem::Problem;
use crate::wire::heartbeats::{PreviewRequest, PreviewResponse};
use crate::wire::instant;

/// Most fires of one answer.
const COUNT_MAX: u32 = 1_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(preview))
}

/// The coming fires of a schedule, or of a heartbeat; of one that is off, those that it would have
/// if it were enabled now.
#[utoipa::path(
    get,
    path = "/v1/bot/heartbeat/preview",
    tag = "heartbeats",
    operation_id = "preview_fires",
    params(PreviewRequest),
    responses((status = 200, description = "The fires", body = PreviewResponse), Refusals)
)]
async fn preview(call: Call) -> Answer<PreviewResponse> {
    call.project().await?;
    let heartbeat = match call.input.optional::<IdText>("heartbeat_id")? {
        Some(_) => Some(named(&call).await?),
        None => None,
    };
    let from = call.input.optional::<Timestamp>("from")?;
    let count = within(&call.input, "count", 10, (1, COUNT_MAX))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let now = call.control.now();
    let fires = match (heartbeat, from) {
        (Some(heartbeat), None) => coming(&heartbeat, now, count)?,
        (Some(heartbeat), Some(from)) => {
            call.control
                .preview(&heartbeat.settings.schedule, from, count)?
        }
        (None, from) => {
            call.control
                .preview(&schedule(&call.input)?, from.unwrap_or(now), count)?
        }
    };
    Ok(Json(PreviewResponse {
        fires: fires.into_iter().map(instant).collect(),
    }))
}

async fn named(call: &Call) -> Result<Heartbeat, Problem> {
    let key = call.heartbeat().await?;
    Ok(call
        .control
        .store()
        .heartbeat(key, call.control.now())
        .await?)
}

/// Where nothing says otherwise the fields are those of a heartbeat that is created with them.
fn schedule(input: &Input) -> Result<ScheduleFields, Violation> {
    let change = HeartbeatChange {
        prompt: heartbeat_domain::heartbeat::Patch::Set(String::new()),
        interval_minutes: input.patch("interval_minutes")?,
        cron_pattern: input.patch("cron_pattern")?,
        active_hours_start: input.patch("active_hours_start")?,
        active_hours_end: input.patch("active_hours_end")?,
        active_days: input.patch("active_days")?,
        timezone: input.patch("timezone")?,
        ..HeartbeatChange::default()
    };
    Ok(change.applied_to(None)?.schedule)
}

/// The fires that will come if nobody changes anything.
fn coming(
    heartbeat: &Heartbeat,
    now: Timestamp,
    count: usize,
) -> Result<Vec<Timestamp>, Violation> {
    let schedule = heartbeat.schedule()?;
    let first = match heartbeat.next {
        Some(next) => schedule.advance(&next, now).next,
        None => schedule.first_due(now),
    };
    let fires = std::iter::successors(first, |due| schedule.next_due(due));
    Ok(fires.take(count).map(|due| due.at).collect())
}
