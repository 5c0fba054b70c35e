//! What happens to executions that were asked to stop.

use heartbeat_domain::budget::MICRO;
use heartbeat_domain::claim::{Claim, Hold};
use heartbeat_domain::execution::{Execution, Outcome};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::step::{Step, StepState};
use heartbeat_store::StoreError;

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
