//! Who may do what: projects, keys, sign-in.

use async_trait::async_trait;
use heartbeat_domain::bot::Project;
use heartbeat_domain::budget::Scope;
use heartbeat_domain::ids::{KeyId, ProjectId};
use heartbeat_domain::plan::Plan;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::failure::failure;
use super::rows::{self, Cursor, ms, opt_ms, project_columns};
use super::tx::{Tx, sql};
use super::{SqliteStore, standing};
use crate::StoreError;
use crate::error::Thing;
use crate::marking::Within;
use crate::verbs::{Access, Key, KeyScope, Result, SecretHash, Visit};

const INSERT: &str = "INSERT INTO projects (id, name, plan, paused_at, created_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";

const NAMED: &str = "SELECT 1 FROM projects WHERE name = $1 AND id <> $2";

const ONE: &str = concat!(
    "SELECT ",
    project_columns!(),
    " FROM projects p WHERE p.id = $1"
);

const ALL: &str = concat!(
    "SELECT ",
    project_columns!(),
    " FROM projects p ORDER BY p.created_at, p.id"
);

const SET_PLAN: &str = "UPDATE projects SET plan = $2 WHERE id = $1";

const INSERT_KEY: &str = "INSERT INTO keys (project_id, id, scope, hash, created_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project_id, id) DO NOTHING";

const FIND_KEY: &str = "SELECT id, project_id, scope FROM keys WHERE hash = $1";

const INSERT_SIGN_IN: &str = "INSERT INTO sign_ins (hash, project_id, operator, expires_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (hash) DO NOTHING";

const SIGN_IN: &str = "SELECT project_id, operator, expires_at, session_hash FROM sign_ins \
    WHERE hash = $1";

const USE_SIGN_IN: &str = "UPDATE sign_ins SET session_hash = $2 WHERE hash = $1";

const INSERT_SESSION: &str = "INSERT INTO sessions (hash, project_id, operator, expires_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (hash) DO NOTHING";

const FIND_SESSION: &str = "SELECT project_id, operator FROM sessions \
    WHERE hash = $1 AND expires_at > $2";

const END_SESSION: &str = "DELETE FROM sessions WHERE hash = $1";

const FORGET_SIGN_INS: &str = "DELETE FROM sign_ins WHERE expires_at <= $1";

const FORGET_SESSIONS: &str = "DELETE FROM sessions WHERE expires_at <= $1";

#[async_trait]
impl Access for SqliteStore {
    async fn create_project(&self, project: &Project) -> Result<Project> {
        let project = project.clone();
        self.write(move |tx| Box::pin(create(tx, project))).await
    }

    async fn project(&self, id: ProjectId) -> Result<Project> {
        find(&mut *self.read().await?, id).await
    }

    async fn projects(&self) -> Result<Vec<Project>> {
        all(&mut *self.read().await?).await
    }

    async fn set_plan(&self, id: ProjectId, plan: &Plan, now: Timestamp) -> Result<Project> {
        let (plan, now) = (plan.clone(), rows::whole_ms(now));
        self.write(move |tx| Box::pin(set_plan(tx, id, plan, now)))
            .await
    }

    async fn create_key(&self, key: &Key, hash: &SecretHash, now: Timestamp) -> Result<()> {
        let (key, hash) = (*key, *hash);
        self.write(move |tx| Box::pin(create_key(tx, key, hash, now)))
            .await
    }

    async fn find_key(&self, hash: &SecretHash) -> Result<Option<Key>> {
        let mut conn = self.read().await?;
        let row = sql(FIND_KEY)
            .bind(hash.to_vec())
            .fetch_optional(&mut *conn)
            .await;
        let Some(row) = row.map_err(|error| failure(&error))? else {
            return Ok(None);
        };
        let mut c = Cursor::new(&row);
        Ok(Some(Key {
            id: KeyId(c.take()?),
            project_id: ProjectId(c.take()?),
            scope: c.name(scope)?,
        }))
    }

    async fn create_sign_in(
        &self,
        hash: &SecretHash,
        visit: Visit,
        expires_at: Timestamp,
    ) -> Result<()> {
        let hash = *hash;
        self.write(move |tx| Box::pin(create_sign_in(tx, hash, visit, expires_at)))
            .await
    }

