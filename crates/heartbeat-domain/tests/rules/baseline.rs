//! The baseline moves with a success, and never to what another watch saw.

use heartbeat_domain::execution::{Ending, Outcome, Trigger};
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::watch::Baseline;

use crate::support::{
    active, after, begin, clock, counted, schedule_of, settings, settled, skipped,
};

fn seen(value: i64) -> Baseline {
    Baseline {
        value: value.into(),
        holds: false,
        told_at: clock("09:30:00"),
    }
}

fn watching() -> Heartbeat {
    let mut settings = settings();
    settings.watch = Some(crate::watch::host_status());
    let mut heartbeat = active(settings);
    heartbeat.baseline = Some(seen(1));
    heartbeat
}

/// The baseline after a run that saw 2, while which the heartbeat was edited as told.
fn baseline_after(
    heartbeat: &Heartbeat,
    outcome: Outcome,
    edit: impl FnOnce(&mut Heartbeat),
) -> Option<Baseline> {
    let mut heartbeat = heartbeat.clone();
    let row = begin(&mut heartbeat, Trigger::Schedule, clock("09:30:00"));
    edit(&mut heartbeat);
    let ending = Ending {
        baseline: Some(seen(2)),
        ..Ending::plain(outcome)
    };
    let settlement = settled(&heartbeat, &row, (ending, &[]), clock("09:32:00"));
    settlement.heartbeat.expect("it has an owner").baseline
}

#[test]
fn the_baseline_moves_only_with_success() {
    let heartbeat = watching();
    assert_eq!(
        baseline_after(&heartbeat, Outcome::Success, |_| {}),
        Some(seen(2))
    );
    let cancelled = Outcome::Cancelled {
        reason: Reason::ByPerson,
    };
    for outcome in [counted(), skipped(Reason::ModelUnavailable), cancelled] {
        assert_eq!(baseline_after(&heartbeat, outcome, |_| {}), Some(seen(1)));
    }
    let mut heartbeat = heartbeat;
    let row = begin(&mut heartbeat, Trigger::Schedule, clock("09:30:00"));
    let quiet = after(&heartbeat, &row, Outcome::Success, clock("09:31:00"));
    assert_eq!(
        quiet.baseline,
        Some(seen(1)),
        "a look that found nothing keeps it"
    );
}

#[test]
fn what_a_former_watch_saw_is_no_baseline_of_the_new_one() {
    let edit = |other: bool| {
        move |heartbeat: &mut Heartbeat| {
            let mut settings = heartbeat.settings.clone();
            settings.label = Some("Renamed".into());
            if other {
                settings.watch.as_mut().unwrap().remind_minutes = Some(5);
            }
            let schedule = schedule_of(heartbeat);
            let (now, missed) = (clock("09:31:00"), Reason::Capacity);
            let schedules = (&schedule, &schedule);
            *heartbeat = heartbeat
                .clone()
                .edited_at(settings, schedules, now, missed)
                .heartbeat;
        }
    };
    assert_eq!(
        baseline_after(&watching(), Outcome::Success, edit(false)),
        Some(seen(2))
    );
    assert_eq!(
        baseline_after(&watching(), Outcome::Success, edit(true)),
        None
    );
    let without = |heartbeat: &mut Heartbeat| {
        heartbeat.settings.watch = None;
        heartbeat.baseline = None;
    };
    assert_eq!(baseline_after(&watching(), Outcome::Success, without), None);
}
