//! What a process takes of the machine while nothing is due.

use serde_json::json;

use super::Fallible;
use super::args::Args;
use super::child::Child;
use super::figures::{Figures, float, megabytes};
use super::world::{World, pause};

/// How long nothing is looked at before the processor's time is read.
const SETTLES_MS: u64 = 3_000;

/// How long the processor's time is read over.
const MEASURED_MS: u64 = 20_000;

pub(crate) async fn measure(world: &World, args: &Args, figures: &mut Figures) -> Fallible<()> {
    let mut child = Child::start(world).await?;
    child.heard("ready").await?;
    pause(SETTLES_MS).await;
    let before = child.usage().await?;
    pause(MEASURED_MS).await;
    let after = child.usage().await?;
    let started = child.before;
    child.stop().await?;
    let share = float(after.cpu_ms - before.cpu_ms) * 100.0 / float(MEASURED_MS);
    let enabled = args.heartbeats;
    let memory = format!(
        "{} ({} before)",
        megabytes(after.resident),
        megabytes(started.resident)
    );
    let how = format!("resident set with {enabled} enabled, none due, engine and store only");
    figures.row("memory, idle", memory, ("150 MB", &how));
    let how = format!("of one core, over {} s", MEASURED_MS / 1_000);
    figures.row("CPU, none due", format!("{share:.2} %"), ("1 %", &how));
    figures.value(
        "idle",
        json!({
            "resident_before": started.resident,
            "resident": after.resident,
            "cpu_percent": share,
        }),
    );
    Ok(())
}
