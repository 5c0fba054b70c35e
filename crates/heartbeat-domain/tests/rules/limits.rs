//! The limits of every field: taken at the bound, refused one past it by its wire name.

use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::heartbeat::{Patch, Settings};
use heartbeat_domain::ids::{BotId, ProjectId};
use heartbeat_domain::plan::Plans;
use heartbeat_domain::violation::Rule;
use uuid::Uuid;

use crate::support::{at, checked, clock, cron, every, field, settings};

/// A field, how to set it, values that are taken and values that are refused.
type Case<'a, T> = (&'static str, fn(&mut T, u64), &'a [u64], &'a [u64]);

/// A text of so many characters, each of two bytes.
fn words(length: u64) -> String {
    "ä".repeat(usize::try_from(length).expect("a short text"))
}

fn number(value: u64) -> u32 {
    u32::try_from(value).expect("a small number")
}

fn check_bounds(cases: &[Case<'_, Settings>]) {
    for (name, set, taken, refused) in cases {
        let check = |value| {
            let mut settings = settings();
            set(&mut settings, value);
            checked(&settings)
        };
        for value in *taken {
            assert_eq!(check(*value), Ok(()), "{name} {value}");
        }
        for value in *refused {
            let violation = check(*value).expect_err(name);
            assert_eq!(
                (violation.field, violation.rule),
                (*name, Rule::Input),
                "{value}"
            );
        }
    }
}

#[test]
fn texts_are_as_long_as_their_limit_in_characters() {
    check_bounds(&[
        (
            "prompt",
            |s, n| s.prompt = words(n),
            &[1, 32_768],
            &[0, 32_769],
        ),
        (
            "label",
            |s, n| s.label = Some(words(n)),
            &[1, 255],
            &[0, 256],
        ),
        (
            "run_model",
            |s, n| s.run_model = Some(words(n)),
            &[1, 255],
            &[0, 256],
        ),
    ]);
}

#[test]
fn numbers_are_within_their_limits() {
    fn spread(settings: &mut Settings, minutes: u64) {
        settings.schedule = every(1_440);
        settings.spread_minutes = number(minutes);
    }
    let interval = |s: &mut Settings, n| s.schedule = every(number(n));
    let errors = |s: &mut Settings, n| s.max_consecutive_errors = number(n);
    let catch_up = |s: &mut Settings, n| s.catch_up_minutes = Some(number(n));
    let most = i64::MAX.cast_unsigned() / 1_000_000;
    check_bounds(&[
        ("interval_minutes", interval, &[1, 527_040], &[0, 527_041]),
        ("max_consecutive_errors", errors, &[1, 1_000], &[0, 1_001]),
        ("catch_up_minutes", catch_up, &[0, 527_040], &[527_041]),
        ("spread_minutes", spread, &[0, 1_440], &[1_441]),
        (
            "credit_budget",
            |s, n| s.credit_budget = Some(n),
            &[0, most],
            &[most + 1, u64::MAX],
        ),
    ]);
}

#[test]
fn a_blank_text_is_an_empty_one() {
    for blank in [" ", "\n\t "] {
        let prompt = Settings {
            prompt: blank.into(),
            ..settings()
        };
        assert_eq!(field(checked(&prompt)), Some("prompt"));
        let label = Settings {
            label: Some(blank.into()),
            ..settings()
        };
        assert_eq!(field(checked(&label)), Some("label"));
    }
}

#[test]
fn a_spread_is_no_wider_than_the_distance_between_two_fires() {
    let cases = [
        (every(30), 30, true),
        (every(30), 31, false),
        (cron("*/20 * * * *"), 20, true),
        (cron("*/20 * * * *"), 21, false),
        (cron("0 9,17 * * *"), 480, true),
        (cron("0 9,17 * * *"), 481, false),
        (cron("0 9 * * 1"), 1_440, true),
    ];
    for (schedule, spread_minutes, fits) in cases {
        let settings = Settings {
            schedule,
            spread_minutes,
            ..settings()
        };
        let refused = field(checked(&settings));
        assert_eq!(refused, (!fits).then_some("spread_minutes"), "{settings:?}");
    }
}

#[test]
fn a_plan_refuses_what_is_more_frequent_than_its_minimum() {
    let plans = Plans::default();
    for (plan, minutes, fits) in [
        ("starter", 15, true),
        ("starter", 14, false),
        ("pro", 5, true),
        ("pro", 4, false),
    ] {
        let settings = Settings {
            schedule: every(minutes),
            ..settings()
        };
        let refused = settings
            .check(plans.find(plan).unwrap(), clock("09:00:00"))
            .err();
        let rule = refused.map(|violation| (violation.field, violation.rule));
        assert_eq!(
            rule,
            (!fits).then_some(("interval_minutes", Rule::Frequency)),
            "{plan} {minutes}"
        );
    }
}

#[test]
fn an_agent_is_changed_field_by_field_within_its_limits() {
    let cases: [Case<'_, BotChange>; 3] = [
        ("name", |c, n| c.name = Some(words(n)), &[1, 255], &[0, 256]),
        (
            "model",
            |c, n| c.model = Some(words(n)),
            &[1, 255],
            &[0, 256],
        ),
        (
            "instruction",
            |c, n| c.instruction = Some(words(n)),
            &[0, 65_536],
            &[65_537],
        ),
    ];
    for (name, set, taken, refused) in cases {
        let check = |value| {
            let mut change = BotChange::default();
            set(&mut change, value);
            field(change.check())
        };
        assert!(taken.iter().all(|value| check(*value).is_none()), "{name}");
        assert!(
            refused.iter().all(|value| check(*value) == Some(name)),
            "{name}"
        );
    }
    let bot = ops();
    let now = at("2026-06-02T00:00:00Z");
    let on = BotChange {
        heartbeat: Some(true),
        ..BotChange::default()
    }
    .applied_to(&bot, now);
    assert_eq!(
        on,
        Bot {
            heartbeat: true,
            updated_at: now,
            ..bot.clone()
        }
    );
    assert!(on.is_switched_on() && !bot.is_switched_on());
    assert!(
        !Bot {
            status: false,
            ..on
        }
        .is_switched_on()
    );
}

fn ops() -> Bot {
    Bot {
        id: BotId(Uuid::nil()),
        number: 1,
        project_id: ProjectId(Uuid::nil()),
        name: "Ops".into(),
        model: "openai/gpt-5.5".into(),
        instruction: "Be brief".into(),
        status: true,
        heartbeat: false,
        credit_limit: None,
        web_hosts: None,
        created_at: clock("09:00:00"),
        updated_at: clock("09:00:00"),
    }
}

#[test]
fn hosts_are_names_with_or_without_a_port_and_bind_who_reads_private_data() {
    let refused = |hosts: &[&str]| {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        let change = BotChange {
            web_hosts: Patch::Set(hosts),
            ..BotChange::default()
        };
        field(change.check())
    };
    assert_eq!(
        refused(&[
            "docs.example.org",
            "a:1",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80"
        ]),
        None
    );
    assert_eq!(refused(&["host"; 100]), None);
    assert_eq!(refused(&["host"; 101]), Some("web_hosts"));
    for wrong in [
        "", "a:", "a:x", "a:65536", "::1", "a b", "a/b", "u@a", "*.a", "http://a", "[a]",
    ] {
        assert_eq!(refused(&["fine", wrong]), Some("web_hosts"), "{wrong}");
    }
    let bot = ops();
    assert_eq!(
        (bot.web_bounds(false), bot.web_bounds(true)),
        (None, Some(Vec::new()))
    );
    let listed = Bot {
        web_hosts: Some(vec!["a".into()]),
        ..bot.clone()
    };
    for reads_private in [false, true] {
        assert_eq!(listed.web_bounds(reads_private), Some(vec!["a".into()]));
    }
}
