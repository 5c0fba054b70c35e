//! No call that costs starts unless its worst case fits every budget above it.

use heartbeat_domain::budget::{
    Allowance, Ask, Fit, Held, Level, MAX_TOKENS_FLOOR, MICRO, Rates, Reservation, Scope, fit,
    overbilled_notice, reserve, whole_credits,
};
use heartbeat_domain::conversation::Usage;
use heartbeat_domain::ids::ExecutionId;
use proptest::prelude::*;

use Scope::{Heartbeat, ProjectDay};

fn level(scope: Scope, limit: Option<u64>, used: u64, held: u64) -> Level {
    Level {
        scope,
        limit,
        used,
        held,
    }
}

fn usage(input_tokens: u64, cached_input_tokens: u64, output_tokens: u64) -> Usage {
    Usage {
        input_tokens,
        cached_input_tokens,
        output_tokens,
        estimated: false,
    }
}

#[test]
fn a_turn_costs_its_tokens_at_their_rates() {
    let rates = Rates {
        input: 2_000,
        cached_input: 500,
        output: 10_000,
    };
    let cases = [
        (Rates::default(), usage(0, 0, 0), 0),
        (Rates::default(), usage(1_000, 0, 0), MICRO),
        (Rates::default(), usage(600, 100, 400), MICRO),
        (rates, usage(1_000, 0, 0), 2_000),
        (rates, usage(1_000, 1_000, 0), 500),
        (rates, usage(1_000, 400, 100), 1_200 + 200 + 1_000),
        (rates, usage(1, 1, 0), 1),
        (rates, usage(u64::MAX, 0, u64::MAX), u64::MAX),
    ];
    for (rates, usage, cost) in cases {
        assert_eq!(rates.cost(&usage), cost, "{usage:?}");
    }
    let most = Rates {
        input: u64::MAX,
        cached_input: u64::MAX,
        output: u64::MAX,
    };
    assert_eq!(most.cost(&usage(u64::MAX, u64::MAX, u64::MAX)), u64::MAX);
}

fn month(limit: u64, used: u64, held: u64) -> Level {
    level(Heartbeat, Some(limit), used, held)
}

fn day(limit: u64, used: u64, held: u64) -> Level {
    level(ProjectDay, Some(limit), used, held)
}

#[test]
fn what_fits_is_told_from_what_is_in_the_way() {
    use Fit::{Busy, Exhausted, Fits};
    let most = u64::MAX;
    // Levels, what the execution holds itself, what it wants more.
    let cases = [
        (vec![], 0, most, Fits),
        (vec![level(Heartbeat, None, 9, 9)], 0, 9, Fits),
        (vec![month(0, 0, 0)], 0, 0, Fits),
        (vec![month(0, 0, 0)], 0, 1, Exhausted(Heartbeat)),
        (vec![month(10, 5, 0)], 0, 5, Fits),
        (vec![month(10, 5, 0)], 0, 6, Exhausted(Heartbeat)),
        (vec![month(10, 5, 1)], 0, 5, Busy(Heartbeat)),
        (vec![month(10, 5, 2)], 2, 3, Fits),
        (vec![month(10, 5, 3)], 2, 3, Busy(Heartbeat)),
        (vec![month(10, 5, 2)], 2, 4, Exhausted(Heartbeat)),
        (
            vec![month(10, most, most)],
            most,
            most,
            Exhausted(Heartbeat),
        ),
        // Two at once: both must fit, and what cannot fit outweighs what is in the way.
        (
            vec![month(10, 0, 0), day(5, 0, 0)],
            0,
            6,
            Exhausted(ProjectDay),
        ),
        (
            vec![month(10, 0, 9), day(5, 0, 0)],
            0,
            6,
            Exhausted(ProjectDay),
        ),
        (vec![month(10, 0, 9), day(50, 0, 49)], 0, 6, Busy(Heartbeat)),
        (
            vec![month(10, 0, 0), day(50, 0, 49)],
            0,
            6,
            Busy(ProjectDay),
        ),
    ];
    for (levels, own, more, expected) in cases {
        assert_eq!(fit(&levels, own, more), expected, "{levels:?} {own} {more}");
    }
}

