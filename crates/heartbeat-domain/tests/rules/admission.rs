//! Whether a claimed fire may start.

use heartbeat_domain::admission::{Admission, admit, catch_up_limit};
use heartbeat_domain::bot::{Bot, Project};
use heartbeat_domain::claim::{Claim, Hold, LEASE, Liveness, Node, NodeWork};
use heartbeat_domain::execution::Trigger;
use heartbeat_domain::heartbeat::{Heartbeat, Pause, ScheduleFields, Settings};
use heartbeat_domain::ids::NodeId;
use heartbeat_domain::plan::{Plan, Plans};
use heartbeat_domain::reason::Reason;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::support::{active, at, begin, clock, cron, every, schedule_of, settings};

const NODE: NodeId = NodeId(Uuid::nil());

fn claim(settings: Settings, trigger: Trigger, due_at: Timestamp) -> Claim {
    let mut heartbeat = active(settings);
    let execution = begin(&mut heartbeat, trigger, due_at);
    Claim {
        hold: Hold {
            project_id: heartbeat.project_id,
            execution_id: execution.id,
            due_at: execution.due_at,
            node_id: NODE,
            fence: 1,
        },
        bot: Bot {
            id: heartbeat.bot_id,
            number: 1,
            project_id: heartbeat.project_id,
            name: "Ops".into(),
            model: "openai/gpt-5.5".into(),
            instruction: String::new(),
            status: true,
            heartbeat: true,
            credit_limit: None,
            web_hosts: None,
            created_at: heartbeat.created_at,
            updated_at: heartbeat.created_at,
        },
        project: Project {
            id: heartbeat.project_id,
            name: "Home".into(),
            plan: "self_hosted".into(),
            paused_at: None,
            created_at: heartbeat.created_at,
        },
        heartbeat: Some(heartbeat),
        execution,
        missed: None,
        taken_over: false,
    }
}

/// A claim of the fire of 09:30, just come.
fn fresh(trigger: Trigger) -> Claim {
    claim(settings(), trigger, clock("09:30:00"))
}

fn decided(claim: &Claim, now: Timestamp) -> Admission {
    let plan = Plan::default();
    let schedule = claim.heartbeat.as_ref().map_or_else(
        || every(30).parse(now).expect("a valid schedule"),
        schedule_of,
    );
    admit(claim, Some(&plan), &schedule, now)
}

#[test]
fn what_holds_fires_and_triggers_alike() {
    use Admission::{Cancel, Run, Skip};
    type Change = fn(&mut Claim);
    fn heartbeat(claim: &mut Claim) -> &mut Heartbeat {
        claim.heartbeat.as_mut().expect("a fresh claim has one")
    }
    let cases: [(Change, Admission); 7] = [
        (|_| {}, Run),
        (
            |c| c.execution.cancel_requested = Some(Reason::ByPerson),
            Cancel(Reason::ByPerson),
        ),
        (|c| c.heartbeat = None, Cancel(Reason::Deleted)),
        (
            |c| c.project.paused_at = Some(clock("09:00:00")),
            Skip(Reason::ProjectPaused),
        ),
        (|c| c.bot.heartbeat = false, Skip(Reason::SwitchedOff)),
        (|c| c.bot.status = false, Skip(Reason::SwitchedOff)),
        (
            |c| heartbeat(c).settings.credit_budget = Some(0),
            Skip(Reason::BudgetExhausted),
        ),
    ];
    for (change, expected) in cases {
        for trigger in [Trigger::Schedule, Trigger::CatchUp, Trigger::Manual] {
            let mut claim = fresh(trigger);
            change(&mut claim);
            assert_eq!(decided(&claim, clock("09:30:01")), expected, "{trigger:?}");
        }
    }
}

#[test]
fn a_pause_or_a_disable_before_it_began_holds_a_fire_but_no_trigger() {
    let mut disabled = fresh(Trigger::Schedule);
    disabled.heartbeat.as_mut().unwrap().enabled = false;
    let mut paused = fresh(Trigger::Schedule);
    paused.heartbeat.as_mut().unwrap().paused = Some(Pause {
        reason: Reason::CreditsExhausted,
        since: clock("09:29:00"),
        resumes_at: None,
    });
    for (mut claim, reason) in [(disabled, Reason::Off), (paused, Reason::CreditsExhausted)] {
        let now = clock("09:30:01");
        assert_eq!(decided(&claim, now), Admission::Skip(reason));
        claim.execution.trigger = Trigger::Manual;
        assert_eq!(decided(&claim, now), Admission::Run);
    }
}

