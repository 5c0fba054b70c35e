//! Who may do what: projects, keys, sign-in.

use async_trait::async_trait;
use heartbeat_domain::bot::Project;
use heartbeat_domain::ids::{KeyId, ProjectId};
use heartbeat_domain::plan::Plan;
use jiff::Timestamp;

use super::Result;

/// SHA-256 of a secret that is shown once and never kept.
pub type SecretHash = [u8; 32];

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// Everything, other projects included.
    Admin,
    /// Everything within its project.
    Project,
    /// Reading within its project.
    ReadOnly,
}

impl KeyScope {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Project => "project",
            Self::ReadOnly => "read_only",
        }
    }
}

/// A key without its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Id.
    pub id: KeyId,
    /// Its project.
    pub project_id: ProjectId,
    /// What it may do.
    pub scope: KeyScope,
}

/// Whose pages somebody who signs in sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The project.
    pub project_id: ProjectId,
    /// Whether they also see what is the installation's and no project's, such as its nodes.
    pub is_operator: bool,
}

/// Projects, keys, sign-in codes and sessions.
#[async_trait]
pub trait Access: Send + Sync {
    /// Creates a project. Idempotent under its id; `Conflict` if the name is taken.
    async fn create_project(&self, project: &Project) -> Result<Project>;

    /// A project; `NotFound` if there is none.
    async fn project(&self, id: ProjectId) -> Result<Project>;

    /// All projects, oldest first.
    async fn projects(&self) -> Result<Vec<Project>>;

    /// Moves a project to another plan: the oldest heartbeats up to the new cap stay, the others
    /// and those more frequent than the new minimum pause with `plan`; those that fit again resume.
    /// Idempotent.
    async fn set_plan(&self, id: ProjectId, plan: &Plan, now: Timestamp) -> Result<Project>;

    /// Adds a key. Idempotent under its id.
    async fn create_key(&self, key: &Key, hash: &SecretHash, now: Timestamp) -> Result<()>;

    /// The key with that hash, if there is one.
    async fn find_key(&self, hash: &SecretHash) -> Result<Option<Key>>;

    /// Keeps a sign-in code until it is used or `expires_at` has come. Idempotent under the hash.
    async fn create_sign_in(
        &self,
        hash: &SecretHash,
        visit: Visit,
        expires_at: Timestamp,
    ) -> Result<()>;

    /// Trades a sign-in code for a session; the code works once. `None` if it is unknown, used or
    /// too old. Repeated with the same session it gives the first answer.
    async fn redeem_sign_in(
        &self,
        code: &SecretHash,
        session: &SecretHash,
        session_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Visit>>;

    /// Whose session that is, if it has not expired.
    async fn find_session(&self, hash: &SecretHash, now: Timestamp) -> Result<Option<Visit>>;

    /// Ends a session. Idempotent.
    async fn end_session(&self, hash: &SecretHash) -> Result<()>;
}
