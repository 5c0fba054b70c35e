//! Lateness at a steady rate, in a process of its own, beside the time of a bare durable commit.
//!
//! Late is how long after it could be claimed a fire had looked and come to its end, its own commit
//! not counted: so claim, commit of the claim and start are all in it.

use heartbeat_store::sqlite::{Bare, OpenOptions, SqliteStore};
use serde_json::{Value, json};

use super::Fallible;
use super::account::Account;
use super::args::Args;
use super::child::Child;
use super::figures::{Figures, Times, float, megabytes};
use super::population::{self, Does, Due};
use super::usage::Usage;
use super::world::{World, pause, stopwatch};

/// How long before the first fire the engine is started.
const AHEAD_MS: i64 = 4_000;

pub(crate) async fn measure(
    world: &World,
    args: &Args,
    (figures, account): (&mut Figures, &mut Account),
) -> Fallible<()> {
    let mut commits = commits(world).await?;
    let evenly = (args.seconds, Due::Evenly(0, args.rate));
    let even = load(world, args, evenly, account).await?;
    let bursts = ((args.seconds / 3).max(1), Due::EachSecond(0, args.rate));
    let burst = load(world, args, bursts, account).await?;
    commits.extend(self::commits(world).await?);
    let commits = Times::new(commits);
    let target = format!("50 ms or {:.1} ms", 5.0 * commits.at(0.99));
    let rate = args.rate;
    let how = format!(
        "{rate} empty fires/s spread over each second, {} s",
        args.seconds
    );
    figures.row("lateness", even.late.shown(), (&target, &how));
    let how = format!(
        "{rate} empty fires due at each whole second, {} s",
        bursts.0
    );
    figures.row("lateness, in bursts", burst.late.shown(), ("", &how));
    let how = "one row, one commit, the same disk, before and after the load";
    figures.row("bare durable commit", commits.shown(), ("", how));
    let memory = format!(
        "{}, at most {}",
        megabytes(even.after.resident),
        megabytes(even.after.resident_max)
    );
    figures.row(
        "memory, under load",
        memory,
        ("", "resident set at that rate"),
    );
    let share = even.cpu_share();
    figures.row(
        "CPU, under load",
        format!("{share:.0} %"),
        ("", "of one core, at that rate"),
    );
    figures.value("lateness", even.late.json());
    figures.value("lateness_in_bursts", burst.late.json());
    figures.value("bare_commit", commits.json());
    figures.value(
        "under_load",
        json!({
            "resident": even.after.resident,
            "resident_max": even.after.resident_max,
            "cpu_percent": share,
        }),
    );
    Ok(())
}

struct Load {
    late: Times,
    before: Usage,
    after: Usage,
    took_ms: f64,
}

impl Load {
    fn cpu_share(&self) -> f64 {
        float(self.after.cpu_ms - self.before.cpu_ms) * 100.0 / self.took_ms
    }
}

async fn load(
    world: &World,
    args: &Args,
    (seconds, due): (u64, Due),
    account: &mut Account,
) -> Fallible<Load> {
    let before = world
        .number("SELECT COALESCE(MAX(rowid), 0) AS a FROM executions")
        .await?;
    let most = args.rate * seconds;
    // Dealing takes a while, so it is done far ahead and then moved to where it belongs.
    let far = world.now().as_millisecond() / 1_000 * 1_000 + 60_000;
    let due = match due {
        Due::EachSecond(_, rate) => Due::EachSecond(far, rate),
        _ => Due::Evenly(far, args.rate),
    };
    let dealt = population::deal(world, most, Does::Watches, due).await?;
    account.fired(dealt)?;
    let begins = world.now().as_millisecond() / 1_000 * 1_000 + 2 * AHEAD_MS;
    let earlier = far - begins;
    let moved = format!(
        "UPDATE heartbeats SET claimable_at = claimable_at - {earlier}, \
         next_due_at = next_due_at - {earlier}, \
         next_anchor = (next_due_at - {earlier}) / 1000 % 86400, \
         label = CAST(claimable_at - {earlier} AS TEXT) \
         WHERE claimable_at >= {far} AND claimable_at < {far} + {seconds} * 1000 + 1000"
    );
    world.write(moved).await?;
    let mut child = Child::start(world).await?;
    child.heard("ready").await?;
    until(world, begins).await;
    let passed = stopwatch();
    let usage = child.usage().await?;
    let ends = begins + i64::try_from(seconds)? * 1_000;
    until(world, ends).await;
    let (after, took_ms) = (child.usage().await?, passed());
    population::done(world, ends, 60).await?;
    child.stop().await?;
    let late = lateness(world, (before, "true")).await?;
    Ok(Load {
        late,
        before: usage,
        after,
        took_ms,
    })
}

/// Waits until then.
pub(crate) async fn until(world: &World, at: i64) {
    let left = at - world.now().as_millisecond();
    pause(u64::try_from(left).unwrap_or(0)).await;
}

/// How late those fires since that row were.
pub(crate) async fn lateness(world: &World, (since, which): (i64, &str)) -> Fallible<Times> {
    let late = format!(
        "SELECT e.finished_at - CAST(h.label AS BIGINT) AS late FROM executions e \
         JOIN heartbeats h ON h.project_id = e.project_id AND h.id = e.heartbeat_id \
         WHERE e.rowid > {since} AND {which}"
    );
    let rows = world.store.query_json(late).await?;
    let late = rows
        .iter()
        .filter_map(|row| row.get("late").and_then(Value::as_f64));
    Ok(Times::new(late.collect()))
}

/// Times of durable commits of one row, on a file beside the database.
async fn commits(world: &World) -> Fallible<Vec<f64>> {
    let path = world.path.with_file_name("commits.db");
    let ids = std::sync::Arc::clone(&world.ids);
    SqliteStore::open(&path, std::sync::Arc::clone(&ids), OpenOptions::default())
        .await?
        .close()
        .await;
    let mut bare = Bare::open(&path, ids, world.now()).await?;
    let (begun, mut times) = (stopwatch(), Vec::new());
    while begun() < 3_000.0 {
        let passed = stopwatch();
        bare.commit_one(i64::try_from(times.len())?).await?;
        times.push(passed());
    }
    Ok(times)
}
