//! A great many due at one instant in one part of the house, and a single fire elsewhere.

use serde_json::json;

use super::Fallible;
use super::account::Account;
use super::args::Args;
use super::figures::{Figures, Times, float};
use super::nodes::{Nodes, Split};
use super::population::{self, Due, LARGE_PROJECT, OTHER_PROJECT};
use super::steady::{lateness, until};
use super::world::World;

pub(crate) async fn measure(
    world: &World,
    args: &Args,
    (figures, account): (&mut Figures, &mut Account),
) -> Fallible<()> {
    let before = world.latest().await?;
    let at = world.now().as_millisecond() / 1_000 * 1_000 + 15_000;
    let mass = population::deal_of(world, LARGE_PROJECT, args.due_at_once, Due::At(at)).await?;
    let others = population::deal_of(world, OTHER_PROJECT, 60, Due::EachSecond(at, 1)).await?;
    account.accounted_for(mass)?;
    account.fired(others)?;
    let nodes = Nodes::start_apart(world, args).await?;
    until(world, at).await;
    population::done(world, at + 60_000, 180).await?;
    nodes.stop().await?;
    let of = |name: &str| format!("e.project_id = (SELECT id FROM projects WHERE name = '{name}')");
    let (large, other) = (of(LARGE_PROJECT), of(OTHER_PROJECT));
    let started = lateness(
        world,
        (before, &large),
        "COALESCE(e.started_at, e.finished_at)",
    )
    .await?;
    let ended = lateness(world, (before, &large), "e.finished_at").await?;
    let beside = lateness(world, (before, &other), "e.finished_at").await?;
    tell(figures, mass, (&started, &ended, &beside));
    Split::since(world, before)
        .await?
        .tell("at once", args, figures);
    Ok(())
}

fn tell(figures: &mut Figures, mass: u64, (started, ended, beside): (&Times, &Times, &Times)) {
    let (all_started, seconds) = (started.max() / 1_000.0, ended.max() / 1_000.0);
    let how = "one project, one instant; until the last one had started or had its row";
    let figure = format!("{all_started:.1} s");
    figures.row(&format!("{mass} due at once"), figure, ("60 s", how));
    let figure = format!("{seconds:.1} s ({:.0}/s)", float(mass) / seconds);
    let how = "until the last one had ended";
    figures.row("all of them ended", figure, ("", how));
    let how = "another project, one fire a second meanwhile";
    figures.row("lateness beside them", beside.shown(), ("p99 1 s", how));
    figures.value(
        "at_once",
        json!({
            "fires": mass,
            "all_started_seconds": all_started,
            "seconds": seconds,
            "beside": beside.json(),
        }),
    );
}
