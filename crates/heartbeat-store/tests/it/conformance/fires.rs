//! Nodes, claims, triggers, ends.

use heartbeat_domain::claim::{Liveness, NodeWork, Renewal};
use heartbeat_domain::execution::{Ending, Outcome, Phase, Status, Trigger};
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::ids::ExecutionId;
use heartbeat_domain::reason::Reason;
use heartbeat_store::verbs::{CallRecord, Channel, ClaimAsk, StopRequest, TriggerAsk};
use heartbeat_store::{StoreError, Thing};
use jiff::SignedDuration;
use serde_json::json;

use crate::world::{World, answer, failure, minute, renewal, second, turn};

pub(crate) async fn a_due_heartbeat_is_claimed_started_finished_and_claimed_again(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(0)).await;
    assert!(w.claim(node, 10, minute(0)).await.is_empty());
    assert_eq!(
        w.store.next_claimable_at(minute(0)).await.unwrap(),
        Some(minute(30))
    );
    w.renew(node, minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    assert_eq!(claim.execution.due_at, minute(30));
    assert_eq!(claim.execution.trigger, Trigger::Schedule);
    assert_eq!(
        (claim.hold.fence, claim.taken_over, claim.missed),
        (1, false, None)
    );
    assert!(w.claim(node, 10, minute(30)).await.is_empty());
    let settled = w
        .finish(&claim.hold, Outcome::Success, minute(32))
        .await
        .unwrap();
    assert_eq!(settled.execution.phase, Phase::Ended);
    let heartbeat = w.read(heartbeat.id, minute(32)).await;
    assert_eq!(heartbeat.next.unwrap().at, minute(60));
    assert_eq!(heartbeat.claimable_at, Some(minute(60)));
    assert_eq!((heartbeat.open, heartbeat.execution_count), (None, 1));
    let rows = w.ended().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0], settled.execution);
    assert_eq!(rows[0].status, Some(Status::Success));
    w.renew(node, minute(60)).await;
    assert_eq!(
        w.claim_one(node, minute(60)).await.execution.due_at,
        minute(60)
    );
}

