//! Sessions that wait on a slow model: what each takes of the machine, over plain HTTP and over TLS.
//!
//! The engine is a process of its own; its model server is this one. All sessions wait for the rest
//! of an answer that has begun, then all of them end.

use std::path::Path;

use serde_json::json;

use super::Fallible;
use super::account::Account;
use super::args::Args;
use super::child::Child;
use super::figures::{Figures, float, megabytes};
use super::population::{self, Does, Due};
use super::slow_model::SlowModel;
use super::world::{World, pause};

/// How long the last of them may take to ask.
const ALL_ASK_WITHIN: u64 = 300;

/// Heartbeats that this takes: all wait over plain HTTP, then as many over TLS.
pub(crate) fn takes(args: &Args) -> u64 {
    2 * args.sessions
}

pub(crate) async fn measure(
    world: &World,
    args: &Args,
    (figures, account): (&mut Figures, &mut Account),
) -> Fallible<()> {
    let home = world.db.place.argument()?;
    let plain = SlowModel::plain().await?;
    wait(world, args, ("HTTP", &plain, &[]), (figures, account)).await?;
    let (secret, trusted) = SlowModel::over_tls(Path::new(&home)).await?;
    let trusted = trusted.display().to_string();
    let environment = [("SSL_CERT_FILE", trusted.as_str())];
    wait(
        world,
        args,
        ("TLS", &secret, &environment),
        (figures, account),
    )
    .await
}

async fn wait(
    world: &World,
    args: &Args,
    (over, model, environment): (&str, &SlowModel, &[(&str, &str)]),
    (figures, account): (&mut Figures, &mut Account),
) -> Fallible<()> {
    let slots = args.sessions.to_string();
    let more = ["--model-url", &model.url, "--sessions", &slots];
    let mut child = Child::start_with(world, &more, environment).await?;
    child.heard("ready").await?;
    pause(1_000).await;
    let before = child.usage().await?;
    let sessions = population::deal(world, args.sessions, Does::Sessions, Due::Backlog).await?;
    account.conversed(sessions)?;
    model
        .has(usize::try_from(sessions)?, ALL_ASK_WITHIN)
        .await?;
    pause(1_000).await;
    let waiting = child.usage().await?;
    model.ends_them_all();
    population::done(world, world.now().as_millisecond(), 300).await?;
    child.stop().await?;
    let each = waiting.resident.saturating_sub(before.resident) / sessions;
    let kilobytes = float(each) / 1_000.0;
    let how = format!(
        "{sessions} sessions whose answers have begun; {} before them, {} with them",
        megabytes(before.resident),
        megabytes(waiting.resident)
    );
    figures.row(
        &format!("memory of a waiting session, {over}"),
        format!("{kilobytes:.1} KB"),
        ("64 KB (HTTP)", &how),
    );
    figures.value(
        &format!("sessions_{}", over.to_lowercase()),
        json!({
            "sessions": sessions,
            "resident_before": before.resident,
            "resident": waiting.resident,
            "bytes_each": each,
        }),
    );
    Ok(())
}
