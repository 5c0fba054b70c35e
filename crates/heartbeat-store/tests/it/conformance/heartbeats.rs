//! What people do to heartbeats.

use heartbeat_domain::execution::{Outcome, Status};
use heartbeat_domain::heartbeat::{HeartbeatChange, Patch, Standing};
use heartbeat_domain::ids::HeartbeatId;
use heartbeat_domain::plan::Plans;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::watch::Watch;
use heartbeat_store::verbs::{HeartbeatKey, Reach, Target};
use heartbeat_store::{StoreError, Thing};
use serde_json::json;

use crate::world::{World, bot, minute};

pub(crate) async fn creating_again_finds_the_first_and_changes_nothing(w: &World) {
    let id = HeartbeatId::new(&w.ids, minute(0));
    let ask = |prompt: &str| {
        let change = HeartbeatChange {
            prompt: Patch::Set(prompt.into()),
            enabled: Some(true),
            ..HeartbeatChange::default()
        };
        w.configure(&w.bot, Target::New(id), change)
    };
    let first = w.store.configure(ask("one"), minute(0)).await.unwrap();
    let again = w.store.configure(ask("two"), minute(5)).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(w.read(id, minute(5)).await, first);
}

pub(crate) async fn input_comes_before_limits_and_the_agent_before_both(w: &World) {
    let mut world_plan = w.configure(
        &w.bot,
        Target::New(HeartbeatId::new(&w.ids, minute(0))),
        HeartbeatChange::default(),
    );
    world_plan.plan = Plans::default().find("free").unwrap().clone();
    let mut ask = world_plan.clone();
    assert!(matches!(
        w.store.configure(ask.clone(), minute(0)).await,
        Err(StoreError::Violation(_))
    ));
    ask.change.prompt = Patch::Set("x".into());
    let refused = w.store.configure(ask.clone(), minute(0)).await;
    assert!(matches!(refused, Err(StoreError::Limit(l)) if l.code == "PLAN_WITHOUT_HEARTBEATS"));
    ask.bot_id = bot(&w.ids, w.project.id).id;
    let unknown = w.store.configure(ask, minute(0)).await;
    assert_eq!(unknown, Err(StoreError::NotFound(Thing::Bot)));
}

pub(crate) async fn the_cap_holds_when_all_come_at_once(w: &World) {
    let plan = Plans::default().find("starter").unwrap().clone();
    let asks = (0..8).map(|_| {
        let change = HeartbeatChange {
            prompt: Patch::Set("x".into()),
            ..Default::default()
        };
        let target = Target::New(HeartbeatId::new(&w.ids, minute(0)));
        let mut ask = w.configure(&w.bot, target, change);
        ask.plan = plan.clone();
        w.store.configure(ask, minute(0))
    });
    let made = futures::future::join_all(asks).await;
    assert_eq!(made.iter().filter(|one| one.is_ok()).count(), 3);
    let limit = made.into_iter().find_map(|one| match one {
        Err(StoreError::Limit(limit)) => Some(limit),
        _ => None,
    });
    let limit = limit.unwrap();
    assert_eq!(
        (limit.code, limit.limit, limit.used),
        ("PLAN_LIMIT_REACHED", Some(3), Some(3))
    );
}

pub(crate) async fn a_local_watch_needs_local_access(w: &World) {
    let watch: Watch = serde_json::from_value(json!({"tool": "host_status"})).unwrap();
    let change = HeartbeatChange {
        watch: Patch::Set(watch),
        ..Default::default()
    };
    let mut ask = w.configure(
        &w.bot,
        Target::New(HeartbeatId::new(&w.ids, minute(0))),
        change,
    );
    ask.plan = Plans::default().find("pro").unwrap().clone();
    let refused = w.store.configure(ask.clone(), minute(0)).await;
    assert!(matches!(refused, Err(StoreError::Limit(l)) if l.code == "LOCAL_ACCESS_OFF"));
    ask.plan = w.plan.clone();
    let made = w.store.configure(ask, minute(0)).await.unwrap();
    assert!(w.read(made.id, minute(0)).await.settings.watch.is_some());
}

pub(crate) async fn everything_that_was_set_is_read_back(w: &World) {
    let edit = |change: &mut HeartbeatChange| {
        change.label = Patch::Set("morning".into());
        change.run_model = Patch::Set("ollama/qwen".into());
        change.cron_pattern = Patch::Set("30 9 * * 1-5".into());
        change.active_hours_start = Patch::Set("09:00".into());
        change.active_hours_end = Patch::Set("18:00".into());
        change.active_days = Patch::Set("1-5".into());
        change.timezone = Patch::Set("Europe/Zurich".into());
        change.credit_budget = Patch::Set(0);
        change.catch_up_minutes = Patch::Set(7);
        change.spread_minutes = Patch::Set(3);
    };
    let made = w.made_by(&w.bot, edit, minute(0)).await.unwrap();
    assert_eq!(w.read(made.id, minute(0)).await, made);
    let all = w
        .store
        .heartbeats(w.project.id, w.bot.id, None, minute(0))
        .await
        .unwrap();
    assert_eq!(all, [made]);
}

pub(crate) async fn an_edit_of_the_schedule_starts_the_grid_anew_and_covers_the_old(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let edited = w
        .edit(
            heartbeat.id,
            |change| change.interval_minutes = Patch::Set(20),
            minute(65),
        )
        .await;
    assert_eq!(edited.next.unwrap().at, minute(85));
    let rows = w.ended().await;
    assert_eq!((rows.len(), rows[0].missed_count), (1, Some(2)));
    let same = w
        .edit(
            heartbeat.id,
            |change| change.interval_minutes = Patch::Set(20),
            minute(70),
        )
        .await;
    assert_eq!(same.next.unwrap().at, minute(85));
}

