//! `heartbeat tool`.

use std::process::ExitCode;

use heartbeat_domain::headers::{Headers, HeadersChange};
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::tool::{Permission, Place, Repeat, ToolServer};
use heartbeat_domain::tool_server::{ToolDecision, ToolServerChange};
use heartbeat_engine::control::{Control, Listing, ToolServerAsk};
use heartbeat_store::verbs::{Page, ToolServerKey};
use serde_json::json;

use super::{find, show};
use crate::args::BotWithin;
use crate::output::{BadArgument, Out, note};
use crate::tool_args::{AddArgs, PlaceArgs, ServerArgs, SetArgs, ToolCommand};

/// Lists, adds, shows, changes, asks and removes tool servers.
pub(crate) async fn run(
    ask: ToolCommand,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    match ask {
        ToolCommand::List(within) => list(&within, control, out).await?,
        ToolCommand::Add(ask) => return add(*ask, control, out).await,
        ToolCommand::Show(ask) => one(&named(control, &ask).await?, out),
        ToolCommand::Set(ask) => set(*ask, control, out).await?,
        ToolCommand::Refresh(ask) | ToolCommand::Test(ask) => {
            let server = named(control, &ask).await?;
            let listing = control.refresh_tools(key(&server)).await?;
            return Ok(listed(&listing, out));
        }
        ToolCommand::Enable(ask) => switch(&ask, true, control, out).await?,
        ToolCommand::Disable(ask) => switch(&ask, false, control, out).await?,
        ToolCommand::Remove(ask) => {
            let server = named(control, &ask).await?;
            control.delete_tool_server(key(&server)).await?;
            let text = format!("Removed {}", server.label);
            out.either(&json!({ "deleted": server.id }), &text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(within: &BotWithin, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for bot in find::bots(control, within).await? {
        for server in all_of(control, &bot).await? {
            found.push((bot.name.clone(), server));
        }
    }
    if out.is_json() {
        let rows: Vec<_> = found.iter().map(|(_, server)| show::tool(server)).collect();
        out.value(&json!({ "tools": rows }));
        return Ok(());
    }
    let rows = found.into_iter().map(|(bot, server)| {
        let allowed = server.tools.iter();
        let allowed = allowed.filter(|tool| tool.permission == Permission::Allowed);
        let count = format!("{} of {}", allowed.count(), server.tools.len());
        let health = health(&server);
        let place = place(&server);
        vec![
            server.label,
            bot,
            place,
            health,
            count,
            server.id.to_string(),
        ]
    });
    let empty = "There is no tool server yet. Add one: heartbeat tool add LABEL --url URL";
    let heading = ["label", "bot", "where", "health", "allowed", "id"];
    out.table(&heading, rows.collect(), empty);
    Ok(())
}

async fn all_of(
    control: &Control,
    bot: &heartbeat_domain::bot::Bot,
) -> anyhow::Result<Vec<ToolServer>> {
    let (mut all, mut number) = (Vec::new(), 1);
    loop {
        let page = Page { number, size: 100 };
        let store = control.store();
        let found = store.tool_servers(bot.project_id, bot.id, page).await?;
        all.extend(found.rows);
        if all.len() as u64 >= found.total {
            return Ok(all);
        }
        number += 1;
    }
}

async fn add(ask: AddArgs, control: &Control, out: &mut Out) -> anyhow::Result<ExitCode> {
    let headers = headers(&ask.place)?.unwrap_or_else(|| HeadersChange(Vec::new()));
    let Some(place) = place_of(&ask.place) else {
        let message = "name the server with --url URL, or with --declared NAME one that the \
                       settings file declares as [mcp.NAME]";
        return Err(BadArgument(message.into()).into());
    };
    let ask_for = ToolServerAsk {
        label: ask.label,
        place,
        fresh: fresh(&ask.place)?.unwrap_or(Permission::Allowed),
        headers: headers
            .applied_to(&Headers::default())
            .map_err(heartbeat_store::StoreError::from)?,
        is_enabled: true,
        trusted: ask.trusted,
    };
    let bot = find::one_bot(control, &ask.bot).await?;
    let made = control
        .create_tool_server(bot.project_id, bot.id, ask_for)
        .await?;
    one(&made.server, out);
    if let Err(error) = &made.outcome {
        note(&format!(
            "It was added, but it did not list its tools: {error}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(ask: SetArgs, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let server = named(control, &ask.target).await?;
    let key = key(&server);
    let decision = decision(&ask)?;
    let headers = match ask.no_headers {
        true => Some(HeadersChange(Vec::new())),
        false => headers(&ask.place)?,
    };
    let change = ToolServerChange {
        label: ask.label,
        place: place_of(&ask.place),
        fresh: fresh(&ask.place)?,
        headers,
        is_enabled: None,
        trusted: ask.trusted,
    };
    if decision.is_none() && change == ToolServerChange::default() {
        let message = "say what to change; `heartbeat tool set --help` lists what can be";
        return Err(BadArgument(message.into()).into());
    }
    let mut after = server;
    if change != ToolServerChange::default() {
        after = control.update_tool_server(key, change).await?;
    }
    if let Some(decision) = decision {
        after = control.decide_tools(key, vec![decision]).await?;
    }
    one(&after, out);
    Ok(())
}

async fn switch(
    ask: &ServerArgs,
    on: bool,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<()> {
    let server = named(control, ask).await?;
    let change = ToolServerChange {
        is_enabled: Some(on),
        ..ToolServerChange::default()
    };
    let server = control.update_tool_server(key(&server), change).await?;
    one(&server, out);
    Ok(())
}

async fn named(control: &Control, ask: &ServerArgs) -> anyhow::Result<ToolServer> {
    let bot = find::one_bot(control, &ask.bot).await?;
    let server = control.pick_tool_server(bot.project_id, bot.id, &ask.server);
    Ok(server.await?)
}

fn key(server: &ToolServer) -> ToolServerKey {
    ToolServerKey {
        project_id: server.project_id,
        bot_id: server.bot_id,
        id: server.id,
    }
}

fn place_of(ask: &PlaceArgs) -> Option<Place> {
    let url = ask.url.clone().map(|url| Place::Http { url });
    url.or_else(|| ask.declared.clone().map(|name| Place::Declared { name }))
}

fn fresh(ask: &PlaceArgs) -> Result<Option<Permission>, BadArgument> {
    match ask.require_approval.as_deref() {
        None => Ok(None),
        Some("never") => Ok(Some(Permission::Allowed)),
        Some("always") => Ok(Some(Permission::Asks)),
        Some("tool-specific") => Ok(Some(Permission::Off)),
        Some(_) => Err(BadArgument(
            "--require-approval must be never, always or tool-specific".into(),
        )),
    }
}

/// All headers that were given; nothing where none was.
fn headers(ask: &PlaceArgs) -> Result<Option<HeadersChange>, BadArgument> {
    let mut all = Vec::new();
    for given in &ask.header {
        let Some((name, value)) = given.split_once(':') else {
            let message = "--header must be a name, a colon and a value, such as \"X-Team: 7\"";
            return Err(BadArgument(message.into()));
        };
        all.push((name.trim().to_owned(), Some(value.trim().to_owned())));
    }
    for given in &ask.header_from_env {
        let Some((name, variable)) = given.split_once('=') else {
            let message = "--header-from-env must be a name, `=` and an environment variable, such \
                           as Authorization=DESK_TOKEN";
            return Err(BadArgument(message.into()));
        };
        let Ok(value) = std::env::var(variable.trim()) else {
            let message = format!("--header-from-env: `{}` is not set", variable.trim());
            return Err(BadArgument(message));
        };
        all.push((name.trim().to_owned(), Some(value.trim().to_owned())));
    }
    Ok((!all.is_empty()).then_some(HeadersChange(all)))
}

fn decision(ask: &SetArgs) -> Result<Option<ToolDecision>, BadArgument> {
    let Some(tool) = ask.tool.clone() else {
        return Ok(None);
    };
    let wrong = |message: &str| BadArgument(message.into());
    let permission = match ask.permission.as_deref() {
        None => None,
        Some(text) => Some(
            Permission::find(text)
                .ok_or_else(|| wrong("--permission must be allowed, asks or off"))?,
        ),
    };
    let repeat = match ask.repeat.as_deref() {
        None => Patch::Keep,
        Some("default") => Patch::Clear,
        Some(text) => Patch::Set(
            Repeat::find(text)
                .ok_or_else(|| wrong("--repeat must be safe, by_effect_id, never or default"))?,
        ),
    };
    if permission.is_none() && repeat == Patch::Keep {
        return Err(wrong("--tool needs --permission or --repeat"));
    }
    Ok(Some(ToolDecision {
        tool,
        permission,
        repeat,
    }))
}

fn place(server: &ToolServer) -> String {
    match &server.place {
        Place::Http { url } => url.clone(),
        Place::Declared { name } => format!("declared: {name}"),
    }
}

fn health(server: &ToolServer) -> String {
    match (&server.trouble, server.is_enabled) {
        (_, false) => "disabled".into(),
        (Some(trouble), true) => format!("trouble: {trouble}"),
        (None, true) => "ok".into(),
    }
}

fn listed(listing: &Listing, out: &mut Out) -> ExitCode {
    let server = &listing.server;
    match &listing.outcome {
        Ok(count) => {
            let text = format!("{} lists {count} tools", server.label);
            let value =
                json!({ "success": true, "tools_count": count, "tool": show::tool(server) });
            out.either(&value, &text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let text = format!("{}: {error} ({})", server.label, error.code);
            let value = json!({
                "success": false, "message": error.message, "code": error.code,
                "tool": show::tool(server)
            });
            out.either(&value, &text);
            ExitCode::FAILURE
        }
    }
}

fn one(server: &ToolServer, out: &mut Out) {
    if out.is_json() {
        return out.value(&json!({ "tool": show::tool(server) }));
    }
    let headers = match server.header_names.is_empty() {
        true => "none".to_owned(),
        false => format!("{} (values are not shown)", server.header_names.join(", ")),
    };
    let trusted = match server.trusted {
        true => "yes: what it says of repeats counts",
        false => "no",
    };
    out.line(&format!(
        "{}\n  id       {}\n  where    {}\n  health   {}\n  headers  {headers}\n  trusted  {trusted}",
        server.label,
        server.id,
        place(server),
        health(server),
    ));
    let rows = server.tools.iter().map(|tool| {
        let permission = match (tool.permission, tool.changed) {
            (Permission::Asks, true) => "asks, so off: it changed".to_owned(),
            (Permission::Asks, false) => "asks, so off".to_owned(),
            (other, _) => other.as_str().to_owned(),
        };
        let repeat = tool.repeats(server.trusted).as_str();
        let repeat = match tool.repeat {
            Some(_) => format!("{repeat} (set)"),
            None => repeat.to_owned(),
        };
        let does = show::first_words(&tool.listed.description, 60);
        vec![tool.listed.name.clone(), permission, repeat, does]
    });
    let heading = ["tool", "permission", "repeat", "what it does"];
    out.table(&heading, rows.collect(), "It has listed no tools.");
}
