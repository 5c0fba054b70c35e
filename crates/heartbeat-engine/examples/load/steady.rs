//! Lateness at a steady rate, in a process of its own, beside the time of a bare durable commit.
//!
//! Late is how long after it could be claimed a fire had looked and come to its end, its own commit
//! not counted: so claim, commit of the claim and start are all in it.

use serde_json::{Value, json};

use super::Fallible;
use super::account::Account;
use super::args::Args;
use super::bare_sql;
use super::figures::{Figures, Times, float, megabytes};
use super::nodes::{Nodes, Split};
use super::population::{self, Does, Due};
use super::usage::Usage;
use super::world::{World, pause, stopwatch};

/// How long before the first fire the engine is started.
const AHEAD_MS: i64 = 4_000;

/// Heartbeats that this takes.
pub(crate) fn takes(args: &Args) -> u64 {
    args.rate * (args.seconds + burst_seconds(args))
}

fn burst_seconds(args: &Args) -> u64 {
    (args.seconds / 3).max(1)
}

pub(crate) async fn measure(
    world: &World,
    args: &Args,
    (figures, account): (&mut Figures, &mut Account),
) -> Fallible<()> {
    let mut commits = bare_sql::commits(world).await?;
    let evenly = (args.seconds, Due::Evenly(0, args.rate));
    let even = load(world, args, evenly, account).await?;
    let bursts = (burst_seconds(args), Due::EachSecond(0, args.rate));
    let burst = load(world, args, bursts, account).await?;
    commits.extend(bare_sql::commits(world).await?);
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
    let how = "one row, one commit, the same disk or server, before and after the load";
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
        ("", "of one core, at that rate, without a server's"),
    );
    if let Some(server_ms) = even.server_ms {
        let share = float(server_ms) * 100.0 / even.took_ms;
        let how = "of one core, at that rate, all processes of the server";
        figures.row(
            "CPU, under load, server",
            format!("{share:.0} %"),
            ("", how),
        );
        figures.value("under_load_server_cpu_percent", share);
    }
    even.split.tell("lateness", args, figures);
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
    split: Split,
    before: Usage,
    after: Usage,
    /// Processor time of the server, where it is known.
    server_ms: Option<u64>,
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
    let before = world.latest().await?;
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
    world.db.write(moved).await?;
    let mut nodes = Nodes::start_apart(world, args).await?;
    until(world, begins).await;
    let passed = stopwatch();
    let (usage, of_server) = (nodes.usage().await?, world.server_cpu_ms()?);
    let ends = begins + i64::try_from(seconds)? * 1_000;
    until(world, ends).await;
    let (after, took_ms) = (nodes.usage().await?, passed());
    let of_server = of_server.zip(world.server_cpu_ms()?);
    let server_ms = of_server.map(|(before, after)| after - before);
    population::done(world, ends, 60).await?;
    nodes.stop().await?;
    let late = lateness(world, (before, "true"), "e.finished_at").await?;
    Ok(Load {
        late,
        server_ms,
        split: Split::since(world, before).await?,
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

/// How long after they could be claimed those fires came that far whose rows were written after that
/// moment.
pub(crate) async fn lateness(
    world: &World,
    (since, which): (i64, &str),
    stage: &str,
) -> Fallible<Times> {
    let late = format!(
        "SELECT {stage} - CAST(h.label AS BIGINT) AS late FROM executions e \
         JOIN heartbeats h ON h.project_id = e.project_id AND h.id = e.heartbeat_id \
         WHERE e.created_at > {since} AND {which}"
    );
    let rows = world.db.rows(late).await?;
    let late = rows
        .iter()
        .filter_map(|row| row.get("late").and_then(Value::as_f64));
    Ok(Times::new(late.collect()))
}
