//! An agent: what it is told, which model it has, and its heartbeats.

use askama::Template;
use axum::extract::{Path, State};
use heartbeat_domain::bot::Bot;
use heartbeat_store::verbs::{BotRef, Page};

use super::home::beats;
use crate::Web;
use crate::frame::{Answer, Frame, page};
use crate::reading::Roster;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::views::HeartbeatRow;
use crate::words;

/// Days that the totals look back on.
const DAYS: u32 = 30;
/// Heartbeats with a strip of their beats; reading each is a verb of its own.
const ROWS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "agent.html")]
struct AgentPage {
    frame: Frame,
    bot: Bot,
    tools: String,
    rows: Vec<HeartbeatRow>,
    hidden: usize,
    totals: Vec<(&'static str, String)>,
}

/// The page.
pub(crate) async fn show(
    State(web): State<Web>,
    session: Session,
    Path(number): Path<String>,
) -> Answer {
    let control = &web.control;
    let (project_id, now) = (session.project.id, control.now());
    let number = number.parse().map_err(|_| Refusal::not_found("agent"))?;
    let store = control.store();
    let bot = store.bot(project_id, BotRef::Number(number)).await?;
    let stats = store.stats(project_id, bot.id, DAYS, now).await?;
    let roster = Roster::of_bots(control, vec![bot.clone()], now).await?;
    let mut rows = Vec::new();
    for heartbeat in roster.heartbeats.iter().take(ROWS_MAX) {
        let beats = beats(control, heartbeat).await?;
        rows.push(HeartbeatRow::new(heartbeat, &bot, beats, now));
    }
    let all = stats.all;
    let one = Page { number: 1, size: 1 };
    let servers = store.tool_servers(project_id, bot.id, one).await?.total;
    page(&AgentPage {
        frame: Frame::new(&web, &session, &bot.name, format!("/agents/{number}")).await?,
        tools: match servers {
            0 => "none yet".to_owned(),
            count => words::plural(count, "server"),
        },
        hidden: roster.heartbeats.len() - rows.len(),
        rows,
        totals: vec![
            ("success", words::count(all.success)),
            ("error", words::count(all.error)),
            ("skipped", words::count(all.skipped)),
            ("cancelled", words::count(all.cancelled)),
            ("tokens", words::count(all.tokens)),
            ("credits", words::count(all.credits)),
        ],
        bot,
    })
}
