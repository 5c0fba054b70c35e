//! `heartbeat login`.

use anyhow::Context;
use heartbeat_engine::control::Control;
use serde_json::json;

use crate::args::Within;
use crate::config::Config;
use crate::output::Out;

/// Prints a link that signs in once.
pub(crate) async fn run(
    within: &Within,
    control: &Control,
    config: &Config,
    out: &mut Out,
) -> anyhow::Result<()> {
    let project = control.pick_project(within.project.as_deref()).await?;
    let code = control.create_sign_in(project.id).await?;
    let base = match &config.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", config.listen.parse::<std::net::SocketAddr>()
            .with_context(|| format!("`listen` is {}, which is no address", config.listen))?),
    };
    let link = format!("{base}/login?code={code}");
    out.either(&json!({ "project_id": project.id, "url": link, "code": code }), &link);
    Ok(())
}