#[test]
fn max_tokens_is_lowered_as_far_as_256_before_a_turn_is_refused() {
    use Reservation::{Busy, Exhausted, Granted};
    let granted = |credits: u64, max_tokens| Granted {
        micro: credits * MICRO,
        max_tokens,
    };
    // One credit for a token. Credits in all, held by others, max_tokens asked.
    let rates = Rates {
        input: 1_000 * MICRO,
        cached_input: 0,
        output: 1_000 * MICRO,
    };
    let cases = [
        (5_000, 0, 4_096, granted(4_106, 4_096)),
        (4_106, 0, 4_096, granted(4_106, 4_096)),
        (4_105, 0, 4_096, granted(2_058, 2_048)),
        (266, 0, 4_096, granted(266, 256)),
        (265, 0, 4_096, Exhausted(Heartbeat)),
        (5_000, 4_734, 4_096, granted(266, 256)),
        (5_000, 4_735, 4_096, Busy(Heartbeat)),
        (310, 0, 300, granted(310, 300)),
        (309, 0, 300, granted(266, 256)),
        (110, 0, 100, granted(110, 100)),
        (109, 0, 100, Exhausted(Heartbeat)),
    ];
    for (limit, others, max_tokens, expected) in cases {
        let levels = [level(Heartbeat, Some(limit), 0, others)];
        let ask = Ask {
            input_tokens_max: 10,
            max_tokens,
        };
        let answer = reserve(&levels, &Held::default(), &rates, &ask);
        assert_eq!(answer, expected, "{limit} {others} {max_tokens}");
    }
}

#[test]
fn what_an_execution_holds_is_rounded_as_one_sum() {
    let held = Held {
        spent: MICRO / 2,
        reserved: 0,
    };
    assert_eq!(held.credits(), 1);
    assert_eq!(held.further(MICRO / 2), 0);
    assert_eq!(held.further(MICRO / 2 + 1), 1);
    assert_eq!(
        Held {
            spent: u64::MAX,
            reserved: u64::MAX
        }
        .further(u64::MAX),
        0
    );
}

fn rates() -> impl Strategy<Value = Rates> {
    let rate = 0..40 * MICRO;
    (rate.clone(), rate.clone(), rate).prop_map(|(input, cached_input, output)| Rates {
        input,
        cached_input,
        output,
    })
}

/// One of several executions that run at once, by the micro-credits that it holds.
#[derive(Clone, Copy, Default)]
struct Run {
    held: Held,
    reserved: Option<(u64, u32)>,
}

proptest! {
    #[test]
    fn the_worst_case_is_no_less_than_any_usage_within_its_bounds(
        rates in rates(),
        input in 0..1_000_000_u64,
        max_tokens in 0..100_000_u32,
        shares in (0..=100_u64, 0..=100_u64, 0..=100_u64),
    ) {
        let used = input * shares.0 / 100;
        let output = u64::from(max_tokens) * shares.2 / 100;
        let cost = rates.cost(&usage(used, used * shares.1 / 100, output));
        prop_assert!(cost <= rates.worst_case(input, max_tokens));
    }

    #[test]
    fn a_reservation_fits_every_level_and_lowers_no_further_than_allowed(
        rates in rates(),
        limits in (0..3_000_u64, 0..3_000_u64),
        taken in (0..2_000_u64, 0..2_000_u64),
        own in 0..50 * MICRO,
        input_tokens_max in 0..20_000_u64,
        max_tokens in 1..9_000_u32,
    ) {
        let held = Held { spent: own, reserved: 0 };
        let own = held.credits();
        let levels = [
            level(Heartbeat, Some(limits.0), taken.0, own),
            level(ProjectDay, Some(limits.1), taken.1, own + taken.0),
        ];
        let ask = Ask { input_tokens_max, max_tokens };
        let floor = rates.worst_case(input_tokens_max, max_tokens.min(MAX_TOKENS_FLOOR));
        match reserve(&levels, &held, &rates, &ask) {
            Reservation::Granted { micro, max_tokens: granted } => {
                prop_assert_eq!(fit(&levels, own, held.further(micro)), Fit::Fits);
                prop_assert_eq!(micro, rates.worst_case(input_tokens_max, granted));
                prop_assert!(granted <= max_tokens && granted >= max_tokens.min(MAX_TOKENS_FLOOR));
            }
            Reservation::Busy(scope) => {
                prop_assert_eq!(fit(&levels, own, held.further(floor)), Fit::Busy(scope));
            }
            Reservation::Exhausted(scope) => {
                prop_assert_eq!(fit(&levels, own, held.further(floor)), Fit::Exhausted(scope));
            }
        }
    }

    #[test]
    fn executions_at_once_cannot_overspend_by_one_credit_and_rows_add_up_to_used(
        rates in rates(),
        limits in (0..400_u64, 0..400_u64),
        deeds in prop::collection::vec((0..20_usize, any::<bool>(), 0..=100_u64), 1..200),
    ) {
        let mut runs = [Run::default(); 20];
        let (mut used, mut held) = (0, 0);
        let mut rows = Vec::new();
        for (number, finishes, share) in deeds {
            let run = &mut runs[number];
            let before = run.held.credits();
            if let Some((micro, max_tokens)) = run.reserved.take() {
                let output = u64::from(max_tokens) * share / 100;
                run.held.spent += rates.cost(&usage(50 * share / 100, share / 3, output));
                run.held.reserved -= micro;
            } else if finishes {
                rows.push(whole_credits(run.held.spent));
                used += whole_credits(run.held.spent);
                run.held = Held::default();
            } else {
                let levels = [
                    level(Heartbeat, Some(limits.0), used, held),
                    level(ProjectDay, Some(limits.1), used, held),
                ];
                let ask = Ask { input_tokens_max: 50, max_tokens: 1_024 };
                if let Reservation::Granted { micro, max_tokens } = reserve(&levels, &run.held, &rates, &ask) {
                    run.reserved = Some((micro, max_tokens));
                    run.held.reserved += micro;
                }
            }
            held = held + run.held.credits() - before;
            prop_assert!(used + held <= limits.0.min(limits.1));
        }
        prop_assert_eq!(rows.iter().sum::<u64>(), used);
    }
}