pub(crate) async fn claims_of_two_nodes_do_not_overlap(w: &World) {
    for _ in 0..20 {
        w.every(30, minute(0)).await;
    }
    let (one, two) = (w.node(minute(0)).await, w.node(minute(0)).await);
    w.renew(one, minute(30)).await;
    w.renew(two, minute(30)).await;
    let (a, b) = tokio::join!(w.claim(one, 13, minute(30)), w.claim(two, 13, minute(30)));
    let mut ids: Vec<_> = a
        .iter()
        .chain(&b)
        .map(|claim| claim.execution.heartbeat_id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((a.len() + b.len(), ids.len()), (20, 20));
}

pub(crate) async fn a_node_whose_lease_has_passed_claims_nothing(w: &World) {
    w.every(30, minute(0)).await;
    let node = w.node(minute(0)).await;
    let ask = ClaimAsk {
        node_id: node,
        want: 1,
    };
    assert_eq!(
        w.store.claim_due(ask, minute(30)).await,
        Err(StoreError::Fenced)
    );
    w.renew(node, minute(30)).await;
    assert_eq!(w.claim(node, 1, minute(30)).await.len(), 1);
}

pub(crate) async fn a_late_renewal_holds_until_somebody_took_over(w: &World) {
    w.every(30, minute(0)).await;
    let one = w.node(minute(0)).await;
    w.renew(one, minute(30)).await;
    w.claim_one(one, minute(30)).await;
    w.renew(one, minute(40)).await;
    let two = w.node(minute(41)).await;
    assert_eq!(w.claim(two, 5, minute(41)).await.len(), 1);
    let late = w.store.renew_node(&renewal(one), minute(41)).await;
    assert_eq!(late, Err(StoreError::Fenced));
}

pub(crate) async fn an_execution_of_a_dead_node_is_taken_over_and_the_dead_is_fenced(w: &World) {
    w.every(30, minute(0)).await;
    let one = w.node(minute(0)).await;
    w.renew(one, minute(30)).await;
    let first = w.claim_one(one, minute(30)).await;
    let two = w.node(second(1_805)).await;
    assert!(w.claim(two, 5, second(1_805)).await.is_empty());
    let next = w.store.next_claimable_at(second(1_805)).await.unwrap();
    assert_eq!(next, Some(second(1_810)));
    let second_claim = w.claim_one(two, second(1_811)).await;
    assert_eq!(second_claim.execution.id, first.execution.id);
    assert_eq!(second_claim.hold.fence, first.hold.fence + 1);
    assert!(second_claim.taken_over);
    let hold = &first.hold;
    let now = second(1_812);
    let fenced = Err(StoreError::Fenced);
    assert_eq!(
        w.finish(hold, Outcome::Success, now).await.map(|_| ()),
        fenced
    );
    assert_eq!(w.store.release(hold, now).await, fenced);
    assert_eq!(
        w.store.open_journal(hold, &json!(1), now).await.map(|_| ()),
        fenced
    );
    assert_eq!(w.store.take_over(hold, now).await.map(|_| ()), fenced);
    assert_eq!(
        w.store
            .begin_turn(hold, &turn(1, 1, 256), now)
            .await
            .map(|_| ()),
        fenced
    );
    assert_eq!(
        w.store.record_turn(hold, &answer(1, 1, 1), now).await,
        fenced
    );
    assert_eq!(
        w.store.begin_calls(hold, &[], now).await.map(|_| ()),
        fenced
    );
    let record = CallRecord {
        seq: 2,
        result: json!(1),
        unknown: false,
    };
    let told = w.store.record_call(hold, &record, (&[], &[]), now).await;
    assert_eq!(told, fenced);
    assert_eq!(w.store.note_step(hold, 1, "late").await, fenced);
    w.finish(&second_claim.hold, Outcome::Success, now)
        .await
        .unwrap();
}

pub(crate) async fn a_node_is_listed_with_what_it_last_said_of_itself(w: &World) {
    let one = w.node(minute(0)).await;
    let work = NodeWork {
        slots: 1_000,
        busy: 17,
        is_draining: true,
        clock_offset: Some(SignedDuration::from_millis(-42)),
    };
    let renewal = Renewal {
        work,
        ..renewal(one)
    };
    w.store.renew_node(&renewal, second(3)).await.unwrap();
    let two = w.node(second(4)).await;
    let listed = async |now| w.store.nodes(now).await.unwrap();
    let nodes = listed(second(5)).await;
    let ids: Vec<_> = nodes.iter().map(|node| node.id).collect();
    assert_eq!(ids, [two, one], "newest first");
    let [newer, older] = nodes.as_slice() else {
        unreachable!("there are two")
    };
    assert_eq!(
        (newer.work, newer.version.as_str()),
        (NodeWork::default(), "1.2.3")
    );
    assert_eq!((older.work, older.renewed_at()), (work, second(3)));
    assert_eq!(older.liveness(second(5)), Liveness::Draining);
    w.store.end_node(one, second(6)).await.unwrap();
    assert_eq!(
        listed(second(6)).await[1].liveness(second(6)),
        Liveness::Ended
    );
    let day_later = second(7) + SignedDuration::from_hours(24);
    let ids: Vec<_> = listed(day_later).await.iter().map(|node| node.id).collect();
    assert_eq!(ids, [two], "what ended a day ago is no longer listed");
}

pub(crate) async fn a_node_that_ends_gives_its_executions_back_at_once(w: &World) {
    w.every(30, minute(0)).await;
    let (one, two) = (w.node(minute(30)).await, w.node(minute(30)).await);
    w.store.end_node(two, minute(30)).await.unwrap();
    w.store.end_node(two, minute(30)).await.unwrap();
    let claim = w.claim_one(one, minute(30)).await;
    w.store.end_node(one, minute(30)).await.unwrap();
    let three = w.node(minute(30)).await;
    assert_eq!(
        w.claim_one(three, minute(30)).await.execution.id,
        claim.execution.id
    );
    let nodes = w.store.nodes(minute(30)).await.unwrap();
    assert_eq!(
        nodes.iter().filter(|node| node.is_live(minute(30))).count(),
        1
    );
}

pub(crate) async fn a_released_execution_is_claimable_at_once(w: &World) {
    w.every(30, minute(0)).await;
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    w.store.release(&claim.hold, minute(30)).await.unwrap();
    let again = w.claim_one(node, minute(30)).await;
    assert_eq!((again.hold.fence, again.taken_over), (2, true));
    let late = w.finish(&claim.hold, Outcome::Success, minute(30)).await;
    assert_eq!(late.map(|_| ()), Err(StoreError::Fenced));
}

pub(crate) async fn finishing_again_gives_the_first_answer_and_one_effect(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    let first = w.finish(&claim.hold, failure(), minute(31)).await.unwrap();
    let again = w.finish(&claim.hold, failure(), minute(32)).await.unwrap();
    assert_eq!(again.execution, first.execution);
    let heartbeat = w.read(heartbeat.id, minute(32)).await;
    assert_eq!((heartbeat.error_count, heartbeat.execution_count), (1, 1));
    let stats = w
        .store
        .stats(w.project.id, w.bot.id, 1, minute(32))
        .await
        .unwrap();
    assert_eq!(stats.all.total(), 1);
}

pub(crate) async fn moments_that_pass_while_it_runs_are_one_row(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    w.renew(node, minute(100)).await;
    assert!(w.claim(node, 5, minute(100)).await.is_empty());
    let settled = w
        .finish(&claim.hold, Outcome::Success, minute(100))
        .await
        .unwrap();
    assert_eq!(settled.skipped.len(), 1);
    let rows = w.ended().await;
    let skipped = rows
        .iter()
        .find(|row| row.status == Some(Status::Skipped))
        .unwrap();
    assert_eq!(skipped.reason, Some(Reason::PreviousRunActive));
    assert_eq!(
        (skipped.first_due_at, skipped.last_due_at),
        (Some(minute(60)), Some(minute(90)))
    );
    assert_eq!(skipped.missed_count, Some(2));
    assert_eq!(
        w.read(heartbeat.id, minute(100)).await.next.unwrap().at,
        minute(120)
    );
}

pub(crate) async fn the_latest_moment_after_downtime_is_caught_up_with(w: &World) {
    w.every(30, minute(0)).await;
    let node = w.node(minute(130)).await;
    let claim = w.claim_one(node, minute(130)).await;
    assert_eq!(claim.execution.due_at, minute(120));
    assert_eq!(claim.execution.trigger, Trigger::CatchUp);
    let missed = claim.missed.unwrap();
    assert_eq!((missed.reason, missed.count), (Reason::Downtime, 3));
    assert_eq!(
        (missed.first_due_at, missed.last_due_at),
        (minute(30), minute(90))
    );
    w.finish(&claim.hold, Outcome::Success, minute(131))
        .await
        .unwrap();
    let rows = w.ended().await;
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows.iter().filter_map(|row| row.missed_count).sum::<u64>(),
        3
    );
}

