//! `heartbeat login`.

use heartbeat_engine::control::Control;
use heartbeat_store::Address;
use heartbeat_store::sqlite::announced_at;
use serde_json::json;

use crate::args::LoginArgs;
use crate::config::Config;
use crate::output::Out;

/// Prints a link that signs in once.
pub(crate) async fn run(
    ask: &LoginArgs,
    control: &Control,
    config: &Config,
    out: &mut Out,
) -> anyhow::Result<()> {
    let project = control.pick_project(ask.within.project.as_deref()).await?;
    let code = match ask.operator {
        true => control.create_operator_sign_in(project.id).await?,
        false => control.create_sign_in(project.id).await?,
    };
    let now = control.now();
    let is_served = control
        .store()
        .nodes(now)
        .await?
        .iter()
        .any(|node| node.is_live(now));
    let announced = match config.database_url.parse()? {
        Address::Sqlite(path) => announced_at(&path).filter(|_| is_served),
        Address::Postgres(_) => None,
    };
    let base = announced.unwrap_or_else(|| match &config.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", config.listen),
    });
    let link = format!("{base}/login?code={code}");
    out.either(
        &json!({ "project_id": project.id, "url": link, "code": code }),
        &link,
    );
    Ok(())
}
