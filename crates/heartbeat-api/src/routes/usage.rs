//! What was used of credits, and the balance of a project.

use axum::Json;
use heartbeat_domain::heartbeat::billing_period;
use heartbeat_domain::violation::Violation;
use heartbeat_store::Thing;
use heartbeat_store::verbs::UsageBy;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::input::{IdText, Input};
use crate::openapi::{Answer, Refusals};
use crate::page::{self, Pagination};
use crate::problem::Problem;
use crate::wire::usage::{
    AddCreditRequest, CreditAddedResponse, LedgerRequest, LedgerResponse, UsageObject,
    UsageRequest, UsageResponse,
};

const PER_PAGE: u32 = 20;
const NOTE_MAX: usize = 500;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(usage))
        .routes(routes!(add))
        .routes(routes!(ledger))
}

/// Credits and tokens of a project in a month, by level: what was used, what is left, when it
/// resets.
#[utoipa::path(
    get,
    path = "/v1/usage",
    tag = "usage",
    operation_id = "read_usage",
    params(UsageRequest),
    responses((status = 200, description = "The usage", body = UsageResponse), Refusals)
)]
async fn usage(call: Call) -> Answer<UsageResponse> {
    let project_id = call.project().await?;
    let page = page::asked(&call.input, PER_PAGE)?;
    let now = call.control.now();
    let month = match month(&call.input)? {
        Some(month) => month,
        None => billing_period(now),
    };
    let by = listed_by(&call, project_id).await?;
    let summary = call.control.usage(project_id, (month, by), page).await?;
    let pagination = Pagination::of(page, summary.levels.total);
    Ok(Json(UsageResponse {
        usage: UsageObject::of(summary, month, now),
        pagination,
    }))
}

/// `YYYY-MM` as a billing period.
fn month(input: &Input) -> Result<Option<i32>, Violation> {
    let Some(text) = input.optional::<String>("month")? else {
        return Ok(None);
    };
    let wrong = || Violation::input("month", "must be a month such as 2026-11");
    let first: Date = match text.len() {
        7 => format!("{text}-01").parse().map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let first = first.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(Some(billing_period(first.timestamp())))
}

async fn listed_by(
    call: &Call,
    project_id: heartbeat_domain::ids::ProjectId,
) -> Result<UsageBy, Problem> {
    if let Some(id) = call.optional_heartbeat()? {
        return Ok(UsageBy::One(id));
    }
    let bot = call.optional_bot(project_id).await?.map(|bot| bot.id);
    let member = match call.input.optional::<IdText>("member_id")? {
        Some(IdText(text)) => Some(text.parse().map_err(|_| Problem::from(Thing::Member))?),
        None => None,
    };
    let by = call.input.optional::<String>("by")?;
    match by.as_deref() {
        None if member.is_some() => Ok(UsageBy::Member(member)),
        None | Some("bot") => Ok(UsageBy::Bot(bot)),
        Some("member") => Ok(UsageBy::Member(member)),
        Some("heartbeat") => Ok(UsageBy::Heartbeat(bot)),
        Some(_) => Err(Violation::input("by", "must be bot, member or heartbeat").into()),
    }
}

/// Puts credit on the balance of a project. What waited for credits goes on.
#[utoipa::path(
    post,
    path = "/v1/project/credit",
    tag = "projects",
    operation_id = "add_credit",
    request_body = AddCreditRequest,
    responses((status = 200, description = "The balance", body = CreditAddedResponse), Refusals)
)]
async fn add(call: Call) -> Answer<CreditAddedResponse> {
    call.require_admin()?;
    let project_id = call.project().await?;
    let credits: i64 = call.input.required("credits")?;
    let note = call.input.optional::<String>("note")?.unwrap_or_default();
    if note.chars().count() > NOTE_MAX {
        let what = format!("must have at most {NOTE_MAX} characters");
        return Err(Violation::input("note", what).into());
    }
    let wrong = || Violation::input("entry_id", "must be a UUID");
    let id = match call.input.optional::<IdText>("entry_id")? {
        Some(IdText(text)) => Some(text.parse().map_err(|_| wrong())?),
        None => None,
    };
    let added = call.control.add_credit(project_id, (credits, note), id);
    let (id, balance) = added.await?;
    Ok(Json(CreditAddedResponse {
        entry_id: id.to_string(),
        balance,
    }))
}

/// What came onto the balance of a project and went from it, newest first.
#[utoipa::path(
    get,
    path = "/v1/project/credit",
    tag = "projects",
    operation_id = "read_credit",
    params(LedgerRequest),
    responses((status = 200, description = "The ledger", body = LedgerResponse), Refusals)
)]
async fn ledger(call: Call) -> Answer<LedgerResponse> {
    call.require_admin()?;
    let project_id = call.project().await?;
    let page = page::asked(&call.input, PER_PAGE)?;
    let store = call.control.store();
    let found = store.credit_entries(project_id, page).await?;
    Ok(Json(LedgerResponse {
        entries: found.rows.into_iter().map(Into::into).collect(),
        pagination: Pagination::of(page, found.total),
    }))
}
