//! Tool servers of agents, and what people decided about their tools.

use std::sync::Arc;

use async_trait::async_trait;
use heartbeat_domain::headers::Headers;
use heartbeat_domain::ids::{BotId, ProjectId};
use heartbeat_domain::tool::{ListedTool, Place, ToolServer, refreshed};
use heartbeat_domain::tool_server::{ToolDecision, ToolServerChange, check_new, decided};
use heartbeat_domain::violation::Violation;
use jiff::Timestamp;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::failure::failure;
use super::rows::{self, Cursor, ms, tool_server_columns};
use super::tx::{Tx, plain, sql};
use super::{PostgresStore, bots, limits};
use crate::StoreError;
use crate::error::Thing;
use crate::sealing::Vault;
use crate::verbs::{
    BotRef, Listed, NewToolServer, Page, Reachable, Result, ToolServerKey, ToolServers,
};

const INSERT: &str = "INSERT INTO tool_servers (project_id, id, bot_id, label, url, \
    declared_name, fresh, header_names, headers, is_enabled, trusted, tools, trouble, created_at, \
    updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

const ONE: &str = concat!(
    "SELECT ",
    tool_server_columns!(),
    " FROM tool_servers t WHERE t.project_id = $1 AND t.bot_id = $2 AND t.id = $3"
);

/// For this transaction alone.
const LOCKED: &str = concat!(
    "SELECT ",
    tool_server_columns!(),
    " FROM tool_servers t WHERE t.project_id = $1 AND t.bot_id = $2 AND t.id = $3 FOR UPDATE OF t"
);

/// A plan counts the servers of a whole project, so they are made one after another.
const ONE_BY_ONE: &str = "SELECT 1 FROM projects WHERE id = $1 FOR NO KEY UPDATE";

const PAGE: &str = concat!(
    "SELECT ",
    tool_server_columns!(),
    " FROM tool_servers t WHERE t.project_id = $1 AND t.bot_id = $2 \
     ORDER BY t.created_at, t.id LIMIT $3 OFFSET $4"
);

const REACH: &str = concat!(
    "SELECT ",
    tool_server_columns!(),
    " FROM tool_servers t WHERE t.project_id = $1 AND t.bot_id = $2 AND t.is_enabled \
     ORDER BY t.created_at, t.id"
);

const COUNT: &str = "SELECT COUNT(*) FROM tool_servers WHERE project_id = $1 AND bot_id = $2";

const COUNT_ALL: &str = "SELECT COUNT(*) FROM tool_servers WHERE project_id = $1";

const LABELLED: &str = "SELECT 1 FROM tool_servers \
    WHERE project_id = $1 AND bot_id = $2 AND label = $3 AND id <> $4";

const UPDATE: &str = "UPDATE tool_servers SET label = $3, url = $4, declared_name = $5, \
    fresh = $6, header_names = $7, headers = $8, is_enabled = $9, trusted = $10, tools = $11, \
    trouble = $12, updated_at = $13 WHERE project_id = $1 AND id = $2";

const DELETE: &str = "DELETE FROM tool_servers WHERE project_id = $1 AND bot_id = $2 AND id = $3";

const DELETE_ALL: &str = "DELETE FROM tool_servers WHERE project_id = $1 AND bot_id = $2";

/// A tool server and its sealed headers.
type Row = (ToolServer, Option<Vec<u8>>);

#[async_trait]
impl ToolServers for PostgresStore {
    async fn create_tool_server(&self, ask: &NewToolServer) -> Result<ToolServer> {
        let (ask, vault) = (ask.clone(), self.vault.clone());
        self.write(move |tx| Box::pin(create(tx, ask.clone(), vault.clone())))
            .await
    }

    async fn tool_server(&self, key: ToolServerKey) -> Result<ToolServer> {
        let (server, _) = find(&mut *self.read().await?, key).await?;
        Ok(server)
    }

    async fn tool_servers(
        &self,
        project_id: ProjectId,
        bot_id: BotId,
        page: Page,
    ) -> Result<Listed<ToolServer>> {
        let mut conn = self.read().await?;
        bots::find(&mut conn, project_id, BotRef::Id(bot_id)).await?;
        let statement = sql(PAGE)
            .bind(project_id.0)
            .bind(bot_id.0)
            .bind(i64::from(page.size))
            .bind(page.offset());
        let found = statement.fetch_all(&mut *conn).await;
        let found = found.map_err(|error| failure(&error))?;
        let count = sql(COUNT).bind(project_id.0).bind(bot_id.0);
        let count = count.fetch_one(&mut *conn).await;
        let total = Cursor::new(&count.map_err(|error| failure(&error))?).count()?;
        let server = |row: &PgRow| rows::tool_server(row).map(|(server, _)| server);
        Ok(Listed {
            rows: found.iter().map(server).collect::<Result<_>>()?,
            total,
        })
    }

