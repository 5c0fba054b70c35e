//! Messages and deliveries.

use heartbeat_store::verbs::{Attempt, Channel, NoticeFilter};
use heartbeat_store::{StoreError, Thing};

use crate::world::{PAGE, World, minute, notice};

pub(crate) async fn the_same_state_of_a_topic_is_silence(w: &World) {
    let tell = async |title: &str, topic: Option<(&str, &str)>| {
        let draft = notice(title, topic);
        w.store
            .tell(w.project.id, &draft, &[], minute(0))
            .await
            .unwrap()
    };
    assert!(tell("down", Some(("openai", "down"))).await);
    assert!(!tell("still down", Some(("openai", "down"))).await);
    assert!(tell("up", Some(("openai", "up"))).await);
    assert!(tell("down again", Some(("openai", "down"))).await);
    assert!(tell("other", Some(("ollama", "down"))).await);
    assert!(tell("one", None).await && tell("one", None).await);
    let filter = NoticeFilter {
        unread: true,
        ..NoticeFilter::default()
    };
    assert_eq!(
        w.store
            .notices(w.project.id, &filter, PAGE)
            .await
            .unwrap()
            .total,
        6
    );
}

pub(crate) async fn the_end_of_a_topic_is_told_only_where_something_was_told(w: &World) {
    let tell = async |title: &str, state: &str, ends: bool| {
        let mut draft = notice(title, Some(("openai", state)));
        draft.ends = ends;
        w.store
            .tell(w.project.id, &draft, &[], minute(0))
            .await
            .unwrap()
    };
    assert!(!tell("up", "up", true).await);
    assert!(tell("down", "down", false).await);
    assert!(tell("up", "up", true).await);
    assert!(!tell("up", "up", true).await);
    assert!(tell("down", "down", false).await);
}

pub(crate) async fn a_delivery_is_held_tried_again_and_ended_once(w: &World) {
    let channels = [Channel::Webhook];
    w.store
        .tell(w.project.id, &notice("x", None), &channels, minute(0))
        .await
        .unwrap();
    assert_eq!(w.store.next_delivery_at().await.unwrap(), Some(minute(0)));
    let first = w
        .store
        .due_deliveries(9, minute(1), minute(0))
        .await
        .unwrap()
        .pop()
        .unwrap();
    assert!(
        w.store
            .due_deliveries(9, minute(1), minute(0))
            .await
            .unwrap()
            .is_empty()
    );
    let held = w
        .store
        .due_deliveries(9, minute(2), minute(1))
        .await
        .unwrap()
        .pop()
        .unwrap();
    assert_eq!(held, first);
    let again = Attempt::Again {
        at: minute(5),
        error: "503".into(),
    };
    for _ in 0..2 {
        w.store
            .record_attempt(&first, &again, minute(1))
            .await
            .unwrap();
    }
    let second = w
        .store
        .due_deliveries(9, minute(6), minute(5))
        .await
        .unwrap()
        .pop()
        .unwrap();
    assert_eq!((second.id, second.attempts), (first.id, 1));
    for _ in 0..2 {
        w.store
            .record_attempt(&second, &Attempt::Delivered, minute(5))
            .await
            .unwrap();
    }
    assert_eq!(w.store.next_delivery_at().await.unwrap(), None);
}

pub(crate) async fn what_cannot_be_delivered_is_visible_until_it_is_read(w: &World) {
    let channels = [Channel::Webhook];
    w.store
        .tell(w.project.id, &notice("x", None), &channels, minute(0))
        .await
        .unwrap();
    let delivery = w
        .store
        .due_deliveries(9, minute(1), minute(0))
        .await
        .unwrap()
        .pop()
        .unwrap();
    let failed = Attempt::Failed {
        error: "410".into(),
    };
    w.store
        .record_attempt(&delivery, &failed, minute(0))
        .await
        .unwrap();
    let filter = NoticeFilter::default();
    let listed = w.store.notices(w.project.id, &filter, PAGE).await.unwrap();
    assert_eq!(listed.rows[0].status, "failed");
    for _ in 0..2 {
        let read = w
            .store
            .acknowledge(w.project.id, delivery.notice.id, minute(1))
            .await
            .unwrap();
        assert_eq!(read.status, "read");
    }
    let id = heartbeat_domain::ids::NoticeId::new(&w.ids, minute(0));
    let unknown = w.store.acknowledge(w.project.id, id, minute(1)).await;
    assert_eq!(unknown, Err(StoreError::NotFound(Thing::Notice)));
}
