//! What a request changes of a heartbeat.

use heartbeat_domain::heartbeat::{HeartbeatChange, Patch, ScheduleFields, Settings};
use heartbeat_domain::violation::Rule;

use crate::support::{checked, cron, every, field, settings};

#[test]
fn a_new_heartbeat_needs_a_prompt_or_a_watch_and_has_defaults_for_the_rest() {
    let nothing = HeartbeatChange::default().applied_to(None);
    assert_eq!(field(nothing), Some("prompt"));
    let null = HeartbeatChange {
        prompt: Patch::Clear,
        ..HeartbeatChange::default()
    };
    assert_eq!(field(null.applied_to(None)), Some("prompt"));

    let prompt = HeartbeatChange {
        prompt: Patch::Set("Look".into()),
        ..HeartbeatChange::default()
    };
    let made = prompt.applied_to(None).unwrap();
    assert_eq!(
        made,
        Settings {
            prompt: "Look".into(),
            ..Settings::default()
        }
    );
    assert_eq!(made.schedule, every(30));
    assert_eq!(made.schedule.timezone, "UTC");
    assert_eq!((made.max_consecutive_errors, made.credit_budget), (5, None));
    assert_eq!((made.catch_up_minutes, made.spread_minutes), (None, 0));
    assert_eq!(checked(&made), Ok(()));

    let watch = Patch::Set(crate::watch::host_status());
    let watching = HeartbeatChange {
        watch,
        ..HeartbeatChange::default()
    };
    assert_eq!(checked(&watching.applied_to(None).unwrap()), Ok(()));
}

#[test]
fn a_field_left_out_keeps_its_value_and_null_clears_it() {
    let full = Settings {
        label: Some("Queue".into()),
        prompt: "Look".into(),
        run_model: Some("openai/gpt-5.5".into()),
        schedule: ScheduleFields {
            interval_minutes: Some(45),
            cron_pattern: None,
            active_hours_start: Some("09:00".into()),
            active_hours_end: Some("17:00".into()),
            active_days: Some("1-5".into()),
            timezone: "Europe/Berlin".into(),
        },
        watch: Some(crate::watch::host_status()),
        credit_budget: Some(10),
        max_consecutive_errors: 2,
        catch_up_minutes: Some(3),
        spread_minutes: 4,
    };
    let kept = HeartbeatChange::default().applied_to(Some(&full)).unwrap();
    assert_eq!(kept, full);
    let cleared = HeartbeatChange {
        label: Patch::Clear,
        prompt: Patch::Clear,
        run_model: Patch::Clear,
        interval_minutes: Patch::Clear,
        cron_pattern: Patch::Clear,
        active_hours_start: Patch::Clear,
        active_hours_end: Patch::Clear,
        active_days: Patch::Clear,
        timezone: Patch::Clear,
        watch: Patch::Clear,
        credit_budget: Patch::Clear,
        max_consecutive_errors: Patch::Clear,
        catch_up_minutes: Patch::Clear,
        spread_minutes: Patch::Clear,
        enabled: None,
        member_id: None,
    };
    let bare = cleared.applied_to(Some(&full)).unwrap();
    assert_eq!(bare, Settings::default());
    assert_eq!(
        field(checked(&bare)),
        Some("prompt"),
        "neither prompt nor watch is left"
    );
    let changed = HeartbeatChange {
        label: Patch::Set("Other".into()),
        credit_budget: Patch::Set(0),
        ..HeartbeatChange::default()
    };
    let changed = changed.applied_to(Some(&full)).unwrap();
    let expected = Settings {
        label: Some("Other".into()),
        credit_budget: Some(0),
        ..full
    };
    assert_eq!(changed, expected);
}

#[test]
fn naming_one_cadence_replaces_the_other() {
    use Patch::{Clear, Keep, Set};
    let pattern = || Set("0 9 * * *".to_owned());
    let (minutes, nine) = (every(45), cron("0 9 * * *"));
    let cases = [
        (&minutes, Keep, Keep, Some(every(45))),
        (&minutes, Set(15), Keep, Some(every(15))),
        (&minutes, Keep, pattern(), Some(nine.clone())),
        (&minutes, Clear, pattern(), Some(nine.clone())),
        (&minutes, Clear, Keep, Some(every(30))),
        (&minutes, Keep, Clear, Some(every(45))),
        (&minutes, Clear, Clear, Some(every(30))),
        (&minutes, Set(15), pattern(), None),
        (&nine, Keep, Keep, Some(nine.clone())),
        (&nine, Set(15), Keep, Some(every(15))),
        (&nine, Set(15), Clear, Some(every(15))),
        (&nine, Clear, Keep, Some(nine.clone())),
        (&nine, Keep, Clear, Some(every(30))),
        (&nine, Set(15), pattern(), None),
    ];
    for (old, interval_minutes, cron_pattern, expected) in cases {
        let old = Settings {
            schedule: old.clone(),
            ..settings()
        };
        let case = format!("{old:?} {interval_minutes:?} {cron_pattern:?}");
        let change = HeartbeatChange {
            interval_minutes,
            cron_pattern,
            ..HeartbeatChange::default()
        };
        match (change.applied_to(Some(&old)), expected) {
            (Ok(new), Some(expected)) => assert_eq!(new.schedule, expected, "{case}"),
            (refused, None) => assert_eq!(field(refused), Some("cron_pattern"), "{case}"),
            (refused, _) => panic!("{case}: {refused:?}"),
        }
    }
}

#[test]
fn a_schedule_is_checked_with_the_fields_that_it_was_written_in() {
    let with = |change: fn(&mut ScheduleFields)| {
        let mut fields = every(30);
        change(&mut fields);
        fields
    };
    let cases = [
        ("timezone", with(|f| f.timezone = "Berlin".into())),
        ("active_days", with(|f| f.active_days = Some("0".into()))),
        (
            "active_hours_start",
            with(|f| f.active_hours_start = Some("9 am".into())),
        ),
        (
            "active_hours_end",
            with(|f| f.active_hours_end = Some("24:01".into())),
        ),
        (
            "cron_pattern",
            with(|f| f.cron_pattern = Some("0 9 * * *".into())),
        ),
        ("cron_pattern", cron("0 9 * *")),
        ("interval_minutes", with(|f| f.interval_minutes = None)),
    ];
    for (name, schedule) in cases {
        let settings = Settings {
            schedule,
            ..settings()
        };
        assert_eq!(field(checked(&settings)), Some(name), "{settings:?}");
    }
    let never = Settings {
        schedule: cron("0 9 31 2 *"),
        ..settings()
    };
    assert_eq!(checked(&never).unwrap_err().rule, Rule::NeverFires);
}
