//! `cargo xtask load --heartbeats N --rate R [--seconds S] [--journaled] [--due-at-once N]
//! [--sessions N] [--database DIR] [--only PHASES] [--json]`: what the engine does at a size, beside bare SQL.
//!
//! A real engine on a real, durable database file; nothing leaves this machine. A run is valid only
//! if the rows that it leaves, counted with SQL, are those that its fires should leave; otherwise
//! it exits with 1.

#[path = "load/account.rs"]
mod account;
#[path = "load/args.rs"]
mod args;
#[path = "load/at_once.rs"]
mod at_once;
#[path = "load/child.rs"]
mod child;
#[path = "load/figures.rs"]
mod figures;
#[path = "load/idle.rs"]
mod idle;
#[path = "load/peak.rs"]
mod peak;
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
use self::world::World;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What can go wrong here ends the program with a sentence.
type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Args::parse(std::env::args().skip(1)) {
        Ok(args) if args.is_child => child::live(&args).await,
        Ok(args) => measure(&args).await,
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
    let home = args::Home::new(args)?;
    let world = World::open(home.path(), args).await?;
    let mut figures = Figures::new(args);
    population::fill(&world, args).await?;
    let mut account = Account::open(&world).await?;
    for phase in Phase::ALL.into_iter().filter(|phase| args.wants(*phase)) {
        figures::progress(&format!("{} …", phase.name()))?;
        match phase {
            Phase::Idle => idle::measure(&world, args, &mut figures).await?,
            Phase::Empty => peak::empty(&world, args, (&mut figures, &mut account)).await?,
            Phase::Journaled => peak::journaled(&world, args, (&mut figures, &mut account)).await?,
            Phase::Steady => steady::measure(&world, args, (&mut figures, &mut account)).await?,
            Phase::AtOnce => at_once::measure(&world, args, (&mut figures, &mut account)).await?,
            Phase::Sessions => {
                sessions::measure(&world, args, (&mut figures, &mut account)).await?;
            }
            Phase::Starts => starts::measure(&world, args, (&mut figures, &mut account)).await?,
        }
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
