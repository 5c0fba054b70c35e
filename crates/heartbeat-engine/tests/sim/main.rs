//! The simulation as a test: a short fixed set of seeds, seeds that once failed, and every broken
//! engine. `cargo xtask sim` runs as many more as one likes.

mod simulation;

use self::simulation::sabotage::Sabotage;
use self::simulation::{Ask, run};

/// Fails with the line that reproduces what was found.
fn sound(seed: u64) {
    let report = run(Ask {
        seed,
        ..Ask::default()
    });
    assert_eq!(report.findings, [], "cargo xtask sim --seed {seed}");
}

#[test]
fn worlds_of_a_fixed_set_of_seeds_keep_every_promise() {
    (0..60).for_each(sound);
}

#[test]
fn a_seed_repeats_itself_to_the_last_line() {
    for seed in 100..106 {
        let ask = Ask {
            seed,
            ..Ask::default()
        };
        assert_eq!(run(ask).hash, run(ask).hash, "seed {seed}");
    }
}

#[test]
fn every_broken_engine_is_found_by_the_checker_named_for_it() {
    for broken in Sabotage::ALL {
        let first = (0..200).find_map(|seed| {
            let report = run(Ask {
                seed,
                broken: Some(*broken),
                trace: false,
            });
            report.findings.first().cloned()
        });
        let checker = first.as_ref().map(|finding| finding.checker);
        assert_eq!(
            checker,
            Some(broken.checker()),
            "{}: {first:?}",
            broken.name()
        );
    }
}
