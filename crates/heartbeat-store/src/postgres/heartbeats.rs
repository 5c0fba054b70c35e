//! What people do to heartbeats.

use async_trait::async_trait;
use heartbeat_domain::bot::Bot;
use heartbeat_domain::budget::{Level, Scope};
use heartbeat_domain::heartbeat::{
    Heartbeat, HeartbeatChange, OpenRun, Settings, Standing, billing_period,
};
use heartbeat_domain::ids::{BotId, ExecutionId, MemberId, ProjectId};
use heartbeat_domain::plan::Plan;
use heartbeat_domain::reason::Reason;
use jiff::Timestamp;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::failure::failure;
use super::limits::{check_cap, check_rights};
use super::records;
use super::rows::{self, Cursor, heartbeat_columns, int, ms, opt_ms, second_of_day};
use super::tx::{Statement, Tx, plain, sql};
use super::{PostgresStore, bots, budgets, rollups, settling, standing};
use crate::StoreError;
use crate::counting::Rollups;
use crate::entries::Standstill;
use crate::error::Thing;
use crate::marking::allowed;
use crate::purses::Purse;
use crate::verbs::{
    BotRef, Configure, HeartbeatKey, Heartbeats, Reach, Result, SettleAsk, Settled, Target,
};

/// For this transaction alone.
const ONE: &str = concat!(
    "SELECT ",
    heartbeat_columns!(),
    " FROM heartbeats h WHERE h.project_id = $1 AND h.bot_id = $2 AND h.id = $3 FOR UPDATE OF h"
);

const ONE_FOR_PEOPLE: &str = concat!(
    "SELECT ",
    heartbeat_columns!(),
    ", u.used FROM heartbeats h LEFT JOIN budgets u ON u.project_id = h.project_id \
     AND u.scope = 'heartbeat' AND u.scope_id = h.id AND u.period = $4 \
     WHERE h.project_id = $1 AND h.bot_id = $2 AND h.id = $3"
);

const ALL: &str = concat!(
    "SELECT ",
    heartbeat_columns!(),
    ", u.used FROM heartbeats h LEFT JOIN budgets u ON u.project_id = h.project_id \
     AND u.scope = 'heartbeat' AND u.scope_id = h.id AND u.period = $4 \
     WHERE h.project_id = $1 AND h.bot_id = $2 AND ($3 IS NULL OR h.member_id = $3) \
     ORDER BY h.created_at, h.id"
);

const COUNT: &str = "SELECT COUNT(*) FROM heartbeats WHERE project_id = $1 AND bot_id = $2";

const OLDER: &str = "SELECT COUNT(*) FROM heartbeats WHERE project_id = $1 AND bot_id = $2 \
    AND (created_at < $3 OR (created_at = $3 AND id < $4))";

const TAKEN: &str = "SELECT 1 FROM heartbeats WHERE project_id = $1 AND id = $2";

const INSERT: &str = "INSERT INTO heartbeats (project_id, id, bot_id, member_id, label, prompt, \
    run_model, interval_minutes, cron_pattern, active_hours_start, active_hours_end, active_days, \
    timezone, watch, credit_budget, max_consecutive_errors, catch_up_minutes, spread_minutes, \
    enabled, paused_reason, paused_since, next_due_at, next_anchor, grid_since, claimable_at, \
    error_count, execution_count, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
    $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, 0, 0, \
    $26, $27)";

const SETTINGS: &str = "UPDATE heartbeats SET label = $4, prompt = $5, run_model = $6, \
    interval_minutes = $7, cron_pattern = $8, active_hours_start = $9, active_hours_end = $10, \
    active_days = $11, timezone = $12, watch = $13, credit_budget = $14, \
    max_consecutive_errors = $15, catch_up_minutes = $16, spread_minutes = $17 \
    WHERE project_id = $1 AND bot_id = $2 AND id = $3";

const DELETE: &str = "DELETE FROM heartbeats WHERE project_id = $1 AND bot_id = $2 AND id = $3";

const ASK_TO_STOP: &str = "UPDATE executions SET cancel_requested = COALESCE(cancel_requested, $4) \
    WHERE project_id = $1 AND id = $2 AND due_at = $3 AND phase <> 'ended'";

