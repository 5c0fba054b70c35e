//! Errors in a row open the breaker; nothing else moves it.

use heartbeat_domain::execution::{BreakerEffect, Ending, Outcome, Trigger};
use heartbeat_domain::heartbeat::{Heartbeat, Standing};
use heartbeat_domain::notice::Priority;
use heartbeat_domain::reason::Reason;

use crate::support::{
    active, after, begin, clock, counted, failed, next_at, schedule_of, settings, settled, skipped,
};

/// One fire of the heartbeat at its next due time, with that trigger and outcome.
fn fire(heartbeat: &Heartbeat, trigger: Trigger, outcome: Outcome) -> Heartbeat {
    let mut heartbeat = heartbeat.clone();
    let due_at = next_at(&heartbeat).unwrap_or(clock("09:10:00.001"));
    let row = begin(&mut heartbeat, trigger, due_at);
    after(&heartbeat, &row, outcome, due_at)
}

fn pause_reason(heartbeat: &Heartbeat) -> Option<Reason> {
    heartbeat.paused.map(|pause| pause.reason)
}

#[test]
fn the_breaker_trips_at_exactly_so_many_errors_in_a_row() {
    for most in [1, 2, 5] {
        let mut settings = settings();
        settings.max_consecutive_errors = most;
        let mut heartbeat = active(settings);
        for errors in 1..=most {
            assert_eq!(
                heartbeat.standing(),
                Standing::Active,
                "before {errors} of {most}"
            );
            heartbeat = fire(&heartbeat, Trigger::Schedule, counted());
            assert_eq!(heartbeat.error_count, errors);
        }
        assert_eq!(pause_reason(&heartbeat), Some(Reason::Breaker));
        assert!(!heartbeat.enabled);
        assert_eq!((heartbeat.next, heartbeat.claimable_at), (None, None));
    }
}

#[test]
fn only_fires_of_the_schedule_move_the_breaker() {
    use Trigger::{CatchUp, Manual, Message, Schedule};
    let ignored = || failed(Reason::BudgetBusy, BreakerEffect::Ignored);
    let fatal = || failed(Reason::ModelDenied, BreakerEffect::OpensAtOnce);
    let cancelled = || Outcome::Cancelled {
        reason: Reason::ByPerson,
    };
    // Trigger, outcome, and the count after it where it was 2 of 5.
    let cases = [
        (Schedule, counted(), 3),
        (CatchUp, counted(), 3),
        (Schedule, Outcome::Success, 0),
        (CatchUp, Outcome::Success, 0),
        (Schedule, skipped(Reason::ModelUnavailable), 2),
        (Schedule, cancelled(), 2),
        (Schedule, ignored(), 2),
        (Manual, counted(), 2),
        (Manual, fatal(), 2),
        (Manual, Outcome::Success, 2),
        (Message, counted(), 2),
    ];
    for (trigger, outcome, count) in cases {
        let mut heartbeat = active(settings());
        heartbeat.error_count = 2;
        let after = fire(&heartbeat, trigger, outcome.clone());
        assert_eq!(after.error_count, count, "{trigger:?} {outcome:?}");
        assert_eq!(after.standing(), Standing::Active);
    }
    let tripped = fire(&active(settings()), Schedule, fatal());
    assert_eq!(pause_reason(&tripped), Some(Reason::Breaker));
}

#[test]
fn a_tripped_breaker_is_told_urgently_with_the_last_error_and_what_to_do() {
    let mut heartbeat = active(settings());
    heartbeat.error_count = 4;
    let row = begin(&mut heartbeat, Trigger::Schedule, clock("09:30:00"));
    let ending = Ending::plain(counted());
    let settlement = settled(&heartbeat, &row, (ending, &[]), clock("09:31:00"));
    let [notice] = &settlement.notices[..] else {
        panic!("{:?}", settlement.notices)
    };
    assert_eq!(notice.title, "Heartbeat paused: Look after the queue");
    assert!(
        notice
            .message
            .starts_with("5 errors in a row paused it. The last one: no.")
    );
    assert_eq!(notice.priority, Priority::Urgent);
}

#[test]
fn a_watch_without_prompt_or_label_is_told_of_by_what_it_looks_with() {
    let mut settings = settings();
    settings.prompt = String::new();
    settings.watch = Some(crate::watch::host_status());
    settings.max_consecutive_errors = 1;
    let mut heartbeat = active(settings);
    let row = begin(&mut heartbeat, Trigger::Schedule, clock("09:30:00"));
    let ending = Ending::plain(failed(Reason::WatchFailed, BreakerEffect::Counts));
    let settlement = settled(&heartbeat, &row, (ending, &[]), clock("09:31:00"));
    assert_eq!(settlement.notices[0].title, "Heartbeat paused: host_status");
}

#[test]
fn the_breaker_opens_under_another_pause_too_but_not_for_what_is_off() {
    let mut heartbeat = active(settings());
    heartbeat.error_count = 4;
    let row = begin(&mut heartbeat, Trigger::Schedule, clock("09:30:00"));
    let schedule = schedule_of(&heartbeat);
    let (now, missed) = (clock("09:31:00"), Reason::Capacity);
    let pause = (Reason::ProjectPaused, None);
    let paused = heartbeat
        .clone()
        .paused_at(&schedule, pause, now, missed)
        .heartbeat;
    let tripped = after(&paused, &row, counted(), clock("09:32:00"));
    assert_eq!(pause_reason(&tripped), Some(Reason::Breaker));
    assert_eq!((tripped.enabled, tripped.next), (false, None));

    let disabled = heartbeat.disabled_at(&schedule, now, missed).heartbeat;
    let off = after(&disabled, &row, counted(), clock("09:32:00"));
    assert_eq!(off.standing(), Standing::Off);
}
