//! `heartbeat logs`, `heartbeat log` and `heartbeat review`.

use std::collections::HashSet;

use heartbeat_domain::execution::{Execution, Phase, Status};
use heartbeat_domain::ids::{ExecutionId, ProjectId};
use heartbeat_domain::step::{Decision, Review, Step, StepKind};
use heartbeat_engine::control::Control;
use heartbeat_store::verbs::{LogFilter, LogState, Page, ReviewAsk};
use jiff::SignedDuration;
use serde_json::json;

use super::{find, show};
use crate::args::{HeartbeatArgs, LogArgs, LogsArgs, ReviewArgs};
use crate::output::{BadArgument, Out};

const HEADING: [&str; 8] = [
    "due",
    "status",
    "late",
    "took",
    "tokens",
    "credits",
    "heartbeat",
    "what came of it",
];

/// How often those who follow look again.
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(500);

/// Prints a page of the record; with `--follow` goes on as executions end.
pub(crate) async fn logs(ask: LogsArgs, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let (project_id, filter) = filter(&ask, control).await?;
    if ask.page == 0 || !(1..=100).contains(&ask.per_page) {
        return Err(BadArgument("--page begins at 1, and --per-page is 1 to 100".into()).into());
    }
    let page = Page {
        number: ask.page,
        size: ask.per_page,
    };
    let listed = control.store().logs(project_id, &filter, page).await?;
    if ask.follow {
        return follow(control, (project_id, filter), listed.rows, out).await;
    }
    if out.is_json() {
        let rows: Vec<_> = listed.rows.iter().map(show::execution).collect();
        out.value(&json!({ "total": listed.total, "logs": rows }));
        return Ok(());
    }
    let rows = listed.rows.iter().map(row).collect();
    out.table(&HEADING, rows, "Nothing is on record yet.");
    Ok(())
}

async fn filter(ask: &LogsArgs, control: &Control) -> anyhow::Result<(ProjectId, LogFilter)> {
    let project = control
        .pick_project(ask.bot.within.project.as_deref())
        .await?;
    let mut filter = LogFilter::default();
    if ask.bot.bot.is_some() {
        filter.bot_id = Some(find::one_bot(control, &ask.bot).await?.id);
    }
    if let Some(named) = &ask.heartbeat {
        let within = ask.bot.within.clone();
        let target = HeartbeatArgs {
            heartbeat: named.clone(),
            within,
        };
        filter.heartbeat_id = Some(find::heartbeat(control, &target).await?.0.id);
    }
    filter.needs_review = ask.needs_review.then_some(true);
    filter.state = ask.status.as_deref().map(state).transpose()?;
    Ok((project.id, filter))
}

fn state(text: &str) -> anyhow::Result<LogState> {
    let ended = Status::find(text).map(LogState::Ended);
    let open = Phase::find(text)
        .filter(|phase| *phase != Phase::Ended)
        .map(LogState::Open);
    ended.or(open).ok_or_else(|| {
        BadArgument(format!(
            "--status: `{text}` must be success, error, skipped, cancelled, running or waiting"
        ))
        .into()
    })
}

/// Prints what is there, oldest first, then whatever ends from now on.
async fn follow(
    control: &Control,
    (project_id, filter): (ProjectId, LogFilter),
    first: Vec<Execution>,
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut seen: HashSet<ExecutionId> = HashSet::new();
    let mut rows = first;
    loop {
        for execution in rows.iter().rev() {
            if seen.insert(execution.id) {
                print(execution, out);
            }
        }
        control.wait_until(control.now() + LOOK_EVERY).await;
        let page = Page {
            number: 1,
            size: 100,
        };
        rows = control.store().logs(project_id, &filter, page).await?.rows;
    }
}

fn print(execution: &Execution, out: &mut Out) {
    if out.is_json() {
        out.value_line(&show::execution(execution));
    } else {
        out.line(row(execution).join("  ").trim_end());
    }
}

fn row(execution: &Execution) -> Vec<String> {
    vec![
        show::instant(execution.due_at),
        show::status(execution),
        execution.late_ms().map(show::millis).unwrap_or_default(),
        show::millis(execution.duration_ms()),
        execution.tokens_used.to_string(),
        execution.credits_charged.to_string(),
        execution
            .heartbeat_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        show::gist(execution),
    ]
}

/// Prints one execution with its steps.
pub(crate) async fn log(ask: &LogArgs, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let id = execution_id(&ask.execution)?;
    let project = control.pick_project(ask.within.project.as_deref()).await?;
    let execution = control.store().execution(project.id, id).await?;
    let steps = control.store().steps(project.id, id).await?;
    if out.is_json() {
        let steps: Vec<_> = steps.iter().map(show::step).collect();
        out.value(&json!({ "log": show::execution(&execution), "steps": steps }));
        return Ok(());
    }
    out.line(&row(&execution).join("  "));
    for step in &steps {
        print_step(step, out);
    }
    Ok(())
}

fn execution_id(text: &str) -> anyhow::Result<ExecutionId> {
    text.parse()
        .map_err(|_| BadArgument(format!("`{text}` is not an execution's id")).into())
}

/// Prints a step: what it is, then what went in and what came out.
fn print_step(step: &Step, out: &mut Out) {
    let took = step
        .ended_at
        .map(|end| show::millis(end.as_millisecond() - step.begun_at.as_millisecond()));
    out.line(&format!(
        "{:>3}  {:<8} {:<16} {:<20} {:>8}  {} tokens  {} credits",
        step.seq,
        step.kind.as_str(),
        step.state.as_str(),
        step.name,
        took.unwrap_or_default(),
        step.tokens,
        micro(step.micro_charged),
    ));
    if step.kind != StepKind::Turn {
        out.line(&format!("       in   {}", step.intent));
    }
    if let Some(result) = step.shown_result() {
        out.line(&format!("       out  {result}"));
    }
    if let Some(at) = step.late_sent_at {
        let at = show::instant(at);
        out.line(&format!(
            "       sent at {at} by a node that had lost its hold"
        ));
    }
    if let Some(Review { decision, by, at }) = &step.review {
        let (word, at) = (decision.as_str(), show::instant(*at));
        out.line(&format!("       {word}, says {by} at {at}"));
    }
    for line in &step.notes {
        out.line(&format!("       {line}"));
    }
}

/// Micro-credits as credits.
fn micro(amount: u64) -> String {
    format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000)
}

/// Keeps a person's word on a call whose outcome is unknown.
pub(crate) async fn review(
    ask: &ReviewArgs,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<()> {
    let decision = Decision::find(&ask.outcome)
        .ok_or_else(|| BadArgument(format!("`{}` must be done or not_done", ask.outcome)))?;
    let asked = ReviewAsk {
        execution_id: execution_id(&ask.execution)?,
        seq: ask.step,
        decision,
        by: "the command line".to_owned(),
    };
    let project = control.pick_project(ask.within.project.as_deref()).await?;
    let step = control
        .store()
        .review(project.id, &asked, control.now())
        .await?;
    if out.is_json() {
        out.value(&show::step(&step));
    } else {
        print_step(&step, out);
    }
    Ok(())
}
