//! Outcomes and charges that pause a heartbeat, and until when.

use heartbeat_domain::budget::{Level, MICRO, Scope};
use heartbeat_domain::execution::{BreakerEffect, Ending, Outcome, Trigger};
use heartbeat_domain::heartbeat::Standing;
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::reason::Reason;
use jiff::Timestamp;

use crate::support::{active, after, at, begin, clock, failed, settings, settled, skipped};

fn level(scope: Scope, limit: Option<u64>, used: u64) -> Level {
    Level {
        scope,
        limit,
        used,
        held: 0,
    }
}

/// Why and until when a heartbeat is paused after a run at the end of June that spent 5 credits.
fn pause_after(
    outcome: Outcome,
    levels: &[Level],
    now: &str,
) -> Option<(Reason, Option<Timestamp>)> {
    let mut settings = settings();
    settings.credit_budget = Some(100);
    let mut heartbeat = active(settings);
    let first = heartbeat.next.as_mut().expect("it is active");
    first.at = at("2026-06-30T23:30:00Z");
    let mut row = begin(
        &mut heartbeat,
        Trigger::Schedule,
        at("2026-06-30T23:30:00Z"),
    );
    row.held.spent = 5 * MICRO;
    let settlement = settled(&heartbeat, &row, (Ending::plain(outcome), levels), at(now));
    let paused = settlement.heartbeat.expect("it has an owner").paused;
    assert_eq!(settlement.notices.len(), usize::from(paused.is_some()));
    paused.map(|pause| (pause.reason, pause.resumes_at))
}

#[test]
fn a_charge_that_fills_a_level_pauses_until_its_next_period() {
    use Scope::{Heartbeat, ProjectDay};
    let july = Some(at("2026-07-01T00:00:00Z"));
    let (month, day) = (
        (Reason::BudgetExhausted, july),
        (Reason::CreditsExhausted, july),
    );
    let cases = [
        (vec![], None),
        (vec![level(Heartbeat, None, 900)], None),
        (vec![level(Heartbeat, Some(100), 94)], None),
        (vec![level(Heartbeat, Some(100), 95)], Some(month)),
        (vec![level(Heartbeat, Some(100), 99)], Some(month)),
        (
            vec![
                level(Heartbeat, Some(100), 0),
                level(ProjectDay, Some(50), 45),
            ],
            Some(day),
        ),
        (
            vec![
                level(Heartbeat, Some(100), 95),
                level(ProjectDay, Some(50), 45),
            ],
            Some(month),
        ),
    ];
    for (levels, expected) in cases {
        let paused = pause_after(Outcome::Success, &levels, "2026-06-30T23:40:00Z");
        assert_eq!(paused, expected, "{levels:?}");
    }
}

/// What people are told when a run of a heartbeat of that label fills a level.
fn told(label: &str, scope: Scope, now: &str) -> NoticeDraft {
    let mut settings = settings();
    settings.label = Some(label.to_owned());
    let mut heartbeat = active(settings);
    let due = at(now) - jiff::SignedDuration::from_mins(1);
    heartbeat.next.as_mut().expect("it is active").at = due;
    let mut row = begin(&mut heartbeat, Trigger::Schedule, due);
    row.held.spent = MICRO;
    let full = [level(scope, Some(1), 0)];
    let ending = (Ending::plain(Outcome::Success), &full[..]);
    let mut settlement = settled(&heartbeat, &row, ending, at(now));
    settlement.notices.pop().expect("it pauses")
}

#[test]
fn a_level_that_many_heartbeats_share_is_told_once_in_a_period() {
    let topic = |notice: &NoticeDraft| (notice.topic.clone(), notice.state.clone());
    for scope in [Scope::Bot, Scope::ProjectDay, Scope::ProjectMonth] {
        let first = told("One", scope, "2026-06-30T09:00:00Z");
        let second = told("Two", scope, "2026-06-30T10:00:00Z");
        assert_eq!(topic(&first), topic(&second), "{scope:?}");
        assert!(
            first
                .message
                .contains("\"One\" is paused until 2026-07-01T00:00:00Z")
        );
        let later = told("One", scope, "2026-07-01T09:00:00Z");
        assert_eq!(later.topic, first.topic);
        assert_ne!(later.state, first.state, "the next period is another one");
    }
    let own = told("One", Scope::Heartbeat, "2026-06-30T09:00:00Z");
    assert_eq!(own.title, "Heartbeat paused: One");
}

