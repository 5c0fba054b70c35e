//! Another project's things are not found, whatever is asked of them.

use heartbeat_domain::bot::BotChange;
use heartbeat_domain::claim::Hold;
use heartbeat_domain::ids::{ExecutionId, NoticeId};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::step::Decision;
use heartbeat_store::verbs::{
    BotRef, Channel, HeartbeatKey, NoticeFilter, PastRuns, Reach, ReviewAsk, Target, TriggerAsk,
};
use heartbeat_store::{StoreError, Thing};
use serde_json::json;

use crate::world::{PAGE, World, minute, notice};

pub(crate) async fn another_projects_agents_and_heartbeats_are_not_found(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let other = w.neighbour("other").await;
    let now = minute(1);
    let no_bot = StoreError::NotFound(Thing::Bot);
    for name in [BotRef::Id(w.bot.id), BotRef::Number(w.bot.number)] {
        let project = other.project_id;
        assert_eq!(w.store.bot(project, name).await, Err(no_bot.clone()));
        let change = BotChange::default();
        assert_eq!(
            w.store.update_bot(project, name, change, now).await,
            Err(no_bot.clone())
        );
        assert_eq!(
            w.store.delete_bot(project, name, now).await,
            Err(no_bot.clone())
        );
    }
    let reach = Reach::Bot(other.project_id, w.bot.id);
    assert_eq!(w.store.pause(reach, 99, now).await, Err(no_bot.clone()));
    assert_eq!(w.store.resume(reach, 99, now).await, Err(no_bot.clone()));
    let listed = w
        .store
        .heartbeats(other.project_id, w.bot.id, None, now)
        .await;
    assert_eq!(listed, Err(no_bot.clone()));
    assert_eq!(
        w.store.stats(other.project_id, w.bot.id, 30, now).await,
        Err(no_bot)
    );
    let none = StoreError::NotFound(Thing::Heartbeat);
    for bot_id in [other.id, w.bot.id] {
        let key = HeartbeatKey {
            project_id: other.project_id,
            bot_id,
            id: heartbeat.id,
        };
        assert_eq!(w.store.heartbeat(key, now).await, Err(none.clone()));
        assert_eq!(w.store.disable(key, now).await, Err(none.clone()));
        assert_eq!(w.store.delete(key, now).await, Err(none.clone()));
        assert_eq!(
            w.store.cancel(key, Reason::ByPerson, now).await,
            Err(none.clone())
        );
        let ask = TriggerAsk {
            key,
            execution_id: ExecutionId::new(&w.ids, now),
        };
        assert_eq!(w.store.trigger(ask, now).await, Err(none.clone()));
        let enabled = w.store.enable(key, &w.plan, now).await;
        assert!(matches!(enabled, Err(StoreError::NotFound(_))));
    }
    let ask = w.configure(&other, Target::Existing(heartbeat.id), Default::default());
    assert_eq!(w.store.configure(ask, now).await, Err(none));
}

pub(crate) async fn another_projects_record_is_not_found(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let other = w.neighbour("other").await.project_id;
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    let (id, now) = (claim.execution.id, minute(30));
    let none = StoreError::NotFound(Thing::Execution);
    assert_eq!(w.store.execution(other, id).await, Err(none.clone()));
    assert_eq!(w.store.steps(other, id).await, Err(none.clone()));
    let foreign = Hold {
        project_id: other,
        ..claim.hold
    };
    let answer = w.store.open_journal(&foreign, &json!(1), now).await;
    assert_eq!(answer, Err(none.clone()));
    assert_eq!(w.store.release(&foreign, now).await, Err(none.clone()));
    assert_eq!(w.store.late_send(&foreign, 1, now).await, Err(none.clone()));
    let word = ReviewAsk {
        execution_id: id,
        seq: 1,
        decision: Decision::Done,
        by: "somebody else".into(),
    };
    let refused = w.store.review(other, &word, now).await;
    assert_eq!(refused, Err(none));
    let times = (minute(0), minute(99));
    let past = w.store.past_runs(other, heartbeat.id, times, 9).await;
    assert_eq!(past, Ok(PastRuns::default()));
    assert_eq!(
        w.store.pauses(other, heartbeat.id, times).await.unwrap(),
        []
    );
    let told = [Channel::Webhook];
    w.store
        .tell(w.project.id, &notice("x", None), &told, now)
        .await
        .unwrap();
    let filter = NoticeFilter::default();
    let id: NoticeId = w
        .store
        .notices(w.project.id, &filter, PAGE)
        .await
        .unwrap()
        .rows[0]
        .id;
    assert_eq!(
        w.store.notices(other, &filter, PAGE).await.unwrap().total,
        0
    );
    let read = w.store.acknowledge(other, id, now).await;
    assert_eq!(read, Err(StoreError::NotFound(Thing::Notice)));
    assert_eq!(
        w.store
            .prune(other, (Some(minute(99)), Some(minute(99))), 9)
            .await
            .unwrap(),
        0
    );
}
