//! Typed ids: UUIDv7 built from a given `now` and a given source of randomness, never from the
//! system's clock.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng, rngs::SysRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by `now`.
            #[must_use]
            pub fn new(ids: &IdSource, now: Timestamp) -> Self {
                Self(ids.uuid(now))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// A customer.
    ProjectId,
    /// An API key's row (not the secret).
    KeyId,
    /// An agent.
    BotId,
    /// An end user of an agent.
    MemberId,
    /// A standing instruction.
    HeartbeatId,
    /// The record of carrying out one fire.
    ExecutionId,
    /// A tool server of an agent.
    ToolServerId,
    /// One incarnation of a running process.
    NodeId,
    /// An entry of a project's credit ledger.
    CreditId,
    /// A message to people.
    NoticeId,
    /// One message on its way through one channel; stable across attempts.
    DeliveryId,
    /// A request of a client; makes a repeated write recognisable.
    RequestId,
}

/// Where the random part of ids comes from; seeded in simulations.
#[derive(Debug)]
pub struct IdSource(Mutex<StdRng>);

impl IdSource {
    /// Ids that repeat with the seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// Ids that nobody can guess.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn from_system() -> Result<Self, rand::rngs::SysError> {
        StdRng::try_from_rng(&mut SysRng).map(|rng| Self(Mutex::new(rng)))
    }

    /// Random bytes, for secrets and ids.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(bytes);
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut random = [0_u8; 10];
        self.fill(&mut random);
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}