#[test]
fn a_month_draws_on_the_plan_first_and_then_on_the_balance() {
    let month = |plan, used, added, drawn| Allowance {
        plan,
        used,
        added,
        drawn,
        ..Allowance::default()
    };
    // What the month has, its limit as a level, a charge, and what of it the balance pays.
    let cases = [
        (month(None, 70, 0, 0), None, 50, 0),
        (month(None, 70, 30, 0), None, 50, 0),
        (month(Some(100), 70, 0, 0), Some(100), 30, 0),
        (month(Some(100), 70, 20, 0), Some(120), 30, 0),
        (month(Some(100), 70, 20, 0), Some(120), 31, 1),
        (month(Some(100), 70, 20, 15), Some(105), 35, 5),
        (month(Some(100), 110, 20, 10), Some(120), 10, 10),
        (month(Some(0), 0, 20, 0), Some(20), 20, 20),
        (month(Some(0), 0, 0, 0), Some(0), 1, 1),
        // Overbilled: there is nothing left, and never less than nothing.
        (month(Some(100), 140, 20, 40), Some(140), 1, 1),
    ];
    for (month, limit, charge, paid) in cases {
        assert_eq!(month.level().limit, limit, "{month:?}");
        assert_eq!(month.from_balance(charge), paid, "{month:?}");
    }
    assert_eq!(month(Some(0), 0, 20, 45).balance(), -25);
}

#[test]
fn what_another_month_holds_of_the_balance_is_in_the_way_but_not_gone() {
    let month = Allowance {
        plan: Some(10),
        used: 10,
        added: 5,
        held_elsewhere: 3,
        ..Allowance::default()
    };
    let levels = [month.level()];
    assert_eq!(fit(&levels, 0, 2), Fit::Fits);
    assert_eq!(fit(&levels, 0, 3), Fit::Busy(Scope::ProjectMonth));
    assert_eq!(fit(&levels, 0, 6), Fit::Exhausted(Scope::ProjectMonth));
}

#[test]
fn a_provider_that_billed_too_much_is_told_with_both_numbers() {
    let id = ExecutionId(uuid::Uuid::from_u128(9));
    let notice = overbilled_notice("openai/x", (id, 3), (2 * MICRO, 2_500_100));
    assert!(notice.message.contains("allowed 2 credits at most"));
    assert!(notice.message.contains("it used 2.5001."));
    assert_eq!(notice.state, Some(format!("{id}.3")));
}
