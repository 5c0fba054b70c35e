//! `cargo xtask sim`: as many simulated worlds as one likes.
//!
//! `--seeds N` runs seeds 0 to N-1 (200 unless told), `--from S` begins elsewhere, `--seed S` runs
//! one, `--broken NAME|all` runs broken engines until each is found, `--trace` prints the history,
//! `--postgres` takes a PostgreSQL of its own in the place of a file, `--go-on` does not stop at the
//! first finding.

#![expect(clippy::print_stdout, reason = "a program for people")]

#[path = "../tests/sim/simulation/mod.rs"]
mod simulation;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::simulation::sabotage::Sabotage;
use self::simulation::{Ask, Kind, Report, run};

/// What was asked for.
#[derive(Debug)]
struct Wish {
    from: u64,
    seeds: u64,
    broken: Option<String>,
    trace: bool,
    go_on: bool,
    kind: Kind,
}

fn wish(args: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut wish = Wish {
        from: 0,
        seeds: 200,
        broken: None,
        trace: false,
        go_on: false,
        kind: Kind::File,
    };
    let mut args = args;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        let number = |text: String| {
            let parsed = text.parse::<u64>();
            parsed.map_err(|_| format!("{text} is not a number"))
        };
        match arg.as_str() {
            "--seeds" => wish.seeds = number(value()?)?,
            "--from" => wish.from = number(value()?)?,
            "--seed" => (wish.from, wish.seeds) = (number(value()?)?, 1),
            "--broken" => wish.broken = Some(value()?),
            "--trace" => wish.trace = true,
            "--postgres" => wish.kind = Kind::Server,
            "--go-on" => wish.go_on = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(wish)
}

fn main() -> ExitCode {
    let wish = match wish(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(message) => {
            println!("{message}");
            return ExitCode::from(2);
        }
    };
    let is_sound = match &wish.broken {
        None => sound(&wish),
        Some(name) => broken(&wish, name),
    };
    if is_sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs worlds on two threads until one of them finds something.
fn sound(wish: &Wish) -> bool {
    let next = AtomicU64::new(wish.from);
    let (failed, ended) = (AtomicBool::new(false), AtomicU64::new(0));
    let started = started();
    let tally: Mutex<BTreeMap<String, u64>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2.min(wish.seeds) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_enough = failed.load(Ordering::Relaxed) && !wish.go_on;
                    if seed >= wish.from + wish.seeds || is_enough {
                        return;
                    }
                    let report = run(Ask {
                        seed,
                        broken: None,
                        trace: wish.trace,
                        kind: wish.kind,
                    });
                    ended.fetch_add(report.ended as u64, Ordering::Relaxed);
                    count(&tally, &report);
                    if !told(seed, wish, &report) {
                        failed.store(true, Ordering::Relaxed);
                    }
                    let done = seed + 1 - wish.from;
                    if done.is_multiple_of(100) {
                        progress(done, &started, &ended);
                    }
                }
            });
        }
    });
    progress(wish.seeds, &started, &ended);
    for (what, many) in tally.into_inner().unwrap_or_default() {
        println!("{many:>9} {what}");
    }
    !failed.load(Ordering::Relaxed)
}

fn count(tally: &Mutex<BTreeMap<String, u64>>, report: &Report) {
    if let Ok(mut tally) = tally.lock() {
        for (what, many) in &report.tally {
            *tally.entry(what.clone()).or_default() += many;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "says how fast it is; no world sees it"
)]
fn started() -> std::time::Instant {
    std::time::Instant::now()
}

fn progress(done: u64, started: &std::time::Instant, ended: &AtomicU64) {
    let seconds = started.elapsed().as_secs_f64();
    let ended = ended.load(Ordering::Relaxed);
    println!(
        "{done} seeds, {ended} executions, {:.1} seeds/s",
        done as f64 / seconds.max(0.001)
    );
}

/// Says what one world came to; whether all was well.
fn told(seed: u64, wish: &Wish, report: &Report) -> bool {
    if wish.trace {
        report.lines.iter().for_each(|line| println!("{line}"));
        println!(
            "{} events, {} requests, hash {:016x}",
            report.happened, report.requests, report.hash
        );
    }
    let Some(first) = report.findings.first() else {
        return true;
    };
    println!(
        "cargo xtask sim --seed {seed} # {}: {}",
        first.checker, first.what
    );
    false
}

/// Runs broken engines until each is found, by the checker named for it.
fn broken(wish: &Wish, name: &str) -> bool {
    let wanted: Vec<Sabotage> = match name {
        "all" => Sabotage::ALL.to_vec(),
        name => Sabotage::find(name).into_iter().collect(),
    };
    if wanted.is_empty() {
        let names: Vec<&str> = Sabotage::ALL.iter().map(|one| one.name()).collect();
        println!(
            "no engine is broken that way; there are {}",
            names.join(", ")
        );
    }
    let mut is_sound = !wanted.is_empty();
    for broken in wanted {
        is_sound &= found(wish, broken);
    }
    is_sound
}

fn found(wish: &Wish, broken: Sabotage) -> bool {
    for seed in wish.from..wish.from + wish.seeds {
        let report = run(Ask {
            seed,
            broken: Some(broken),
            trace: wish.trace,
            kind: Kind::File,
        });
        let Some(first) = report.findings.first() else {
            continue;
        };
        report.lines.iter().for_each(|line| println!("{line}"));
        let is_right = first.checker == broken.checker();
        let verdict = if is_right {
            "found"
        } else {
            "found by another checker"
        };
        println!(
            "{}: {verdict} after {} seeds: {}: {}",
            broken.name(),
            seed + 1 - wish.from,
            first.checker,
            first.what
        );
        return is_right;
    }
    println!("{}: NOT found in {} seeds", broken.name(), wish.seeds);
    false
}
