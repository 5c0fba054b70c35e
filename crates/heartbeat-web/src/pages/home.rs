//! The first screen: is everything beating, what needs me, what happened, what comes next.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use heartbeat_domain::execution::Execution;
use heartbeat_domain::heartbeat::{Heartbeat, Standing};
use heartbeat_domain::ids::ProjectId;
use heartbeat_engine::control::{Control, Result as ControlResult};
use heartbeat_store::verbs::{Counts, LogFilter, NoticeFilter, Page};
use jiff::Timestamp;

use crate::Web;
use crate::frame::{Answer, Frame, page};
use crate::reading::{self, Roster, Told};
use crate::session::Session;
use crate::views::{Beats, ExecutionRow, HeartbeatRow, Moment, NoticeView, attention, name, zone};
use crate::words;

/// Heartbeats on this page; the others stand on their agents' pages.
const HEARTBEATS_MAX: usize = 60;
/// Rows of the log on this page, and the executions that they are folded from.
const ROWS_MAX: usize = 20;
const EXECUTIONS: Page = Page {
    number: 1,
    size: 100,
};
const NOTICES: Page = Page { number: 1, size: 6 };
const BEATS: Page = Page {
    number: 1,
    size: 24,
};

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    headline: Headline,
    needs: Vec<Need>,
    today: Today,
    groups: Vec<Group>,
    hidden: usize,
    executions: Vec<ExecutionRow>,
    notices: Vec<NoticeView>,
}

/// The answer to "is everything beating".
struct Headline {
    title: String,
    active: usize,
    paused: usize,
    off: usize,
    next: Option<(String, String, Moment)>,
}

/// Something that waits for a person.
struct Need {
    name: String,
    href: String,
    why: String,
}

/// Today's totals.
struct Today {
    success: String,
    error: String,
    failed: bool,
    skipped: String,
    tokens: String,
    credits: String,
}

/// An agent with its heartbeats.
struct Group {
    name: String,
    number: i64,
    href: String,
    model: String,
    switched_on: bool,
    rows: Vec<HeartbeatRow>,
}

/// The page.
pub(crate) async fn show(State(web): State<Web>, session: Session) -> Answer {
    let control = &web.control;
    let now = control.now();
    let project_id = session.project.id;
    let roster = Roster::of_project(control, project_id, now).await?;
    let executions = latest(control, project_id).await?;
    let today = reading::today(control, project_id, &roster.bots, now).await?;
    let any = NoticeFilter::default();
    let told = Told::lately(control, project_id, &any).await?;
    let needs = needs(&roster, &executions);
    page(&HomePage {
        frame: Frame::new(&web, &session, "Home", "/").await?,
        headline: headline(&roster.heartbeats, (needs.len(), &session), now),
        needs,
        today: totals(&today),
        groups: groups(control, &roster, now).await?,
        hidden: roster.heartbeats.len().saturating_sub(HEARTBEATS_MAX),
        notices: notices(control, project_id, &roster, now).await?,
        executions: log(&executions, &roster, &told, now),
    })
}

/// What is under way, then what ended last.
async fn latest(control: &Control, project_id: ProjectId) -> ControlResult<Vec<Execution>> {
    let filter = LogFilter::default();
    let mut executions = reading::open(control, project_id, &filter).await?;
    let ended = control
        .store()
        .logs(project_id, &filter, EXECUTIONS)
        .await?;
    executions.extend(ended.rows);
    Ok(executions)
}

/// Quiet beats are folded into the newest quiet one of their heartbeat, so that what happened is
/// not lost among what did not.
fn log(
    executions: &[Execution],
    roster: &Roster,
    told: &Told,
    now: Timestamp,
) -> Vec<ExecutionRow> {
    let mut rows: Vec<ExecutionRow> = Vec::new();
    let mut quiet = HashMap::new();
    for execution in executions {
        let whose = roster.whose(execution);
        let row = ExecutionRow::new(execution, whose, told.by(execution), now);
        if row.quiet {
            if let Some(at) = quiet.get(&execution.heartbeat_id) {
                let newest: &mut ExecutionRow = &mut rows[*at];
                newest.folded += 1;
                continue;
            }
            quiet.insert(execution.heartbeat_id, rows.len());
        }
        rows.push(row);
    }
    rows.truncate(ROWS_MAX);
    rows
}

