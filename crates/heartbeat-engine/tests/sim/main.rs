//! The simulation as a test: a short fixed set of seeds, seeds that once failed, and every broken
//! engine. `cargo xtask sim` runs as many more as one likes.

mod simulation;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::simulation::sabotage::Sabotage;
use self::simulation::{Ask, Kind, Report, run};

/// Seeds that once failed, with what they found.
const KEPT: [(u64, &str); 7] = [
    (
        18,
        "a claim whose answer was lost left its fire with a live node that did not know of it",
    ),
    (
        353,
        "a node died between the record of a failed turn and the end of its execution, which was \
         then taken and given back for ever",
    ),
    (
        341,
        "a turn was lost, the second asking did not fit the budget, and skipped-with-a-charge \
         could not be written",
    ),
    (
        101,
        "verbs that shared a transaction were looked at in whatever order their threads took",
    ),
    (
        2432,
        "waits that had lost a race kept a world from coming to rest",
    ),
    (
        1663,
        "the messages of a late holder's call were looked for although it was fenced",
    ),
    (
        1469,
        "a breaker that had opened was said to open again when the clock was turned back",
    ),
];

/// Runs worlds on as many threads as there are tests beside this one; all their findings.
fn findings(seeds: &[u64]) -> Vec<String> {
    findings_on(Kind::File, seeds)
}

fn findings_on(kind: Kind, seeds: &[u64]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = run(Ask {
                        seed: *seed,
                        kind,
                        ..Ask::default()
                    });
                    if let Some(first) = report.findings.first() {
                        let line = format!(
                            "cargo xtask sim --seed {seed} # {}: {}",
                            first.checker, first.what
                        );
                        found.lock().expect("nobody panics").push(line);
                    }
                }
            });
        }
    });
    found.into_inner().expect("nobody panics")
}

fn world(seed: u64, broken: Option<Sabotage>) -> Report {
    run(Ask {
        seed,
        broken,
        ..Ask::default()
    })
}

#[test]
fn worlds_of_a_fixed_set_of_seeds_keep_every_promise() {
    let seeds: Vec<u64> = (0..60).collect();
    assert_eq!(findings(&seeds), Vec::<String>::new());
}

/// The protocol holds whichever database it stands on; here verbs also run beside each other.
#[test]
fn worlds_on_a_server_keep_every_promise_too() {
    let seeds: Vec<u64> = (0..8).collect();
    assert_eq!(findings_on(Kind::Server, &seeds), Vec::<String>::new());
}

#[test]
fn seeds_that_once_failed_keep_every_promise() {
    for (seed, once) in KEPT {
        assert_eq!(findings(&[seed]), Vec::<String>::new(), "once: {once}");
    }
}

#[test]
fn a_seed_repeats_itself_to_the_last_line() {
    for seed in 100..104 {
        let ask = Ask {
            seed,
            trace: true,
            ..Ask::default()
        };
        let (one, other) = (run(ask), run(ask));
        assert_eq!(one.lines, other.lines, "seed {seed}");
        let counts = |report: &Report| (report.happened, report.ended, report.requests);
        assert_eq!(counts(&one), counts(&other), "seed {seed}");
        assert_eq!(one.hash, other.hash, "seed {seed}");
    }
}

#[test]
fn every_broken_engine_is_found_by_the_checker_named_for_it() {
    for broken in Sabotage::ALL {
        assert_eq!(Sabotage::find(broken.name()), Some(*broken));
        let first = (0..200).find_map(|seed| world(seed, Some(*broken)).findings.first().cloned());
        let checker = first.as_ref().map(|finding| finding.checker);
        assert_eq!(
            checker,
            Some(broken.checker()),
            "{}: {first:?}",
            broken.name()
        );
    }
}

#[test]
fn worlds_are_as_rich_as_what_is_checked_about_them() {
    let reports: Vec<Report> = (0..25).map(|seed| world(seed, None)).collect();
    let seen = |what: &str| {
        let counts = reports.iter().map(|report| report.tally.get(what));
        counts.flatten().sum::<u64>()
    };
    let wanted = [
        "success",
        "error",
        "cancelled",
        "skipped previous_run_active",
        "skipped downtime",
        "step lost_turn",
        "turn cut",
        "taken over",
        "manual",
        "pause breaker",
        "pause project_paused",
        "delivered",
    ];
    let missing: Vec<&str> = wanted.into_iter().filter(|what| seen(what) == 0).collect();
    assert_eq!(missing, Vec::<&str>::new(), "never happened in 25 worlds");
}
