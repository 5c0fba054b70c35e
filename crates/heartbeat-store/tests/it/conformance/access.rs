//! Projects, keys, sign-in.

use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::ids::KeyId;
use heartbeat_domain::plan::{Plan, Plans};
use heartbeat_domain::reason::Reason;
use heartbeat_store::verbs::{Key, KeyScope, Visit};
use heartbeat_store::{StoreError, Thing};

use crate::world::{World, minute, project};

pub(crate) async fn a_project_is_made_once_and_its_name_is_its_own(w: &World) {
    assert_eq!(w.store.create_project(&w.project).await.unwrap(), w.project);
    assert_eq!(w.store.projects().await.unwrap().len(), 1);
    let taken = w.store.create_project(&project(&w.ids, "acme")).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))));
    let unknown = project(&w.ids, "nobody").id;
    assert_eq!(
        w.store.project(unknown).await,
        Err(StoreError::NotFound(Thing::Project))
    );
}

pub(crate) async fn a_key_is_found_by_its_hash(w: &World) {
    let key = Key {
        id: KeyId::new(&w.ids, minute(0)),
        project_id: w.project.id,
        scope: KeyScope::ReadOnly,
    };
    w.store.create_key(&key, &[7; 32], minute(0)).await.unwrap();
    w.store.create_key(&key, &[7; 32], minute(0)).await.unwrap();
    assert_eq!(w.store.find_key(&[7; 32]).await.unwrap(), Some(key));
    assert_eq!(w.store.find_key(&[8; 32]).await.unwrap(), None);
}

pub(crate) async fn a_sign_in_code_works_once_and_in_time(w: &World) {
    let visit = |is_operator| Visit {
        project_id: w.project.id,
        is_operator,
    };
    let (person, operator) = (visit(false), visit(true));
    w.store
        .create_sign_in(&[1; 32], person, minute(15))
        .await
        .unwrap();
    w.store
        .create_sign_in(&[1; 32], person, minute(15))
        .await
        .unwrap();
    w.store
        .create_sign_in(&[2; 32], operator, minute(15))
        .await
        .unwrap();
    let redeem = |code: u8, session: u8, now| async move {
        let (code, session) = ([code; 32], [session; 32]);
        w.store
            .redeem_sign_in(&code, &session, minute(600), now)
            .await
            .unwrap()
    };
    assert_eq!(redeem(1, 11, minute(1)).await, Some(person));
    assert_eq!(redeem(1, 11, minute(2)).await, Some(person), "a repeat");
    assert_eq!(redeem(1, 12, minute(2)).await, None, "another session");
    assert_eq!(redeem(2, 13, minute(15)).await, None, "too late");
    assert_eq!(redeem(2, 13, minute(14)).await, Some(operator));
    let found = w.store.find_session(&[13; 32], minute(15)).await.unwrap();
    assert_eq!(found, Some(operator));
    assert_eq!(redeem(3, 14, minute(1)).await, None, "unknown");
    assert_eq!(
        w.store.find_session(&[11; 32], minute(599)).await.unwrap(),
        Some(person)
    );
    assert_eq!(
        w.store.find_session(&[11; 32], minute(600)).await.unwrap(),
        None
    );
    w.store.end_session(&[11; 32]).await.unwrap();
    w.store.end_session(&[11; 32]).await.unwrap();
    assert_eq!(
        w.store.find_session(&[11; 32], minute(1)).await.unwrap(),
        None
    );
}

pub(crate) async fn a_downgrade_pauses_the_youngest_and_the_too_frequent(w: &World) {
    let plans = Plans::default();
    let starter = plans.find("starter").unwrap();
    let mut made = Vec::new();
    for (at, minutes) in [30, 5, 30, 30, 30].into_iter().enumerate() {
        let now = minute(i64::try_from(at).unwrap());
        made.push(w.every(minutes, now).await.id);
    }
    let reasons = async || {
        let all = w
            .store
            .heartbeats(w.project.id, w.bot.id, None, minute(9))
            .await
            .unwrap();
        all.iter()
            .map(|h| h.paused.map(|pause| pause.reason))
            .collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let project = w
            .store
            .set_plan(w.project.id, starter, minute(9))
            .await
            .unwrap();
        assert_eq!(project.plan, "starter");
        let plan = Some(Reason::Plan);
        assert_eq!(reasons().await, [None, plan, None, plan, plan]);
    }
    let refused = w.store.enable(w.key(made[3]), starter, minute(9)).await;
    assert!(matches!(refused, Err(StoreError::Limit(limit)) if limit.code == "PLAN_LIMIT_REACHED"));
    w.store
        .set_plan(w.project.id, &Plan::default(), minute(10))
        .await
        .unwrap();
    assert_eq!(reasons().await, [None; 5]);
    assert_eq!(
        w.read(made[3], minute(10)).await.next.unwrap().at,
        minute(33),
        "on its grid"
    );
}

pub(crate) async fn an_upgrade_does_not_resume_what_is_switched_off(w: &World) {
    let free = Plans::default().find("free").unwrap().clone();
    let heartbeat = w.every(30, minute(0)).await;
    w.store
        .set_plan(w.project.id, &free, minute(1))
        .await
        .unwrap();
    let off = heartbeat_domain::bot::BotChange {
        heartbeat: Some(false),
        ..Default::default()
    };
    let bot = heartbeat_store::verbs::BotRef::Id(w.bot.id);
    w.store
        .update_bot(w.project.id, bot, off, minute(2))
        .await
        .unwrap();
    w.store
        .set_plan(w.project.id, &Plan::default(), minute(3))
        .await
        .unwrap();
    let paused = w.read(heartbeat.id, minute(3)).await.paused.unwrap();
    assert_eq!(paused.reason, Reason::SwitchedOff);
    let edit = w
        .made_by(
            &w.bot,
            |change| change.label = Patch::Set("x".into()),
            minute(3),
        )
        .await;
    assert!(matches!(edit, Err(StoreError::Limit(limit)) if limit.code == "HEARTBEAT_OFF"));
}
