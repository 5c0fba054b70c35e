//! What a process takes of the machine while nothing is due.

use serde_json::json;

use super::Fallible;
use super::child::Child;
use super::figures::{Figures, float, megabytes};
use super::world::{World, pause};

/// How long nothing is looked at before the processor's time is read.
const SETTLES_MS: u64 = 3_000;

/// How long the processor's time is read over.
const MEASURED_MS: u64 = 20_000;

pub(crate) async fn measure(world: &World, figures: &mut Figures) -> Fallible<()> {
    let mut child = Child::start(world).await?;
    child.heard("ready").await?;
    pause(SETTLES_MS).await;
    let (before, of_server) = (child.usage().await?, world.server_cpu_ms()?);
    pause(MEASURED_MS).await;
    let after = child.usage().await?;
    let of_server = of_server.zip(world.server_cpu_ms()?);
    let started = child.before;
    child.stop().await?;
    let share = float(after.cpu_ms - before.cpu_ms) * 100.0 / float(MEASURED_MS);
    let enabled = world.sizes.all();
    let memory = format!(
        "{} ({} before)",
        megabytes(after.resident),
        megabytes(started.resident)
    );
    let how = format!("resident set with {enabled} enabled, none due, engine and store only");
    figures.row("memory, idle", memory, ("150 MB", &how));
    let how = format!("of one core, over {} s", MEASURED_MS / 1_000);
    figures.row("CPU, none due", format!("{share:.2} %"), ("1 %", &how));
    if let Some((before, after)) = of_server {
        let share = float(after - before) * 100.0 / float(MEASURED_MS);
        figures.row("CPU, none due, server", format!("{share:.2} %"), ("", &how));
        figures.value("idle_server_cpu_percent", share);
    }
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