pub(crate) async fn what_fell_due_in_downtime_is_released_over_a_minute(w: &World) {
    for minutes in 1..=60 {
        w.every(minutes, minute(0)).await;
    }
    let node = w.node(minute(90)).await;
    let first = w.claim(node, 100, minute(90)).await;
    assert!(!first.is_empty() && first.len() < 10, "{}", first.len());
    let later = minute(91);
    w.renew(node, later).await;
    assert_eq!(first.len() + w.claim(node, 100, later).await.len(), 60);
}

pub(crate) async fn a_backlog_of_one_project_leaves_room_for_the_others(w: &World) {
    let small = w.neighbour("small").await;
    for _ in 0..400 {
        w.every(1, minute(0)).await;
    }
    w.made_by(
        &small,
        |change| change.interval_minutes = Patch::Set(2),
        minute(0),
    )
    .await
    .unwrap();
    let node = w.node(minute(0)).await;
    w.renew(node, minute(3)).await;
    let claims = w.claim(node, 10, minute(3)).await;
    assert_eq!(claims.len(), 10);
    assert!(
        claims
            .iter()
            .any(|claim| claim.project.id == small.project_id)
    );
}

pub(crate) async fn claims_take_turns_between_projects_and_the_oldest_first_within(w: &World) {
    let other = w.neighbour("other").await;
    for minutes in [4, 3, 2, 1] {
        w.every(minutes, minute(0)).await;
    }
    w.made_by(
        &other,
        |change| change.interval_minutes = Patch::Set(5),
        minute(0),
    )
    .await
    .unwrap();
    let node = w.node(minute(0)).await;
    w.renew(node, minute(5)).await;
    let claims = w.claim(node, 3, minute(5)).await;
    let own: Vec<_> = claims
        .iter()
        .filter(|claim| claim.project.id == w.project.id)
        .filter_map(|claim| claim.heartbeat.as_ref()?.settings.schedule.interval_minutes)
        .collect();
    assert_eq!((claims.len(), own), (3, vec![1, 2]));
}

