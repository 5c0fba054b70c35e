//! Secrets at rest, and the key that opens them.

use std::os::unix::fs::PermissionsExt as _;

use heartbeat_domain::headers::Headers;
use heartbeat_domain::ids::{IdSource, ProjectId, ToolServerId};
use heartbeat_domain::tool::{Permission, Place, ToolServer};
use heartbeat_store::StoreError;
use heartbeat_store::sealing::SealingKey;
use heartbeat_store::verbs::{NewToolServer, ToolServers as _};

use crate::world::{open_file, start};

#[test]
fn a_sealed_secret_opens_for_its_owner_and_nobody_else() {
    let ids = IdSource::from_seed(3);
    let (one, two) = (ProjectId::new(&ids, start()), ProjectId::new(&ids, start()));
    let key = SealingKey::generate(&ids);
    let sealed = key.seal(&ids, (one, "s1"), b"hunter2");
    assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
    assert_eq!(key.unseal((one, "s1"), &sealed).unwrap(), b"hunter2");
    let mut changed = sealed.clone();
    changed[30] ^= 1;
    let other = SealingKey::generate(&ids);
    let wrong = [
        key.unseal((two, "s1"), &sealed),
        key.unseal((one, "s2"), &sealed),
        key.unseal((one, "s1"), &changed),
        key.unseal((one, "s1"), b"short"),
        other.unseal((one, "s1"), &sealed),
    ];
    assert!(
        wrong
            .iter()
            .all(|one| matches!(one, Err(StoreError::Corrupt(_))))
    );
    assert_eq!(format!("{key:?}"), "SealingKey(…)");
}

#[test]
fn a_key_is_made_once_for_this_user_alone_and_read_again() {
    let ids = IdSource::from_seed(3);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("heartbeat.key");
    let made = SealingKey::load_or_create(&path, &ids).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let read = SealingKey::load_or_create(&path, &ids).unwrap();
    assert_eq!(read.fingerprint(), made.fingerprint());
    let hex = "ab".repeat(32);
    let base64 = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
    let same = SealingKey::from_text(base64).unwrap().fingerprint();
    assert_eq!(SealingKey::from_text(&hex).unwrap().fingerprint(), same);
    assert!(SealingKey::from_text("password").is_err());
    std::fs::write(&path, "not a key").unwrap();
    assert!(matches!(
        SealingKey::load_or_create(&path, &ids),
        Err(StoreError::Conflict(_))
    ));
}

#[tokio::test]
async fn a_database_refuses_another_key() {
    let ids = IdSource::from_seed(3);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = open_file(&path).await.unwrap();
    let (key, other) = (SealingKey::generate(&ids), SealingKey::generate(&ids));
    store.unlock(&key).await.unwrap();
    store.unlock(&key).await.unwrap();
    let refused = store.unlock(&other).await.unwrap_err();
    assert!(
        refused.to_string().contains(&key.fingerprint()),
        "{refused}"
    );
}

#[tokio::test]
async fn a_header_stands_in_no_file_and_opens_for_no_store_without_the_key() {
    let world = crate::world::World::sqlite().await;
    let headers = vec![("Authorization".to_owned(), "canary-in-a-cage".to_owned())];
    let now = start();
    let server = ToolServer {
        id: ToolServerId::new(&world.ids, now),
        project_id: world.project.id,
        bot_id: world.bot.id,
        label: "Desk".into(),
        place: Place::Http {
            url: "https://desk.example".into(),
        },
        fresh: Permission::Allowed,
        header_names: Vec::new(),
        is_enabled: true,
        trusted: false,
        tools: Vec::new(),
        trouble: None,
        created_at: now,
        updated_at: now,
    };
    let ask = NewToolServer {
        server,
        headers: Headers::new(headers).unwrap(),
        cap: None,
    };
    world.store.create_tool_server(&ask).await.unwrap();
    for name in ["heartbeat.db", "heartbeat.db-wal"] {
        let bytes = std::fs::read(world.path.with_file_name(name)).unwrap();
        let is_there = bytes.windows(16).any(|part| part == b"canary-in-a-cage");
        assert!(!is_there, "{name} shows the secret");
    }
    let plain = open_file(&world.path).await.unwrap();
    let reached = plain.reach(world.project.id, world.bot.id).await.unwrap();
    assert!(
        matches!(&reached[0].headers, Err(StoreError::Conflict(why)) if why.contains("key")),
        "a store without the key answers no headers"
    );
}
