//! What people and the engine do to a heartbeat: enable, disable, pause, resume, edit.

use heartbeat_domain::execution::{Outcome, Trigger};
use heartbeat_domain::heartbeat::{Heartbeat, Standing};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::watch::Baseline;
use jiff::SignedDuration;

use crate::support::{active, after, at, begin, clock, every, next_at, off, schedule_of, settings};

const MISSED: Reason = Reason::Capacity;

fn paused(reason: Reason, now: &str) -> Heartbeat {
    let heartbeat = active(settings());
    let schedule = schedule_of(&heartbeat);
    heartbeat
        .paused_at(&schedule, (reason, None), clock(now), MISSED)
        .heartbeat
}

#[test]
fn the_first_fire_is_one_interval_after_enabling() {
    let heartbeat = active(settings());
    assert_eq!(heartbeat.standing(), Standing::Active);
    assert_eq!(next_at(&heartbeat), Some(clock("09:30:00")));
    assert_eq!(heartbeat.claimable_at, Some(clock("09:30:00")));
    assert_eq!(heartbeat.grid_since, Some(clock("09:00:00")));
}

#[test]
fn enabling_every_ten_minutes_does_not_keep_a_heartbeat_from_firing() {
    let mut heartbeat = active(settings());
    let schedule = schedule_of(&heartbeat);
    let mut fires = Vec::new();
    let mut now = clock("09:00:00");
    for _ in 0..12 {
        now += SignedDuration::from_mins(10);
        heartbeat.error_count = 2;
        let before = heartbeat.clone();
        let enabled = heartbeat.enabled_at(&schedule, now);
        assert_eq!(
            enabled.heartbeat,
            Heartbeat {
                error_count: 0,
                ..before
            }
        );
        assert!(enabled.skipped.is_empty());
        heartbeat = enabled.heartbeat;
        if heartbeat.claimable_at.is_some_and(|at| at <= now) {
            let row = begin(&mut heartbeat, Trigger::Schedule, now);
            heartbeat = after(&heartbeat, &row, Outcome::Success, now);
            fires.push(now);
        }
    }
    let expected = ["09:30:00", "10:00:00", "10:30:00", "11:00:00"].map(clock);
    assert_eq!(fires, expected);
}

#[test]
fn enabling_starts_a_new_grid_after_off_and_after_the_breaker() {
    let disabled = {
        let heartbeat = active(settings());
        let schedule = schedule_of(&heartbeat);
        heartbeat
            .disabled_at(&schedule, clock("09:10:00"), MISSED)
            .heartbeat
    };
    let tripped = paused(Reason::Breaker, "09:10:00");
    assert!(!tripped.enabled);
    for heartbeat in [disabled, tripped, off(settings())] {
        assert_eq!((heartbeat.next, heartbeat.claimable_at), (None, None));
        let schedule = schedule_of(&heartbeat);
        let heartbeat = heartbeat.enabled_at(&schedule, clock("12:05:00")).heartbeat;
        assert_eq!(heartbeat.standing(), Standing::Active);
        assert_eq!(next_at(&heartbeat), Some(clock("12:35:00")));
        assert_eq!(heartbeat.grid_since, Some(clock("12:05:00")));
    }
}

#[test]
fn enabling_does_not_end_a_pause_that_ends_by_itself() {
    let heartbeat = paused(Reason::BudgetExhausted, "09:10:00");
    let schedule = schedule_of(&heartbeat);
    let again = heartbeat
        .clone()
        .enabled_at(&schedule, clock("09:20:00"))
        .heartbeat;
    assert_eq!(again, heartbeat);
}

