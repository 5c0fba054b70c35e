//! Stopping everything of a project: what that would stop, the one button that does it, and what it
//! stopped.

use askama::Template;
use axum::extract::State;
use axum::response::Redirect;
use heartbeat_domain::bot::Project;
use heartbeat_domain::execution::{Execution, Status};
use heartbeat_domain::heartbeat::{Heartbeat, Standing};
use heartbeat_domain::reason::Reason;
use heartbeat_engine::control::{Control, Result as ControlResult};
use heartbeat_store::verbs::{LogFilter, LogState, Page, Reach};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Web;
use crate::frame::{Answer, Frame, page};
use crate::reading::{self, Roster};
use crate::refusal::Refusal;
use crate::session::{Deed, Session};
use crate::views::{ExecutionRow, Moment, name};

/// Heartbeats that are listed by name.
const HEARTBEATS_MAX: usize = 60;
/// Executions among which those are looked for that were stopped.
const ENDED: Page = Page {
    number: 1,
    size: 100,
};

#[derive(Template)]
#[template(path = "pause.html")]
struct PausePage {
    frame: Frame,
    since: Option<Moment>,
    /// Under way; once paused, those that were.
    executions: Vec<ExecutionRow>,
    ending: usize,
    heartbeats: Vec<(String, String)>,
    hidden: usize,
}

/// The page.
pub(crate) async fn show(State(web): State<Web>, session: Session) -> Answer {
    let control = &web.control;
    let (project, now) = (&session.project, control.now());
    let roster = Roster::of_project(control, project.id, now).await?;
    let open = reading::open(control, project.id, &LogFilter::default()).await?;
    let ending = open.len();
    let mut executions = open;
    executions.extend(stopped(control, project).await?);
    let is_paused = project.paused_at.is_some();
    let concerned = |heartbeat: &&Heartbeat| match heartbeat.standing() {
        Standing::Active => !is_paused,
        Standing::Paused(pause) => is_paused && pause.reason == Reason::ProjectPaused,
        Standing::Off => false,
    };
    let heartbeats: Vec<&Heartbeat> = roster.heartbeats.iter().filter(concerned).collect();
    let title = if is_paused {
        "Paused"
    } else {
        "Pause everything"
    };
    page(&PausePage {
        frame: Frame::new(&web, &session, title, "/pause").await?,
        since: project.paused_at.map(|at| moment(at, now)),
        executions: executions
            .iter()
            .map(|execution| ExecutionRow::new(execution, roster.whose(execution), None, now))
            .collect(),
        ending,
        hidden: heartbeats.len().saturating_sub(HEARTBEATS_MAX),
        heartbeats: heartbeats
            .into_iter()
            .take(HEARTBEATS_MAX)
            .map(|heartbeat| (name(heartbeat), format!("/heartbeats/{}", heartbeat.id)))
            .collect(),
    })
}

fn moment(at: Timestamp, now: Timestamp) -> Moment {
    Moment::new(at, &TimeZone::UTC, now)
}

/// What the present pause stopped and has ended by now.
async fn stopped(control: &Control, project: &Project) -> ControlResult<Vec<Execution>> {
    let Some(since) = project.paused_at else {
        return Ok(Vec::new());
    };
    let filter = LogFilter {
        state: Some(LogState::Ended(Status::Cancelled)),
        ..LogFilter::default()
    };
    let mut ended = control.store().logs(project.id, &filter, ENDED).await?.rows;
    ended.retain(|execution| {
        let own = execution.reason == Some(Reason::ProjectPaused);
        own && execution.finished_at.is_some_and(|at| at >= since)
    });
    Ok(ended)
}

/// Stops everything.
pub(crate) async fn stop(State(web): State<Web>, deed: Deed) -> Result<Redirect, Refusal> {
    let reach = Reach::Project(deed.session.project.id);
    web.control.pause(reach).await?;
    Ok(Redirect::to("/pause"))
}

/// Lets everything go on.
pub(crate) async fn go_on(State(web): State<Web>, deed: Deed) -> Result<Redirect, Refusal> {
    let reach = Reach::Project(deed.session.project.id);
    web.control.resume(reach).await?;
    Ok(Redirect::to("/"))
}
