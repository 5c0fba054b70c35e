//! `cargo xtask load --heartbeats N --rate R [--seconds S] [--journaled] [--due-at-once N]
//! [--sessions N] [--postgres [--nodes N]] [--database DIR|URL] [--only PHASES] [--json]`: what the
//! engine does at a size, beside bare SQL.
//!
//! A real engine, or several, on a real, durable database: a file, or PostgreSQL. Nothing leaves
//! this machine but for a server named by `--database`. A run is valid only if the rows that it
//! leaves, counted with SQL, are those that its fires should leave; otherwise it exits with 1.

#[path = "load/account.rs"]
mod account;
#[path = "load/args.rs"]
mod args;
#[path = "load/at_once.rs"]
mod at_once;
#[path = "load/bare_sql.rs"]
mod bare_sql;
#[path = "load/child.rs"]
mod child;
#[path = "load/database.rs"]
mod database;
#[path = "load/figures.rs"]
mod figures;
#[path = "load/idle.rs"]
mod idle;
#[path = "load/nodes.rs"]
mod nodes;
#[path = "load/peak.rs"]
mod peak;
#[path = "load/place.rs"]
mod place;
#[path = "load/population.rs"]
mod population;
#[path = "load/sessions.rs"]
mod sessions;
#[path = "load/slow_model.rs"]
mod slow_model;
#[path = "load/starts.rs"]
mod starts;
#[path = "load/steady.rs"]
mod steady;
#[path = "load/usage.rs"]
mod usage;
#[path = "load/world.rs"]
mod world;

use std::process::ExitCode;

use self::account::Account;
use self::args::{Args, Phase};
use self::figures::Figures;
use self::peak::Race;
use self::place::Home;
use self::world::World;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What can go wrong here ends the program with a sentence.
type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => match &args.child {
            Some(name) => child::live(&args, name).await,
            None => measure(&args).await,
        },
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = figures::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn measure(args: &Args) -> Fallible<()> {
    let home = Home::new(args)?;
    let world = World::open(&home, args).await?;
    let phases = || Phase::ALL.into_iter().filter(|phase| args.wants(*phase));
    world
        .sizes
        .suffice(phases().map(|phase| takes(phase, &world, args)).sum())?;
    let mut figures = Figures::new(args);
    world.db.introduce(&mut figures).await?;
    population::fill(&world).await?;
    let mut account = Account::open(&world).await?;
    for phase in phases() {
        figures::progress(&format!("{} …", phase.name()))?;
        run(phase, &world, args, (&mut figures, &mut account)).await?;
    }
    let wrong = account.close(&world).await?;
    world.close().await;
    figures.print(args, &wrong)?;
    match wrong.is_empty() {
        true => Ok(()),
        false => {
            Err("the rows are not what the fires should have left; nothing here counts".into())
        }
    }
}

/// Heartbeats that a phase takes of those that each fire once.
fn takes(phase: Phase, world: &World, args: &Args) -> u64 {
    match phase {
        // The large project and the one beside it have their own.
        Phase::Idle | Phase::AtOnce => 0,
        Phase::Empty => Race::empty(args).takes(world),
        Phase::Journaled => Race::journaled(args).takes(world),
        Phase::Steady => steady::takes(args),
        Phase::Sessions => sessions::takes(args),
        Phase::Starts => starts::takes(args),
    }
}

async fn run(
    phase: Phase,
    world: &World,
    args: &Args,
    kept: (&mut Figures, &mut Account),
) -> Fallible<()> {
    match phase {
        Phase::Idle => idle::measure(world, kept.0).await,
        Phase::Empty => peak::measure(world, args, Race::empty(args), kept).await,
        Phase::Journaled => peak::measure(world, args, Race::journaled(args), kept).await,
        Phase::Steady => steady::measure(world, args, kept).await,
        Phase::AtOnce => at_once::measure(world, args, kept).await,
        Phase::Sessions => sessions::measure(world, args, kept).await,
        Phase::Starts => starts::measure(world, args, kept).await,
    }
}
