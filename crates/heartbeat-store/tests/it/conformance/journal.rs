//! Turns, calls, reservations.

use heartbeat_domain::budget::{MICRO, Scope};
use heartbeat_domain::claim::Claim;
use heartbeat_domain::execution::Outcome;
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::step::StepState;
use heartbeat_store::StoreError;
use heartbeat_store::verbs::{CallIntent, Channel, Intent, NoticeFilter};
use serde_json::json;

use crate::world::{PAGE, World, answer, minute, notice, second, turn};

async fn running(w: &World, budget: Option<u64>) -> Claim {
    let edit = |change: &mut heartbeat_domain::heartbeat::HeartbeatChange| {
        change.credit_budget = budget.map_or(Patch::Keep, Patch::Set);
    };
    w.made_by(&w.bot, edit, minute(0)).await.unwrap();
    let node = w.node(minute(30)).await;
    w.claim_one(node, minute(30)).await
}

fn call(seq: u32) -> CallIntent {
    CallIntent {
        seq,
        tool: "notify_user".into(),
        call: json!({}),
        effect_id: format!("e{seq}"),
    }
}

pub(crate) async fn the_first_request_stays_what_it_was(w: &World) {
    let hold = running(w, None).await.hold;
    let first = w
        .store
        .open_journal(&hold, &json!({"a": 1}), minute(30))
        .await
        .unwrap();
    let again = w
        .store
        .open_journal(&hold, &json!({"a": 2}), minute(30))
        .await
        .unwrap();
    assert_eq!((first, again), (json!({"a": 1}), json!({"a": 1})));
}

pub(crate) async fn beginning_a_turn_again_reserves_once(w: &World) {
    let claim = running(w, Some(10)).await;
    let hold = claim.hold;
    let first = w
        .store
        .begin_turn(&hold, &turn(1, 2_000, 4_000), minute(30))
        .await
        .unwrap();
    assert_eq!(first, Intent::Go { max_tokens: 4_000 });
    assert_eq!(
        w.store
            .begin_turn(&hold, &turn(1, 2_000, 4_000), minute(30))
            .await
            .unwrap(),
        first
    );
    let row = w
        .store
        .execution(w.project.id, hold.execution_id)
        .await
        .unwrap();
    assert_eq!(row.held.reserved, 6 * MICRO);
    let record = answer(1, 1_500, MICRO + 1);
    w.store
        .record_turn(&hold, &record, minute(31))
        .await
        .unwrap();
    w.store
        .record_turn(&hold, &record, minute(31))
        .await
        .unwrap();
    let row = w
        .store
        .execution(w.project.id, hold.execution_id)
        .await
        .unwrap();
    assert_eq!(
        (row.held.spent, row.held.reserved, row.tokens_used),
        (MICRO + 1, 0, 1_500)
    );
    let settled = w.finish(&hold, Outcome::Success, minute(32)).await.unwrap();
    assert_eq!(settled.execution.credits_charged, 2);
    let heartbeat = claim.heartbeat.unwrap().id;
    assert_eq!(w.read(heartbeat, minute(32)).await.credits_used, 2);
}

pub(crate) async fn a_turn_on_record_is_not_begun_again(w: &World) {
    let hold = running(w, None).await.hold;
    w.store
        .begin_turn(&hold, &turn(1, 10, 256), minute(30))
        .await
        .unwrap();
    w.store
        .record_turn(&hold, &answer(1, 1, 1), minute(30))
        .await
        .unwrap();
    let again = w
        .store
        .begin_turn(&hold, &turn(1, 10, 256), minute(30))
        .await;
    assert!(matches!(again, Err(StoreError::Conflict(_))));
}

