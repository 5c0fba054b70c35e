//! When a watch wakes somebody, and what it may be asked to look at.

use heartbeat_domain::watch::{Baseline, Condition, Probe, Selector, SightingKind, Watch, judge};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::clock;

/// A watch of the machine, for whatever changes.
pub(crate) fn host_status() -> Watch {
    Watch {
        tool: Probe::HostStatus,
        arguments: Value::Null,
        selector: None,
        condition: Condition::Changed,
        remind_minutes: None,
    }
}

fn told(value: Value, holds: bool) -> Baseline {
    Baseline {
        value,
        holds,
        told_at: clock("09:00:00"),
    }
}

/// What `judge` makes of a value seen at that time.
fn kind(
    watch: &Watch,
    baseline: Option<&Baseline>,
    seen: (Value, bool),
    now: Timestamp,
) -> Option<SightingKind> {
    judge(watch, baseline, seen, now).map(|sighting| sighting.kind)
}

#[test]
fn the_first_look_is_the_baseline_and_is_told_once() {
    for condition in [
        Condition::Changed,
        Condition::Above(5.0),
        Condition::Matches("x".into()),
    ] {
        for holds in [false, true] {
            let watch = Watch {
                condition: condition.clone(),
                ..host_status()
            };
            let first = judge(&watch, None, (json!(3), holds), clock("09:00:00")).unwrap();
            assert_eq!((first.kind, &first.before), (SightingKind::First, &None));
            assert_eq!(
                (&first.after, &first.baseline),
                (&json!(3), &told(json!(3), holds))
            );
            let again = kind(
                &watch,
                Some(&first.baseline),
                (json!(3), holds),
                clock("09:30:00"),
            );
            assert_eq!(again, None);
        }
    }
}

#[test]
fn a_change_wakes_with_before_and_after_and_a_failed_run_sees_it_again() {
    let watch = host_status();
    let baseline = told(json!({"a": 1}), false);
    for now in ["09:30:00", "10:00:00"] {
        let seen = (json!({"a": 2}), false);
        let sighting = judge(&watch, Some(&baseline), seen, clock(now)).unwrap();
        assert_eq!(sighting.kind, SightingKind::Woke);
        assert_eq!(
            (sighting.before, sighting.after),
            (Some(json!({"a": 1})), json!({"a": 2}))
        );
        assert_eq!(sighting.baseline.told_at, clock(now));
    }
    assert_eq!(
        kind(
            &watch,
            Some(&baseline),
            (json!({"a": 1}), true),
            clock("11:00:00")
        ),
        None
    );
}

#[test]
fn a_condition_wakes_at_its_edges_and_again_after_the_reminder() {
    use SightingKind::{Ended, StillHolds, Woke};
    // Whether it held when last told, whether it holds now, the reminder, minutes since.
    let cases = [
        (false, false, Some(1), 600, None),
        (false, true, None, 1, Some(Woke)),
        (true, false, Some(60), 1, Some(Ended)),
        (true, true, None, 60_000, None),
        (true, true, Some(60), 59, None),
        (true, true, Some(60), 60, Some(StillHolds)),
        (true, true, Some(u32::MAX), 60, None),
    ];
    for condition in [
        Condition::Above(5.0),
        Condition::Below(5.0),
        Condition::Matches("x".into()),
    ] {
        for (held, holds, remind_minutes, minutes, expected) in cases {
            let watch = Watch {
                condition: condition.clone(),
                remind_minutes,
                ..host_status()
            };
            let now = clock("09:00:00") + SignedDuration::from_mins(minutes);
            // Another value makes no difference: the edge does.
            let seen = kind(
                &watch,
                Some(&told(json!(1), held)),
                (json!(minutes), holds),
                now,
            );
            assert_eq!(
                seen, expected,
                "{condition:?} {held} {holds} {remind_minutes:?} {minutes}"
            );
        }
    }
}

#[test]
fn a_reminder_counts_from_when_people_were_last_told() {
    let watch = Watch {
        condition: Condition::Above(5.0),
        remind_minutes: Some(60),
        ..host_status()
    };
    let mut baseline = told(json!(9), true);
    let mut told_at = Vec::new();
    for minutes in (0..=180).step_by(25) {
        let now = clock("09:00:00") + SignedDuration::from_mins(minutes);
        if let Some(sighting) = judge(&watch, Some(&baseline), (json!(9), true), now) {
            told_at.push(minutes);
            baseline = sighting.baseline;
        }
    }
    assert_eq!(told_at, [75, 150]);
}

#[test]
fn arguments_are_those_of_the_probe_and_nothing_else() {
    use Probe::{File, HostStatus, HttpGet};
    let field = Some("watch.arguments");
    let cases = [
        (HostStatus, json!(null), None),
        (HostStatus, json!({}), None),
        (HostStatus, json!({"path": "/x"}), field),
        (HostStatus, json!([]), field),
        (HostStatus, json!("x"), field),
        (File, json!({"path": "/var/log/x"}), None),
        (File, json!({"path": ""}), field),
        (File, json!({"path": 3}), field),
        (File, json!({"url": "https://x"}), field),
        (File, json!({"path": "/x", "mode": 3}), field),
        (File, json!(null), field),
        (HttpGet, json!({"url": "https://example.com"}), None),
        (HttpGet, json!({"path": "/x"}), field),
        (HttpGet, json!({}), field),
    ];
    for (tool, arguments, expected) in cases {
        let watch = Watch {
            tool,
            arguments,
            ..host_status()
        };
        let refused = watch.check().err();
        assert_eq!(
            refused.map(|violation| violation.field),
            expected,
            "{watch:?}"
        );
    }
}

#[test]
fn a_reminder_is_between_a_minute_and_366_days() {
    for (minutes, fits) in [(0, false), (1, true), (527_040, true), (527_041, false)] {
        let watch = Watch {
            remind_minutes: Some(minutes),
            ..host_status()
        };
        let refused = watch.check().err().map(|violation| violation.field);
        assert_eq!(
            refused,
            (!fits).then_some("watch.remind_minutes"),
            "{minutes}"
        );
    }
}

#[test]
fn a_watch_is_written_as_its_page_says() {
    let text = json!({
        "tool": "http_get",
        "arguments": {"url": "https://status.example.com/api"},
        "selector": {"jsonpath": "$.queue.length"},
        "condition": {"above": 100.0},
        "remind_minutes": 60,
    });
    let watch: Watch = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(
        watch.selector,
        Some(Selector::Jsonpath("$.queue.length".into()))
    );
    assert_eq!(watch.condition, Condition::Above(100.0));
    assert_eq!(
        watch.argument("url"),
        Some("https://status.example.com/api")
    );
    assert_eq!(serde_json::to_value(&watch).unwrap(), text);
    let least: Watch = serde_json::from_value(json!({"tool": "host_status"})).unwrap();
    assert_eq!(least, host_status());
    for wrong in [
        json!({"tool": "shell"}),
        json!({"tool": "file", "when": 1}),
        json!({}),
    ] {
        assert!(serde_json::from_value::<Watch>(wrong).is_err());
    }
    for (tool, local) in [
        (Probe::HostStatus, true),
        (Probe::File, true),
        (Probe::HttpGet, false),
    ] {
        assert_eq!(tool.is_local(), local);
        assert_eq!(json!(tool), json!(tool.as_str()));
    }
}
