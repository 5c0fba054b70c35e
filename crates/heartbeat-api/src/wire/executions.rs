//! Executions and their steps: the log, and the result of a trigger.

use heartbeat_domain::execution::Execution;
use heartbeat_domain::step::Step;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::instant;
use crate::page::Pagination;

/// Which executions to list.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogsRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// Only those of this heartbeat; it may be deleted.
    pub heartbeat_id: Option<String>,
    /// Only those of this subscriber.
    pub member_id: Option<String>,
    /// `success`, `error`, `skipped`, `cancelled`, `running` or `waiting`; all that ended where left
    /// out.
    pub status: Option<String>,
    /// Only those that a person has to look at, or only those that nobody has to.
    pub needs_review: Option<bool>,
    /// 1 and up.
    pub page: Option<u32>,
    /// 1 to 100; 20 where left out.
    pub per_page: Option<u32>,
}

/// An execution, or several moments that were skipped for one reason.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Log)]
pub struct LogObject {
    /// Id of the execution.
    pub uuid: String,
    /// `heartbeat`, `scheduled_task` or `agent_message`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `success`, `error`, `skipped` or `cancelled`; `running` or `waiting` while it is open.
    pub status: &'static str,
    /// The instruction as it was.
    pub prompt: String,
    /// What the agent said in the end.
    pub response: String,
    /// How long it took.
    pub duration_ms: i64,
    /// Tokens of all turns.
    pub tokens_used: u64,
    /// Whole credits.
    pub credits_charged: u64,
    /// What went wrong.
    pub error_message: Option<String>,
    /// When the row was written.
    pub created_at: String,
    /// The heartbeat; it may be deleted.
    pub heartbeat_id: Option<String>,
    /// Row number of the subscriber.
    pub member_id: Option<i64>,
    /// The due moment, or the moment of the trigger.
    pub due_at: String,
    /// When it was started.
    pub started_at: Option<String>,
    /// How long after its due moment it was started.
    pub late_ms: Option<i64>,
    /// `schedule`, `manual`, `catch_up` or `message`.
    pub trigger: &'static str,
    /// Why it was skipped, failed or was cancelled.
    pub reason: Option<&'static str>,
    /// The first of several moments.
    pub first_due_at: Option<String>,
    /// The last of several moments.
    pub last_due_at: Option<String>,
    /// How many moments.
    pub missed_count: Option<u64>,
    /// Whether a person has to look at a call whose outcome is unknown.
    pub needs_review: bool,
    /// UUID of the subscriber.
    pub member_uuid: Option<String>,
}

impl From<Execution> for LogObject {
    fn from(execution: Execution) -> Self {
        Self {
            uuid: execution.id.to_string(),
            kind: execution.kind.as_str(),
            status: status(&execution),
            duration_ms: execution.duration_ms(),
            tokens_used: execution.tokens_used,
            credits_charged: execution.credits_charged,
            created_at: instant(execution.created_at),
            heartbeat_id: execution.heartbeat_id.map(|id| id.to_string()),
            member_id: None,
            due_at: instant(execution.due_at),
            started_at: execution.started_at.map(instant),
            late_ms: execution.late_ms(),
            trigger: execution.trigger.as_str(),
            reason: execution.reason.map(|reason| reason.as_str()),
            first_due_at: execution.first_due_at.map(instant),
            last_due_at: execution.last_due_at.map(instant),
            missed_count: execution.missed_count,
            needs_review: execution.needs_review,
            member_uuid: execution.member_id.map(|id| id.to_string()),
            prompt: execution.prompt,
            response: execution.response,
            error_message: execution.error_message,
        }
    }
}

/// How it ended, or where it is.
fn status(execution: &Execution) -> &'static str {
    execution
        .status
        .map_or(execution.phase.as_str(), |status| status.as_str())
}

/// A page of executions, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogsResponse {
    /// Rows on all pages.
    pub total: u64,
    /// The rows of this page.
    pub logs: Vec<LogObject>,
    /// Where this page stands.
    pub pagination: Pagination,
}

/// Names an execution.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// The execution: `uuid` of a log.
    pub execution_id: String,
}

/// An execution with its steps, in order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogResponse {
    /// The execution.
    pub log: LogObject,
    /// Its steps; none once they are older than the plan keeps them.
    pub steps: Vec<StepObject>,
}