#[async_trait]
impl Heartbeats for PostgresStore {
    async fn configure(&self, ask: Configure, now: Timestamp) -> Result<Heartbeat> {
        self.write(move |tx| Box::pin(configure(tx, ask.clone(), rows::whole_ms(now))))
            .await
    }

    async fn heartbeat(&self, key: HeartbeatKey, now: Timestamp) -> Result<Heartbeat> {
        read_one(&mut *self.read().await?, key, now).await
    }

    async fn heartbeats(
        &self,
        project_id: ProjectId,
        bot_id: BotId,
        member_id: Option<MemberId>,
        now: Timestamp,
    ) -> Result<Vec<Heartbeat>> {
        let mut conn = self.read().await?;
        bots::find(&mut conn, project_id, BotRef::Id(bot_id)).await?;
        let statement = sql(ALL)
            .bind(project_id.0)
            .bind(bot_id.0)
            .bind(member_id.map(|id| id.0))
            .bind(i64::from(billing_period(now)));
        let rows = statement
            .fetch_all(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        rows.iter().map(for_people).collect()
    }

    async fn enable(&self, key: HeartbeatKey, plan: &Plan, now: Timestamp) -> Result<Heartbeat> {
        let plan = plan.clone();
        self.write(move |tx| Box::pin(enable(tx, key, plan.clone(), rows::whole_ms(now))))
            .await
    }

    async fn disable(&self, key: HeartbeatKey, now: Timestamp) -> Result<Heartbeat> {
        self.write(move |tx| Box::pin(disable(tx, key, rows::whole_ms(now))))
            .await
    }

    async fn delete(&self, key: HeartbeatKey, now: Timestamp) -> Result<()> {
        self.write_once(move |tx| Box::pin(delete(tx, key, rows::whole_ms(now))))
            .await
    }

    async fn cancel(
        &self,
        key: HeartbeatKey,
        reason: Reason,
        _now: Timestamp,
    ) -> Result<ExecutionId> {
        self.write(move |tx| Box::pin(cancel(tx, key, reason)))
            .await
    }

    async fn pause(&self, reach: Reach, most: usize, now: Timestamp) -> Result<Settled> {
        let now = rows::whole_ms(now);
        self.write_once(move |tx| Box::pin(settling::pause(tx, reach, most, now)))
            .await
    }

    async fn resume(&self, reach: Reach, most: usize, now: Timestamp) -> Result<Settled> {
        let now = rows::whole_ms(now);
        self.write_once(move |tx| Box::pin(settling::resume(tx, reach, most, now)))
            .await
    }

    async fn settle(&self, ask: SettleAsk, now: Timestamp) -> Result<Settled> {
        let now = rows::whole_ms(now);
        self.write_once(move |tx| Box::pin(settling::settle(tx, ask, now)))
            .await
    }
}

/// The heartbeat as the transaction finds it.
pub(super) async fn find(tx: &mut Tx, key: HeartbeatKey) -> Result<Heartbeat> {
    let statement = sql(ONE)
        .bind(key.project_id.0)
        .bind(key.bot_id.0)
        .bind(key.id.0);
    let row = tx
        .find(statement)
        .await?
        .ok_or(StoreError::NotFound(Thing::Heartbeat))?;
    rows::heartbeat(&mut Cursor::new(&row))
}

async fn read_one(conn: &mut PgConnection, key: HeartbeatKey, now: Timestamp) -> Result<Heartbeat> {
    let statement = sql(ONE_FOR_PEOPLE)
        .bind(key.project_id.0)
        .bind(key.bot_id.0)
        .bind(key.id.0)
        .bind(i64::from(billing_period(now)));
    let row = statement
        .fetch_optional(conn)
        .await
        .map_err(|error| failure(&error))?;
    for_people(&row.ok_or(StoreError::NotFound(Thing::Heartbeat))?)
}

fn for_people(row: &PgRow) -> Result<Heartbeat> {
    let mut c = Cursor::new(row);
    let heartbeat = rows::heartbeat(&mut c)?;
    Ok(Heartbeat {
        credits_used: c.find_count()?.unwrap_or(0),
        ..heartbeat
    })
}

async fn configure(tx: &mut Tx, ask: Configure, now: Timestamp) -> Result<Heartbeat> {
    let bot = bots::lock(tx, ask.project_id, BotRef::Id(ask.bot_id)).await?;
    let key = |id| HeartbeatKey {
        project_id: ask.project_id,
        bot_id: ask.bot_id,
        id,
    };
    match ask.target {
        Target::New(id) => create(tx, (&bot, key(id)), ask.change, &ask.plan, now).await,
        Target::Existing(id) => update(tx, (&bot, key(id)), ask.change, &ask.plan, now).await,
    }
}

async fn create(
    tx: &mut Tx,
    (bot, key): (&Bot, HeartbeatKey),
    change: HeartbeatChange,
    plan: &Plan,
    now: Timestamp,
) -> Result<Heartbeat> {
    if tx
        .find(sql(TAKEN).bind(key.project_id.0).bind(key.id.0))
        .await?
        .is_some()
    {
        find(tx, key).await?;
        return read_one(tx.conn(), key, now).await;
    }
    let (enabled, member_id) = (change.enabled.unwrap_or(false), change.member_id);
    let settings = change.applied_to(None)?;
    let schedule = settings.check(plan, now)?;
    check_rights(bot, plan, &settings)?;
    let used = count(tx, sql(COUNT).bind(key.project_id.0).bind(key.bot_id.0)).await?;
    check_cap(plan, used)?;
    let mut heartbeat = blank(bot, key, (settings, member_id), now);
    if enabled {
        let enabled = heartbeat.enabled_at(&schedule, now).heartbeat;
        heartbeat = standing::held(tx, enabled, now).await?;
    }
    insert(tx, &heartbeat).await?;
    let first = Standstill::of_new(&heartbeat, now);
    records::write_standstills(tx, first.as_slice()).await?;
    Ok(heartbeat)
}

fn blank(
    bot: &Bot,
    key: HeartbeatKey,
    (settings, member_id): (Settings, Option<MemberId>),
    now: Timestamp,
) -> Heartbeat {
    Heartbeat {
        id: key.id,
        project_id: key.project_id,
        bot_id: key.bot_id,
        bot_number: bot.number,
        member_id,
        settings,
        enabled: false,
        paused: None,
        next: None,
        claimable_at: None,
        open: None,
        error_count: 0,
        execution_count: 0,
        credits_used: 0,
        last_executed_at: None,
        last_status: None,
        baseline: None,
        grid_since: None,
        created_at: now,
        updated_at: now,
    }
}

async fn update(
    tx: &mut Tx,
    (bot, key): (&Bot, HeartbeatKey),
    change: HeartbeatChange,
    plan: &Plan,
    now: Timestamp,
) -> Result<Heartbeat> {
    let before = find(tx, key).await?;
    let enabled = change.enabled;
    let settings = change.applied_to(Some(&before.settings))?;
    let schedule = settings.check(plan, now)?;
    check_rights(bot, plan, &settings)?;
    let missed = standing::missed_reason(tx, &before, now).await?;
    // The old fields may name a zone that is gone; then there is nothing to cover by them.
    let old = tx
        .schedules
        .of(&before)
        .unwrap_or_else(|_| std::sync::Arc::new(schedule.clone()));
    let edited = before
        .clone()
        .edited_at(settings, (&old, &schedule), now, missed);
    let (mut after, mut skipped) = (edited.heartbeat, edited.skipped);
    let switched = match enabled {
        Some(true) => Some(after.clone().enabled_at(&schedule, now)),
        Some(false) => Some(after.clone().disabled_at(&schedule, now, missed)),
        None => None,
    };
    if let Some(switched) = switched {
        after = switched.heartbeat;
        skipped.extend(switched.skipped);
    }
    let after = relieved(tx, (&before, after), (&schedule, plan), now).await?;
    save_settings(tx, &after).await?;
    records::save_change(tx, &before, &after, &skipped, now).await?;
    read_one(tx.conn(), key, now).await
}

/// Ends a pause whose cause the edit took away: a higher budget, a rarer schedule.
async fn relieved(
    tx: &mut Tx,
    (before, after): (&Heartbeat, Heartbeat),
    (schedule, plan): (&heartbeat_domain::schedule::Schedule, &Plan),
    now: Timestamp,
) -> Result<Heartbeat> {
    let Standing::Paused(pause) = after.standing() else {
        return standing::held(tx, after, now).await;
    };
    let ends = match pause.reason {
        Reason::BudgetExhausted
            if before.settings.credit_budget != after.settings.credit_budget =>
        {
            let levels = budgets::levels(tx, Purse::of_heartbeat(&after, now)).await?;
            let own = after.settings.credit_budget;
            let mine = |level: &Level| match level.scope {
                Scope::Heartbeat => own.is_some_and(|limit| level.used >= limit),
                _ => level.scope.reason() == pause.reason && level.is_full(),
            };
            !levels.iter().any(mine)
        }
        Reason::Plan => {
            let older = count(tx, older(&after)).await?;
            allowed(&tx.schedules, &after, plan, now) && check_cap(plan, older).is_ok()
        }
        Reason::Internal => true,
        _ => false,
    };
    match ends {
        true => standing::resumed(tx, &after, schedule, now).await,
        false => Ok(after),
    }
}

async fn enable(tx: &mut Tx, key: HeartbeatKey, plan: Plan, now: Timestamp) -> Result<Heartbeat> {
    let bot = bots::lock(tx, key.project_id, BotRef::Id(key.bot_id)).await?;
    let before = find(tx, key).await?;
    check_rights(&bot, &plan, &before.settings)?;
    let older = count(tx, older(&before)).await?;
    check_cap(&plan, older)?;
    let schedule = tx.schedules.of(&before)?;
    schedule.check_frequency(plan.minimum_minutes, now)?;
    let mut after = before.clone().enabled_at(&schedule, now).heartbeat;
    if matches!(after.paused, Some(pause) if matches!(pause.reason, Reason::Plan | Reason::Internal))
    {
        after = after.resumed_at(&schedule, now).heartbeat;
    }
    let mut after = standing::held(tx, after, now).await?;
    if before.enabled != after.enabled {
        after.updated_at = now;
    }
    records::save_change(tx, &before, &after, &[], now).await?;
    read_one(tx.conn(), key, now).await
}

async fn disable(tx: &mut Tx, key: HeartbeatKey, now: Timestamp) -> Result<Heartbeat> {
    let before = find(tx, key).await?;
    if before.standing() == Standing::Off {
        return read_one(tx.conn(), key, now).await;
    }
    let (mut after, skipped) = disabled(tx, &before, now).await?;
    after.updated_at = now;
    records::save_change(tx, &before, &after, &skipped, now).await?;
    read_one(tx.conn(), key, now).await
}

/// Off, with the due moments up to `now` covered as far as the schedule can be read.
async fn disabled(
    tx: &mut Tx,
    before: &Heartbeat,
    now: Timestamp,
) -> Result<(Heartbeat, Vec<heartbeat_domain::heartbeat::Skipped>)> {
    let missed = standing::missed_reason(tx, before, now).await?;
    if let Ok(schedule) = tx.schedules.of(before) {
        let off = before.clone().disabled_at(&schedule, now, missed);
        return Ok((off.heartbeat, off.skipped));
    }
    let off = Heartbeat {
        enabled: false,
        paused: None,
        next: None,
        grid_since: None,
        claimable_at: None,
        ..before.clone()
    };
    Ok((off, Vec::new()))
}

async fn delete(tx: &mut Tx, key: HeartbeatKey, now: Timestamp) -> Result<()> {
    let before = find(tx, key).await?;
    delete_found(tx, &before, now).await
}

/// Deletes a heartbeat: its due moments up to `now` are accounted for, what runs is asked to stop.
pub(super) async fn delete_found(tx: &mut Tx, before: &Heartbeat, now: Timestamp) -> Result<()> {
    let (off, skipped) = disabled(tx, before, now).await?;
    let mut counted = Rollups::default();
    for skipped in &skipped {
        counted.count(&records::write_skipped(tx, &off, skipped, now).await?);
    }
    rollups::add(tx, counted).await?;
    records::write_standstills(tx, &[Standstill::of_deleted(before, now)]).await?;
    if let Some(open) = before.open {
        ask_to_stop(tx, before.project_id, open, Reason::Deleted).await?;
    }
    let (project, bot) = (before.project_id.0, before.bot_id.0);
    tx.write(sql(DELETE).bind(project).bind(bot).bind(before.id.0))
        .await?;
    Ok(())
}

async fn cancel(tx: &mut Tx, key: HeartbeatKey, reason: Reason) -> Result<ExecutionId> {
    let heartbeat = find(tx, key).await?;
    let open = heartbeat
        .open
        .ok_or(StoreError::NotFound(Thing::Execution))?;
    match ask_to_stop(tx, key.project_id, open, reason).await? {
        0 => Err(StoreError::NotFound(Thing::Execution)),
        _ => Ok(open.execution_id),
    }
}

async fn ask_to_stop(
    tx: &mut Tx,
    project: ProjectId,
    open: OpenRun,
    reason: Reason,
) -> Result<u64> {
    tx.write(
        sql(ASK_TO_STOP)
            .bind(project.0)
            .bind(open.execution_id.0)
            .bind(ms(open.due_at))
            .bind(reason.as_str()),
    )
    .await
}

fn older(heartbeat: &Heartbeat) -> Statement<'static> {
    sql(OLDER)
        .bind(heartbeat.project_id.0)
        .bind(heartbeat.bot_id.0)
        .bind(ms(heartbeat.created_at))
        .bind(heartbeat.id.0)
}

