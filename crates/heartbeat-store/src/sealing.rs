//! Secrets at rest: XChaCha20-Poly1305, bound to the project and the secret's own id, so a sealed
//! value that is copied to another row does not open.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use heartbeat_domain::headers::Headers;
use heartbeat_domain::ids::{IdSource, ProjectId, ToolServerId};
use sha2::{Digest as _, Sha256};

use crate::StoreError;
use crate::verbs::Result;

const KEY: usize = 32;
const NONCE: usize = 24;

/// The key that seals secrets. Never shown.
#[derive(Clone)]
pub struct SealingKey([u8; KEY]);

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

impl SealingKey {
    /// A new key.
    #[must_use]
    pub fn generate(ids: &IdSource) -> Self {
        let mut key = [0; KEY];
        ids.fill(&mut key);
        Self(key)
    }

    /// The key in a text: 32 bytes as base64 or as 64 hex digits.
    ///
    /// # Errors
    /// `Conflict`: it is neither.
    pub fn from_text(text: &str) -> Result<Self> {
        let text = text.trim();
        let bytes = from_hex(text)
            .or_else(|| STANDARD.decode(text).ok())
            .or_else(|| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok());
        let key = bytes.and_then(|bytes| <[u8; KEY]>::try_from(bytes).ok());
        key.map(Self).ok_or_else(|| {
            StoreError::Conflict(
                "a sealing key is 32 bytes, written as base64 or as 64 hex digits".into(),
            )
        })
    }

    /// The key in a file, which is made with mode 0600 if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be read or made; `Conflict` if it holds something else.
    pub fn load_or_create(path: &Path, ids: &IdSource) -> Result<Self> {
        let unavailable = |error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_text(&text)
                .map_err(|error| StoreError::Conflict(format!("{}: {error}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = Self::generate(ids);
                create_private(path, &STANDARD.encode(key.0)).map_err(unavailable)?;
                Ok(key)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// A short text that tells keys apart and says nothing else about them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::new()
            .chain_update(b"heartbeat sealing key")
            .chain_update(self.0);
        digest
            .finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Seals a secret of a project.
    #[must_use]
    pub fn seal(&self, ids: &IdSource, owner: (ProjectId, &str), plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        ids.fill(&mut nonce);
        let aad = bound_to(owner);
        let sealed = self
            .cipher()
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plain,
                    aad: &aad,
                },
            )
            .expect("only texts of more than 256 GB cannot be sealed");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens a sealed secret of a project.
    ///
    /// # Errors
    /// `Corrupt`: it was sealed with another key, for another owner, or has been changed.
    pub fn unseal(&self, owner: (ProjectId, &str), sealed: &[u8]) -> Result<Vec<u8>> {
        let opened = sealed.split_at_checked(NONCE).and_then(|(nonce, text)| {
            let nonce = XNonce::from(<[u8; NONCE]>::try_from(nonce).ok()?);
            let aad = bound_to(owner);
            self.cipher()
                .decrypt(
                    &nonce,
                    Payload {
                        msg: text,
                        aad: &aad,
                    },
                )
                .ok()
        });
        opened.ok_or_else(|| {
            StoreError::Corrupt("a secret does not open with this key; enter it anew".into())
        })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

/// What a store seals and opens secrets with, once it was given a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vault(Arc<OnceLock<SealingKey>>);

impl Vault {
    /// Takes the key; the first one stays, and a store has checked that there is no other.
    pub(crate) fn take(&self, key: &SealingKey) {
        let _ = self.0.set(key.clone());
    }

    /// Headers of a tool server as they are kept; nothing where there are none.
    pub(crate) fn seal_headers(
        &self,
        ids: &IdSource,
        (project, server): (ProjectId, ToolServerId),
        headers: &Headers,
    ) -> Result<Option<Vec<u8>>> {
        if headers.is_empty() {
            return Ok(None);
        }
        let plain = serde_json::to_vec(headers.pairs())
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let owner = headers_of(server);
        Ok(Some(self.key()?.seal(ids, (project, &owner), &plain)))
    }

    /// Headers of a tool server from what is kept of them.
    pub(crate) fn open_headers(
        &self,
        (project, server): (ProjectId, ToolServerId),
        sealed: Option<&[u8]>,
    ) -> Result<Headers> {
        let Some(sealed) = sealed else {
            return Ok(Headers::default());
        };
        let owner = headers_of(server);
        let plain = self.key()?.unseal((project, &owner), sealed)?;
        let pairs = serde_json::from_slice(&plain).ok();
        pairs
            .and_then(|pairs| Headers::new(pairs).ok())
            .ok_or_else(|| StoreError::Corrupt("sealed headers are none; enter them anew".into()))
    }

    fn key(&self) -> Result<&SealingKey> {
        self.0.get().ok_or_else(|| {
            StoreError::Conflict("there is no sealing key, so secrets cannot be kept".into())
        })
    }
}

fn headers_of(server: ToolServerId) -> String {
    format!("tool_server/{server}/headers")
}

fn bound_to((project, secret): (ProjectId, &str)) -> Vec<u8> {
    [project.0.as_bytes().as_slice(), secret.as_bytes()].concat()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * KEY || !text.is_ascii() {
        return None;
    }
    (0..KEY)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok())
        .collect()
}

/// Makes a file that only this user can read; never writes over one that is there.
fn create_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
