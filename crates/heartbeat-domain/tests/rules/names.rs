//! Names that go over the wire and into the database, and the ids of things.

use std::collections::HashSet;

use heartbeat_domain::execution::{ExecutionType, Phase, Status, Trigger};
use heartbeat_domain::ids::{ExecutionId, HeartbeatId, IdSource};
use heartbeat_domain::reason::{Reason, UnknownReason};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{active, clock, execution, settings};

#[test]
fn reasons_are_a_closed_list_of_names_that_come_back() {
    let mut names = HashSet::new();
    for reason in Reason::ALL {
        let name = reason.as_str();
        assert!(names.insert(name), "{name} is there twice");
        assert_eq!(name.parse(), Ok(*reason));
        assert_eq!(json!(reason), json!(name));
        assert_eq!(
            serde_json::from_value::<Reason>(json!(name)).unwrap(),
            *reason
        );
        assert_eq!(reason.to_string(), name);
    }
    for unknown in ["", "Downtime", "because"] {
        assert_eq!(
            unknown.parse::<Reason>(),
            Err(UnknownReason(unknown.into()))
        );
    }
    let published = [
        "previous_run_active",
        "downtime",
        "capacity",
        "window_closed",
        "budget_exhausted",
        "budget_busy",
        "credits_exhausted",
        "plan",
        "switched_off",
        "model_unavailable",
        "connection_expired",
        "project_paused",
        "by_person",
        "deleted",
    ];
    for name in published {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn every_reason_says_what_it_means_in_a_sentence() {
    for reason in Reason::ALL {
        let meaning = reason.meaning();
        assert!(
            meaning.ends_with('.') && meaning.len() > 15,
            "{reason}: {meaning:?}"
        );
        assert!(
            meaning.starts_with(char::is_uppercase),
            "{reason}: {meaning:?}"
        );
        assert_eq!(meaning, meaning.trim());
    }
}

macro_rules! come_back {
    ($($name:ident),*) => {$(
        for one in $name::ALL {
            assert_eq!($name::find(one.as_str()), Some(*one));
            assert_eq!(json!(one), json!(one.as_str()));
        }
        assert_eq!($name::find("other"), None);
    )*};
}

#[test]
fn names_of_executions_come_back() {
    come_back!(ExecutionType, Trigger, Status, Phase);
}

#[test]
fn an_execution_is_late_and_takes_time_but_never_less_than_nothing() {
    let mut row = execution(&active(settings()), Trigger::Schedule, clock("09:30:00"));
    row.started_at = None;
    assert_eq!((row.late_ms(), row.duration_ms()), (None, 0));
    // Started, finished, late and how long.
    let cases = [
        ("09:30:00.025", None, 25, 0),
        ("09:30:01", Some("09:30:03.500"), 1_000, 2_500),
        ("09:29:59.999", Some("09:29:59"), 0, 0),
    ];
    for (started, finished, late, took) in cases {
        row.started_at = Some(clock(started));
        row.finished_at = finished.map(clock);
        assert_eq!(
            (row.late_ms(), row.duration_ms()),
            (Some(late), took),
            "{started}"
        );
    }
}

#[test]
fn ids_are_ordered_by_time_and_repeat_with_the_seed() {
    let made = |seed| {
        let ids = IdSource::from_seed(seed);
        let mut now = clock("09:00:00");
        let mut made = Vec::new();
        for _ in 0..200 {
            made.push(HeartbeatId::new(&ids, now));
            now += SignedDuration::from_millis(1);
        }
        made
    };
    let first = made(1);
    assert!(first.is_sorted() && first.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(first, made(1));
    assert_ne!(first, made(2));
    assert!(first.iter().all(|id| id.0.get_version_num() == 7));
}

#[test]
fn ids_of_one_moment_differ_and_come_back_from_their_text() {
    let ids = IdSource::from_seed(3);
    let made: HashSet<_> = (0..200)
        .map(|_| ExecutionId::new(&ids, clock("09:00:00")))
        .collect();
    assert_eq!(made.len(), 200);
    let id = ExecutionId::new(&ids, clock("09:00:00"));
    assert_eq!(id.to_string().parse::<ExecutionId>().unwrap(), id);
    assert_eq!(json!(id), json!(id.to_string()));
    assert_eq!(format!("{id:?}"), format!("ExecutionId({id})"));
    assert!("7".parse::<ExecutionId>().is_err());
}
