//! Turns, calls, reservations.

use heartbeat_domain::budget::{MICRO, Scope};
use heartbeat_domain::claim::Claim;
use heartbeat_domain::execution::Outcome;
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::step::{Decision, Step, StepState};
use heartbeat_domain::tool::Repeat;
use heartbeat_store::verbs::{
    CallIntent, CallRecord, Channel, Intent, LogFilter, NoticeFilter, ReviewAsk,
};
use heartbeat_store::{StoreError, Thing};
use jiff::SignedDuration;
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

async fn steps_of(w: &World, claim: &Claim) -> Vec<Step> {
    let id = claim.hold.execution_id;
    w.store.steps(w.project.id, id).await.unwrap()
}

fn call(seq: u32) -> CallIntent {
    outside(seq, Repeat::Safe)
}

fn outside(seq: u32, repeat: Repeat) -> CallIntent {
    CallIntent {
        seq,
        tool: "mail__send".into(),
        call: json!({}),
        effect_id: format!("e{seq}"),
        repeat,
        within: SignedDuration::from_secs(20),
    }
}

fn result(seq: u32, result: serde_json::Value) -> CallRecord {
    CallRecord {
        seq,
        result,
        unknown: false,
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
    intent.spending.daily = Some(7);
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
    let steps = steps_of(w, &next).await;
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
            .record_call(&hold, &result(2, json!("told")), told, minute(30))
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
        .record_call(&hold, &result(9, json!(1)), (&[], &[]), minute(30))
        .await;
    assert!(matches!(unknown, Err(StoreError::Conflict(_))));
}

pub(crate) async fn calls_of_a_former_holder_are_settled_by_what_may_be_repeated(w: &World) {
    let claim = running(w, None).await;
    let calls = [
        outside(2, Repeat::Safe),
        outside(3, Repeat::ByEffectId),
        outside(4, Repeat::Never),
    ];
    w.store
        .begin_calls(&claim.hold, &calls, minute(30))
        .await
        .unwrap();
    w.store
        .note_step(&claim.hold, 2, "waited 3 s")
        .await
        .unwrap();
    let two = w.node(second(1_811)).await;
    let next = w.claim_one(two, second(1_811)).await;
    for at in [1_811, 1_815] {
        let steps = w.store.take_over(&next.hold, second(at)).await.unwrap();
        let states: Vec<_> = steps.iter().map(|step| step.state).collect();
        let (begun, unknown) = (StepState::Begun, StepState::Unknown);
        assert_eq!(states, [begun, begun, unknown]);
        assert!(steps.iter().all(|step| step.fence == 1));
        let settle = steps.iter().map(|step| step.settles_at);
        assert!(settle.into_iter().all(|at| at == Some(second(1_831))));
        assert_eq!(steps[0].notes, ["waited 3 s"]);
        let told = steps[2].result.clone().unwrap();
        assert!(told["text"].as_str().unwrap().contains("e4"), "{told}");
        let row = w
            .store
            .execution(w.project.id, next.hold.execution_id)
            .await
            .unwrap();
        assert!(row.needs_review);
    }
    let left = w
        .store
        .record_call(&claim.hold, &result(4, json!(1)), (&[], &[]), second(1_812))
        .await;
    assert_eq!(left, Err(StoreError::Fenced));
}

pub(crate) async fn a_call_is_begun_again_only_where_it_may_be(w: &World) {
    let claim = running(w, None).await;
    let calls = [outside(2, Repeat::ByEffectId), outside(3, Repeat::Never)];
    w.store
        .begin_calls(&claim.hold, &calls, minute(30))
        .await
        .unwrap();
    let two = w.node(second(1_811)).await;
    let next = w.claim_one(two, second(1_811)).await;
    let early = w
        .store
        .begin_calls(&next.hold, &[outside(3, Repeat::Safe)], second(1_811))
        .await;
    assert!(matches!(early, Err(StoreError::Conflict(_))), "{early:?}");
    w.store.take_over(&next.hold, second(1_811)).await.unwrap();
    for _ in 0..2 {
        let again = w
            .store
            .begin_calls(&next.hold, &[outside(2, Repeat::Never)], second(1_812))
            .await;
        assert_eq!(again, Ok(Intent::Go { max_tokens: 0 }));
    }
    let steps = steps_of(w, &next).await;
    let step = &steps[0];
    assert_eq!((step.state, step.fence), (StepState::Begun, 2));
    assert_eq!(
        (step.repeat, step.effect_id.as_deref(), step.settles_at),
        (Some(Repeat::ByEffectId), Some("e2"), None)
    );
    assert_eq!(step.notes.len(), 1, "{:?}", step.notes);
    assert_eq!(steps[1].state, StepState::Unknown);
    w.store
        .begin_calls(&next.hold, &[outside(3, Repeat::Safe)], second(1_812))
        .await
        .unwrap();
    let steps = steps_of(w, &next).await;
    assert_eq!(steps[1].state, StepState::Unknown);
}

pub(crate) async fn a_call_that_was_to_stop_is_not_begun_again(w: &World) {
    let claim = running(w, None).await;
    w.store
        .begin_calls(&claim.hold, &[call(2)], minute(30))
        .await
        .unwrap();
    let two = w.node(second(1_811)).await;
    let next = w.claim_one(two, second(1_811)).await;
    w.store.take_over(&next.hold, second(1_811)).await.unwrap();
    let heartbeat = next.heartbeat.unwrap().id;
    w.store
        .cancel(w.key(heartbeat), Reason::ByPerson, second(1_812))
        .await
        .unwrap();
    let again = w
        .store
        .begin_calls(&next.hold, &[call(2)], second(1_813))
        .await;
    assert_eq!(again, Ok(Intent::Cancelled(Reason::ByPerson)));
}

/// An execution that waits for a person's word on its steps 2 and 3, and has ended.
async fn to_review(w: &World) -> Claim {
    let claim = running(w, None).await;
    let calls = [outside(2, Repeat::Never), outside(3, Repeat::Never)];
    let hold = claim.hold;
    w.store
        .begin_calls(&hold, &calls, minute(30))
        .await
        .unwrap();
    for seq in [2, 3] {
        let record = CallRecord {
            unknown: true,
            ..result(seq, json!("outcome_unknown"))
        };
        for _ in 0..2 {
            w.store
                .record_call(&hold, &record, (&[], &[]), minute(31))
                .await
                .unwrap();
        }
    }
    w.finish(&hold, Outcome::Success, minute(32)).await.unwrap();
    claim
}

fn word(claim: &Claim, seq: u32, decision: Decision, by: &str) -> ReviewAsk {
    ReviewAsk {
        execution_id: claim.hold.execution_id,
        seq,
        decision,
        by: by.into(),
    }
}

pub(crate) async fn a_persons_word_is_kept_and_the_last_one_clears_the_mark(w: &World) {
    let claim = to_review(w).await;
    let filter = LogFilter {
        needs_review: Some(true),
        ..LogFilter::default()
    };
    let waiting = async || {
        w.store
            .logs(w.project.id, &filter, PAGE)
            .await
            .unwrap()
            .total
    };
    assert_eq!(waiting().await, 1);
    let review = async |ask: ReviewAsk, at| w.store.review(w.project.id, &ask, at).await;
    let first = review(word(&claim, 2, Decision::Done, "ann"), minute(40)).await;
    let first = first.unwrap();
    assert_eq!(waiting().await, 1);
    let again = review(word(&claim, 2, Decision::Done, "bob"), minute(41)).await;
    assert_eq!(again.as_ref(), Ok(&first));
    let said = first.review.unwrap();
    assert_eq!((said.by.as_str(), said.at), ("ann", minute(40)));
    let other = review(word(&claim, 2, Decision::NotDone, "bob"), minute(42)).await;
    assert_eq!(other.unwrap().review.unwrap().by, "bob");
    review(word(&claim, 3, Decision::NotDone, "bob"), minute(43))
        .await
        .unwrap();
    assert_eq!(waiting().await, 0);
    let steps = w
        .store
        .steps(w.project.id, claim.hold.execution_id)
        .await
        .unwrap();
    let words: Vec<_> = steps
        .iter()
        .map(|step| step.review.clone().unwrap())
        .collect();
    assert!(words.iter().all(|said| said.decision == Decision::NotDone));
    let missing = review(word(&claim, 9, Decision::Done, "ann"), minute(44)).await;
    assert_eq!(missing, Err(StoreError::NotFound(Thing::Step)));
}

pub(crate) async fn what_waits_for_a_word_keeps_its_steps(w: &World) {
    let claim = to_review(w).await;
    let prune = async || {
        let before = (Some(minute(500)), None);
        w.store.prune(w.project.id, before, 100).await.unwrap()
    };
    assert_eq!(prune().await, 0);
    for seq in [2, 3] {
        let ask = word(&claim, seq, Decision::Done, "ann");
        w.store
            .review(w.project.id, &ask, minute(40))
            .await
            .unwrap();
    }
    assert_eq!(prune().await, 2);
}

pub(crate) async fn a_known_outcome_takes_no_word(w: &World) {
    let hold = running(w, None).await.hold;
    w.store
        .begin_calls(&hold, &[call(2)], minute(30))
        .await
        .unwrap();
    let ask = ReviewAsk {
        execution_id: hold.execution_id,
        seq: 2,
        decision: Decision::Done,
        by: "ann".into(),
    };
    let refused = w.store.review(w.project.id, &ask, minute(31)).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "{refused:?}"
    );
}

