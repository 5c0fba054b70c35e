//! What happens to executions that were asked to stop.

use heartbeat_domain::budget::MICRO;
use heartbeat_domain::claim::{Claim, Hold};
use heartbeat_domain::execution::{Execution, Outcome, Status};
use heartbeat_domain::heartbeat::{Heartbeat, HeartbeatChange, Patch};
use heartbeat_domain::ids::HeartbeatId;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::step::{Step, StepState};
use heartbeat_store::StoreError;
use heartbeat_store::verbs::{HeartbeatKey, Reach, SettleAsk, Settled};
use jiff::Timestamp;

use crate::world::{World, answer, minute, second, turn};

/// An execution with its first turn under way, at 2 credits of input and 4 of output.
async fn asking(w: &World) -> Claim {
    w.every(30, minute(0)).await;
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    let intent = turn(1, 2_000, 4_000);
    let begun = w.store.begin_turn(&claim.hold, &intent, minute(30)).await;
    begun.unwrap();
    claim
}

async fn row(w: &World, hold: &Hold) -> Execution {
    let found = w.store.execution(w.project.id, hold.execution_id).await;
    found.unwrap()
}

async fn first_turn(w: &World, hold: &Hold) -> Step {
    let steps = w.store.steps(w.project.id, hold.execution_id).await;
    steps
        .unwrap()
        .into_iter()
        .find(|step| step.seq == 1)
        .unwrap()
}

pub(crate) async fn a_turn_that_is_given_up_is_lost_and_costs_its_input(w: &World) {
    let claim = asking(w).await;
    let hold = claim.hold;
    let key = w.key(claim.heartbeat.unwrap().id);
    let reason = Reason::ByPerson;
    w.store.cancel(key, reason, minute(30)).await.unwrap();
    for at in [second(1_801), second(1_802)] {
        w.store.lose_turn(&hold, 1, at).await.unwrap();
    }
    let step = first_turn(w, &hold).await;
    assert_eq!(
        (step.state, step.micro_charged),
        (StepState::Lost, 2 * MICRO)
    );
    assert_eq!(
        (step.micro_reserved, step.ended_at),
        (0, Some(second(1_801)))
    );
    let held = row(w, &hold).await.held;
    assert_eq!((held.spent, held.reserved), (2 * MICRO, 0));
    let outcome = Outcome::Cancelled { reason };
    let settled = w.finish(&hold, outcome, second(1_803)).await.unwrap();
    assert_eq!(settled.execution.credits_charged, 2);
    assert_eq!(settled.heartbeat.unwrap().error_count, 0);
    assert_eq!(w.read(key.id, minute(31)).await.credits_used, 2);
}

pub(crate) async fn a_turn_that_has_ended_or_is_anothers_is_not_given_up(w: &World) {
    let hold = asking(w).await.hold;
    w.store.lose_turn(&hold, 7, minute(30)).await.unwrap();
    let late = Hold {
        fence: hold.fence + 1,
        ..hold
    };
    let fenced = w.store.lose_turn(&late, 1, minute(30)).await;
    assert_eq!(fenced, Err(StoreError::Fenced));
    let record = answer(1, 1_500, MICRO);
    w.store
        .record_turn(&hold, &record, minute(30))
        .await
        .unwrap();
    w.store.lose_turn(&hold, 1, minute(31)).await.unwrap();
    let step = first_turn(w, &hold).await;
    assert_eq!((step.state, step.micro_charged), (StepState::Done, MICRO));
    assert_eq!(row(w, &hold).await.held.spent, MICRO);
}

/// So many heartbeats that fall due at minute 30, in the order of their ids.
async fn several(w: &World, count: usize) -> Vec<Heartbeat> {
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(w.every(30, minute(0)).await);
    }
    made.sort_by_key(|heartbeat| heartbeat.id);
    made
}

fn ids(heartbeats: &[Heartbeat]) -> Vec<HeartbeatId> {
    heartbeats.iter().map(|heartbeat| heartbeat.id).collect()
}

/// Marks the rest, at most two in a transaction; answers how many transactions that took.
async fn go_on(w: &World, reach: Reach, settled: &mut Settled, now: Timestamp) -> u32 {
    let mut transactions = 0;
    while settled.more {
        let ask = SettleAsk {
            place: settled.place,
            ..SettleAsk::new(reach, 2)
        };
        settled.add(w.store.settle(ask, now).await.unwrap());
        transactions += 1;
    }
    transactions
}

