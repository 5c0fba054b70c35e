//! Projects and their keys; and stopping everything.

use heartbeat_domain::bot::Project;
use heartbeat_domain::ids::HeartbeatId;
use heartbeat_engine::control::Stopped;
use serde::Serialize;
use utoipa::ToSchema;

use super::instant;

/// Creates a project with a key.
#[derive(Clone, Debug, ToSchema)]
pub struct CreateProjectRequest {
    /// Name, unique within the installation.
    pub name: String,
    /// Name of its plan; `self_hosted` where left out.
    pub plan: Option<String>,
}

/// Moves a project to another plan.
#[derive(Clone, Debug, ToSchema)]
pub struct UpdateProjectRequest {
    /// The project.
    pub project_id: String,
    /// Name of the plan.
    pub plan: String,
}

/// Adds a key to a project.
#[derive(Clone, Debug, ToSchema)]
pub struct CreateKeyRequest {
    /// The project.
    pub project_id: String,
    /// `admin`, `project` or `read_only`; `project` where left out.
    pub scope: Option<String>,
}

/// How far a stop, or its end, reaches.
#[derive(Clone, Debug, ToSchema)]
pub struct ReachRequest {
    /// One project; left out only with `all`.
    pub project_id: Option<String>,
    /// One agent of it, by UUID or row number.
    pub bot_id: Option<String>,
    /// Every project.
    pub all: Option<bool>,
}

/// A project.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub struct ProjectObject {
    /// What requests take as `project_id`.
    pub uuid: String,
    /// Name.
    pub name: String,
    /// Name of its plan.
    pub plan: String,
    /// Since when everything in it is paused.
    pub paused_at: Option<String>,
    /// When it was made.
    pub created_at: String,
}

impl From<Project> for ProjectObject {
    fn from(project: Project) -> Self {
        Self {
            uuid: project.id.to_string(),
            name: project.name,
            plan: project.plan,
            paused_at: project.paused_at.map(instant),
            created_at: instant(project.created_at),
        }
    }
}

/// A project and the one showing of its key.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CreatedProjectResponse {
    /// What requests take as `project_id`.
    pub project_id: String,
    /// Shown this once.
    pub api_key: String,
    /// The project.
    pub project: ProjectObject,
}

/// One project.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProjectResponse {
    /// The project.
    pub project: ProjectObject,
}

/// All projects, oldest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProjectsResponse {
    /// The projects.
    pub projects: Vec<ProjectObject>,
}

/// The one showing of a key.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KeyResponse {
    /// Shown this once.
    pub api_key: String,
    /// What it may do.
    pub scope: &'static str,
}

/// What was stopped.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PausedResponse {
    /// Heartbeats that were active and no longer are.
    pub heartbeats: Vec<String>,
    /// Executions that end within five seconds.
    pub executions: Vec<String>,
}

impl From<Stopped> for PausedResponse {
    fn from(stopped: Stopped) -> Self {
        Self {
            heartbeats: stopped.heartbeats.iter().map(ToString::to_string).collect(),
            executions: stopped.executions.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What goes on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ResumedResponse {
    /// Heartbeats that are active again.
    pub heartbeats: Vec<String>,
}

impl From<Vec<HeartbeatId>> for ResumedResponse {
    fn from(ids: Vec<HeartbeatId>) -> Self {
        Self {
            heartbeats: ids.iter().map(ToString::to_string).collect(),
        }
    }
}