    async fn update_tool_server(
        &self,
        key: ToolServerKey,
        change: ToolServerChange,
        now: Timestamp,
    ) -> Result<ToolServer> {
        let (vault, now) = (self.vault.clone(), rows::whole_ms(now));
        self.write(move |tx| Box::pin(update(tx, key, (change.clone(), vault.clone()), now)))
            .await
    }

    async fn refresh_tools(
        &self,
        key: ToolServerKey,
        listed: Vec<ListedTool>,
        now: Timestamp,
    ) -> Result<ToolServer> {
        let renew = move |server: &mut ToolServer| {
            server.tools = refreshed(&server.tools, listed.clone(), server.fresh);
            server.trouble = None;
            Ok(())
        };
        self.edit(key, renew, now).await
    }

    async fn record_trouble(
        &self,
        key: ToolServerKey,
        trouble: &str,
        now: Timestamp,
    ) -> Result<ToolServer> {
        let trouble = trouble.to_owned();
        let note = move |server: &mut ToolServer| {
            server.trouble = Some(trouble.clone());
            Ok(())
        };
        self.edit(key, note, now).await
    }

    async fn decide_tools(
        &self,
        key: ToolServerKey,
        decisions: Vec<ToolDecision>,
        now: Timestamp,
    ) -> Result<ToolServer> {
        let decide = move |server: &mut ToolServer| {
            server.tools = decided(&server.tools, decisions.clone())?;
            Ok(())
        };
        self.edit(key, decide, now).await
    }

    async fn delete_tool_server(&self, key: ToolServerKey) -> Result<()> {
        self.write_once(move |tx| Box::pin(delete(tx, key))).await
    }

    async fn reach_one(&self, key: ToolServerKey) -> Result<Reachable> {
        let row = find(&mut *self.read().await?, key).await?;
        Ok(opened(&self.vault, row))
    }

    async fn reach(&self, project_id: ProjectId, bot_id: BotId) -> Result<Vec<Reachable>> {
        let mut conn = self.read().await?;
        let statement = sql(REACH).bind(project_id.0).bind(bot_id.0);
        let found = statement.fetch_all(&mut *conn).await;
        let found = found.map_err(|error| failure(&error))?;
        let reachable = |row: &PgRow| rows::tool_server(row).map(|row| opened(&self.vault, row));
        found.iter().map(reachable).collect()
    }
}

impl PostgresStore {
    /// Changes a tool server but for its headers.
    async fn edit(
        &self,
        key: ToolServerKey,
        edit: impl Fn(&mut ToolServer) -> Result<()> + Send + Sync + 'static,
        now: Timestamp,
    ) -> Result<ToolServer> {
        let (edit, now) = (Arc::new(edit), rows::whole_ms(now));
        self.write(move |tx| {
            let edit = Arc::clone(&edit);
            Box::pin(async move {
                let (before, sealed) = lock(tx, key).await?;
                let mut after = before.clone();
                edit(&mut after)?;
                if after == before {
                    return Ok(before);
                }
                after.updated_at = now;
                write(tx, &after, sealed).await?;
                Ok(after)
            })
        })
        .await
    }
}

/// Deletes all tool servers of an agent with their secrets.
pub(super) async fn delete_all(tx: &mut Tx, (project, bot): (ProjectId, BotId)) -> Result<()> {
    tx.write(sql(DELETE_ALL).bind(project.0).bind(bot.0))
        .await?;
    Ok(())
}

async fn find(conn: &mut PgConnection, key: ToolServerKey) -> Result<Row> {
    let statement = sql(ONE)
        .bind(key.project_id.0)
        .bind(key.bot_id.0)
        .bind(key.id.0);
    let row = statement.fetch_optional(conn).await;
    let row = row.map_err(|error| failure(&error))?;
    rows::tool_server(&row.ok_or(StoreError::NotFound(Thing::ToolServer))?)
}

async fn lock(tx: &mut Tx, key: ToolServerKey) -> Result<Row> {
    let statement = sql(LOCKED)
        .bind(key.project_id.0)
        .bind(key.bot_id.0)
        .bind(key.id.0);
    let row = tx.find(statement).await?;
    rows::tool_server(&row.ok_or(StoreError::NotFound(Thing::ToolServer))?)
}

fn opened(vault: &Vault, (server, sealed): Row) -> Reachable {
    let owner = (server.project_id, server.id);
    let headers = vault.open_headers(owner, sealed.as_deref());
    Reachable { server, headers }
}