pub(crate) async fn a_pause_holds_at_once_though_heartbeats_are_marked_little_by_little(w: &World) {
    let all = several(w, 5).await;
    let node = w.node(minute(0)).await;
    let reach = Reach::Project(w.project.id);
    let mut settled = w.store.pause(reach, 2, minute(29)).await.unwrap();
    assert_eq!((settled.paused.len(), settled.more), (2, true));
    w.renew(node, minute(30)).await;
    assert!(
        w.claim(node, 10, minute(30)).await.is_empty(),
        "nothing starts"
    );
    let (early, late) = (
        w.read(all[0].id, minute(30)).await,
        w.read(all[4].id, minute(30)).await,
    );
    let reasons = [early, late].map(|one| one.paused.map(|pause| (pause.reason, pause.since)));
    let paused = |at| Some((Reason::ProjectPaused, at));
    assert_eq!(reasons, [paused(minute(29)), paused(minute(30))]);
    go_on(w, reach, &mut settled, minute(31)).await;
    assert_eq!(
        settled.paused,
        ids(&all[..2]),
        "the claim has marked the others"
    );
    let rows = w.ended().await;
    let said = rows
        .iter()
        .map(|row| (row.status, row.reason, row.missed_count));
    let expected = (Some(Status::Skipped), Some(Reason::ProjectPaused), Some(1));
    assert_eq!(said.collect::<Vec<_>>(), vec![expected; 3]);
    for heartbeat in &all {
        let within = (minute(0), minute(99));
        let pauses = w.store.pauses(w.project.id, heartbeat.id, within).await;
        assert_eq!(pauses.unwrap().len(), 1);
    }
}

pub(crate) async fn an_edit_of_what_is_not_marked_yet_loses_no_moment(w: &World) {
    let all = several(w, 2).await;
    let reach = Reach::Project(w.project.id);
    let mut settled = w.store.pause(reach, 1, minute(20)).await.unwrap();
    let label = |change: &mut HeartbeatChange| change.label = Patch::Set("renamed".into());
    let edited = w.edit(all[1].id, label, minute(31)).await;
    assert_eq!(edited.settings.label.as_deref(), Some("renamed"));
    let key = w.key(edited.id);
    w.store.enable(key, &w.plan, minute(32)).await.unwrap();
    go_on(w, reach, &mut settled, minute(33)).await;
    let rows = w.ended().await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(
        (rows[0].due_at, rows[0].heartbeat_id),
        (minute(30), Some(all[1].id))
    );
    let paused = w.read(all[1].id, minute(34)).await;
    assert_eq!(paused.paused.unwrap().reason, Reason::ProjectPaused);
}

pub(crate) async fn what_a_pause_left_unmarked_is_found_and_marked_by_whoever_looks(w: &World) {
    let all = several(w, 5).await;
    let neighbour = w.neighbour("next door").await;
    let theirs = w.made_by(&neighbour, |_| {}, minute(0)).await.unwrap();
    let reach = Reach::Project(w.project.id);
    w.store.pause(reach, 2, minute(10)).await.unwrap();
    // The process that paused dies here.
    let early = SettleAsk {
        changed_until: Some(minute(9)),
        ..SettleAsk::new(Reach::All, 2)
    };
    let nothing = w.store.settle(early, minute(11)).await.unwrap();
    assert_eq!(
        nothing,
        Settled::default(),
        "whoever paused may be at it still"
    );
    let mut settled = Settled {
        more: true,
        ..Settled::default()
    };
    let transactions = go_on(w, Reach::All, &mut settled, minute(12)).await;
    assert_eq!(settled.paused, ids(&all[2..]));
    assert!(transactions <= 3, "{transactions}");
    let again = w
        .store
        .settle(SettleAsk::new(Reach::All, 2), minute(13))
        .await;
    assert_eq!(again.unwrap(), Settled::default(), "all is settled");
    let key = HeartbeatKey {
        project_id: neighbour.project_id,
        bot_id: neighbour.id,
        id: theirs.id,
    };
    let theirs = w.store.heartbeat(key, minute(13)).await.unwrap();
    assert_eq!(theirs.paused, None);
}

pub(crate) async fn a_resume_that_overtakes_a_pause_leaves_everything_active(w: &World) {
    let all = several(w, 5).await;
    let reach = Reach::Project(w.project.id);
    let mut paused = w.store.pause(reach, 2, minute(10)).await.unwrap();
    let mut resumed = w.store.resume(reach, 1, minute(10)).await.unwrap();
    assert!(resumed.more);
    go_on(w, reach, &mut paused, minute(11)).await;
    go_on(w, reach, &mut resumed, minute(11)).await;
    for heartbeat in &all {
        let now = w.read(heartbeat.id, minute(12)).await;
        assert_eq!((now.paused, now.next), (None, heartbeat.next));
    }
    let again = w
        .store
        .settle(SettleAsk::new(Reach::All, 2), minute(13))
        .await;
    assert_eq!(again.unwrap(), Settled::default(), "all is settled");
}

pub(crate) async fn an_agent_that_is_switched_off_is_marked_little_by_little_too(w: &World) {
    let all = several(w, 5).await;
    let reach = Reach::Bot(w.project.id, w.bot.id);
    let mut settled = w.store.pause(reach, 2, minute(10)).await.unwrap();
    assert_eq!(settled.paused, ids(&all[..2]));
    go_on(w, reach, &mut settled, minute(11)).await;
    assert_eq!(settled.paused, ids(&all));
    let node = w.node(minute(30)).await;
    assert!(w.claim(node, 10, minute(30)).await.is_empty());
    let mut settled = w.store.resume(reach, 2, minute(40)).await.unwrap();
    go_on(w, reach, &mut settled, minute(41)).await;
    assert_eq!(settled.resumed, ids(&all));
}
