//! Projects and their keys, and stopping everything; for admin keys only.

use axum::Json;
use heartbeat_domain::violation::Violation;
use heartbeat_store::verbs::{KeyScope, Reach};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::input::Input;
use crate::openapi::{Answer, Refusals};
use crate::problem::Problem;
use crate::wire::projects::{
    CreateKeyRequest, CreateProjectRequest, CreatedProjectResponse, KeyResponse, PausedResponse,
    ProjectResponse, ProjectsResponse, ReachRequest, ResumedResponse, UpdateProjectRequest,
};

const PLAN: &str = "self_hosted";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(create))
        .routes(routes!(read_all))
        .routes(routes!(update))
        .routes(routes!(create_key))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

/// Creates a project; its key is shown this once.
#[utoipa::path(
    post,
    path = "/v1/project/create",
    tag = "projects",
    operation_id = "create_project",
    request_body = CreateProjectRequest,
    responses((status = 200, description = "The project", body = CreatedProjectResponse), Refusals)
)]
async fn create(call: Call) -> Answer<CreatedProjectResponse> {
    call.require_admin()?;
    let name: String = call.input.required("name")?;
    let plan = call
        .input
        .optional("plan")?
        .unwrap_or_else(|| PLAN.to_owned());
    let created = call.control.create_project(&name, &plan).await?;
    Ok(Json(CreatedProjectResponse {
        project_id: created.project.id.to_string(),
        api_key: created.api_key,
        project: created.project.into(),
    }))
}

/// All projects, oldest first.
#[utoipa::path(
    get,
    path = "/v1/project/readall",
    tag = "projects",
    operation_id = "read_projects",
    responses((status = 200, description = "The projects", body = ProjectsResponse), Refusals)
)]
async fn read_all(call: Call) -> Answer<ProjectsResponse> {
    call.require_admin()?;
    let found = call.control.store().projects().await?;
    Ok(Json(ProjectsResponse {
        projects: found.into_iter().map(Into::into).collect(),
    }))
}

/// Moves a project to another plan. Heartbeats beyond it pause, those within it go on.
#[utoipa::path(
    put,
    path = "/v1/project/update",
    tag = "projects",
    operation_id = "update_project",
    request_body = UpdateProjectRequest,
    responses((status = 200, description = "The project", body = ProjectResponse), Refusals)
)]
async fn update(call: Call) -> Answer<ProjectResponse> {
    call.require_admin()?;
    let project_id = call.project().await?;
    let plan: String = call.input.required("plan")?;
    let project = call.control.set_plan(project_id, &plan).await?;
    Ok(Json(ProjectResponse {
        project: project.into(),
    }))
}

/// Adds a key to a project; it is shown this once.
#[utoipa::path(
    post,
    path = "/v1/project/key",
    tag = "projects",
    operation_id = "create_key",
    request_body = CreateKeyRequest,
    responses((status = 200, description = "The key", body = KeyResponse), Refusals)
)]
async fn create_key(call: Call) -> Answer<KeyResponse> {
    call.require_admin()?;
    let project_id = call.project().await?;
    let scope = scope(&call.input)?;
    let api_key = call.control.create_key(project_id, scope).await?;
    Ok(Json(KeyResponse {
        api_key,
        scope: scope.as_str(),
    }))
}

fn scope(input: &Input) -> Result<KeyScope, Violation> {
    let Some(text) = input.optional::<String>("scope")? else {
        return Ok(KeyScope::Project);
    };
    let scopes = [KeyScope::Admin, KeyScope::Project, KeyScope::ReadOnly];
    let found = scopes.into_iter().find(|scope| scope.as_str() == text);
    found.ok_or_else(|| Violation::input("scope", "must be admin, project or read_only"))
}

/// Stops a project, an agent of it, or everything, within five seconds.
#[utoipa::path(
    post,
    path = "/v1/project/pause",
    tag = "projects",
    operation_id = "pause",
    request_body = ReachRequest,
    responses((status = 200, description = "What was stopped", body = PausedResponse), Refusals)
)]
async fn pause(call: Call) -> Answer<PausedResponse> {
    let reach = reach(&call).await?;
    Ok(Json(call.control.pause(reach).await?.into()))
}

/// Lets what was stopped go on.
#[utoipa::path(
    post,
    path = "/v1/project/resume",
    tag = "projects",
    operation_id = "resume",
    request_body = ReachRequest,
    responses((status = 200, description = "What goes on", body = ResumedResponse), Refusals)
)]
async fn resume(call: Call) -> Answer<ResumedResponse> {
    let reach = reach(&call).await?;
    Ok(Json(call.control.resume(reach).await?.into()))
}

async fn reach(call: &Call) -> Result<Reach, Problem> {
    call.require_admin()?;
    if call.input.optional("all")?.unwrap_or(false) {
        return Ok(Reach::All);
    }
    let project_id = call.project().await?;
    let bot = call.optional_bot(project_id).await?;
    Ok(bot.map_or(Reach::Project(project_id), |bot| {
        Reach::Bot(project_id, bot.id)
    }))
}