pub(crate) async fn a_trigger_is_carried_out_and_moves_no_grid(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(5)).await;
    let row = w.trigger(heartbeat.id, minute(5)).await.unwrap();
    assert_eq!((row.trigger, row.phase), (Trigger::Manual, Phase::Running));
    assert_eq!(row.due_at, minute(5) + SignedDuration::from_millis(1));
    let claim = w.claim_one(node, minute(5)).await;
    assert_eq!((claim.execution.id, claim.hold.fence), (row.id, 1));
    w.finish(&claim.hold, failure(), minute(6)).await.unwrap();
    let heartbeat = w.read(heartbeat.id, minute(6)).await;
    assert_eq!(
        (heartbeat.next.unwrap().at, heartbeat.error_count),
        (minute(30), 0)
    );
    assert_eq!(heartbeat.claimable_at, Some(minute(30)));
}

pub(crate) async fn a_trigger_while_it_runs_is_a_skipped_row(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let first = w.trigger(heartbeat.id, minute(5)).await.unwrap();
    let second = w.trigger(heartbeat.id, minute(5)).await.unwrap();
    assert_ne!(first.due_at, second.due_at);
    assert_eq!(second.status, Some(Status::Skipped));
    assert_eq!(second.reason, Some(Reason::PreviousRunActive));
    let node = w.node(minute(5)).await;
    assert_eq!(w.claim_one(node, minute(5)).await.execution.id, first.id);
}

pub(crate) async fn triggering_again_with_one_id_gives_the_first_answer(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let execution_id = ExecutionId::new(&w.ids, minute(5));
    let ask = TriggerAsk {
        key: w.key(heartbeat.id),
        execution_id,
    };
    let first = w.store.trigger(ask, minute(5)).await.unwrap();
    assert_eq!(w.store.trigger(ask, minute(6)).await.unwrap(), first);
}

pub(crate) async fn errors_in_a_row_open_the_breaker_at_exactly_the_limit(w: &World) {
    let heartbeat = w
        .made_by(
            &w.bot,
            |change| change.max_consecutive_errors = Patch::Set(2),
            minute(0),
        )
        .await
        .unwrap();
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    w.finish(&claim.hold, failure(), minute(30)).await.unwrap();
    assert!(w.read(heartbeat.id, minute(30)).await.enabled);
    w.renew(node, minute(60)).await;
    let claim = w.claim_one(node, minute(60)).await;
    let channels = [Channel::Webhook];
    let ending = Ending::plain(failure());
    w.store
        .finish(&claim.hold, &ending, &channels, minute(60))
        .await
        .unwrap();
    let after = w.read(heartbeat.id, minute(60)).await;
    assert!(!after.enabled);
    assert_eq!(after.paused.unwrap().reason, Reason::Breaker);
    assert_eq!(
        w.store
            .due_deliveries(9, minute(61), minute(60))
            .await
            .unwrap()
            .len(),
        1
    );
    let times = (minute(0), minute(90));
    let pauses = w
        .store
        .pauses(w.project.id, heartbeat.id, times)
        .await
        .unwrap();
    assert_eq!(pauses.len(), 1);
    let enabled = w
        .store
        .enable(w.key(heartbeat.id), &w.plan, minute(70))
        .await
        .unwrap();
    assert_eq!(
        (enabled.error_count, enabled.next.unwrap().at),
        (0, minute(100))
    );
    let pauses = w
        .store
        .pauses(w.project.id, heartbeat.id, times)
        .await
        .unwrap();
    assert_eq!(pauses[0].ended_at, Some(minute(70)));
}

