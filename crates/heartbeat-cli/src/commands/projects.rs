//! `heartbeat project` and `heartbeat key`.

use heartbeat_api::wire::usage::CreditObject;
use heartbeat_domain::bot::Project;
use heartbeat_engine::control::Control;
use heartbeat_store::verbs::{KeyScope, Page};
use serde_json::json;

use crate::args::{KeyCommand, ProjectCommand};
use crate::output::{BadArgument, Out};

/// Makes, lists and moves projects.
pub(crate) async fn run(
    ask: ProjectCommand,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<()> {
    match ask {
        ProjectCommand::Create { name, plan } => {
            let made = control.create_project(&name, &plan).await?;
            let value = json!({ "project_id": made.project.id, "api_key": made.api_key });
            let text = format!(
                "Project: {}\nAPI key (shown this once): {}",
                made.project.id, made.api_key
            );
            out.either(&value, &text);
        }
        ProjectCommand::List => list(control, out).await?,
        ProjectCommand::Plan { project, plan } => {
            let project = control.pick_project(Some(&project)).await?;
            let project = control.set_plan(project.id, &plan).await?;
            let text = format!("{} is on plan {}", project.name, project.plan);
            out.either(
                &json!({ "project_id": project.id, "plan": project.plan }),
                &text,
            );
        }
        ProjectCommand::Credit {
            project,
            credits,
            note,
        } => {
            let project = control.pick_project(Some(&project)).await?;
            match credits {
                Some(credits) => {
                    let added = control.add_credit(project.id, (credits, note), None);
                    let (id, balance) = added.await?;
                    let text = format!("Balance of {}: {balance}", project.name);
                    out.either(&json!({ "entry_id": id, "balance": balance }), &text);
                }
                None => ledger(&project, control, out).await?,
            }
        }
    }
    Ok(())
}

async fn ledger(project: &Project, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let page = Page {
        number: 1,
        size: 100,
    };
    let entries = control.store().credit_entries(project.id, page).await?.rows;
    let entries: Vec<CreditObject> = entries.into_iter().map(Into::into).collect();
    if out.is_json() {
        out.value(&json!({ "entries": entries }));
        return Ok(());
    }
    let rows = entries.into_iter().map(|entry| {
        let credits = entry.credits.to_string();
        vec![entry.created_at, entry.kind.to_owned(), credits, entry.note]
    });
    let heading = ["when", "what", "credits", "note"];
    out.table(&heading, rows.collect(), "Nothing was put on its balance.");
    Ok(())
}

async fn list(control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let projects = control.store().projects().await?;
    if out.is_json() {
        let rows: Vec<_> = projects
            .iter()
            .map(|project| {
                json!({
                    "project_id": project.id,
                    "name": project.name,
                    "plan": project.plan,
                    "paused": project.paused_at.is_some(),
                })
            })
            .collect();
        out.value(&json!({ "projects": rows }));
        return Ok(());
    }
    let rows = projects.into_iter().map(|project| {
        let paused = if project.paused_at.is_some() {
            "paused"
        } else {
            ""
        };
        vec![
            project.id.to_string(),
            project.name,
            project.plan,
            paused.into(),
        ]
    });
    out.table(
        &["id", "name", "plan", ""],
        rows.collect(),
        "There is no project yet.",
    );
    Ok(())
}

/// Makes a key.
pub(crate) async fn key(ask: KeyCommand, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let KeyCommand::Create { within, scope } = ask;
    let scope = match scope.as_str() {
        "admin" => KeyScope::Admin,
        "project" => KeyScope::Project,
        "read_only" => KeyScope::ReadOnly,
        other => {
            let message = format!("--scope: `{other}` must be admin, project or read_only");
            return Err(BadArgument(message).into());
        }
    };
    let project = control.pick_project(within.project.as_deref()).await?;
    let api_key = control.create_key(project.id, scope).await?;
    out.either(
        &json!({ "project_id": project.id, "api_key": api_key }),
        &api_key,
    );
    Ok(())
}