#[test]
fn a_pause_covers_what_was_due_before_it_and_keeps_the_grid_through_it() {
    let heartbeat = active(settings());
    let schedule = schedule_of(&heartbeat);
    let until = Some(clock("12:05:00"));
    let pause = (Reason::BudgetExhausted, until);
    let paused = heartbeat.paused_at(&schedule, pause, clock("10:10:00"), MISSED);
    assert_eq!(paused.skipped.len(), 1);
    assert_eq!(
        (paused.skipped[0].reason, paused.skipped[0].count),
        (MISSED, 2)
    );
    assert_eq!(paused.heartbeat.claimable_at, until);
    assert!(paused.heartbeat.enabled);

    let resumed = paused.heartbeat.resumed_at(&schedule, clock("12:05:00"));
    assert!(
        resumed.skipped.is_empty(),
        "while paused it had no due moments"
    );
    assert_eq!(next_at(&resumed.heartbeat), Some(clock("12:30:00")));
    assert_eq!(resumed.heartbeat.claimable_at, Some(clock("12:30:00")));
    assert_eq!(resumed.heartbeat.grid_since, Some(clock("09:00:00")));
}

#[test]
fn a_pause_of_what_is_not_active_changes_nothing() {
    for heartbeat in [off(settings()), paused(Reason::Plan, "09:10:00")] {
        let schedule = schedule_of(&heartbeat);
        let pause = (Reason::ProjectPaused, None);
        let again = heartbeat
            .clone()
            .paused_at(&schedule, pause, clock("11:00:00"), MISSED);
        assert_eq!(again.heartbeat, heartbeat);
        assert!(again.skipped.is_empty());
    }
}

#[test]
fn resuming_what_is_active_off_or_tripped_changes_nothing() {
    let tripped = paused(Reason::Breaker, "09:10:00");
    for heartbeat in [active(settings()), off(settings()), tripped] {
        let schedule = schedule_of(&heartbeat);
        let resumed = heartbeat.clone().resumed_at(&schedule, clock("11:00:00"));
        assert_eq!(resumed.heartbeat, heartbeat);
    }
}

#[test]
fn a_run_that_is_open_while_things_change_stays_open_until_it_ends() {
    let mut heartbeat = active(settings());
    let row = begin(&mut heartbeat, Trigger::Schedule, clock("09:30:00"));
    let schedule = schedule_of(&heartbeat);
    let disabled = heartbeat.disabled_at(&schedule, clock("10:10:00"), MISSED);
    assert_eq!(disabled.skipped.len(), 1);
    assert_eq!(disabled.skipped[0].reason, Reason::PreviousRunActive);
    let enabled = disabled
        .heartbeat
        .enabled_at(&schedule, clock("10:20:00"))
        .heartbeat;
    assert_eq!(enabled.claimable_at, None);
    assert_eq!(enabled.open.map(|open| open.execution_id), Some(row.id));
    let ended = after(&enabled, &row, Outcome::Success, clock("10:40:00"));
    assert_eq!(ended.claimable_at, Some(clock("10:50:00")));
}

#[test]
fn an_edit_starts_a_new_grid_only_if_a_schedule_field_has_another_value() {
    let heartbeat = active(settings());
    let schedule = schedule_of(&heartbeat);
    let now = clock("10:10:00");

    let mut renamed = settings();
    renamed.label = Some("Queue".into());
    let same = heartbeat
        .clone()
        .edited_at(renamed, (&schedule, &schedule), now, MISSED);
    assert_eq!(next_at(&same.heartbeat), Some(clock("09:30:00")));
    assert_eq!(same.heartbeat.claimable_at, heartbeat.claimable_at);
    assert!(same.skipped.is_empty());
    assert_eq!(same.heartbeat.updated_at, now);

    let mut rarer = settings();
    rarer.schedule = every(45);
    let new = rarer.schedule.parse(now).unwrap();
    let edited = heartbeat.edited_at(rarer, (&schedule, &new), now, MISSED);
    assert_eq!(next_at(&edited.heartbeat), Some(clock("10:55:00")));
    assert_eq!(edited.heartbeat.grid_since, Some(now));
    assert_eq!(edited.skipped.len(), 1);
    assert_eq!(edited.skipped[0].last_due_at, clock("10:00:00"));
}