async fn count(tx: &mut Tx, statement: Statement<'_>) -> Result<u64> {
    let row = tx.find(statement).await?;
    row.map_or(Ok(0), |row| Cursor::new(&row).count())
}

async fn insert(tx: &mut Tx, h: &Heartbeat) -> Result<()> {
    let statement = sql(INSERT)
        .bind(h.project_id.0)
        .bind(h.id.0)
        .bind(h.bot_id.0);
    let statement = bind_settings(statement.bind(h.member_id.map(|id| id.0)), &h.settings)
        .bind(h.enabled)
        .bind(h.paused.map(|pause| pause.reason.as_str()))
        .bind(h.paused.map(|pause| ms(pause.since)))
        .bind(h.next.map(|next| ms(next.at)))
        .bind(h.next.map(|next| second_of_day(next.anchor)))
        .bind(opt_ms(h.grid_since))
        .bind(opt_ms(h.claimable_at))
        .bind(ms(h.created_at))
        .bind(ms(h.updated_at));
    tx.write(statement).await?;
    Ok(())
}

async fn save_settings(tx: &mut Tx, h: &Heartbeat) -> Result<()> {
    let statement = sql(SETTINGS)
        .bind(h.project_id.0)
        .bind(h.bot_id.0)
        .bind(h.id.0);
    tx.write(bind_settings(statement, &h.settings)).await?;
    Ok(())
}

fn bind_settings<'q>(statement: Statement<'q>, settings: &Settings) -> Statement<'q> {
    let watch = settings.watch.as_ref().map(|watch| {
        serde_json::to_string(watch).expect("a watch came as JSON or from a form of plain fields")
    });
    let schedule = settings.schedule.clone();
    statement
        .bind(settings.label.as_deref().map(plain))
        .bind(plain(&settings.prompt))
        .bind(settings.run_model.as_deref().map(plain))
        .bind(schedule.interval_minutes.map(i64::from))
        .bind(schedule.cron_pattern)
        .bind(schedule.active_hours_start)
        .bind(schedule.active_hours_end)
        .bind(schedule.active_days)
        .bind(schedule.timezone)
        .bind(watch)
        .bind(settings.credit_budget.map(int))
        .bind(i64::from(settings.max_consecutive_errors))
        .bind(settings.catch_up_minutes.map(i64::from))
        .bind(i64::from(settings.spread_minutes))
}