pub(crate) async fn max_tokens_is_lowered_before_a_turn_is_refused(w: &World) {
    let hold = running(w, Some(2)).await.hold;
    let intent = w
        .store
        .begin_turn(&hold, &turn(1, 1_000, 4_096), minute(30))
        .await
        .unwrap();
    assert_eq!(intent, Intent::Go { max_tokens: 512 });
    let intent = w
        .store
        .begin_turn(&hold, &turn(2, 2_000, 256), minute(30))
        .await
        .unwrap();
    assert_eq!(intent, Intent::Exhausted(Scope::Heartbeat));
    assert_eq!(
        w.store
            .steps(w.project.id, hold.execution_id)
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(crate) async fn twenty_executions_at_once_do_not_overspend_a_day(w: &World) {
    for _ in 0..20 {
        w.every(30, minute(0)).await;
    }
    let node = w.node(minute(0)).await;
    w.renew(node, minute(30)).await;
    let claims = w.claim(node, 20, minute(30)).await;
    let mut intent = turn(1, 744, 256);
    intent.daily_credit_limit = Some(7);
    let asked = claims
        .iter()
        .map(|claim| w.store.begin_turn(&claim.hold, &intent, minute(30)));
    let answers = futures::future::join_all(asked).await;
    let goes = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Intent::Go { .. })))
        .count();
    let busy = answers
        .iter()
        .filter(|answer| **answer == Ok(Intent::Busy(Scope::ProjectDay)));
    assert_eq!((goes, busy.count()), (7, 13));
    let mut charged = 0;
    for (claim, answered) in claims.iter().zip(&answers) {
        if matches!(answered, Ok(Intent::Go { .. })) {
            w.store
                .record_turn(&claim.hold, &answer(1, 1_000, MICRO), minute(31))
                .await
                .unwrap();
        }
        let settled = w
            .finish(&claim.hold, Outcome::Success, minute(31))
            .await
            .unwrap();
        charged += settled.execution.credits_charged;
    }
    assert_eq!(charged, 7);
    let paused = w
        .store
        .heartbeats(w.project.id, w.bot.id, None, minute(31))
        .await
        .unwrap();
    let reasons = paused
        .iter()
        .filter_map(|heartbeat| Some(heartbeat.paused?.reason));
    assert!(reasons.clone().count() >= 1);
    assert!(
        reasons
            .into_iter()
            .all(|reason| reason == Reason::CreditsExhausted)
    );
}

pub(crate) async fn a_turn_lost_with_its_node_costs_its_input_and_is_asked_again(w: &World) {
    let claim = running(w, Some(20)).await;
    w.store
        .begin_turn(&claim.hold, &turn(1, 3_000, 5_000), minute(30))
        .await
        .unwrap();
    let two = w.node(second(1_811)).await;
    let next = w.claim_one(two, second(1_811)).await;
    for _ in 0..2 {
        let steps = w.store.take_over(&next.hold, second(1_811)).await.unwrap();
        assert_eq!((steps.len(), steps[0].state), (1, StepState::Lost));
        assert_eq!(
            (steps[0].micro_charged, steps[0].micro_reserved),
            (3 * MICRO, 0)
        );
    }
    let again = w
        .store
        .begin_turn(&next.hold, &turn(1, 3_000, 5_000), second(1_812))
        .await;
    assert_eq!(again, Ok(Intent::Go { max_tokens: 5_000 }));
    w.store
        .record_turn(&next.hold, &answer(1, 10, MICRO), second(1_813))
        .await
        .unwrap();
    let steps = w
        .store
        .steps(w.project.id, next.hold.execution_id)
        .await
        .unwrap();
    assert_eq!(
        steps.iter().map(|step| step.attempt).collect::<Vec<_>>(),
        [0, 1]
    );
    let settled = w
        .finish(&next.hold, Outcome::Success, second(1_814))
        .await
        .unwrap();
    assert_eq!(settled.execution.credits_charged, 4);
}

