//! `heartbeat trigger`.

use std::process::ExitCode;

use heartbeat_domain::execution::{Execution, Phase, Status};
use heartbeat_engine::control::Control;
use jiff::SignedDuration;
use serde_json::json;

use super::{find, show};
use crate::args::TriggerArgs;
use crate::output::{Out, note};

/// Carries a heartbeat out now. Exits with 1 unless it ended in success or goes on.
pub(crate) async fn run(
    ask: &TriggerArgs,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let (key, _) = find::heartbeat(control, &ask.target).await?;
    if ask.wait_seconds > 0 && !out.is_json() {
        note("Waiting for a running server to carry it out …");
    }
    let wait = SignedDuration::from_secs(i64::from(ask.wait_seconds));
    let execution = control.trigger(key, wait).await?;
    out.either(
        &json!({ "result": show::result(&execution) }),
        &text(&execution),
    );
    let is_fine = execution.phase != Phase::Ended || execution.status == Some(Status::Success);
    Ok(if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn text(execution: &Execution) -> String {
    if execution.phase != Phase::Ended {
        return format!(
            "Execution {} is not through yet; `heartbeat log {}` shows it. Is a server running?",
            execution.id, execution.id
        );
    }
    let reason = execution
        .reason
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    let status = execution.status.map_or("", Status::as_str);
    let words = execution
        .error_message
        .as_deref()
        .unwrap_or(&execution.response);
    format!(
        "{status}{reason} in {} ms, {} tokens, {} credits\n{words}",
        execution.duration_ms(),
        execution.tokens_used,
        execution.credits_charged
    )
    .trim_end()
    .to_owned()
}
