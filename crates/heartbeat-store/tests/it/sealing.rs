//! Secrets at rest, and the key that opens them.

use std::os::unix::fs::PermissionsExt as _;

use heartbeat_domain::ids::{IdSource, ProjectId};
use heartbeat_store::StoreError;
use heartbeat_store::sealing::SealingKey;

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
    store.check_key_fingerprint(&key).await.unwrap();
    store.check_key_fingerprint(&key).await.unwrap();
    let refused = store.check_key_fingerprint(&other).await.unwrap_err();
    assert!(
        refused.to_string().contains(&key.fingerprint()),
        "{refused}"
    );
}
