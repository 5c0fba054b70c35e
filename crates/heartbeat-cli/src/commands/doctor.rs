//! `heartbeat doctor`: looks at everything that has to be right, and says what to do about what is
//! not.

use std::process::ExitCode;

use heartbeat_agent::Models;
use heartbeat_domain::heartbeat::Standing;
use heartbeat_engine::control::Control;
use serde_json::json;

use super::find;
use crate::args::{BotWithin, Within};
use crate::config::{Config, Environment};
use crate::open::{Missing, Opened, key_file, open};
use crate::output::Out;
use crate::serve::model_line;

/// One thing that was looked at.
struct Finding {
    is_fine: bool,
    what: String,
}

fn fine(what: impl Into<String>) -> Finding {
    Finding {
        is_fine: true,
        what: what.into(),
    }
}

fn wrong(what: impl Into<String>) -> Finding {
    Finding {
        is_fine: false,
        what: what.into(),
    }
}

/// Looks round; exits with 1 if anything is wrong.
pub(crate) async fn run(
    config: &Config,
    environment: &Environment,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let mut findings = model(config, environment).await;
    match open(config, Missing::Refuse).await {
        Err(error) => findings.push(wrong(format!("database: {error:#}"))),
        Ok(opened) => {
            findings.push(fine(format!("database: {}", opened.address)));
            let control = opened.control(config, std::sync::Arc::default());
            findings.extend(server((config, &opened), &control).await);
            findings.extend(heartbeats(&control).await);
        }
    }
    let is_fine = findings.iter().all(|finding| finding.is_fine);
    if out.is_json() {
        let rows: Vec<_> = findings
            .iter()
            .map(|one| json!({ "ok": one.is_fine, "what": one.what }))
            .collect();
        out.value(&json!({ "ok": is_fine, "findings": rows }));
    } else {
        for finding in &findings {
            let mark = if finding.is_fine { "ok   " } else { "WRONG" };
            out.line(&format!("{mark}  {}", finding.what));
        }
    }
    Ok(if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The default model, which keys are set, and which model servers answer on this machine.
async fn model(config: &Config, environment: &Environment) -> Vec<Finding> {
    let models = config
        .models
        .settings(environment)
        .and_then(|settings| Ok(Models::new(settings)?));
    let models = match models {
        Err(error) => return vec![wrong(format!("model: {error:#}"))],
        Ok(models) => models,
    };
    let chosen = models.choose_default().await;
    let keys = match models.keys_set().as_slice() {
        [] => "none is set; ANTHROPIC_API_KEY, OPENAI_API_KEY and GEMINI_API_KEY were looked for"
            .to_owned(),
        set => format!("{} set", set.join(", ")),
    };
    let mut findings = vec![
        fine(format!("model: {}", model_line(&chosen))),
        fine(format!("model keys: {keys}")),
    ];
    for sight in models.look_around().await {
        let model = sight
            .model
            .map_or_else(String::new, |model| format!(": {model}"));
        let (product, finding) = (sight.product, sight.finding);
        findings.push(fine(format!("model servers: {product} {finding}{model}")));
    }
    findings
}

/// Whether a server is running on this database.
async fn server((config, opened): (&Config, &Opened), control: &Control) -> Vec<Finding> {
    let now = control.now();
    let running = match control.store().nodes(now).await {
        Err(error) => wrong(format!("nodes: {error}")),
        Ok(nodes) => match nodes.iter().find(|node| node.is_live(now)) {
            Some(node) => fine(format!("server: {} since {}", node.name, node.started_at)),
            None => {
                wrong("server: none is running on this database; start one with `heartbeat serve`")
            }
        },
    };
    let key = key_file(config, &opened.address);
    let private = match key.exists() && is_open_to_others(&key) {
        true => wrong(format!(
            "key: {} can be read by others; run: chmod 600 {0}",
            key.display()
        )),
        false => fine("key: only this user can read it"),
    };
    vec![running, private]
}

#[cfg(unix)]
fn is_open_to_others(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_path: &std::path::Path) -> bool {
    false
}

/// Heartbeats that somebody has to look at.
async fn heartbeats(control: &Control) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(projects) = control.store().projects().await else {
        return vec![wrong("projects: the database does not answer")];
    };
    for project in projects {
        let within = Within {
            project: Some(project.id.to_string()),
        };
        let Ok(bots) = find::bots(control, &BotWithin { within, bot: None }).await else {
            continue;
        };
        for bot in bots {
            let now = control.now();
            let all = control
                .store()
                .heartbeats(project.id, bot.id, None, now)
                .await;
            for heartbeat in all.unwrap_or_default() {
                if let Standing::Paused(pause) = heartbeat.standing() {
                    let name = super::show::name(&heartbeat);
                    let what = format!("{name}: paused. {}", pause.reason.meaning());
                    findings.push(wrong(what));
                }
            }
        }
    }
    if findings.is_empty() {
        findings.push(fine("heartbeats: none is paused"));
    }
    findings
}