pub(crate) async fn a_late_holder_writes_that_it_sent_and_nothing_else(w: &World) {
    let claim = running(w, None).await;
    let calls = [outside(2, Repeat::Never)];
    w.store
        .begin_calls(&claim.hold, &calls, minute(30))
        .await
        .unwrap();
    let two = w.node(second(1_811)).await;
    let next = w.claim_one(two, second(1_811)).await;
    w.store.take_over(&next.hold, second(1_811)).await.unwrap();
    let id = next.hold.execution_id;
    let ask = word(&next, 2, Decision::NotDone, "ann");
    w.store
        .review(w.project.id, &ask, second(1_812))
        .await
        .unwrap();
    let needs_review = async || {
        let row = w.store.execution(w.project.id, id).await;
        row.unwrap().needs_review
    };
    assert!(!needs_review().await);
    w.finish(&next.hold, Outcome::Success, second(1_813))
        .await
        .unwrap();
    for at in [1_809, 1_820] {
        w.store.late_send(&claim.hold, 2, second(at)).await.unwrap();
    }
    let steps = w.store.steps(w.project.id, id).await.unwrap();
    assert_eq!(steps[0].late_sent_at, Some(second(1_809)));
    assert_eq!(
        (steps[0].state, &steps[0].review),
        (StepState::Unknown, &None)
    );
    assert!(
        steps[0].notes[0].contains("not_done by ann"),
        "{:?}",
        steps[0].notes
    );
    assert!(needs_review().await);
    let mut later = next.hold;
    later.fence += 1;
    let refused = w.store.late_send(&later, 2, second(1_821)).await;
    assert_eq!(refused, Err(StoreError::Fenced));
    let never = w.store.late_send(&claim.hold, 7, second(1_821)).await;
    assert!(matches!(never, Err(StoreError::Conflict(_))), "{never:?}");
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
