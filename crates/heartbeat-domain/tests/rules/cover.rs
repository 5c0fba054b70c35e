//! Rows, the open run and `next` together are the schedule, without gap and without overlap.

use heartbeat_domain::heartbeat::{Coverage, OpenRun, Skipped, cover};
use heartbeat_domain::ids::ExecutionId;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::schedule::{Due, Schedule};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::{at, clock, cron, every};

fn run_of(due_at: Timestamp) -> OpenRun {
    OpenRun::new(ExecutionId(Uuid::nil()), due_at)
}

/// The rows of a case: reason, first, last and how many.
fn rows(text: &str) -> Vec<Skipped> {
    let row = |row: &str| {
        let words: Vec<_> = row.split_whitespace().collect();
        let [reason, first, last, count] = words[..] else {
            panic!("{row}")
        };
        Skipped {
            reason: reason.parse().expect("a reason"),
            first_due_at: clock(first),
            last_due_at: clock(last),
            count: count.parse().expect("a number"),
        }
    };
    text.split(';')
        .filter(|row| !row.is_empty())
        .map(row)
        .collect()
}

#[test]
fn moments_before_the_run_were_missed_and_those_after_it_passed_while_it_ran() {
    let one_missed = "downtime 09:30:00 09:30:00 1";
    let two_missed = "downtime 09:30:00 10:00:00 2";
    let one_busy = "previous_run_active 10:00:00 10:00:00 1";
    let two_busy = "previous_run_active 09:30:00 10:00:00 2";
    let three_busy = "previous_run_active 11:00:00 12:00:00 3";
    let (some_of_both, most_of_both) = (
        &format!("{one_missed};{one_busy}")[..],
        &format!("{two_missed};{three_busy}")[..],
    );
    // The open run's due time, now, the rows and `next`. The first due time is 09:30.
    let cases = [
        ("", "09:29:59.999", "", "09:30:00"),
        ("", "09:30:00", one_missed, "10:00:00"),
        ("", "11:10:00", "downtime 09:30:00 11:00:00 4", "11:30:00"),
        ("09:30:00", "09:30:01", "", "10:00:00"),
        ("09:30:00", "10:00:00", one_busy, "10:30:00"),
        ("10:30:00", "10:31:00", two_missed, "11:00:00"),
        ("10:30:00", "12:00:00", most_of_both, "12:30:00"),
        // Triggers: their moments are no values of the schedule.
        ("09:10:00.001", "09:20:00", "", "09:30:00"),
        ("09:10:00.001", "10:10:00", two_busy, "10:30:00"),
        ("09:40:00.001", "10:10:00", some_of_both, "10:30:00"),
        // A run of a former grid, which ended before the present one began.
        ("08:45:00", "10:10:00", two_busy, "10:30:00"),
        // A clock that has not come to the run's own due time: the moment does not fire twice.
        ("10:30:00", "10:10:00", two_missed, "11:00:00"),
        ("09:30:00", "09:29:00", "", "10:00:00"),
    ];
    let schedule = every(30).parse(clock("09:00:00")).unwrap();
    let first = schedule.first_due(clock("09:00:00")).unwrap();
    for (open, now, skipped, next) in cases {
        let run = (!open.is_empty()).then(|| run_of(clock(open)));
        let coverage = cover(
            &schedule,
            &first,
            run.as_ref(),
            clock(now),
            Reason::Downtime,
        );
        let expected = Coverage {
            skipped: rows(skipped),
            next: Some(Due {
                at: clock(next),
                ..first
            }),
        };
        assert_eq!(coverage, expected, "{open} at {now}");
    }
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let cadences = prop_oneof![
        prop::sample::select(vec![1, 7, 30, 90, 1_440, 2_880]).prop_map(every),
        prop::sample::select(vec!["*/10 * * * *", "0 9,17 * * 1-5", "30 2 * * *"]).prop_map(cron),
    ];
    let hours = prop::sample::select(vec![
        None,
        Some(("09:00", "17:00")),
        Some(("22:00", "03:00")),
    ]);
    let zones = prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York"]);
    (cadences, hours, zones).prop_filter_map("fires", |(mut fields, hours, zone)| {
        fields.active_hours_start = hours.map(|(start, _)| start.to_owned());
        fields.active_hours_end = hours.map(|(_, end)| end.to_owned());
        fields.timezone = zone.into();
        fields.parse(at("2026-03-27T00:00:00Z")).ok()
    })
}

/// What the case's open run is.
#[derive(Clone, Copy, Debug)]
enum Open {
    Nothing,
    Latest,
    Earlier,
    Trigger,
}

proptest! {
    #[test]
    fn rows_the_open_run_and_next_partition_the_values_of_the_schedule(
        schedule in schedules(),
        from in 0..4 * 86_400_i64,
        minutes in 0..6_000_i64,
        open in prop::sample::select(vec![Open::Nothing, Open::Latest, Open::Earlier, Open::Trigger]),
        pick in any::<prop::sample::Index>(),
    ) {
        let from = at("2026-03-27T00:00:00Z") + SignedDuration::from_secs(from);
        let now = from + SignedDuration::from_mins(minutes);
        let first = schedule.first_due(from).unwrap();
        let values = std::iter::successors(Some(first), |due| schedule.next_due(due));
        let passed: Vec<Timestamp> =
            values.map(|due| due.at).take_while(|due| *due <= now).collect();
        let own = match open {
            Open::Nothing => None,
            Open::Latest => passed.last().copied(),
            Open::Earlier => (!passed.is_empty()).then(|| *pick.get(&passed)),
            Open::Trigger => {
                let share = i64::try_from(pick.index(60)).unwrap();
                Some(from + SignedDuration::from_mins(minutes * share / 60) + SignedDuration::from_millis(1))
            }
        };
        let run = own.map(run_of);
        let coverage = cover(&schedule, &first, run.as_ref(), now, Reason::Capacity);

        let next = coverage.next.unwrap();
        prop_assert!(next.at > now);
        prop_assert_eq!(Some(next), schedule.advance(&first, now).next);
        let mut covered: Vec<Timestamp> = own.filter(|due| passed.contains(due)).into_iter().collect();
        for row in &coverage.skipped {
            let inside = passed.iter().filter(|due| (row.first_due_at..=row.last_due_at).contains(due));
            let inside: Vec<_> = inside.copied().collect();
            prop_assert_eq!(inside.len() as u64, row.count);
            prop_assert_eq!(inside.first(), Some(&row.first_due_at));
            prop_assert_eq!(inside.last(), Some(&row.last_due_at));
            let before = own.is_none_or(|own| row.last_due_at < own);
            let reason = if before { Reason::Capacity } else { Reason::PreviousRunActive };
            prop_assert_eq!(row.reason, reason);
            covered.extend(inside);
        }
        covered.sort();
        prop_assert_eq!(covered, passed);
    }
}
