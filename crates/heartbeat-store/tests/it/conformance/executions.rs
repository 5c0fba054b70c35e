//! Reading the record, and pruning it.

use heartbeat_domain::execution::{Ending, Outcome, Phase, Status};
use heartbeat_store::verbs::{HistoryKept, LogFilter, LogState, Page, Tended};
use serde_json::json;

use crate::world::{PAGE, World, failure, minute};

pub(crate) async fn logs_are_filtered_newest_first_and_open_ones_only_if_asked(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(0)).await;
    for (at, outcome) in [
        (30, Outcome::Success),
        (60, failure()),
        (90, Outcome::Success),
    ] {
        w.renew(node, minute(at)).await;
        let claim = w.claim_one(node, minute(at)).await;
        w.finish(&claim.hold, outcome, minute(at)).await.unwrap();
    }
    w.renew(node, minute(120)).await;
    let open = w.claim_one(node, minute(120)).await;
    let list = async |filter: LogFilter| {
        let listed = w.store.logs(w.project.id, &filter, PAGE).await.unwrap();
        listed.rows.iter().map(|row| row.due_at).collect::<Vec<_>>()
    };
    let all = LogFilter::default();
    assert_eq!(
        list(all.clone()).await,
        [minute(90), minute(60), minute(30)]
    );
    let state = Some(LogState::Ended(Status::Error));
    assert_eq!(
        list(LogFilter {
            state,
            ..all.clone()
        })
        .await,
        [minute(60)]
    );
    let state = Some(LogState::Open(Phase::Running));
    assert_eq!(
        list(LogFilter {
            state,
            ..all.clone()
        })
        .await,
        [open.execution.due_at]
    );
    let (from, to) = (Some(minute(60)), Some(minute(90)));
    assert_eq!(
        list(LogFilter {
            from,
            to,
            ..all.clone()
        })
        .await,
        [minute(60)]
    );
    let (bot_id, heartbeat_id) = (Some(w.bot.id), Some(heartbeat.id));
    assert_eq!(
        list(LogFilter {
            bot_id,
            heartbeat_id,
            ..all.clone()
        })
        .await
        .len(),
        3
    );
    let page = Page { number: 2, size: 2 };
    let second = w.store.logs(w.project.id, &all, page).await.unwrap();
    assert_eq!((second.total, second.rows.len()), (3, 1));
}

pub(crate) async fn a_thread_holds_what_was_said_and_the_last_run_is_not_a_skip(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(0)).await;
    for (at, said) in [(30, "one"), (60, ""), (90, "two"), (120, "three")] {
        w.renew(node, minute(at)).await;
        let claim = w.claim_one(node, minute(at)).await;
        let ending = Ending {
            response: said.into(),
            ..Ending::plain(Outcome::Success)
        };
        w.store
            .finish(&claim.hold, &ending, &[], minute(at))
            .await
            .unwrap();
    }
    let said = async |times, most| {
        let past = w
            .store
            .past_runs(w.project.id, heartbeat.id, times, most)
            .await
            .unwrap();
        let thread = past.thread.into_iter().map(|run| run.response);
        (thread.collect::<Vec<_>>(), past.last.unwrap().response)
    };
    let of = |thread: &[&str]| {
        let thread = thread.iter().map(|said| (*said).to_owned());
        (thread.collect::<Vec<_>>(), "three".to_owned())
    };
    assert_eq!(said((minute(0), minute(120)), 9).await, of(&["one", "two"]));
    assert_eq!(
        said((minute(0), minute(999)), 2).await,
        of(&["two", "three"])
    );
    w.trigger(heartbeat.id, minute(125)).await.unwrap();
    w.trigger(heartbeat.id, minute(126)).await.unwrap();
    assert_eq!(said((minute(124), minute(999)), 9).await, of(&[]));
}

pub(crate) async fn pruning_takes_what_is_old_and_leaves_what_is_open(w: &World) {
    w.every(30, minute(0)).await;
    let node = w.node(minute(0)).await;
    for at in [30, 60] {
        w.renew(node, minute(at)).await;
        let claim = w.claim_one(node, minute(at)).await;
        w.store
            .open_journal(&claim.hold, &json!(1), minute(at))
            .await
            .unwrap();
        w.finish(&claim.hold, Outcome::Success, minute(at))
            .await
            .unwrap();
    }
    w.renew(node, minute(90)).await;
    let open = w.claim_one(node, minute(90)).await;
    let project = w.project.id;
    assert_eq!(
        w.store
            .prune(project, (Some(minute(60)), None), 100)
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        w.store
            .prune(project, (None, Some(minute(500))), 1)
            .await
            .unwrap(),
        1
    );
    assert_eq!(w.ended().await.len(), 1);
    assert_eq!(
        w.store
            .prune(project, (None, Some(minute(500))), 100)
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        w.store
            .prune(project, (None, Some(minute(500))), 100)
            .await
            .unwrap(),
        0
    );
    w.finish(&open.hold, Outcome::Success, minute(91))
        .await
        .unwrap();
}

pub(crate) async fn tending_the_history_moves_no_row_and_ends_nothing(w: &World) {
    w.every(30, minute(0)).await;
    let node = w.node(minute(0)).await;
    w.renew(node, minute(30)).await;
    let first = w.claim_one(node, minute(30)).await.hold;
    let store = &w.store;
    store
        .open_journal(&first, &json!(1), minute(30))
        .await
        .unwrap();
    w.finish(&first, Outcome::Success, minute(31))
        .await
        .unwrap();
    w.renew(node, minute(60)).await;
    let open = w.claim_one(node, minute(60)).await.hold;
    store
        .open_journal(&open, &json!(1), minute(60))
        .await
        .unwrap();
    let (rows, mut tended) = (w.ended().await, 0);
    loop {
        let kept = HistoryKept::default();
        match store.tend_history(kept, minute(61)).await.unwrap() {
            Tended::Done | Tended::Undivided => break,
            Tended::Made(_) => tended += 1,
            Tended::Dropped(part) => panic!("{part} went, though all is kept"),
        }
        assert!(tended < 100, "it does not end");
    }
    assert_eq!(w.ended().await, rows);
    let steps = store.steps(w.project.id, first.execution_id).await.unwrap();
    assert_eq!(steps.len(), 1);
    let steps = store.take_over(&open, minute(62)).await.unwrap();
    assert_eq!(steps.len(), 1);
    w.finish(&open, Outcome::Success, minute(63)).await.unwrap();
    assert_eq!(w.ended().await.len(), 2);
}