#[test]
fn a_period_that_ended_during_the_run_pauses_nothing() {
    let full = [
        level(Scope::Heartbeat, Some(100), 95),
        level(Scope::ProjectDay, Some(50), 45),
    ];
    for now in ["2026-07-01T00:00:00Z", "2026-07-01T00:01:00Z"] {
        assert_eq!(pause_after(Outcome::Success, &full, now), None);
        for reason in [Reason::BudgetExhausted, Reason::CreditsExhausted] {
            assert_eq!(pause_after(skipped(reason), &full, now), None);
        }
    }
}

#[test]
fn reasons_that_last_pause_and_those_that_somebody_else_ends_do_not() {
    let july = Some(at("2026-07-01T00:00:00Z"));
    let ignored = |reason| failed(reason, BreakerEffect::Ignored);
    let cancelled = |reason| Outcome::Cancelled { reason };
    let cases = [
        (
            skipped(Reason::BudgetExhausted),
            Some((Reason::BudgetExhausted, july)),
        ),
        (
            ignored(Reason::BudgetExhausted),
            Some((Reason::BudgetExhausted, july)),
        ),
        (
            skipped(Reason::CreditsExhausted),
            Some((Reason::CreditsExhausted, july)),
        ),
        (
            ignored(Reason::CreditsExhausted),
            Some((Reason::CreditsExhausted, july)),
        ),
        (skipped(Reason::Plan), Some((Reason::Plan, None))),
        (skipped(Reason::BudgetBusy), None),
        (skipped(Reason::Downtime), None),
        // The switch pauses by itself; by the time the run has stopped it may be on again.
        (skipped(Reason::SwitchedOff), None),
        (skipped(Reason::ProjectPaused), None),
        (cancelled(Reason::SwitchedOff), None),
        (cancelled(Reason::ProjectPaused), None),
    ];
    let levels = [
        level(Scope::Heartbeat, Some(100), 0),
        level(Scope::ProjectDay, Some(50), 0),
    ];
    for (outcome, expected) in cases {
        let paused = pause_after(outcome.clone(), &levels, "2026-06-30T23:40:00Z");
        assert_eq!(paused, expected, "{outcome:?}");
    }
}

#[test]
fn a_budget_that_was_lifted_during_the_run_pauses_nothing() {
    let mut heartbeat = active(settings());
    assert_eq!(heartbeat.settings.credit_budget, None);
    let row = begin(&mut heartbeat, Trigger::Schedule, clock("09:30:00"));
    let after = after(
        &heartbeat,
        &row,
        skipped(Reason::BudgetExhausted),
        clock("09:31:00"),
    );
    assert_eq!(after.standing(), Standing::Active);
    assert_eq!(after.claimable_at, Some(clock("10:00:00")));
}

/// Why and until when a heartbeat is paused after a level refused in the middle of a month.
fn pause_refused(scope: Scope, limit: Option<u64>) -> Option<(Reason, Option<Timestamp>)> {
    let mut heartbeat = active(settings());
    let row = begin(&mut heartbeat, Trigger::Schedule, clock("09:30:00"));
    let levels = Scope::ALL.iter().map(|other| {
        let limit = if *other == scope { limit } else { None };
        level(*other, limit, 3)
    });
    let levels: Vec<Level> = levels.collect();
    let ending = Ending {
        level: Some(scope),
        ..Ending::plain(skipped(scope.reason()))
    };
    let settlement = settled(&heartbeat, &row, (ending, &levels), clock("09:31:00"));
    let paused = settlement.heartbeat.expect("it has an owner").paused;
    paused.map(|pause| (pause.reason, pause.resumes_at))
}

#[test]
fn the_level_that_refused_says_why_and_until_when() {
    let july = Some(at("2026-07-01T00:00:00Z"));
    let tomorrow = Some(at("2026-06-02T00:00:00Z"));
    let cases = [
        (Scope::Heartbeat, Reason::BudgetExhausted, july),
        (Scope::Member, Reason::BudgetExhausted, july),
        (Scope::Bot, Reason::BudgetExhausted, july),
        (Scope::ProjectDay, Reason::CreditsExhausted, tomorrow),
        (Scope::ProjectMonth, Reason::CreditsExhausted, july),
    ];
    for (scope, reason, until) in cases {
        assert_eq!(pause_refused(scope, Some(5)), Some((reason, until)));
        // What a person lifted meanwhile pauses nothing; a plan's limits are not in the store.
        let lifted = (reason == Reason::CreditsExhausted).then_some((reason, until));
        assert_eq!(pause_refused(scope, None), lifted, "{scope:?}");
    }
}
