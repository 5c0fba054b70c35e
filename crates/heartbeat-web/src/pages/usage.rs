//! Credits and tokens: what every level of budget used, holds and has left, and the balance.

use askama::Template;
use axum::extract::{Query, State};
use heartbeat_domain::budget::Scope;
use heartbeat_domain::heartbeat::billing_period;
use heartbeat_domain::ids::HeartbeatId;
use heartbeat_store::verbs::{CreditEntry, LevelUsage, Page, UsageBy, UsageSummary};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::paging::{self, Paging};
use crate::Web;
use crate::frame::{Answer, Frame, page};
use crate::reading::Roster;
use crate::session::Session;
use crate::views::Moment;
use crate::words;

const PER_PAGE: u32 = 50;
/// Latest entries of the ledger.
const ENTRIES: Page = Page {
    number: 1,
    size: 20,
};
/// Ways to look at what is below the project, as the API names them.
const WAYS: [(&str, &str); 3] = [
    ("bot", "agents"),
    ("heartbeat", "heartbeats"),
    ("member", "subscribers"),
];

#[derive(Template)]
#[template(path = "usage.html")]
struct UsagePage {
    frame: Frame,
    month: String,
    earlier: String,
    later: Option<String>,
    project: Vec<LevelRow>,
    ways: Vec<Way>,
    levels: Vec<LevelRow>,
    paging: Paging,
    balance: Vec<(&'static str, String)>,
    entries: Vec<EntryRow>,
    days: Vec<(String, String, String)>,
}

/// A way to look at what is below the project.
struct Way {
    word: &'static str,
    href: String,
    chosen: bool,
}

/// One level of budget in one period.
struct LevelRow {
    name: String,
    href: Option<String>,
    used: String,
    held: String,
    limit: String,
    left: Option<String>,
    is_full: bool,
    tokens: String,
    resets: Option<Moment>,
}

/// A line of the ledger.
struct EntryRow {
    at: Moment,
    credits: String,
    note: String,
}

/// Which usage is asked for.
#[derive(Deserialize)]
pub(crate) struct UsageQuery {
    month: Option<String>,
    by: Option<String>,
    page: Option<String>,
}

/// The page. A month or a way that makes no sense is the present one, or the first.
pub(crate) async fn show(
    State(web): State<Web>,
    session: Session,
    Query(query): Query<UsageQuery>,
) -> Answer {
    let control = &web.control;
    let (project_id, now) = (session.project.id, control.now());
    let present = billing_period(now);
    let month = query.month.as_deref().and_then(named).unwrap_or(present);
    let month = month.min(present);
    let asked = query.by.as_deref().unwrap_or_default();
    let way = WAYS
        .iter()
        .find(|(way, _)| *way == asked)
        .unwrap_or(&WAYS[0]);
    let page_asked = paging::asked(query.page.as_deref(), PER_PAGE);
    let by = match way.0 {
        "member" => UsageBy::Member(None),
        "heartbeat" => UsageBy::Heartbeat(None),
        _ => UsageBy::Bot(None),
    };
    let summary = control.usage(project_id, (month, by), page_asked).await?;
    let roster = Roster::of_project(control, project_id, now).await?;
    let entries = control.store().credit_entries(project_id, ENTRIES).await?;
    let of = |month: i32, way: &str| format!("/usage?month={}&by={way}", written(month));
    let row =
        |usage: &LevelUsage| LevelRow::below(usage, &roster, (month == present).then_some(now));
    page(&UsagePage {
        frame: Frame::new(&web, &session, "Usage", "/usage").await?,
        month: written(month),
        earlier: of(month - 1, way.0),
        later: (month < present).then(|| of(month + 1, way.0)),
        project: of_project(&summary, now),
        ways: WAYS
            .iter()
            .map(|(by, word)| Way {
                word,
                href: of(month, by),
                chosen: *by == way.0,
            })
            .collect(),
        levels: summary.levels.rows.iter().map(row).collect(),
        paging: Paging::new(
            page_asked,
            summary.levels.total,
            &format!("{}&page=", of(month, way.0)),
        ),
        balance: balance(&summary),
        entries: entries
            .rows
            .iter()
            .map(|entry| EntryRow::new(entry, now))
            .collect(),
        days: summary.days.iter().rev().map(day).collect(),
    })
}

/// `YYYY-MM` as a billing period.
fn named(text: &str) -> Option<i32> {
    let first: Date = format!("{text}-01").parse().ok()?;
    let first = first.to_zoned(TimeZone::UTC).ok()?;
    Some(billing_period(first.timestamp()))
}

/// A billing period as `YYYY-MM`.
fn written(month: i32) -> String {
    format!(
        "{:04}-{:02}",
        month.div_euclid(12),
        month.rem_euclid(12) + 1
    )
}

fn of_project(summary: &UsageSummary, now: Timestamp) -> Vec<LevelRow> {
    let is_now = summary.today.is_some();
    let today = summary.today.as_ref().map(|today| {
        let left = today.left();
        LevelRow::new("Today".to_owned(), today, (Some(now), left))
    });
    let month = &summary.month;
    let of_month = LevelRow::new(
        if is_now { "This month" } else { "The month" }.to_owned(),
        month,
        (is_now.then_some(now), summary.left()),
    );
    today.into_iter().chain([of_month]).collect()
}

fn balance(summary: &UsageSummary) -> Vec<(&'static str, String)> {
    let allowance = &summary.allowance;
    vec![
        ("On the balance", words::signed(allowance.balance())),
        ("Put on it", words::count(allowance.added)),
        ("Drawn from it", words::count(allowance.drawn)),
    ]
}

fn day((date, credits, tokens): &(Date, u64, u64)) -> (String, String, String) {
    (
        date.to_string(),
        words::count(*credits),
        words::count(*tokens),
    )
}

impl LevelRow {
    /// A level below the project, by the name that people know.
    fn below(usage: &LevelUsage, roster: &Roster, now: Option<Timestamp>) -> Self {
        let heartbeat = roster.of_heartbeat(Some(HeartbeatId(usage.id)));
        let agent = roster.bots.iter().find(|bot| bot.id.0 == usage.id);
        let (name, href) = match (usage.scope, heartbeat, agent) {
            (Scope::Heartbeat, Some(whose), _) => (Some(whose.name.clone()), whose.href.clone()),
            (Scope::Bot, _, Some(bot)) => (
                Some(bot.name.clone()),
                Some(format!("/agents/{}", bot.number)),
            ),
            _ => (usage.name.clone(), None),
        };
        let name = name.unwrap_or_else(|| usage.id.to_string());
        let row = Self::new(name, usage, (now, usage.left()));
        Self { href, ..row }
    }