pub(crate) async fn a_cancelled_execution_begins_nothing_more(w: &World) {
    let claim = running(w, None).await;
    let (hold, heartbeat) = (claim.hold, claim.heartbeat.unwrap().id);
    w.store
        .begin_calls(&hold, &[call(2)], minute(30))
        .await
        .unwrap();
    w.store
        .cancel(w.key(heartbeat), Reason::ByPerson, minute(30))
        .await
        .unwrap();
    let cancelled = Ok(Intent::Cancelled(Reason::ByPerson));
    assert_eq!(
        w.store
            .begin_turn(&hold, &turn(3, 1, 256), minute(30))
            .await,
        cancelled
    );
    assert_eq!(
        w.store.begin_calls(&hold, &[call(4)], minute(30)).await,
        cancelled
    );
    let repeat = w
        .store
        .begin_calls(&hold, &[call(2)], minute(30))
        .await
        .unwrap();
    assert!(matches!(repeat, Intent::Go { .. }));
}

pub(crate) async fn a_calls_result_and_its_notices_are_written_once(w: &World) {
    let hold = running(w, None).await.hold;
    w.store
        .begin_calls(&hold, &[call(2), call(3)], minute(30))
        .await
        .unwrap();
    let told = [notice("Disk full", None)];
    for _ in 0..2 {
        let told = (told.as_slice(), [Channel::Webhook].as_slice());
        w.store
            .record_call(&hold, (2, &json!("told")), told, minute(30))
            .await
            .unwrap();
    }
    let steps = w
        .store
        .steps(w.project.id, hold.execution_id)
        .await
        .unwrap();
    assert_eq!(
        (steps[0].state, steps[1].state),
        (StepState::Done, StepState::Begun)
    );
    let filter = NoticeFilter::default();
    let notices = w.store.notices(w.project.id, &filter, PAGE).await.unwrap();
    assert_eq!((notices.total, notices.rows[0].status), (1, "unread"));
    assert_eq!(notices.rows[0].execution_id, Some(hold.execution_id));
    let unknown = w
        .store
        .record_call(&hold, (9, &json!(1)), (&[], &[]), minute(30))
        .await;
    assert!(matches!(unknown, Err(StoreError::Conflict(_))));
}

pub(crate) async fn calls_of_a_former_holder_are_answered_as_begun(w: &World) {
    let claim = running(w, None).await;
    w.store
        .begin_calls(&claim.hold, &[call(2)], minute(30))
        .await
        .unwrap();
    w.store
        .note_step(&claim.hold, 2, "waited 3 s")
        .await
        .unwrap();
    let two = w.node(second(1_811)).await;
    let next = w.claim_one(two, second(1_811)).await;
    let steps = w.store.take_over(&next.hold, second(1_811)).await.unwrap();
    assert_eq!((steps[0].state, steps[0].fence), (StepState::Begun, 1));
    assert_eq!(steps[0].notes, ["waited 3 s"]);
    let done = w
        .store
        .record_call(&next.hold, (2, &json!(1)), (&[], &[]), second(1_812))
        .await;
    assert_eq!(done, Ok(()));
}

pub(crate) async fn a_bill_above_the_reservation_is_charged_and_pauses(w: &World) {
    let claim = running(w, Some(3)).await;
    w.store
        .begin_turn(&claim.hold, &turn(1, 1_000, 1_000), minute(30))
        .await
        .unwrap();
    w.store
        .record_turn(&claim.hold, &answer(1, 9_000, 9 * MICRO), minute(30))
        .await
        .unwrap();
    let settled = w
        .finish(&claim.hold, Outcome::Success, minute(31))
        .await
        .unwrap();
    assert_eq!(settled.execution.credits_charged, 9);
    let id = claim.heartbeat.unwrap().id;
    let heartbeat = w.read(id, minute(31)).await;
    assert_eq!(heartbeat.paused.unwrap().reason, Reason::BudgetExhausted);
    let raised = w
        .edit(
            id,
            |change| change.credit_budget = Patch::Set(20),
            minute(32),
        )
        .await;
    assert_eq!((raised.paused, raised.next.unwrap().at), (None, minute(60)));
}