/// A turn of the model or a call of a tool.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Step)]
pub struct StepObject {
    /// Place in the execution.
    pub seq: u32,
    /// 0, and one more for each death of a node that a turn was lost to.
    pub attempt: u32,
    /// `request`, `turn` or `call`.
    pub kind: &'static str,
    /// `begun`, `done`, `failed`, `lost_turn` or `outcome_unknown`.
    pub state: &'static str,
    /// Name of the model or tool.
    pub name: String,
    /// What was asked.
    pub intent: Value,
    /// What was answered.
    pub result: Option<Value>,
    /// Waits and further attempts, in words.
    pub notes: Vec<String>,
    /// Stable id of a call's effect.
    pub effect_id: Option<String>,
    /// What may be done about a call whose answer is lost: `safe`, `by_effect_id` or `never`.
    pub repeat: Option<&'static str>,
    /// When a holder sent the call that was fenced by then, as it found out afterwards.
    pub late_sent_at: Option<String>,
    /// A person's word on a call whose outcome is unknown: `done` or `not_done`.
    pub decision: Option<&'static str>,
    /// Who gave it.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<String>,
    /// Tokens of a turn.
    pub tokens_used: u64,
    /// What it cost, in millionths of a credit.
    pub micro_credits: u64,
    /// When it was written down.
    pub begun_at: String,
    /// When its result was.
    pub ended_at: Option<String>,
    /// The time between.
    pub duration_ms: Option<i64>,
}

impl From<Step> for StepObject {
    fn from(step: Step) -> Self {
        let (begun, result) = (step.begun_at.as_millisecond(), step.shown_result());
        let review = step.review;
        Self {
            seq: step.seq,
            attempt: step.attempt,
            kind: step.kind.as_str(),
            state: step.state.as_str(),
            name: step.name,
            intent: step.intent,
            result,
            notes: step.notes,
            effect_id: step.effect_id,
            repeat: step.repeat.map(|repeat| repeat.as_str()),
            late_sent_at: step.late_sent_at.map(instant),
            decision: review.as_ref().map(|review| review.decision.as_str()),
            decided_at: review.as_ref().map(|review| instant(review.at)),
            decided_by: review.map(|review| review.by),
            tokens_used: step.tokens,
            micro_credits: step.micro_charged,
            begun_at: instant(step.begun_at),
            ended_at: step.ended_at.map(instant),
            duration_ms: step.ended_at.map(|at| at.as_millisecond() - begun),
        }
    }
}

/// Says whether a call whose outcome is unknown happened.
#[derive(Clone, Debug, ToSchema)]
pub struct ReviewRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// The execution: `uuid` of a log.
    pub execution_id: String,
    /// The call: `seq` of a step.
    pub step: u32,
    /// `done` or `not_done`.
    pub outcome: String,
}

/// A call with a person's word on it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReviewResponse {
    /// The call.
    pub step: StepObject,
    /// Whether other calls of the execution wait for a word.
    pub needs_review: bool,
}

/// Triggers a heartbeat and waits for its end.
#[derive(Clone, Debug, ToSchema)]
pub struct TriggerRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// The heartbeat.
    pub heartbeat_id: String,
    /// How long to wait for the end, 0 to 600; 110 where left out. The run goes on all the same.
    pub wait_seconds: Option<u32>,
}

/// What became of a trigger.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunResult {
    /// `success`, `error`, `skipped` or `cancelled`; `running` or `waiting` if it was not waited
    /// for.
    pub status: &'static str,
    /// What the agent said in the end.
    pub response: String,
    /// How long it took.
    pub duration_ms: i64,
    /// Tokens of all turns.
    pub tokens_used: u64,
    /// Whole credits.
    pub credits_charged: u64,
    /// What `log` takes.
    pub execution_id: String,
    /// Why it was skipped, failed or was cancelled.
    pub reason: Option<&'static str>,
    /// The same in words.
    pub error_message: Option<String>,
}

impl From<Execution> for RunResult {
    fn from(execution: Execution) -> Self {
        let explained = execution.reason.map(|reason| reason.meaning().to_owned());
        Self {
            status: status(&execution),
            duration_ms: execution.duration_ms(),
            tokens_used: execution.tokens_used,
            credits_charged: execution.credits_charged,
            execution_id: execution.id.to_string(),
            reason: execution.reason.map(|reason| reason.as_str()),
            response: execution.response,
            error_message: execution.error_message.or(explained),
        }
    }
}

/// What became of a trigger.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunResponse {
    /// The result.
    pub result: RunResult,
}

/// An execution that was asked to stop.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CancelResponse {
    /// It stops within five seconds.
    pub execution_id: String,
}