fn headline(
    heartbeats: &[Heartbeat],
    (needs, session): (usize, &Session),
    now: Timestamp,
) -> Headline {
    let tally = |wanted: fn(Standing) -> bool| {
        heartbeats
            .iter()
            .filter(|heartbeat| wanted(heartbeat.standing()))
            .count()
    };
    let active = tally(|standing| standing == Standing::Active);
    let next = heartbeats
        .iter()
        .filter(|one| one.standing() == Standing::Active && one.open.is_none())
        .filter_map(|heartbeat| Some((heartbeat.next?.at.max(now), heartbeat)))
        .min_by_key(|(at, _)| *at);
    let title = match (heartbeats.len(), active, needs) {
        _ if session.project.paused_at.is_some() => "Everything is paused".to_owned(),
        (0, ..) => "No heartbeat yet".to_owned(),
        (_, _, 1) => "One thing needs you".to_owned(),
        (_, _, 2..) => format!("{needs} things need you"),
        (_, 0, 0) => "Nothing is beating".to_owned(),
        _ => "Everything is beating".to_owned(),
    };
    Headline {
        title,
        active,
        paused: tally(|standing| matches!(standing, Standing::Paused(_))),
        off: tally(|standing| standing == Standing::Off),
        next: next.map(|(at, heartbeat)| {
            let href = format!("/heartbeats/{}", heartbeat.id);
            (
                name(heartbeat),
                href,
                Moment::new(at, &zone(heartbeat), now),
            )
        }),
    }
}

fn needs(roster: &Roster, executions: &[Execution]) -> Vec<Need> {
    let troubled = roster.heartbeats.iter().filter_map(|heartbeat| {
        Some(Need {
            name: name(heartbeat),
            href: format!("/heartbeats/{}", heartbeat.id),
            why: attention(heartbeat)?,
        })
    });
    let unclear = executions.iter().filter(|execution| execution.needs_review);
    let unclear = unclear.map(|execution| Need {
        name: roster.whose(execution).name,
        href: format!("/executions/{}", execution.id),
        why: "a call may or may not have happened; look at it".to_owned(),
    });
    troubled.chain(unclear).collect()
}

fn totals(counts: &Counts) -> Today {
    Today {
        success: words::count(counts.success),
        error: words::count(counts.error),
        failed: counts.error > 0,
        skipped: words::count(counts.skipped + counts.cancelled),
        tokens: words::count(counts.tokens),
        credits: words::count(counts.credits),
    }
}

async fn groups(control: &Control, roster: &Roster, now: Timestamp) -> ControlResult<Vec<Group>> {
    let mut room = HEARTBEATS_MAX;
    let mut groups = Vec::new();
    for bot in &roster.bots {
        let own = roster.heartbeats.iter().filter(|one| one.bot_id == bot.id);
        let mut rows = Vec::new();
        for heartbeat in own.take(room) {
            let beats = beats(control, heartbeat).await?;
            rows.push(HeartbeatRow::new(heartbeat, bot, beats, now));
        }
        room -= rows.len();
        groups.push(Group {
            name: bot.name.clone(),
            number: bot.number,
            href: format!("/agents/{}", bot.number),
            model: bot.model.clone(),
            switched_on: bot.is_switched_on(),
            rows,
        });
    }
    Ok(groups)
}

/// The last beats of a heartbeat, what is under way among them.
pub(super) async fn beats(control: &Control, heartbeat: &Heartbeat) -> ControlResult<Beats> {
    let filter = LogFilter {
        heartbeat_id: Some(heartbeat.id),
        bot_id: Some(heartbeat.bot_id),
        ..LogFilter::default()
    };
    let project_id = heartbeat.project_id;
    let ended = control.store().logs(project_id, &filter, BEATS).await?;
    Ok(Beats::of(&ended.rows))
}

/// Unread messages first, then the newest of the others, as far as there is room.
async fn notices(
    control: &Control,
    project_id: ProjectId,
    roster: &Roster,
    now: Timestamp,
) -> ControlResult<Vec<NoticeView>> {
    let unread = NoticeFilter {
        unread: true,
        ..NoticeFilter::default()
    };
    let store = control.store();
    let mut rows = store.notices(project_id, &unread, NOTICES).await?.rows;
    let any = NoticeFilter::default();
    let others = store.notices(project_id, &any, NOTICES).await?.rows;
    let read = others.into_iter().filter(|notice| notice.status == "read");
    let room = (NOTICES.size as usize).saturating_sub(rows.len());
    rows.extend(read.take(room));
    Ok(rows
        .iter()
        .map(|notice| NoticeView::new(notice, roster.of_heartbeat(notice.heartbeat_id), now))
        .collect())
}
