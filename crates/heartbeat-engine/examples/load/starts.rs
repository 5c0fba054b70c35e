//! From the start of a process to its first fire: after a clean stop, and after `kill -9`.

use serde_json::json;

use super::Fallible;
use super::account::Account;
use super::args::Args;
use super::child::Child;
use super::figures::{Figures, Times};
use super::population::{self, Does, Due};
use super::world::{World, pause};

/// Fires a second while processes come and go.
const RATE: u64 = 500;

/// Starts of each kind.
const STARTS: u64 = 3;

/// How long each process lives.
const LIVES_MS: u64 = 2_000;

/// Heartbeats that this takes.
pub(crate) fn takes(args: &Args) -> u64 {
    rate(args) * STARTS * 2 * (LIVES_MS / 1_000 + 2)
}

fn rate(args: &Args) -> u64 {
    RATE.min(args.heartbeats / 200).max(1)
}

pub(crate) async fn measure(
    world: &World,
    args: &Args,
    (figures, account): (&mut Figures, &mut Account),
) -> Fallible<()> {
    let (rate, most) = (rate(args), takes(args));
    let begins = world.now().as_millisecond();
    let dealt = population::deal(world, most, Does::Watches, Due::Evenly(begins, rate)).await?;
    account.fired(dealt)?;
    let mut after_stop = Vec::new();
    let mut after_kill = Vec::new();
    // One to begin with, whose start is nobody's successor; then by turns.
    started(world).await?.0.stop().await?;
    for _ in 0..STARTS {
        let (child, took) = started(world).await?;
        after_stop.push(took);
        child.kill().await?;
        let (child, took) = started(world).await?;
        after_kill.push(took);
        child.stop().await?;
    }
    // What was due at a start is released over a minute.
    let ends = begins + i64::try_from(most / rate + 61)? * 1_000;
    let child = Child::start(world).await?;
    population::done(world, ends, 180).await?;
    child.stop().await?;
    let (stopped, killed) = (Times::new(after_stop), Times::new(after_kill));
    let how = format!("process start to the end of its first fire, at {rate} fires/s");
    let of = |times: &Times| {
        format!(
            "{:.2} s, at most {:.2} s",
            times.at(0.5) / 1e3,
            times.max() / 1e3
        )
    };
    figures.row("first fire after a clean stop", of(&stopped), ("1 s", &how));
    figures.row("first fire after kill -9", of(&killed), ("5 s", &how));
    figures.value(
        "starts",
        json!({ "after_stop": stopped.json(), "after_kill": killed.json() }),
    );
    Ok(())
}

/// A child that has fired once and lived on for a while.
async fn started(world: &World) -> Fallible<(Child, f64)> {
    let mut child = Child::start(world).await?;
    let (took, _) = child.heard("fired").await?;
    pause(LIVES_MS).await;
    Ok((child, took))
}
