//! Random lives of a heartbeat: whatever people, nodes and outcomes do to it, the rows that they
//! leave are its due moments, each once.

use heartbeat_domain::execution::{BreakerEffect, Ending, Execution, Outcome, Trigger};
use heartbeat_domain::heartbeat::{Heartbeat, Rescheduled, ScheduleFields, Skipped, Standing};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::schedule::{Due, Schedule};
use heartbeat_domain::settlement::{Owner, settle};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::support::{at, cron, every, execution, failed, off, open, schedule_of, settings};

/// What can happen next.
#[derive(Clone, Debug)]
enum Deed {
    Wait(i64),
    WaitUntilDue,
    Claim(Reason),
    Trigger,
    Finish(Outcome),
    Enable,
    Disable,
    Pause(Reason),
    Resume,
    Edit(usize),
    EditOtherThings,
}

/// A heartbeat with what it leaves behind, and beside it the plain truth: its grid walked value by
/// value.
struct Life {
    heartbeat: Heartbeat,
    execution: Option<Execution>,
    now: Timestamp,
    /// The next value of the grid, however things stand; nothing while off.
    grid: Option<Due>,
    /// Moments at which it was due.
    due: Vec<Timestamp>,
    /// Moments that rows cover: first, last and how many.
    rows: Vec<(Timestamp, Timestamp, u64)>,
}

fn schedules() -> Vec<ScheduleFields> {
    let window = |fields, start: &str, end: &str| ScheduleFields {
        active_hours_start: Some(start.into()),
        active_hours_end: Some(end.into()),
        timezone: "Europe/Berlin".into(),
        ..fields
    };
    vec![
        every(30),
        every(7),
        window(every(45), "09:00", "12:30"),
        window(every(90), "22:00", "05:00"),
        window(every(1_440), "02:00", "08:00"),
        cron("*/20 * * * *"),
        window(cron("15,45 1-4 * * *"), "02:00", "04:00"),
        cron("30 9 * * 1-5"),
    ]
}