    /// A period that is over has nothing left, and does not reset.
    fn new(
        name: String,
        usage: &LevelUsage,
        (now, left): (Option<Timestamp>, Option<u64>),
    ) -> Self {
        let left = left.filter(|_| now.is_some());
        let resets = now.and_then(|now| Some((usage.scope.resets_at(now)?, now)));
        Self {
            name,
            href: None,
            used: words::count(usage.used),
            held: words::count(usage.held),
            limit: usage.limit.map_or_else(|| "none".to_owned(), words::count),
            left: left.map(words::count),
            is_full: left == Some(0),
            tokens: words::count(usage.tokens),
            resets: resets.map(|(at, now)| Moment::new(at, &TimeZone::UTC, now)),
        }
    }
}

impl EntryRow {
    fn new(entry: &CreditEntry, now: Timestamp) -> Self {
        let note = match entry.drawn {
            true => "drawn by executions of that day".to_owned(),
            false => entry.note.clone(),
        };
        Self {
            at: Moment::new(entry.created_at, &TimeZone::UTC, now),
            credits: words::signed(entry.credits),
            note,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_as_it_is_written() {
        for text in ["2026-11", "2025-01", "2024-12"] {
            assert_eq!(named(text).map(written).as_deref(), Some(text));
        }
        for text in ["2026-13", "2026", "", "2026-11-01", "<x>"] {
            assert_eq!(named(text), None, "{text}");
        }
    }
}