#[test]
fn a_run_that_a_former_holder_began_goes_on_though_the_heartbeat_was_disabled() {
    let mut claim = fresh(Trigger::Schedule);
    claim.heartbeat.as_mut().unwrap().enabled = false;
    claim.taken_over = true;
    assert_eq!(decided(&claim, clock("09:30:10")), Admission::Run);
}

#[test]
fn a_plan_holds_everything_that_it_does_not_cover() {
    let plans = Plans::default();
    let claim = fresh(Trigger::Manual);
    let mut local = claim.clone();
    local.heartbeat.as_mut().unwrap().settings.watch = Some(crate::watch::host_status());
    let (yes, no) = (Admission::Run, Admission::Skip(Reason::Plan));
    let cases = [
        (None, no, no),
        (plans.find("free"), no, no),
        (plans.find("pro"), yes, no),
        (plans.find("self_hosted"), yes, yes),
    ];
    for (plan, plain, watching) in cases {
        let schedule = schedule_of(claim.heartbeat.as_ref().unwrap());
        let decided = |claim| admit(claim, plan, &schedule, clock("09:30:01"));
        assert_eq!(
            (decided(&claim), decided(&local)),
            (plain, watching),
            "{plan:?}"
        );
    }
}

#[test]
fn a_watch_looks_on_a_budget_of_nothing() {
    let mut claim = fresh(Trigger::Schedule);
    let settings = &mut claim.heartbeat.as_mut().unwrap().settings;
    settings.credit_budget = Some(0);
    settings.watch = Some(crate::watch::host_status());
    assert_eq!(decided(&claim, clock("09:30:01")), Admission::Run);
}

#[test]
fn a_fire_starts_late_as_long_as_its_catch_up_limit_allows() {
    use Trigger::{CatchUp, Manual, Schedule};
    // Trigger, limit in minutes, and seconds after the due time of a half-hourly fire.
    let cases = [
        (Schedule, None, 1_800, true),
        (Schedule, None, 1_801, false),
        (CatchUp, None, 1_800, true),
        (CatchUp, None, 1_801, false),
        (CatchUp, Some(5), 300, true),
        (CatchUp, Some(5), 301, false),
        (CatchUp, Some(600), 36_000, true),
        (CatchUp, Some(0), 1, false),
        (Schedule, Some(0), 1, true),
        (Schedule, Some(0), 60, true),
        (Schedule, Some(0), 61, false),
        (Manual, Some(0), 9_000, true),
    ];
    for (trigger, limit, seconds, runs) in cases {
        let mut settings = settings();
        settings.catch_up_minutes = limit;
        let claim = claim(settings, trigger, clock("09:30:00"));
        let now = clock("09:30:00") + SignedDuration::from_secs(seconds);
        let expected = match runs {
            true => Admission::Run,
            false => Admission::Skip(Reason::Downtime),
        };
        assert_eq!(
            decided(&claim, now),
            expected,
            "{trigger:?} {limit:?} {seconds}"
        );
    }
}

#[test]
fn a_spread_is_no_lateness() {
    let mut daily = settings();
    daily.schedule = every(1_440);
    daily.spread_minutes = 1_440;
    let mut claim = claim(daily, Trigger::Schedule, at("2026-06-02T09:00:00Z"));
    let heartbeat = claim.heartbeat.as_mut().unwrap();
    // A share of ten hours.
    heartbeat.id.0 = Uuid::from_u128(36_000);
    let starts_at = at("2026-06-02T19:00:00Z");
    assert_eq!(claim.execution.due_at + heartbeat.spread(), starts_at);
    assert_eq!(
        decided(&claim, starts_at + SignedDuration::from_secs(1)),
        Admission::Run
    );
    let late = starts_at + SignedDuration::from_secs(120 * 60 + 1);
    assert_eq!(decided(&claim, late), Admission::Skip(Reason::Downtime));
}

