//! The first screen: a project if there is none, how to sign in, and which model will work.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use heartbeat_agent::default_model::DefaultModel;
use heartbeat_domain::bot::Project;
use heartbeat_engine::control::Control;
use heartbeat_store::{Address, StoreError};

use crate::open::beside;
use crate::output::Out;
use crate::serve::model_line;

/// The project that people are signed in to, with its key if it was made just now.
pub(crate) struct First {
    pub(crate) project: Project,
    pub(crate) api_key: Option<String>,
}

/// Where the server is and what works for it.
pub(crate) struct Greeting<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) public_url: Option<&'a str>,
    pub(crate) model: &'a DefaultModel,
}

/// Makes a project and a key if there is none.
pub(crate) async fn ensure_project(control: &Control) -> anyhow::Result<First> {
    if let Some(project) = control.store().projects().await?.into_iter().next() {
        return Ok(First {
            project,
            api_key: None,
        });
    }
    match control.create_project("default", "self_hosted").await {
        Ok(made) => Ok(First {
            project: made.project,
            api_key: Some(made.api_key),
        }),
        // Another node that started at the same moment was first.
        Err(refused @ StoreError::Conflict(_)) => {
            let first = control.store().projects().await?.into_iter().next();
            Ok(First {
                project: first.ok_or(refused)?,
                api_key: None,
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Says where the server is and how to sign in: on a terminal on the screen, otherwise in a file
/// that only this user can read.
pub(crate) async fn greet(
    control: &Control,
    first: &First,
    greeting: &Greeting<'_>,
    (database, demo): (&Address, Option<&str>),
    out: &mut Out,
) -> anyhow::Result<()> {
    let base = base_url(greeting.address, greeting.public_url);
    out.line(&format!("Heartbeat is listening on {base}"));
    out.line(&format!("Database: {database}"));
    let stands_in = greeting.model.is_demo && demo.is_none();
    out.line(&match stands_in {
        true => format!(
            "Model: none by default ({}); each bot names its own",
            greeting.model.why
        ),
        false => format!("Model: {}", model_line(greeting.model)),
    });
    if let Some(demo) = demo {
        out.line(demo);
    }
    if first.api_key.is_none() && demo.is_none() {
        out.line("Sign in: `heartbeat login` prints a link.");
        return Ok(());
    }
    let code = control.create_operator_sign_in(first.project.id).await?;
    let mut text = format!("Sign in (once, within 15 minutes): {base}/login?code={code}\n");
    if let Some(api_key) = &first.api_key {
        let id = first.project.id;
        let _infallible = write!(
            text,
            "Project: {id}\nAPI key (shown this once): {api_key}\n"
        );
    }
    if std::io::stdout().is_terminal() {
        out.line(text.trim_end());
        return Ok(());
    }
    let file = beside(database, ".sign-in");
    if first.api_key.is_none() {
        text.push_str(&kept(&file));
    }
    write_private(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    out.line(&format!("How to sign in is in {}", file.display()));
    Ok(())
}

/// The address that people put into their browser.
pub(crate) fn base_url(address: SocketAddr, public_url: Option<&str>) -> String {
    match public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{address}"),
    }
}

/// What else an earlier start wrote down: the key that is shown only once.
fn kept(file: &Path) -> String {
    let before = std::fs::read_to_string(file).unwrap_or_default();
    let lines = before.lines().filter(|line| !line.starts_with("Sign in"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Writes a file that only this user can read, also where one with other rights stood before.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
