//! A heartbeat: what it does and when, what it did, and the buttons that people have for it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use heartbeat_domain::bot::Bot;
use heartbeat_domain::execution::{Phase, Status};
use heartbeat_domain::heartbeat::{Heartbeat, Standing};
use heartbeat_domain::ids::HeartbeatId;
use heartbeat_engine::control::{Control, Result as ControlResult};
use heartbeat_store::verbs::{HeartbeatKey, LogFilter, LogState, NoticeFilter};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::paging::{self, Paging};
use crate::Web;
use crate::frame::{Answer, Frame, page};
use crate::reading::{self, Told};
use crate::refusal::Refusal;
use crate::session::{Deed, Session};
use crate::views::{ExecutionRow, Moment, StandingView, Whose, attention, is_demo, name, zone};
use crate::words;

const PER_PAGE: u32 = 25;
const FIRES_AHEAD: usize = 5;

#[derive(Template)]
#[template(path = "heartbeat.html")]
struct HeartbeatPage {
    frame: Frame,
    id: String,
    name: String,
    agent: (String, String),
    standing: StandingView,
    meaning: Option<&'static str>,
    attention: Option<String>,
    enabled: bool,
    running: Option<String>,
    prompt: String,
    demo: bool,
    facts: Vec<(&'static str, String)>,
    ahead: Vec<Moment>,
    filters: Vec<Filter>,
    rows: Vec<ExecutionRow>,
    paging: Paging,
}

/// A way to look at the log.
struct Filter {
    word: &'static str,
    href: String,
    chosen: bool,
}

/// Which part of the log is asked for.
#[derive(Deserialize)]
pub(crate) struct LogQuery {
    status: Option<String>,
    page: Option<String>,
}

/// The page.
pub(crate) async fn show(
    State(web): State<Web>,
    session: Session,
    Path(id): Path<String>,
    Query(query): Query<LogQuery>,
) -> Answer {
    let control = &web.control;
    let now = control.now();
    let (bot, heartbeat) = find(control, &session, &id).await?;
    let status = query.status.as_deref().unwrap_or_default();
    let page_asked = paging::asked(query.page.as_deref(), PER_PAGE);
    let filter = LogFilter {
        bot_id: Some(bot.id),
        heartbeat_id: Some(heartbeat.id),
        state: state(status),
        ..LogFilter::default()
    };
    let project_id = session.project.id;
    let listed = control
        .store()
        .logs(project_id, &filter, page_asked)
        .await?;
    let mut executions = Vec::new();
    if filter.state.is_none() && page_asked.number == 1 {
        executions = reading::open(control, project_id, &filter).await?;
    }
    executions.extend(listed.rows);
    let whose = Whose::of(&heartbeat, &bot);
    let own = NoticeFilter {
        heartbeat_id: Some(heartbeat.id),
        ..NoticeFilter::default()
    };
    let told = Told::lately(control, project_id, &own).await?;
    let path = format!("/heartbeats/{id}");
    page(&HeartbeatPage {
        frame: Frame::new(&web, &session, name(&heartbeat), path.clone()).await?,
        name: name(&heartbeat),
        agent: (bot.name.clone(), format!("/agents/{}", bot.number)),
        meaning: meaning(&heartbeat),
        standing: StandingView::new(&heartbeat, now),
        attention: attention(&heartbeat),
        enabled: heartbeat.enabled,
        running: heartbeat
            .open
            .map(|open| format!("/executions/{}", open.execution_id)),
        prompt: heartbeat.settings.prompt.clone(),
        demo: is_demo(&heartbeat, &bot),
        facts: facts(&heartbeat, &bot),
        ahead: ahead(control, &heartbeat, now)?,
        filters: filters(&path, status),
        rows: executions
            .iter()
            .map(|execution| ExecutionRow::new(execution, whose.clone(), told.by(execution), now))
            .collect(),
        paging: Paging::new(
            page_asked,
            listed.total,
            &format!("{path}?status={status}&page="),
        ),
        id,
    })
}

/// Enables, disables, triggers or cancels.
pub(crate) async fn act(
    State(web): State<Web>,
    Path((id, asked)): Path<(String, String)>,
    deed: Deed,
) -> Result<Redirect, Refusal> {
    let control = &web.control;
    let (bot, heartbeat) = find(control, &deed.session, &id).await?;
    let key = HeartbeatKey {
        project_id: deed.session.project.id,
        bot_id: bot.id,
        id: heartbeat.id,
    };
    match asked.as_str() {
        "enable" => drop(control.enable(key).await?),
        "disable" => drop(control.disable(key).await?),
        "cancel" => drop(control.cancel(key).await?),
        "trigger" => {
            let execution = control.trigger(key, SignedDuration::ZERO).await?;
            return Ok(Redirect::to(&format!("/executions/{}", execution.id)));
        }
        _ => return Err(Refusal::not_found("page")),
    }
    Ok(Redirect::to(&deed.back))
}

async fn find(control: &Control, session: &Session, id: &str) -> Result<(Bot, Heartbeat), Refusal> {
    let id: HeartbeatId = id.parse().map_err(|_| Refusal::not_found("heartbeat"))?;
    Ok(reading::find_heartbeat(control, session.project.id, id).await?)
}

/// What a word of the filter asks for; ended ones where it is none.
fn state(word: &str) -> Option<LogState> {
    let ended = Status::find(word).map(LogState::Ended);
    let open = Phase::find(word).filter(|phase| *phase != Phase::Ended);
    ended.or(open.map(LogState::Open))
}

fn filters(path: &str, chosen: &str) -> Vec<Filter> {
    let words = ["", "success", "error", "skipped", "cancelled", "running"];
    let known = words.contains(&chosen);
    words
        .into_iter()
        .map(|word| Filter {
            word: if word.is_empty() { "all" } else { word },
            href: match word {
                "" => path.to_owned(),
                word => format!("{path}?status={word}"),
            },
            chosen: word == chosen || (word.is_empty() && !known),
        })
        .collect()
}

fn meaning(heartbeat: &Heartbeat) -> Option<&'static str> {
    match heartbeat.standing() {
        Standing::Paused(pause) => Some(pause.reason.meaning()),
        Standing::Active | Standing::Off => None,
    }
}

