//! A great many due at one instant in one part of the house, and a single fire elsewhere.

use serde_json::json;

use super::Fallible;
use super::account::Account;
use super::args::Args;
use super::child::Child;
use super::figures::{Figures, Times, float};
use super::population::{self, Due, LARGE_PROJECT, OTHER_PROJECT};
use super::steady::{lateness, until};
use super::world::World;

pub(crate) async fn measure(
    world: &World,
    args: &Args,
    (figures, account): (&mut Figures, &mut Account),
) -> Fallible<()> {
    let before = world
        .number("SELECT COALESCE(MAX(rowid), 0) AS a FROM executions")
        .await?;
    let at = world.now().as_millisecond() / 1_000 * 1_000 + 15_000;
    let mass = population::deal_of(world, LARGE_PROJECT, args.due_at_once, Due::At(at)).await?;
    let others = population::deal_of(world, OTHER_PROJECT, 60, Due::EachSecond(at, 1)).await?;
    account.accounted_for(mass)?;
    account.fired(others)?;
    let mut child = Child::start(world).await?;
    child.heard("ready").await?;
    until(world, at).await;
    population::done(world, at + 60_000, 180).await?;
    child.stop().await?;
    let other = format!("e.project_id = (SELECT id FROM projects WHERE name = '{OTHER_PROJECT}')");
    let all = lateness(world, (before, "true")).await?;
    let beside = lateness(world, (before, &other)).await?;
    tell(figures, (mass, &all, &beside));
    Ok(())
}

fn tell(figures: &mut Figures, (mass, all, beside): (u64, &Times, &Times)) {
    let seconds = all.max() / 1_000.0;
    let how = "one project, one instant; until the last one had ended or had its row";
    let figure = format!("{seconds:.1} s ({:.0}/s)", float(mass) / seconds);
    figures.row(&format!("{mass} due at once"), figure, ("60 s", how));
    let how = "another project, one fire a second meanwhile";
    figures.row("lateness beside them", beside.shown(), ("p99 1 s", how));
    figures.value(
        "at_once",
        json!({ "fires": mass, "seconds": seconds, "beside": beside.json() }),
    );
}
