//! Agents.

use async_trait::async_trait;
use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::budget::Scope;
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::ids::ProjectId;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::failure::failure;
use super::rows::{self, Cursor, bot_columns, heartbeat_columns, int, ms};
use super::tx::{Tx, sql};
use super::{SqliteStore, access, credits, heartbeats, settling, standing, tool_servers};
use crate::StoreError;
use crate::error::Thing;
use crate::marking::Within;
use crate::verbs::{BotRef, Bots, Listed, Page, Result};

const INSERT: &str = "INSERT INTO bots (project_id, id, name, model, instruction, status, \
    heartbeat, credit_limit, web_hosts, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
    ON CONFLICT (project_id, id) DO NOTHING";

const ONE: &str = concat!(
    "SELECT ",
    bot_columns!(),
    " FROM bots b WHERE b.project_id = $1 AND b.id = $2 AND b.deleted_at IS NULL"
);

const NUMBERED: &str = concat!(
    "SELECT ",
    bot_columns!(),
    " FROM bots b WHERE b.project_id = $1 AND b.number = $2 AND b.deleted_at IS NULL"
);

const PAGE: &str = concat!(
    "SELECT ",
    bot_columns!(),
    " FROM bots b WHERE b.project_id = $1 AND b.deleted_at IS NULL \
     ORDER BY b.number LIMIT $2 OFFSET $3"
);

const COUNT: &str = "SELECT COUNT(*) FROM bots WHERE project_id = $1 AND deleted_at IS NULL";

const UPDATE: &str = "UPDATE bots SET name = $3, model = $4, instruction = $5, status = $6, \
    heartbeat = $7, credit_limit = $8, web_hosts = $9, updated_at = $10 WHERE project_id = $1 AND id = $2";

const DELETE: &str = "UPDATE bots SET deleted_at = $3 WHERE project_id = $1 AND id = $2";

const HEARTBEATS: &str = concat!(
    "SELECT ",
    heartbeat_columns!(),
    " FROM heartbeats h WHERE h.project_id = $1 AND h.bot_id = $2"
);

#[async_trait]
impl Bots for SqliteStore {
    async fn create_bot(&self, bot: &Bot) -> Result<Bot> {
        let bot = bot.clone();
        self.write(move |tx| Box::pin(create(tx, bot))).await
    }

    async fn bot(&self, project_id: ProjectId, bot: BotRef) -> Result<Bot> {
        find(&mut *self.read().await?, project_id, bot).await
    }

    async fn bots(&self, project_id: ProjectId, page: Page) -> Result<Listed<Bot>> {
        let mut conn = self.read().await?;
        access::find(&mut conn, project_id).await?;
        let statement = sql(PAGE)
            .bind(project_id.0)
            .bind(i64::from(page.size))
            .bind(page.offset());
        let rows = statement
            .fetch_all(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        let count = sql(COUNT).bind(project_id.0).fetch_one(&mut *conn).await;
        let total = Cursor::new(&count.map_err(|error| failure(&error))?).count()?;
        Ok(Listed {
            rows: rows.iter().map(rows::bot).collect::<Result<_>>()?,
            total,
        })
    }

    async fn update_bot(
        &self,
        project_id: ProjectId,
        bot: BotRef,
        change: BotChange,
        now: Timestamp,
    ) -> Result<Bot> {
        let now = rows::whole_ms(now);
        self.write(move |tx| Box::pin(update(tx, (project_id, bot), change, now)))
            .await
    }

    async fn delete_bot(&self, project_id: ProjectId, bot: BotRef, now: Timestamp) -> Result<()> {
        let now = rows::whole_ms(now);
        self.write(move |tx| Box::pin(delete(tx, (project_id, bot), now)))
            .await
    }
}

/// An agent that was not deleted.
pub(super) async fn find(
    conn: &mut SqliteConnection,
    project_id: ProjectId,
    bot: BotRef,
) -> Result<Bot> {
    let statement = match bot {
        BotRef::Id(id) => sql(ONE).bind(project_id.0).bind(id.0),
        BotRef::Number(number) => sql(NUMBERED).bind(project_id.0).bind(number),
    };
    let row = statement
        .fetch_optional(conn)
        .await
        .map_err(|error| failure(&error))?;
    rows::bot(&row.ok_or(StoreError::NotFound(Thing::Bot))?)
}

async fn create(tx: &mut Tx, bot: Bot) -> Result<Bot> {
    let change = BotChange {
        name: Some(bot.name.clone()),
        model: Some(bot.model.clone()),
        instruction: Some(bot.instruction.clone()),
        credit_limit: bot.credit_limit.map_or(Patch::Keep, Patch::Set),
        web_hosts: bot.web_hosts.clone().map_or(Patch::Keep, Patch::Set),
        ..BotChange::default()
    };
    change.check()?;
    access::find(tx.conn(), bot.project_id).await?;
    let statement = sql(INSERT)
        .bind(bot.project_id.0)
        .bind(bot.id.0)
        .bind(bot.name)
        .bind(bot.model)
        .bind(bot.instruction)
        .bind(bot.status)
        .bind(bot.heartbeat)
        .bind(bot.credit_limit.map(int))
        .bind(bot.web_hosts.as_ref().map(rows::json).transpose()?)
        .bind(ms(bot.created_at))
        .bind(ms(bot.updated_at));
    tx.write(statement).await?;
    find(tx.conn(), bot.project_id, BotRef::Id(bot.id)).await
}

async fn update(
    tx: &mut Tx,
    (project_id, bot): (ProjectId, BotRef),
    change: BotChange,
    now: Timestamp,
) -> Result<Bot> {
    let before = find(tx.conn(), project_id, bot).await?;
    change.check()?;
    let after = change.applied_to(&before, now);
    let statement = sql(UPDATE)
        .bind(project_id.0)
        .bind(after.id.0)
        .bind(after.name.clone())
        .bind(after.model.clone())
        .bind(after.instruction.clone())
        .bind(after.status)
        .bind(after.heartbeat)
        .bind(after.credit_limit.map(int))
        .bind(after.web_hosts.as_ref().map(rows::json).transpose()?)
        .bind(ms(now));
    tx.write(statement).await?;
    let within = Within::bot(project_id, after.id);
    match (before.is_switched_on(), after.is_switched_on()) {
        (was, is) if was != is => settling::switched(tx, within, is, now).await?,
        _ => {}
    }
    if before.credit_limit != after.credit_limit {
        let level = (Scope::Bot, after.id.0, after.credit_limit);
        if credits::has_room(tx, project_id, level, now).await? {
            standing::relieve(tx, within, Scope::Bot, now).await?;
        }
    }
    Ok(after)
}

async fn delete(tx: &mut Tx, (project_id, bot): (ProjectId, BotRef), now: Timestamp) -> Result<()> {
    let bot = find(tx.conn(), project_id, bot).await?;
    let found = tx
        .rows(sql(HEARTBEATS).bind(project_id.0).bind(bot.id.0))
        .await?;
    for row in &found {
        let heartbeat = rows::heartbeat(&mut Cursor::new(row))?;
        heartbeats::delete_found(tx, &heartbeat, now).await?;
    }
    tool_servers::delete_all(tx, (project_id, bot.id)).await?;
    tx.write(sql(DELETE).bind(project_id.0).bind(bot.id.0).bind(ms(now)))
        .await?;
    Ok(())
}
