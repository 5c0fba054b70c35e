//! An execution: how it came out, what it cost, and every step of it in time.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Redirect;
use heartbeat_domain::budget::whole_credits;
use heartbeat_domain::execution::{Execution, Phase};
use heartbeat_domain::ids::ExecutionId;
use heartbeat_domain::step::{Decision, Step};
use heartbeat_store::verbs::ReviewAsk;
use jiff::Timestamp;

use crate::Web;
use crate::frame::{Answer, Frame, page};
use crate::reading;
use crate::refusal::Refusal;
use crate::session::{Deed, Session};
use crate::views::{ExecutionRow, Moment, StepRow, Whose, without_label};
use crate::words;

#[derive(Template)]
#[template(path = "execution.html")]
struct ExecutionPage {
    frame: Frame,
    row: ExecutionRow,
    heartbeat_id: Option<String>,
    meaning: Option<&'static str>,
    response: String,
    error: Option<String>,
    prompt: String,
    moments: Vec<(&'static str, Moment)>,
    facts: Vec<(&'static str, String)>,
    steps: Vec<StepRow>,
    span: String,
}

/// The page.
pub(crate) async fn show(
    State(web): State<Web>,
    session: Session,
    Path(id): Path<String>,
) -> Answer {
    let control = &web.control;
    let now = control.now();
    let project_id = session.project.id;
    let id: ExecutionId = id.parse().map_err(|_| Refusal::not_found("execution"))?;
    let execution = control.store().execution(project_id, id).await?;
    let steps = control.store().steps(project_id, id).await?;
    let whose = reading::whose(control, &execution).await?;
    let path = format!("/executions/{id}");
    let span = span(&execution, &steps, now);
    page(&ExecutionPage {
        frame: Frame::new(&web, &session, &whose.name, path).await?,
        heartbeat_id: execution.heartbeat_id.map(|id| id.to_string()),
        meaning: execution.reason.map(|reason| reason.meaning()),
        response: without_label(&execution.response).to_owned(),
        error: execution.error_message.clone(),
        prompt: execution.prompt.clone(),
        moments: moments(&execution, &whose, now),
        facts: facts(&execution),
        steps: steps.iter().map(|step| StepRow::new(step, span)).collect(),
        span: words::duration(span.1.as_millisecond() - span.0.as_millisecond()),
        row: ExecutionRow::new(&execution, whose, None, now),
    })
}

/// Keeps a person's word on a call whose outcome is unknown.
pub(crate) async fn review(
    State(web): State<Web>,
    Path((id, seq, word)): Path<(String, String, String)>,
    deed: Deed,
) -> Result<Redirect, Refusal> {
    let id: ExecutionId = id.parse().map_err(|_| Refusal::not_found("execution"))?;
    let seq: u32 = seq.parse().map_err(|_| Refusal::not_found("step"))?;
    let decision = Decision::find(&word).ok_or_else(|| Refusal::not_found("page"))?;
    let ask = ReviewAsk {
        execution_id: id,
        seq,
        decision,
        by: "the dashboard".to_owned(),
    };
    let (store, project_id) = (web.control.store(), deed.session.project.id);
    store.review(project_id, &ask, web.control.now()).await?;
    Ok(Redirect::to(&deed.back))
}

/// From its first sign of work to its last; to now while it is open.
fn span(execution: &Execution, steps: &[Step], now: Timestamp) -> (Timestamp, Timestamp) {
    let begun = steps.iter().map(|step| step.begun_at);
    let from = begun.chain(execution.started_at).min();
    let ended = steps.iter().filter_map(|step| step.ended_at);
    let to = match execution.phase {
        Phase::Ended => ended.chain(execution.finished_at).max(),
        Phase::Running | Phase::Waiting => Some(now),
    };
    let from = from.unwrap_or(execution.created_at);
    (from, to.unwrap_or(from).max(from))
}

fn moments(execution: &Execution, whose: &Whose, now: Timestamp) -> Vec<(&'static str, Moment)> {
    let all = [
        ("Due", Some(execution.due_at)),
        ("Started", execution.started_at),
        ("Ended", execution.finished_at),
    ];
    all.into_iter()
        .filter_map(|(what, at)| Some((what, Moment::new(at?, &whose.zone, now))))
        .collect()
}

fn facts(execution: &Execution) -> Vec<(&'static str, String)> {
    let trigger = execution.trigger.as_str().replace('_', " ");
    let mut facts = vec![("Trigger", trigger)];
    if let Some(late) = execution.late_ms().filter(|late| *late > 0) {
        facts.push(("Late", words::duration(late)));
    }
    if execution.finished_at.is_some() && execution.started_at.is_some() {
        facts.push(("Took", words::duration(execution.duration_ms())));
    }
    facts.push(("Tokens", words::count(execution.tokens_used)));
    let credits = match execution.phase {
        Phase::Ended => words::count(execution.credits_charged),
        Phase::Running | Phase::Waiting => {
            let spent = words::count(whole_credits(execution.held.spent));
            format!(
                "{spent}, and {} held",
                words::count(execution.held.credits())
            )
        }
    };
    facts.push(("Credits", credits));
    facts
}
