//! What one outcome changes of its row, of the heartbeat, and of the moments around it.

use heartbeat_domain::budget::MICRO;
use heartbeat_domain::execution::{Ending, Outcome, Phase, Status, Trigger};
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::settlement::settle;

use crate::support::{
    active, after, begin, clock, counted, execution, next_at, off, schedule_of, settings, settled,
    skipped,
};

#[test]
fn the_row_tells_how_it_ended_and_the_heartbeat_counts_what_was_not_skipped() {
    let cancelled = || Outcome::Cancelled {
        reason: Reason::ByPerson,
    };
    let no = Some("no".to_owned());
    let cases = [
        (
            Outcome::Success,
            Status::Success,
            None,
            None,
            1,
            Some("success"),
        ),
        (
            counted(),
            Status::Error,
            Some(Reason::ModelError),
            no,
            1,
            Some("error"),
        ),
        (
            skipped(Reason::Plan),
            Status::Skipped,
            Some(Reason::Plan),
            None,
            0,
            Some("skipped"),
        ),
        (
            cancelled(),
            Status::Cancelled,
            Some(Reason::ByPerson),
            None,
            1,
            None,
        ),
    ];
    for (outcome, status, reason, message, count, last) in cases {
        let mut heartbeat = active(settings());
        let row = begin(&mut heartbeat, Trigger::Schedule, clock("09:30:00"));
        let ending = Ending {
            response: "done".into(),
            ..Ending::plain(outcome)
        };
        let settlement = settled(&heartbeat, &row, (ending, &[]), clock("09:31:00"));
        let row = settlement.execution;
        assert_eq!((row.phase, row.status), (Phase::Ended, Some(status)));
        assert_eq!((row.reason, row.error_message), (reason, message));
        assert_eq!(
            (row.response.as_str(), row.finished_at),
            ("done", Some(clock("09:31:00")))
        );
        let heartbeat = settlement.heartbeat.unwrap();
        assert_eq!(heartbeat.execution_count, count);
        assert_eq!(heartbeat.last_executed_at.is_some(), count == 1);
        assert_eq!(heartbeat.last_status.as_deref(), last);
    }
}

#[test]
fn spent_micro_credits_are_rounded_up_once() {
    for (spent, credits) in [(0, 0), (1, 1), (MICRO, 1), (MICRO + 1, 2), (7 * MICRO, 7)] {
        let mut row = execution(&active(settings()), Trigger::Schedule, clock("09:30:00"));
        row.held.spent = spent;
        let settlement = settle(
            &row,
            None,
            Ending::plain(Outcome::Success),
            clock("09:31:00"),
        );
        assert_eq!(settlement.execution.credits_charged, credits);
        assert_eq!(settlement.heartbeat, None, "it is gone");
    }
}

#[test]
fn what_has_spent_on_a_lost_turn_ends_as_an_error_that_nobody_counts_and_never_as_skipped() {
    let mut heartbeat = active(settings());
    let mut row = begin(&mut heartbeat, Trigger::Schedule, clock("09:30:00"));
    row.held.spent = 1;
    let ending = Ending::plain(skipped(Reason::BudgetExhausted));
    let settlement = settled(&heartbeat, &row, (ending, &[]), clock("09:31:00"));
    assert_eq!(settlement.execution.status, Some(Status::Error));
    assert_eq!(settlement.execution.reason, Some(Reason::BudgetExhausted));
    assert_eq!(settlement.execution.credits_charged, 1);
    assert_eq!(settlement.heartbeat.map(|after| after.error_count), Some(0));
}

#[test]
fn moments_missed_before_a_fire_that_is_skipped_for_the_same_reason_share_its_row() {
    use Reason::{Capacity, Downtime};
    // Trigger, why the moments before were missed, outcome, and whether they share a row.
    let cases = [
        (Trigger::CatchUp, Downtime, skipped(Downtime), true),
        (Trigger::Schedule, Capacity, skipped(Capacity), true),
        (
            Trigger::CatchUp,
            Downtime,
            skipped(Reason::WindowClosed),
            false,
        ),
        (Trigger::CatchUp, Downtime, Outcome::Success, false),
        (Trigger::Manual, Downtime, skipped(Downtime), false),
    ];
    for (trigger, missed, outcome, shared) in cases {
        let mut heartbeat = active(settings());
        let manual = trigger == Trigger::Manual;
        let due_at = if manual { "10:35:00.001" } else { "10:30:00" };
        let mut row = begin(&mut heartbeat, trigger, clock(due_at));
        row.missed_reason = missed;
        let case = format!("{trigger:?} {missed} {outcome:?}");
        let ending = Ending::plain(outcome);
        let settlement = settled(&heartbeat, &row, (ending, &[]), clock("11:05:00"));
        let row = &settlement.execution;
        let covers = (row.first_due_at, row.last_due_at, row.missed_count);
        let busy = settlement.skipped.last().unwrap();
        assert_eq!(
            (busy.reason, busy.count),
            (Reason::PreviousRunActive, 1),
            "{case}"
        );
        if shared {
            let first = Some(clock("09:30:00"));
            assert_eq!(covers, (first, Some(clock("10:30:00")), Some(3)), "{case}");
            assert_eq!(settlement.skipped.len(), 1, "{case}");
        } else {
            assert_eq!(covers, (None, None, None), "{case}");
            assert_eq!(settlement.skipped.len(), 2, "{case}");
            assert_eq!(settlement.skipped[0].reason, missed, "{case}");
            assert_eq!(
                settlement.skipped[0].count,
                if manual { 3 } else { 2 },
                "{case}"
            );
        }
    }
}

#[test]
fn the_end_of_a_run_that_is_not_the_open_one_moves_no_due_moment() {
    let mut heartbeat = active(settings());
    let stray = execution(&heartbeat, Trigger::Schedule, clock("09:30:00"));
    let open = begin(&mut heartbeat, Trigger::Schedule, clock("10:00:00"));
    let ending = Ending::plain(counted());
    let settlement = settled(&heartbeat, &stray, (ending, &[]), clock("10:40:00"));
    assert!(settlement.skipped.is_empty());
    let after = settlement.heartbeat.unwrap();
    assert_eq!(after.next, heartbeat.next);
    assert_eq!(after.open.map(|run| run.execution_id), Some(open.id));
    assert_eq!((after.claimable_at, after.error_count), (None, 1));
}

#[test]
fn a_trigger_moves_no_grid_whatever_the_standing() {
    let heartbeat = active(settings());
    let fired = fire_manually(&heartbeat);
    assert_eq!(next_at(&fired), Some(clock("09:30:00")));
    assert_eq!(fired.claimable_at, Some(clock("09:30:00")));
    let schedule = schedule_of(&heartbeat);
    let pause = (Reason::Plan, None);
    let paused = heartbeat
        .paused_at(&schedule, pause, clock("09:05:00"), Reason::Capacity)
        .heartbeat;
    for still in [off(settings()), paused] {
        let fired = fire_manually(&still);
        let kept = (fired.standing(), fired.next, fired.claimable_at);
        assert_eq!(kept, (still.standing(), still.next, still.claimable_at));
    }
}

fn fire_manually(heartbeat: &Heartbeat) -> Heartbeat {
    let mut heartbeat = heartbeat.clone();
    let row = begin(&mut heartbeat, Trigger::Manual, clock("09:10:00.001"));
    after(&heartbeat, &row, Outcome::Success, clock("09:12:00"))
}
