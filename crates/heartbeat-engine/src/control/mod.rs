//! What people do: every rule that a person can run into exists here or below, once, and the API,
//! the pages and the command line call nothing else to change anything.

mod access;
mod bots;
mod credits;
mod heartbeats;
mod tool_servers;
mod trigger;
mod watches;

use std::sync::Arc;

use heartbeat_agent::Waiter;
use heartbeat_domain::bot::Project;
use heartbeat_domain::ids::{IdSource, ProjectId};
use heartbeat_domain::plan::{Plan, Plans};
use heartbeat_domain::violation::Violation;
use heartbeat_store::verbs::SETTLE_MOST;
use heartbeat_store::{Limit, Store, StoreError};
use heartbeat_tools::Hands;
use jiff::Timestamp;

pub use self::access::{NewProject, SESSION_LASTS, SIGN_IN_LASTS};
pub use self::heartbeats::Stopped;
pub use self::tool_servers::{Listing, TOOLS_MAX, ToolServerAsk};
pub use self::trigger::TRIGGER_WAIT_DEFAULT;
pub use self::watches::WatchChecks;
use crate::wake::Wake;

/// What a control verb answers. `StoreError` already says everything that can be refused.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What people do.
#[derive(Clone)]
pub struct Control {
    store: Arc<dyn Store>,
    waiter: Arc<dyn Waiter>,
    ids: Arc<IdSource>,
    plans: Arc<Plans>,
    checks: Arc<WatchChecks>,
    hands: Arc<dyn Hands>,
    wake: Wake,
    for_demo: bool,
    settle_most: usize,
}

impl Control {
    /// Control over a store. `hands` reach tool servers; `wake` is told when there is something
    /// to look for.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        (waiter, ids): (Arc<dyn Waiter>, Arc<IdSource>),
        plans: Arc<Plans>,
        (checks, hands): (Arc<WatchChecks>, Arc<dyn Hands>),
        wake: impl Into<Wake>,
    ) -> Self {
        Self {
            store,
            waiter,
            ids,
            plans,
            checks,
            hands,
            wake: wake.into(),
            for_demo: false,
            settle_most: SETTLE_MOST,
        }
    }

    /// Control that marks at most so many heartbeats in one transaction.
    #[must_use]
    pub fn settling_at_most(self, settle_most: usize) -> Self {
        Self {
            settle_most,
            ..self
        }
    }

    /// Control that may give agents the demo's stand-in for a model; everybody else's agents refuse
    /// to run on it rather than pretend.
    #[must_use]
    pub fn for_demo(&self) -> Self {
        Self {
            for_demo: true,
            ..self.clone()
        }
    }

    /// Refuses the demo's stand-in as a model.
    fn check_model(&self, field: &'static str, model: Option<&str>) -> Result<()> {
        let is_demo = model.is_some_and(|model| model == heartbeat_agent::model::demo::NAME);
        if !is_demo || self.for_demo {
            return Ok(());
        }
        let what = "`demo` is no model, only what `serve --demo` shows itself with; name a model as \
                    provider/name, such as openai/gpt-5.5 or ollama/qwen3";
        Err(Violation::input(field, what).into())
    }

    /// The store, for its reading verbs.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.waiter.now()
    }

    /// Waits; for views that follow.
    pub async fn wait_until(&self, at: Timestamp) {
        self.waiter.wait_until(at).await;
    }

    /// The plans of this installation.
    #[must_use]
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// A project with its plan.
    ///
    /// # Errors
    /// There is no such project, or its plan is not in the configuration.
    pub async fn plan_of(&self, id: ProjectId) -> Result<(Project, Plan)> {
        let project = self.store.project(id).await?;
        let plan = self.plans.find(&project.plan).cloned().ok_or_else(|| {
            StoreError::Corrupt(format!(
                "project {} is on plan `{}`, which is not configured",
                project.id, project.plan
            ))
        })?;
        Ok((project, plan))
    }

    /// The plan of that name.
    fn plan_named(&self, name: &str) -> Result<&Plan> {
        self.plans.find(name).ok_or_else(|| {
            let known = self.plans.names().join(", ");
            Violation::input("plan", format!("`{name}` is not a plan; there are {known}")).into()
        })
    }
}

/// A refusal that needs no numbers.
pub(crate) fn refused(code: &'static str, message: impl Into<String>) -> StoreError {
    StoreError::Limit(Limit {
        code,
        message: message.into(),
        limit: None,
        used: None,
        resets_at: None,
    })
}