#[test]
fn an_edit_of_what_is_off_starts_nothing_and_of_what_is_paused_waits_for_its_end() {
    let mut rarer = settings();
    rarer.schedule = every(45);
    let now = clock("10:10:00");
    let new = rarer.schedule.parse(now).unwrap();
    let heartbeat = off(settings());
    let old = schedule_of(&heartbeat);
    let edited = heartbeat
        .edited_at(rarer.clone(), (&old, &new), now, MISSED)
        .heartbeat;
    assert_eq!((edited.next, edited.claimable_at), (None, None));

    let heartbeat = paused(Reason::Plan, "09:10:00");
    let edited = heartbeat.edited_at(rarer, (&old, &new), now, MISSED);
    assert!(edited.skipped.is_empty());
    assert_eq!(edited.heartbeat.claimable_at, None);
    let resumed = edited
        .heartbeat
        .resumed_at(&new, clock("12:00:00"))
        .heartbeat;
    assert_eq!(next_at(&resumed), Some(clock("12:25:00")));
}

#[test]
fn another_watch_begins_with_a_first_look() {
    let mut heartbeat = active(settings());
    heartbeat.baseline = Some(Baseline {
        value: 1.into(),
        holds: false,
        told_at: clock("09:00:00"),
    });
    let schedule = schedule_of(&heartbeat);
    let now = clock("09:10:00");
    let same = heartbeat
        .clone()
        .edited_at(settings(), (&schedule, &schedule), now, MISSED);
    assert_eq!(same.heartbeat.baseline, heartbeat.baseline);
    let mut watching = settings();
    watching.watch = Some(crate::watch::host_status());
    let other = heartbeat.edited_at(watching, (&schedule, &schedule), now, MISSED);
    assert_eq!(other.heartbeat.baseline, None);
}

#[test]
fn a_spread_moves_the_start_by_a_stable_share_and_an_edit_of_it_counts_at_once() {
    let mut wide = settings();
    wide.spread_minutes = 20;
    let heartbeat = active(wide);
    let share = heartbeat.spread();
    assert!(share < SignedDuration::from_mins(20));
    assert_eq!(share, active(heartbeat.settings.clone()).spread());
    assert_eq!(next_at(&heartbeat), Some(clock("09:30:00")));
    assert_eq!(heartbeat.claimable_at, Some(clock("09:30:00") + share));

    let schedule = schedule_of(&heartbeat);
    let now = clock("09:10:00");
    let none = heartbeat
        .edited_at(settings(), (&schedule, &schedule), now, MISSED)
        .heartbeat;
    assert_eq!(none.claimable_at, Some(clock("09:30:00")));
}

#[test]
fn shares_of_a_spread_are_spread() {
    let mut wide = settings();
    wide.spread_minutes = 10;
    let mut shares: Vec<_> = (0..100_u64)
        .map(|number| {
            let ids = heartbeat_domain::ids::IdSource::from_seed(number);
            let mut heartbeat = off(wide.clone());
            heartbeat.id = heartbeat_domain::ids::HeartbeatId::new(&ids, at(crate::support::MADE));
            heartbeat.spread().as_secs()
        })
        .collect();
    shares.sort_unstable();
    assert!(shares[0] < 60 && shares[99] >= 540, "{shares:?}");
    shares.dedup();
    assert!(shares.len() > 80);
}

#[test]
fn a_grid_begun_after_the_clock_was_turned_back_starts_behind_the_last_run_within_reason() {
    for (now, first) in [
        ("09:41:00", "10:17:00"),
        ("08:47:00", "10:17:00"),
        ("08:46:00", "09:16:00"),
    ] {
        let mut heartbeat = off(settings());
        let schedule = schedule_of(&heartbeat);
        heartbeat.last_executed_at = Some(clock("09:47:00"));
        let enabled = heartbeat.enabled_at(&schedule, clock(now)).heartbeat;
        assert_eq!(next_at(&enabled), Some(clock(first)), "{now}");
    }
}