impl Life {
    fn new(schedule: ScheduleFields) -> Self {
        let mut settings = settings();
        settings.schedule = schedule;
        settings.max_consecutive_errors = 3;
        settings.credit_budget = Some(100);
        Self {
            heartbeat: off(settings),
            execution: None,
            // The night in which the clock of Berlin goes forward.
            now: at("2026-03-28T23:10:12.345Z"),
            grid: None,
            due: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn schedule(&self) -> Schedule {
        schedule_of(&self.heartbeat)
    }

    fn live(&mut self, deed: Deed) {
        match deed {
            Deed::Wait(seconds) => self.wait_until(self.now + SignedDuration::from_secs(seconds)),
            Deed::WaitUntilDue => {
                let until = self.grid.map_or(self.now, |due| due.at);
                self.wait_until(until);
            }
            Deed::Claim(missed) => self.claim(missed),
            Deed::Trigger => self.trigger(),
            Deed::Finish(outcome) => self.finish(outcome),
            Deed::Enable => {
                let was_off = !self.heartbeat.enabled;
                let enabled = self
                    .heartbeat
                    .clone()
                    .enabled_at(&self.schedule(), self.now);
                self.apply(enabled);
                if was_off {
                    self.grid = self.schedule().first_due(self.now);
                    self.next_is_ahead();
                }
            }
            Deed::Disable => {
                let missed = Reason::Capacity;
                let disabled =
                    self.heartbeat
                        .clone()
                        .disabled_at(&self.schedule(), self.now, missed);
                self.apply(disabled);
                assert_eq!(self.heartbeat.next, None);
            }
            Deed::Pause(reason) => {
                let (pause, missed) = ((reason, None), Reason::Capacity);
                let heartbeat = self.heartbeat.clone();
                let was_active = heartbeat.standing() == Standing::Active;
                self.apply(heartbeat.paused_at(&self.schedule(), pause, self.now, missed));
                if was_active {
                    self.next_is_ahead();
                }
            }
            Deed::Resume => self.resume(),
            Deed::Edit(which) => self.edit(schedules().swap_remove(which)),
            Deed::EditOtherThings => self.edit(self.heartbeat.settings.schedule.clone()),
        }
        if !self.heartbeat.enabled {
            self.grid = None;
        }
    }

    fn wait_until(&mut self, until: Timestamp) {
        self.now = self.now.max(until);
        let schedule = self.schedule();
        while let Some(due) = self.grid.filter(|due| due.at <= self.now) {
            if self.heartbeat.standing() == Standing::Active {
                self.due.push(due.at);
            }
            self.grid = schedule.next_due(&due);
        }
    }

    fn claim(&mut self, missed: Reason) {
        if self.heartbeat.claimable_at.is_none_or(|at| at > self.now) {
            return;
        }
        if self.heartbeat.standing() != Standing::Active {
            return self.resume();
        }
        let next = self
            .heartbeat
            .next
            .expect("claimable, so it has a next due time");
        let passed = self.schedule().advance(&next, self.now).passed;
        let due_at = passed.expect("claimable, so it is due").latest.at;
        let mut row = execution(&self.heartbeat, Trigger::Schedule, due_at);
        row.missed_reason = missed;
        open(&mut self.heartbeat, &row);
        self.execution = Some(row);
    }

    fn trigger(&mut self) {
        if self.heartbeat.open.is_some() {
            return;
        }
        let whole = self.now.as_millisecond() % 1_000 == 0;
        let due_at = self.now + SignedDuration::from_millis(i64::from(whole));
        let row = execution(&self.heartbeat, Trigger::Manual, due_at);
        open(&mut self.heartbeat, &row);
        self.execution = Some(row);
    }

    fn finish(&mut self, outcome: Outcome) {
        let Some(execution) = self.execution.take() else {
            return;
        };
        let schedule = self.schedule();
        let owner = Owner {
            heartbeat: &self.heartbeat,
            schedule: &schedule,
            levels: &[],
        };
        let settlement = settle(&execution, Some(owner), Ending::plain(outcome), self.now);
        let row = settlement.execution;
        if row.trigger != Trigger::Manual {
            let own = (row.due_at, row.due_at, 1);
            let merged = (row.first_due_at.zip(row.last_due_at)).zip(row.missed_count);
            self.rows
                .push(merged.map_or(own, |((first, last), count)| (first, last, count)));
        }
        let heartbeat = settlement.heartbeat.expect("it has an owner");
        self.apply(Rescheduled {
            heartbeat,
            skipped: settlement.skipped,
        });
        assert_eq!(self.heartbeat.open, None);
        if self.heartbeat.standing() == Standing::Active {
            self.next_is_ahead();
            assert_eq!(
                self.heartbeat.claimable_at,
                self.heartbeat.next.map(|next| next.at)
            );
        }
    }

    fn resume(&mut self) {
        let resumes = self.heartbeat.enabled && self.heartbeat.paused.is_some();
        let resumed = self
            .heartbeat
            .clone()
            .resumed_at(&self.schedule(), self.now);
        self.apply(resumed);
        if resumes {
            self.next_is_ahead();
        }
    }

    fn edit(&mut self, fields: ScheduleFields) {
        let old = self.schedule();
        let new = fields.parse(self.now).expect("a valid schedule");
        let same = self.heartbeat.settings.schedule == fields;
        let mut settings = self.heartbeat.settings.clone();
        settings.schedule = fields;
        settings.label = Some("Another name".into());
        let heartbeat = self.heartbeat.clone();
        self.apply(heartbeat.edited_at(settings, (&old, &new), self.now, Reason::Capacity));
        if self.heartbeat.enabled && !same {
            self.grid = new.first_due(self.now);
            self.next_is_ahead();
        }
    }

    fn apply(&mut self, rescheduled: Rescheduled) {
        self.heartbeat = rescheduled.heartbeat;
        let row = |row: &Skipped| (row.first_due_at, row.last_due_at, row.count);
        self.rows.extend(rescheduled.skipped.iter().map(row));
        assert_eq!(self.heartbeat.grid_since.is_some(), self.heartbeat.enabled);
        assert!(self.heartbeat.open.is_none() || self.heartbeat.claimable_at.is_none());
    }

    fn next_is_ahead(&self) {
        let next = self.heartbeat.next.expect("these schedules never end");
        assert!(next.at > self.now, "{next:?} at {}", self.now);
        assert_eq!(next.at.as_millisecond() % 1_000, 0);
    }

    /// How often each due moment is covered; a row that covers anything else is a failure.
    fn coverage(&self) -> Vec<(Timestamp, u32)> {
        let mut covered: Vec<_> = self.due.iter().map(|due| (*due, 0)).collect();
        for (first, last, count) in &self.rows {
            let from = self.due.partition_point(|due| due < first);
            let to = self.due.partition_point(|due| due <= last);
            let inside = &self.due[from..to.max(from)];
            assert_eq!(inside.len() as u64, *count, "{first} to {last}");
            assert_eq!((inside.first(), inside.last()), (Some(first), Some(last)));
            covered[from..to]
                .iter_mut()
                .for_each(|(_, times)| *times += 1);
        }
        covered
    }
}

fn deeds() -> impl Strategy<Value = Deed> {
    let outcomes = prop::sample::select(vec![
        Outcome::Success,
        Outcome::Success,
        Outcome::Skipped {
            reason: Reason::Downtime,
        },
        Outcome::Skipped {
            reason: Reason::Capacity,
        },
        Outcome::Skipped {
            reason: Reason::WindowClosed,
        },
        Outcome::Skipped {
            reason: Reason::BudgetExhausted,
        },
        Outcome::Cancelled {
            reason: Reason::SwitchedOff,
        },
        failed(Reason::ModelError, BreakerEffect::Counts),
        failed(Reason::ModelError, BreakerEffect::Counts),
        failed(Reason::ModelDenied, BreakerEffect::OpensAtOnce),
    ]);
    let missed = prop::sample::select(vec![Reason::Downtime, Reason::Capacity]);
    let pauses = prop::sample::select(vec![
        Reason::ProjectPaused,
        Reason::SwitchedOff,
        Reason::Plan,
    ]);
    prop_oneof![
        6 => (0..10_000_i64).prop_map(Deed::Wait),
        4 => Just(Deed::WaitUntilDue),
        6 => missed.prop_map(Deed::Claim),
        1 => Just(Deed::Trigger),
        6 => outcomes.prop_map(Deed::Finish),
        3 => Just(Deed::Enable),
        1 => Just(Deed::Disable),
        1 => pauses.prop_map(Deed::Pause),
        1 => Just(Deed::Resume),
        1 => (0..schedules().len()).prop_map(Deed::Edit),
        1 => Just(Deed::EditOtherThings),
    ]
}

proptest! {
    #[test]
    fn every_due_moment_of_a_life_is_covered_exactly_once(
        schedule in 0..schedules().len(),
        deeds in prop::collection::vec(deeds(), 1..100),
    ) {
        let mut life = Life::new(schedules().swap_remove(schedule));
        life.live(Deed::Enable);
        for deed in deeds {
            life.live(deed);
        }
        life.live(Deed::Finish(Outcome::Success));
        life.live(Deed::Disable);
        for (due, times) in life.coverage() {
            prop_assert_eq!(times, 1, "{}", due);
        }
    }
}

#[test]
fn an_undisturbed_life_has_a_row_for_every_value() {
    for fields in schedules() {
        let mut life = Life::new(fields.clone());
        life.live(Deed::Enable);
        for _ in 0..50 {
            life.live(Deed::WaitUntilDue);
            life.live(Deed::Claim(Reason::Capacity));
            life.live(Deed::Wait(3));
            life.live(Deed::Finish(Outcome::Success));
        }
        assert_eq!(life.rows.len(), 50, "{fields:?}");
        assert!(life.coverage().iter().all(|(_, times)| *times == 1));
    }
}