async fn create(tx: &mut Tx, ask: NewToolServer, vault: Vault) -> Result<ToolServer> {
    let server = ToolServer {
        header_names: ask.headers.names(),
        ..ask.server
    };
    let (project, bot) = (server.project_id, server.bot_id);
    tx.find(sql(ONE_BY_ONE).bind(project.0)).await?;
    bots::lock(tx, project, BotRef::Id(bot)).await?;
    let key = ToolServerKey {
        project_id: project,
        bot_id: bot,
        id: server.id,
    };
    match find(tx.conn(), key).await {
        Ok((first, _)) => return Ok(first),
        Err(StoreError::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    check_new(&server)?;
    check_label(tx, &server).await?;
    if let Some((cap, plan)) = ask.cap {
        let count = sql(COUNT_ALL).bind(project.0);
        let before = match tx.find(count).await? {
            Some(row) => Cursor::new(&row).count()?,
            None => 0,
        };
        limits::check_tool_servers(&plan, cap.into(), before)?;
    }
    let sealed = vault.seal_headers(&Arc::clone(&tx.ids), (project, server.id), &ask.headers)?;
    insert(tx, &server, sealed).await?;
    find(tx.conn(), key).await.map(|(server, _)| server)
}

async fn update(
    tx: &mut Tx,
    key: ToolServerKey,
    (change, vault): (ToolServerChange, Vault),
    now: Timestamp,
) -> Result<ToolServer> {
    let (before, sealed) = lock(tx, key).await?;
    let owner = (before.project_id, before.id);
    let keeps_any = change
        .headers
        .as_ref()
        .is_some_and(|change| change.keeps_any());
    let present = if keeps_any && !change.moves(&before) {
        vault.open_headers(owner, sealed.as_deref())?
    } else {
        Headers::default()
    };
    let (after, headers) = change.applied_to(&before, &present, now)?;
    check_label(tx, &after).await?;
    let sealed = match headers {
        Some(headers) => vault.seal_headers(&Arc::clone(&tx.ids), owner, &headers)?,
        None => sealed,
    };
    write(tx, &after, sealed).await?;
    Ok(after)
}

async fn check_label(tx: &mut Tx, server: &ToolServer) -> Result<()> {
    let statement = sql(LABELLED)
        .bind(server.project_id.0)
        .bind(server.bot_id.0)
        .bind(plain(&server.label))
        .bind(server.id.0);
    if tx.find(statement).await?.is_none() {
        return Ok(());
    }
    let message = format!(
        "this agent has a tool server named `{}` already; choose another label",
        server.label
    );
    Err(Violation::input("server_label", message).into())
}

async fn insert(tx: &mut Tx, server: &ToolServer, sealed: Option<Vec<u8>>) -> Result<()> {
    let (url, declared_name) = place(&server.place);
    let statement = sql(INSERT)
        .bind(server.project_id.0)
        .bind(server.id.0)
        .bind(server.bot_id.0)
        .bind(plain(&server.label))
        .bind(url)
        .bind(declared_name)
        .bind(server.fresh.as_str())
        .bind(rows::json(&server.header_names)?)
        .bind(sealed)
        .bind(server.is_enabled)
        .bind(server.trusted)
        .bind(rows::json(&server.tools)?)
        .bind(server.trouble.as_deref().map(plain))
        .bind(ms(server.created_at))
        .bind(ms(server.updated_at));
    tx.write(statement).await?;
    Ok(())
}

async fn write(tx: &mut Tx, server: &ToolServer, sealed: Option<Vec<u8>>) -> Result<()> {
    let (url, declared_name) = place(&server.place);
    let statement = sql(UPDATE)
        .bind(server.project_id.0)
        .bind(server.id.0)
        .bind(plain(&server.label))
        .bind(url)
        .bind(declared_name)
        .bind(server.fresh.as_str())
        .bind(rows::json(&server.header_names)?)
        .bind(sealed)
        .bind(server.is_enabled)
        .bind(server.trusted)
        .bind(rows::json(&server.tools)?)
        .bind(server.trouble.as_deref().map(plain))
        .bind(ms(server.updated_at));
    tx.write(statement).await?;
    Ok(())
}

async fn delete(tx: &mut Tx, key: ToolServerKey) -> Result<()> {
    let statement = sql(DELETE)
        .bind(key.project_id.0)
        .bind(key.bot_id.0)
        .bind(key.id.0);
    match tx.write(statement).await? {
        0 => Err(StoreError::NotFound(Thing::ToolServer)),
        _ => Ok(()),
    }
}

fn place(place: &Place) -> (Option<String>, Option<String>) {
    match place {
        Place::Http { url } => (Some(url.clone()), None),
        Place::Declared { name } => (None, Some(name.clone())),
    }
}