    async fn redeem_sign_in(
        &self,
        code: &SecretHash,
        session: &SecretHash,
        session_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Visit>> {
        let (code, session) = (*code, (*session, session_expires_at));
        self.write(move |tx| Box::pin(redeem(tx, code, session, now)))
            .await
    }

    async fn find_session(&self, hash: &SecretHash, now: Timestamp) -> Result<Option<Visit>> {
        let mut conn = self.read().await?;
        let statement = sql(FIND_SESSION).bind(hash.to_vec()).bind(ms(now));
        let row = statement
            .fetch_optional(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        row.map(|row| visit(&mut Cursor::new(&row))).transpose()
    }

    async fn end_session(&self, hash: &SecretHash) -> Result<()> {
        let hash = *hash;
        self.write(move |tx| {
            Box::pin(async move {
                tx.write(sql(END_SESSION).bind(hash.to_vec())).await?;
                Ok(())
            })
        })
        .await
    }
}

fn visit(c: &mut Cursor<'_>) -> Result<Visit> {
    Ok(Visit {
        project_id: ProjectId(c.take()?),
        is_operator: c.take()?,
    })
}

fn scope(text: &str) -> Option<KeyScope> {
    let all = [KeyScope::Admin, KeyScope::Project, KeyScope::ReadOnly];
    all.into_iter().find(|scope| scope.as_str() == text)
}

/// A project.
pub(super) async fn find(conn: &mut SqliteConnection, id: ProjectId) -> Result<Project> {
    let row = sql(ONE)
        .bind(id.0)
        .fetch_optional(conn)
        .await
        .map_err(|error| failure(&error))?;
    rows::project(&row.ok_or(StoreError::NotFound(Thing::Project))?)
}

/// All projects, oldest first.
pub(super) async fn all(conn: &mut SqliteConnection) -> Result<Vec<Project>> {
    let rows = sql(ALL)
        .fetch_all(conn)
        .await
        .map_err(|error| failure(&error))?;
    rows.iter().map(rows::project).collect()
}

async fn create(tx: &mut Tx, project: Project) -> Result<Project> {
    let named = sql(NAMED).bind(project.name.clone()).bind(project.id.0);
    if tx.find(named).await?.is_some() {
        let what = format!(
            "There is a project named {} already; choose another name.",
            project.name
        );
        return Err(StoreError::Conflict(what));
    }
    let statement = sql(INSERT)
        .bind(project.id.0)
        .bind(project.name)
        .bind(project.plan)
        .bind(opt_ms(project.paused_at))
        .bind(ms(project.created_at));
    tx.write(statement).await?;
    find(tx.conn(), project.id).await
}

async fn set_plan(tx: &mut Tx, id: ProjectId, plan: Plan, now: Timestamp) -> Result<Project> {
    find(tx.conn(), id).await?;
    tx.write(sql(SET_PLAN).bind(id.0).bind(plan.name.clone()))
        .await?;
    standing::fit_plan(tx, id, &plan, now).await?;
    standing::relieve(tx, Within::project(id), Scope::ProjectMonth, now).await?;
    find(tx.conn(), id).await
}

async fn create_key(tx: &mut Tx, key: Key, hash: SecretHash, now: Timestamp) -> Result<()> {
    find(tx.conn(), key.project_id).await?;
    let statement = sql(INSERT_KEY)
        .bind(key.project_id.0)
        .bind(key.id.0)
        .bind(key.scope.as_str())
        .bind(hash.to_vec())
        .bind(ms(now));
    tx.write(statement).await?;
    Ok(())
}

async fn create_sign_in(
    tx: &mut Tx,
    hash: SecretHash,
    visit: Visit,
    expires_at: Timestamp,
) -> Result<()> {
    find(tx.conn(), visit.project_id).await?;
    let statement = sql(INSERT_SIGN_IN)
        .bind(hash.to_vec())
        .bind(visit.project_id.0)
        .bind(visit.is_operator)
        .bind(ms(expires_at));
    tx.write(statement).await?;
    Ok(())
}

async fn redeem(
    tx: &mut Tx,
    code: SecretHash,
    (session, expires_at): (SecretHash, Timestamp),
    now: Timestamp,
) -> Result<Option<Visit>> {
    let Some(row) = tx.find(sql(SIGN_IN).bind(code.to_vec())).await? else {
        return Ok(None);
    };
    let mut c = Cursor::new(&row);
    let (visit, code_expires_at) = (visit(&mut c)?, c.time()?);
    match c.take::<Option<Vec<u8>>>()? {
        Some(used) if used == session => return Ok(Some(visit)),
        Some(_) => return Ok(None),
        None if code_expires_at <= now => return Ok(None),
        None => {}
    }
    tx.write(sql(FORGET_SIGN_INS).bind(ms(now))).await?;
    tx.write(sql(FORGET_SESSIONS).bind(ms(now))).await?;
    tx.write(sql(USE_SIGN_IN).bind(code.to_vec()).bind(session.to_vec()))
        .await?;
    let statement = sql(INSERT_SESSION)
        .bind(session.to_vec())
        .bind(visit.project_id.0)
        .bind(visit.is_operator)
        .bind(ms(expires_at));
    tx.write(statement).await?;
    Ok(Some(visit))
}
