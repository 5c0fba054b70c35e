//! Agents.

use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::heartbeat::{Patch, Standing};
use heartbeat_domain::reason::Reason;
use heartbeat_store::verbs::BotRef;
use heartbeat_store::{StoreError, Thing};

use crate::world::{PAGE, World, bot, minute};

fn switch(on: bool) -> BotChange {
    BotChange {
        heartbeat: Some(on),
        ..BotChange::default()
    }
}

pub(crate) async fn an_agent_is_made_once_and_found_by_id_and_number(w: &World) {
    let again = w.store.create_bot(&w.bot).await.unwrap();
    assert_eq!(again, w.bot);
    let second = w
        .store
        .create_bot(&bot(&w.ids, w.project.id))
        .await
        .unwrap();
    assert!(second.number > w.bot.number);
    let found = w
        .store
        .bot(w.project.id, BotRef::Number(second.number))
        .await
        .unwrap();
    assert_eq!(found, second);
    let all = w.store.bots(w.project.id, PAGE).await.unwrap();
    assert_eq!((all.total, all.rows), (2, vec![w.bot.clone(), second]));
}

pub(crate) async fn the_hosts_of_an_agent_are_kept_changed_and_taken_away(w: &World) {
    let hosts = |list: &[&str]| list.iter().map(|&host| host.to_owned()).collect::<Vec<_>>();
    let made = Bot {
        web_hosts: Some(hosts(&["a.example"])),
        ..bot(&w.ids, w.project.id)
    };
    let made = w.store.create_bot(&made).await.unwrap();
    assert_eq!(made.web_hosts, Some(hosts(&["a.example"])));
    let steps = [
        (Patch::Keep, Some(hosts(&["a.example"]))),
        (
            Patch::Set(hosts(&["b.example:81", "c"])),
            Some(hosts(&["b.example:81", "c"])),
        ),
        (Patch::Set(Vec::new()), Some(Vec::new())),
        (Patch::Clear, None),
    ];
    for (web_hosts, kept) in steps {
        let change = BotChange {
            web_hosts,
            ..BotChange::default()
        };
        let reference = BotRef::Id(made.id);
        let update = w
            .store
            .update_bot(w.project.id, reference, change, minute(1));
        assert_eq!(update.await.unwrap().web_hosts, kept);
        let read = w.store.bot(w.project.id, reference).await.unwrap();
        assert_eq!(read.web_hosts, kept);
    }
}

pub(crate) async fn switching_off_pauses_and_stops_and_switching_on_resumes(w: &World) {
    let (idle, busy) = (w.every(45, minute(0)).await, w.every(30, minute(0)).await);
    let off = w.every(50, minute(0)).await;
    w.store.disable(w.key(off.id), minute(1)).await.unwrap();
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    let bot = BotRef::Number(w.bot.number);
    for _ in 0..2 {
        w.store
            .update_bot(w.project.id, bot, switch(false), minute(31))
            .await
            .unwrap();
    }
    let paused = w.read(idle.id, minute(31)).await;
    assert_eq!(
        (paused.paused.unwrap().reason, paused.claimable_at),
        (Reason::SwitchedOff, None)
    );
    let asked = w.store.cancel_requests(node).await.unwrap();
    let asked: Vec<_> = asked
        .iter()
        .map(|it| (it.execution_id, it.reason))
        .collect();
    assert_eq!(asked, [(claim.execution.id, Reason::SwitchedOff)]);
    w.store
        .update_bot(w.project.id, bot, switch(true), minute(50))
        .await
        .unwrap();
    let resumed = w.read(idle.id, minute(50)).await;
    assert_eq!(
        (resumed.paused, resumed.next.unwrap().at),
        (None, minute(90))
    );
    assert_eq!(
        w.read(busy.id, minute(50)).await.claimable_at,
        None,
        "it still runs"
    );
    assert_eq!(w.read(off.id, minute(50)).await.standing(), Standing::Off);
}

pub(crate) async fn a_deleted_agent_takes_its_heartbeats_along_and_leaves_their_rows(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    let bot = BotRef::Id(w.bot.id);
    w.store
        .delete_bot(w.project.id, bot, minute(31))
        .await
        .unwrap();
    let gone = Err(StoreError::NotFound(Thing::Bot));
    assert_eq!(
        w.store.delete_bot(w.project.id, bot, minute(31)).await,
        gone
    );
    let read = w.store.heartbeat(w.key(heartbeat.id), minute(31)).await;
    assert_eq!(read, Err(StoreError::NotFound(Thing::Heartbeat)));
    let row = w
        .store
        .execution(w.project.id, claim.execution.id)
        .await
        .unwrap();
    assert_eq!(row.cancel_requested, Some(Reason::Deleted));
}
