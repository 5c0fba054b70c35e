//! The tools of an agent: the servers that it reaches, how they are, and what may be called.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::headers::{Headers, HeadersChange};
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::tool::{Permission, Place, Repeat};
use heartbeat_domain::tool_server::{ToolDecision, ToolServerChange};
use heartbeat_domain::violation::Violation;
use heartbeat_engine::control::{Control, ToolServerAsk};
use heartbeat_store::StoreError;
use heartbeat_store::verbs::{BotRef, ToolServerKey};
use serde::Deserialize;

use super::paging::{self, Paging};
use crate::Web;
use crate::frame::{Answer, Frame, page};
use crate::refusal::Refusal;
use crate::session::{Deed, Fields, Session};
use crate::views::{Choice, ServerCard};

const PER_PAGE: u32 = 20;

#[derive(Template)]
#[template(path = "tools.html")]
struct ToolsPage {
    frame: Frame,
    agent: (String, String),
    cards: Vec<ServerCard>,
    /// The hosts that pages and watches may be on; nothing where there is no list.
    hosts: Option<Vec<String>>,
    approvals: Vec<Choice>,
    may_declare: bool,
    paging: Paging,
}

/// Which part is asked for.
#[derive(Deserialize)]
pub(crate) struct ToolsQuery {
    page: Option<String>,
    /// The server that was tested a moment ago.
    tested: Option<String>,
}

/// The page.
pub(crate) async fn show(
    State(web): State<Web>,
    session: Session,
    Path(number): Path<String>,
    Query(query): Query<ToolsQuery>,
) -> Answer {
    let control = &web.control;
    let bot = find(control, &session, &number).await?;
    let asked = paging::asked(query.page.as_deref(), PER_PAGE);
    let store = control.store();
    let listed = store.tool_servers(bot.project_id, bot.id, asked).await?;
    let (_, plan) = control.plan_of(bot.project_id).await?;
    let path = format!("/agents/{number}/tools");
    let title = format!("Tools of {}", bot.name);
    let card = |server: heartbeat_domain::tool::ToolServer| {
        let was_tested = query.tested.as_deref() == Some(server.id.to_string().as_str());
        ServerCard::new(server, was_tested)
    };
    page(&ToolsPage {
        frame: Frame::new(&web, &session, title, path.clone()).await?,
        agent: (bot.name, format!("/agents/{number}")),
        hosts: bot.web_hosts,
        cards: listed.rows.into_iter().map(card).collect(),
        approvals: ServerCard::new_approvals(),
        may_declare: plan.local_access,
        paging: Paging::new(asked, listed.total, &format!("{path}?page=")),
    })
}

/// Makes the list of hosts that pages and watches may be on, or takes it away.
pub(crate) async fn list_hosts(
    State(web): State<Web>,
    Path(number): Path<String>,
    deed: Deed,
) -> Result<Redirect, Refusal> {
    let control = &web.control;
    let bot = find(control, &deed.session, &number).await?;
    let hosts = deed.fields.find("web_hosts").unwrap_or_default();
    let hosts = hosts.lines().map(str::trim).filter(|line| !line.is_empty());
    let change = BotChange {
        web_hosts: match deed.fields.is_ticked("any") {
            true => Patch::Clear,
            false => Patch::Set(hosts.map(str::to_owned).collect()),
        },
        ..BotChange::default()
    };
    control
        .update_bot(bot.project_id, BotRef::Id(bot.id), change)
        .await?;
    Ok(Redirect::to(&deed.back))
}

/// Adds a server.
pub(crate) async fn add(
    State(web): State<Web>,
    Path(number): Path<String>,
    deed: Deed,
) -> Result<Redirect, Refusal> {
    let control = &web.control;
    let bot = find(control, &deed.session, &number).await?;
    let fields = &deed.fields;
    let headers = headers(fields)?.unwrap_or_else(|| HeadersChange(Vec::new()));
    let ask = ToolServerAsk {
        label: fields.find("server_label").unwrap_or_default().to_owned(),
        place: place(fields)?.ok_or_else(|| {
            wrong(
                "server_url",
                "is required: the address of the server, which ends with /mcp",
            )
        })?,
        fresh: fresh(fields)?.unwrap_or(Permission::Allowed),
        headers: headers
            .applied_to(&Headers::default())
            .map_err(StoreError::from)?,
        is_enabled: true,
        trusted: fields.is_ticked("trusted"),
    };
    control
        .create_tool_server(bot.project_id, bot.id, ask)
        .await?;
    Ok(Redirect::to(&deed.back))
}