pub(crate) async fn a_pause_with_an_end_ends_by_itself_on_the_grid(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    let reason = Reason::CreditsExhausted;
    w.finish(&claim.hold, Outcome::Skipped { reason }, minute(30))
        .await
        .unwrap();
    let paused = w.read(heartbeat.id, minute(30)).await.paused.unwrap();
    let end = paused.resumes_at.unwrap();
    assert_eq!(end, "2026-11-24T00:00:00Z".parse().unwrap());
    w.renew(node, end).await;
    assert!(w.claim(node, 5, end).await.is_empty());
    let after = w.read(heartbeat.id, end).await;
    assert_eq!(
        (after.paused, after.next.unwrap().at),
        (None, end + SignedDuration::from_mins(30))
    );
}

pub(crate) async fn a_node_is_told_what_it_holds(w: &World) {
    let (one, other) = (w.every(30, minute(0)).await, w.every(30, minute(0)).await);
    let node = w.node(minute(0)).await;
    w.renew(node, minute(30)).await;
    let mut held: Vec<_> = w.claim(node, 5, minute(30)).await;
    assert_eq!(held.len(), 2, "{one:?} and {other:?} are due");
    held.sort_by_key(|claim| claim.hold.execution_id);
    let holds: Vec<_> = held.iter().map(|claim| claim.hold).collect();
    assert_eq!(w.store.held_by(node).await.unwrap(), holds);
    w.finish(&holds[0], Outcome::Success, minute(30))
        .await
        .unwrap();
    w.store.release(&holds[1], minute(30)).await.unwrap();
    assert_eq!(w.store.held_by(node).await.unwrap(), []);
}

pub(crate) async fn a_node_is_told_which_of_its_executions_are_to_stop(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    assert!(w.store.cancel_requests(node).await.unwrap().is_empty());
    let key = w.key(heartbeat.id);
    w.store
        .cancel(key, Reason::ByPerson, minute(30))
        .await
        .unwrap();
    let asked = w.store.cancel_requests(node).await.unwrap();
    let (project_id, execution_id) = (w.project.id, claim.execution.id);
    let asked_for = StopRequest {
        project_id,
        execution_id,
        reason: Reason::ByPerson,
    };
    assert_eq!(asked, [asked_for]);
    let reason = Reason::ByPerson;
    w.finish(&claim.hold, Outcome::Cancelled { reason }, minute(30))
        .await
        .unwrap();
    assert!(w.store.cancel_requests(node).await.unwrap().is_empty());
    let again = w.store.cancel(key, Reason::ByPerson, minute(30)).await;
    assert_eq!(again, Err(StoreError::NotFound(Thing::Execution)));
}

pub(crate) async fn a_deleted_heartbeats_execution_still_finds_its_end(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    w.store
        .delete(w.key(heartbeat.id), minute(30))
        .await
        .unwrap();
    let row = w
        .store
        .execution(w.project.id, claim.execution.id)
        .await
        .unwrap();
    assert_eq!(row.cancel_requested, Some(Reason::Deleted));
    w.store.end_node(node, minute(30)).await.unwrap();
    let two = w.node(minute(30)).await;
    let claim = w.claim_one(two, minute(30)).await;
    assert_eq!(claim.heartbeat, None);
    let reason = Reason::Deleted;
    let settled = w
        .finish(&claim.hold, Outcome::Cancelled { reason }, minute(31))
        .await
        .unwrap();
    assert_eq!(settled.heartbeat, None);
    assert_eq!(w.ended().await.len(), 1);
}

pub(crate) async fn verbs_that_share_a_commit_do_not_hurt_each_other(w: &World) {
    for _ in 0..20 {
        w.every(30, minute(0)).await;
    }
    let node = w.node(minute(0)).await;
    w.renew(node, minute(30)).await;
    let claims = w.claim(node, 20, minute(30)).await;
    let ends = claims.iter().enumerate().map(|(at, claim)| {
        let mut hold = claim.hold;
        if at % 3 == 0 {
            hold.fence += 1;
        }
        async move { (at, w.finish(&hold, Outcome::Success, minute(31)).await) }
    });
    let taken = w.store.create_project(&w.project);
    let wrong = crate::world::project(&w.ids, "acme");
    let wrong = w.store.create_project(&wrong);
    let (ends, taken, wrong) = tokio::join!(futures::future::join_all(ends), taken, wrong);
    taken.unwrap();
    assert!(matches!(wrong, Err(StoreError::Conflict(_))));
    for (at, end) in ends {
        assert_eq!(end.is_err(), at % 3 == 0, "{end:?}");
    }
    assert_eq!(w.ended().await.len(), 13);
}