#[test]
fn a_late_fire_also_needs_the_window_to_be_open() {
    let mut office = settings();
    office.schedule = ScheduleFields {
        active_hours_end: Some("10:00".into()),
        ..every(30)
    };
    let claim = claim(office, Trigger::Schedule, clock("09:30:00"));
    assert_eq!(decided(&claim, clock("09:59:59.999")), Admission::Run);
    assert_eq!(
        decided(&claim, clock("10:00:00")),
        Admission::Skip(Reason::WindowClosed)
    );
    let mut trigger = claim;
    trigger.execution.trigger = Trigger::Manual;
    assert_eq!(decided(&trigger, clock("10:00:00")), Admission::Run);
}

#[test]
fn the_default_limit_is_the_distance_to_the_next_fire_at_most_two_hours() {
    let zoned = |fields| ScheduleFields {
        timezone: "America/New_York".into(),
        ..fields
    };
    let cases = [
        (every(30), "2026-06-01T09:30:00Z", 30),
        (every(119), "2026-06-01T09:30:00Z", 119),
        (every(121), "2026-06-01T09:30:00Z", 120),
        (every(1_440), "2026-06-01T23:30:00Z", 120),
        (zoned(every(1_440)), "2026-06-02T03:30:00Z", 120),
        (cron("*/20 * * * *"), "2026-06-01T09:20:00Z", 20),
        (cron("0 9,10 * * *"), "2026-06-01T09:00:00Z", 60),
        (cron("0 9,10 * * *"), "2026-06-01T10:00:00Z", 120),
        (zoned(cron("0,15 23 * * *")), "2026-06-02T03:00:00Z", 15),
    ];
    for (fields, due_at, minutes) in cases {
        let mut settings = settings();
        settings.schedule = fields;
        let mut heartbeat = active(settings);
        let schedule = schedule_of(&heartbeat);
        let expected = SignedDuration::from_mins(minutes);
        assert_eq!(
            catch_up_limit(&heartbeat, &schedule, at(due_at)),
            expected,
            "{schedule:?}"
        );
        // Off by now: the fire that was claimed before keeps its limit.
        heartbeat.next = None;
        assert_eq!(
            catch_up_limit(&heartbeat, &schedule, at(due_at)),
            expected,
            "{schedule:?}"
        );
    }
}

#[test]
fn a_node_is_live_until_its_lease_ends_and_never_by_a_lease_from_the_far_future() {
    let node = |lease_until, ended_at| Node {
        id: NODE,
        name: "here".into(),
        version: "1.2.3".into(),
        started_at: clock("09:00:00"),
        awake_since: clock("09:00:00"),
        lease_until,
        ended_at,
        work: NodeWork::default(),
    };
    let now = clock("10:00:00");
    let millisecond = SignedDuration::from_millis(1);
    assert!(node(now + LEASE, None).is_live(now));
    assert!(node(now + millisecond, None).is_live(now));
    assert!(!node(now, None).is_live(now));
    assert!(!node(now + LEASE, Some(now)).is_live(now));
    assert!(!node(now + LEASE + LEASE + millisecond, None).is_live(now));
}

#[test]
fn a_node_says_how_it_is_and_when_it_last_renewed() {
    let now = clock("10:00:00");
    let mut node = Node {
        id: NODE,
        name: "here".into(),
        version: "1.2.3".into(),
        started_at: clock("09:00:00"),
        awake_since: clock("09:00:00"),
        lease_until: now + LEASE,
        ended_at: None,
        work: NodeWork::default(),
    };
    assert_eq!(
        (node.renewed_at(), node.liveness(now)),
        (now, Liveness::Live)
    );
    assert_eq!(node.liveness(now + LEASE), Liveness::Silent);
    node.work.is_draining = true;
    assert_eq!(node.liveness(now), Liveness::Draining);
    assert_eq!(node.liveness(now + LEASE), Liveness::Silent);
    node.ended_at = Some(now);
    assert_eq!(node.liveness(now), Liveness::Ended);
}