/// The next fires, its own next one first.
fn ahead(control: &Control, heartbeat: &Heartbeat, now: Timestamp) -> ControlResult<Vec<Moment>> {
    let Some(next) = heartbeat.next else {
        return Ok(Vec::new());
    };
    let schedule = heartbeat.schedule()?;
    let own = (next.at > now).then_some(next);
    let first = own.or_else(|| schedule.advance(&next, control.now()).next);
    let fires = std::iter::successors(first, |due| schedule.next_due(due));
    Ok(fires
        .take(FIRES_AHEAD)
        .map(|due| Moment::new(due.at, &zone(heartbeat), now))
        .collect())
}

fn facts(heartbeat: &Heartbeat, bot: &Bot) -> Vec<(&'static str, String)> {
    let settings = &heartbeat.settings;
    let mut facts = vec![
        ("Fires", words::schedule(heartbeat)),
        ("Zone", settings.schedule.timezone.clone()),
    ];
    if let Some(watch) = &settings.watch {
        facts.push(("Watch", words::watch(watch)));
    }
    if !settings.prompt.trim().is_empty() {
        let model = settings.run_model.as_ref().unwrap_or(&bot.model);
        facts.push(("Model", model.clone()));
        facts.push(("Credits this month", credits(heartbeat)));
    }
    facts.push(("Breaker", breaker(heartbeat)));
    facts.push(("Catches up", catches_up(settings.catch_up_minutes)));
    if settings.spread_minutes > 0 {
        let spread = words::plural(u64::from(settings.spread_minutes), "minute");
        facts.push(("Spread", format!("starts over {spread}")));
    }
    facts.push(("Ran", words::plural(heartbeat.execution_count, "time")));
    facts
}

fn credits(heartbeat: &Heartbeat) -> String {
    let used = words::count(heartbeat.credits_used);
    match heartbeat.settings.credit_budget {
        Some(budget) => format!("{used} of {}", words::count(budget)),
        None => format!("{used}, no budget set"),
    }
}

fn breaker(heartbeat: &Heartbeat) -> String {
    let most = heartbeat.settings.max_consecutive_errors;
    let errors = words::plural(u64::from(most), "error");
    match heartbeat.error_count {
        0 => format!("pauses it after {errors} in a row"),
        count => format!("{count} of {errors} in a row"),
    }
}

fn catches_up(minutes: Option<u32>) -> String {
    match minutes {
        None => "with a missed moment until the next one, at most 2 h".to_owned(),
        Some(0) => "never".to_owned(),
        Some(minutes) => format!("with a missed moment for {minutes} min"),
    }
}