pub(crate) async fn being_off_is_on_record_and_enabling_starts_a_grid(w: &World) {
    let heartbeat = w
        .made_by(&w.bot, |change| change.enabled = None, minute(0))
        .await
        .unwrap();
    assert_eq!(heartbeat.standing(), Standing::Off);
    let key = w.key(heartbeat.id);
    let on = w.store.enable(key, &w.plan, minute(7)).await.unwrap();
    assert_eq!(on.next.unwrap().at, minute(37));
    let again = w.store.enable(key, &w.plan, minute(9)).await.unwrap();
    assert_eq!(again, on);
    for _ in 0..2 {
        let off = w.store.disable(key, minute(40)).await.unwrap();
        assert_eq!((off.standing(), off.next), (Standing::Off, None));
    }
    let rows = w.ended().await;
    assert_eq!((rows.len(), rows[0].first_due_at), (1, Some(minute(37))));
    let times = (minute(0), minute(60));
    let pauses = w
        .store
        .pauses(w.project.id, heartbeat.id, times)
        .await
        .unwrap();
    assert_eq!(pauses.len(), 2);
    assert_eq!(
        (pauses[0].pause.since, pauses[0].ended_at),
        (minute(0), Some(minute(7)))
    );
    assert_eq!(
        (pauses[1].pause.reason, pauses[1].ended_at),
        (Reason::Off, None)
    );
}

pub(crate) async fn a_disabled_heartbeats_run_ends_without_moving_it(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    w.store
        .disable(w.key(heartbeat.id), minute(31))
        .await
        .unwrap();
    w.finish(&claim.hold, Outcome::Success, minute(95))
        .await
        .unwrap();
    let after = w.read(heartbeat.id, minute(95)).await;
    assert_eq!(
        (after.claimable_at, after.open, after.next),
        (None, None, None)
    );
    assert_eq!(w.ended().await.len(), 1);
}

pub(crate) async fn deleting_accounts_for_what_was_due(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let key = w.key(heartbeat.id);
    w.store.delete(key, minute(61)).await.unwrap();
    let gone = Err(StoreError::NotFound(Thing::Heartbeat));
    assert_eq!(w.store.delete(key, minute(61)).await, gone);
    let rows = w.ended().await;
    assert_eq!((rows.len(), rows[0].status), (1, Some(Status::Skipped)));
    assert_eq!(rows[0].missed_count, Some(2));
    let pauses = w
        .store
        .pauses(w.project.id, heartbeat.id, (minute(0), minute(99)))
        .await;
    assert_eq!(pauses.unwrap(), []);
}

pub(crate) async fn a_pause_stops_everything_within_reach_and_its_end_resumes_just_that(w: &World) {
    let (one, two) = (w.every(30, minute(0)).await, w.every(40, minute(0)).await);
    w.store.disable(w.key(two.id), minute(1)).await.unwrap();
    let neighbour = w.neighbour("next door").await;
    let theirs = w.made_by(&neighbour, |_| {}, minute(0)).await.unwrap();
    let node = w.node(minute(30)).await;
    let claims = w.claim(node, 1, minute(30)).await;
    let reach = Reach::Project(w.project.id);
    let stopped = w.store.pause(reach, 99, minute(31)).await.unwrap();
    assert_eq!(stopped.paused, [one.id]);
    assert_eq!(
        stopped.executions.len(),
        claims
            .iter()
            .filter(|c| c.project.id == w.project.id)
            .count()
    );
    let again = w.store.pause(reach, 99, minute(32)).await.unwrap();
    assert_eq!((again.paused, again.executions), (vec![], vec![]));
    let paused = w.store.project(w.project.id).await.unwrap();
    assert_eq!(paused.paused_at, Some(minute(31)));
    let all = w.store.pause(Reach::All, 99, minute(33)).await.unwrap();
    assert_eq!(all.paused, [theirs.id]);
    let resumed = w.store.resume(Reach::All, 99, minute(70)).await.unwrap();
    assert_eq!(resumed.resumed.len(), 2);
    let one = w.read(one.id, minute(70)).await;
    assert_eq!((one.paused, one.next.unwrap().at), (None, minute(90)));
    assert_eq!(w.read(two.id, minute(70)).await.standing(), Standing::Off);
}

pub(crate) async fn the_end_of_one_pause_uncovers_the_next_reason(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let bot = Reach::Bot(w.project.id, w.bot.id);
    w.store
        .pause(Reach::Project(w.project.id), 99, minute(1))
        .await
        .unwrap();
    w.store.pause(bot, 99, minute(2)).await.unwrap();
    let still = w.store.resume(Reach::Project(w.project.id), 99, minute(3));
    assert_eq!(still.await.unwrap().resumed, []);
    let paused = w.read(heartbeat.id, minute(3)).await.paused.unwrap();
    assert_eq!(paused.reason, Reason::SwitchedOff);
    for resumed in [vec![heartbeat.id], vec![]] {
        let settled = w.store.resume(bot, 99, minute(4)).await.unwrap();
        assert_eq!((settled.resumed, settled.more), (resumed, false));
    }
    let pauses = w
        .store
        .pauses(w.project.id, heartbeat.id, (minute(0), minute(9)))
        .await
        .unwrap();
    assert_eq!(pauses.len(), 2);
    assert_eq!(pauses[0].ended_at, Some(pauses[1].pause.since));
    let unknown = HeartbeatKey {
        id: HeartbeatId::new(&w.ids, minute(0)),
        ..w.key(heartbeat.id)
    };
    let missing = w.store.enable(unknown, &w.plan, minute(4)).await;
    assert_eq!(missing, Err(StoreError::NotFound(Thing::Heartbeat)));
}