/// Asks, enables, disables, changes or removes a server, or decides about one of its tools.
pub(crate) async fn act(
    State(web): State<Web>,
    Path((number, id, asked)): Path<(String, String, String)>,
    deed: Deed,
) -> Result<Redirect, Refusal> {
    let control = &web.control;
    let bot = find(control, &deed.session, &number).await?;
    let id = id.parse().map_err(|_| Refusal::not_found("tool server"))?;
    let key = ToolServerKey {
        project_id: bot.project_id,
        bot_id: bot.id,
        id,
    };
    match asked.as_str() {
        "test" => {
            control.refresh_tools(key).await?;
            let back = format!("/agents/{number}/tools?tested={id}#server-{id}");
            return Ok(Redirect::to(&back));
        }
        "refresh" => drop(control.refresh_tools(key).await?),
        "enable" => switch(control, key, true).await?,
        "disable" => switch(control, key, false).await?,
        "remove" => control.delete_tool_server(key).await?,
        "change" => change(control, key, &deed.fields).await?,
        "decide" => decide(control, key, &deed.fields).await?,
        _ => return Err(Refusal::not_found("page")),
    }
    Ok(Redirect::to(&deed.back))
}

async fn find(control: &Control, session: &Session, number: &str) -> Result<Bot, Refusal> {
    let number = number.parse().map_err(|_| Refusal::not_found("agent"))?;
    let bot = BotRef::Number(number);
    Ok(control.store().bot(session.project.id, bot).await?)
}

async fn switch(control: &Control, key: ToolServerKey, on: bool) -> Result<(), Refusal> {
    let change = ToolServerChange {
        is_enabled: Some(on),
        ..ToolServerChange::default()
    };
    control.update_tool_server(key, change).await?;
    Ok(())
}

async fn change(control: &Control, key: ToolServerKey, fields: &Fields) -> Result<(), Refusal> {
    let headers = match fields.is_ticked("no_headers") {
        true => Some(HeadersChange(Vec::new())),
        false => headers(fields)?,
    };
    let change = ToolServerChange {
        label: fields.find("server_label").map(str::to_owned),
        place: place(fields)?,
        fresh: fresh(fields)?,
        headers,
        is_enabled: None,
        trusted: Some(fields.is_ticked("trusted")),
    };
    control.update_tool_server(key, change).await?;
    Ok(())
}

async fn decide(control: &Control, key: ToolServerKey, fields: &Fields) -> Result<(), Refusal> {
    let permission = fields.find("permission").map(|text| {
        Permission::find(text).ok_or_else(|| wrong("permission", "is none of the choices"))
    });
    let repeat = match fields.find("repeat") {
        None => Patch::Keep,
        Some("default") => Patch::Clear,
        Some(text) => {
            Patch::Set(Repeat::find(text).ok_or_else(|| wrong("repeat", "is none of the choices"))?)
        }
    };
    let decision = ToolDecision {
        tool: fields.find("tool_name").unwrap_or_default().to_owned(),
        permission: permission.transpose()?,
        repeat,
    };
    control.decide_tools(key, vec![decision]).await?;
    Ok(())
}

fn place(fields: &Fields) -> Result<Option<Place>, StoreError> {
    match (fields.find("server_url"), fields.find("server_name")) {
        (None, None) => Ok(None),
        (Some(url), None) => Ok(Some(Place::Http { url: url.into() })),
        (None, Some(name)) => Ok(Some(Place::Declared { name: name.into() })),
        (Some(_), Some(_)) => Err(wrong(
            "server_name",
            "is for a server that the operator declared, which has no address; fill in one of them",
        )),
    }
}

fn fresh(fields: &Fields) -> Result<Option<Permission>, StoreError> {
    Ok(Some(match fields.find("require_approval") {
        None => return Ok(None),
        Some("never") => Permission::Allowed,
        Some("always") => Permission::Asks,
        Some("tool-specific") => Permission::Off,
        Some(_) => return Err(wrong("require_approval", "is none of the choices")),
    }))
}

/// All headers that were written, one on a line; nothing where the field was left empty.
fn headers(fields: &Fields) -> Result<Option<HeadersChange>, StoreError> {
    let Some(text) = fields.find("headers") else {
        return Ok(None);
    };
    let line = |line: &str| match line.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), Some(value.trim().to_owned()))),
        None => Err(wrong(
            "headers",
            "one on each line, as a name, a colon and a value",
        )),
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let all = lines.map(line).collect::<Result<_, _>>()?;
    Ok(Some(HeadersChange(all)))
}

fn wrong(field: &'static str, message: &str) -> StoreError {
    Violation::input(field, message).into()
}
