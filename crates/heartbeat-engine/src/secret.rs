//! Secrets that are shown once: API keys, sign-in codes, sessions. Only their hashes are kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heartbeat_domain::ids::IdSource;
use heartbeat_store::verbs::SecretHash;
use sha2::{Digest, Sha256};

/// A fresh secret of 256 bits that begins with `prefix`.
#[must_use]
pub fn generate(ids: &IdSource, prefix: &str) -> String {
    let mut bytes = [0_u8; 32];
    ids.fill(&mut bytes);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a secret.
#[must_use]
pub fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}
