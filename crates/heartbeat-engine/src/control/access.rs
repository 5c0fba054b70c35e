//! Projects, keys, and signing in.

use heartbeat_domain::bot::Project;
use heartbeat_domain::ids::{KeyId, ProjectId};
use heartbeat_domain::violation::Violation;
use heartbeat_store::StoreError;
use heartbeat_store::verbs::{Key, KeyScope, Visit};
use jiff::SignedDuration;

use super::{Control, Result};
use crate::secret;

/// How long a sign-in code works.
pub const SIGN_IN_LASTS: SignedDuration = SignedDuration::from_mins(15);

/// How long a session on the pages lasts.
pub const SESSION_LASTS: SignedDuration = SignedDuration::from_hours(24 * 30);

/// A project and the one showing of its key.
#[derive(Clone)]
pub struct NewProject {
    /// The project.
    pub project: Project,
    /// The key's secret; it is not kept anywhere.
    pub api_key: String,
}

impl Control {
    /// Creates a project with a key.
    ///
    /// # Errors
    /// The name is empty or taken, or there is no such plan.
    pub async fn create_project(&self, name: &str, plan: &str) -> Result<NewProject> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 255 {
            return Err(Violation::input("name", "must have 1 to 255 characters").into());
        }
        let plan = self.plan_named(plan)?.name.clone();
        let now = self.now();
        let project = Project {
            id: ProjectId::new(&self.ids, now),
            name: name.to_owned(),
            plan,
            paused_at: None,
            created_at: now,
        };
        let project = self.store.create_project(&project).await?;
        let api_key = self.create_key(project.id, KeyScope::Project).await?;
        Ok(NewProject { project, api_key })
    }

    /// Adds a key to a project; the secret is shown this once.
    ///
    /// # Errors
    /// There is no such project.
    pub async fn create_key(&self, project_id: ProjectId, scope: KeyScope) -> Result<String> {
        let now = self.now();
        let api_key = secret::generate(&self.ids, "hb_");
        let key = Key {
            id: KeyId::new(&self.ids, now),
            project_id,
            scope,
        };
        self.store
            .create_key(&key, &secret::hash(&api_key), now)
            .await?;
        Ok(api_key)
    }

    /// The key behind a secret.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn authenticate(&self, api_key: &str) -> Result<Option<Key>> {
        self.store.find_key(&secret::hash(api_key)).await
    }

    /// A code that signs in to a project's pages, once, within [`SIGN_IN_LASTS`].
    ///
    /// # Errors
    /// There is no such project.
    pub async fn create_sign_in(&self, project_id: ProjectId) -> Result<String> {
        let is_operator = false;
        self.create_visit(Visit {
            project_id,
            is_operator,
        })
        .await
    }

    /// The same for whoever runs the installation: they also see its nodes.
    ///
    /// # Errors
    /// There is no such project.
    pub async fn create_operator_sign_in(&self, project_id: ProjectId) -> Result<String> {
        let is_operator = true;
        self.create_visit(Visit {
            project_id,
            is_operator,
        })
        .await
    }

    async fn create_visit(&self, visit: Visit) -> Result<String> {
        let code = secret::generate(&self.ids, "");
        let expires_at = self.now() + SIGN_IN_LASTS;
        self.store
            .create_sign_in(&secret::hash(&code), visit, expires_at)
            .await?;
        Ok(code)
    }

    /// Trades a code for a session's secret.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn sign_in(&self, code: &str) -> Result<Option<(Visit, String)>> {
        let session = secret::generate(&self.ids, "");
        let now = self.now();
        let (code, hash) = (secret::hash(code), secret::hash(&session));
        let redeemed = self
            .store
            .redeem_sign_in(&code, &hash, now + SESSION_LASTS, now)
            .await?;
        Ok(redeemed.map(|visit| (visit, session)))
    }

    /// Whose a session's secret is.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn session(&self, session: &str) -> Result<Option<Visit>> {
        self.store
            .find_session(&secret::hash(session), self.now())
            .await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn sign_out(&self, session: &str) -> Result<()> {
        self.store.end_session(&secret::hash(session)).await
    }

    /// The project of that id or name; the only one there is, where neither is given.
    ///
    /// # Errors
    /// There is none, or there are several and none was named.
    pub async fn pick_project(&self, named: Option<&str>) -> Result<Project> {
        let projects = self.store.projects().await?;
        let Some(named) = named else {
            let message = match projects.as_slice() {
                [one] => return Ok(one.clone()),
                [] => "there is no project yet; make one with `heartbeat project create NAME`",
                _ => "there are several projects; name one with --project",
            };
            return Err(Violation::input("project", message).into());
        };
        projects
            .into_iter()
            .find(|project| project.name == named || project.id.to_string() == named)
            .ok_or(StoreError::NotFound(heartbeat_store::Thing::Project))
    }

    /// Moves a project to another plan.
    ///
    /// # Errors
    /// There is no such project or plan.
    pub async fn set_plan(&self, project_id: ProjectId, plan: &str) -> Result<Project> {
        let plan = self.plan_named(plan)?.clone();
        let project = self.store.set_plan(project_id, &plan, self.now()).await?;
        self.wake.due();
        self.wake.stop();
        Ok(project)
    }
}
