//! Rows to nouns and back, for both databases: the one place that knows the order of columns.

use heartbeat_domain::bot::{Bot, Project};
use heartbeat_domain::budget::Held;
use heartbeat_domain::execution::{Execution, ExecutionType, Phase, Status, Trigger};
use heartbeat_domain::heartbeat::{Heartbeat, OpenRun, Pause, ScheduleFields, Settings};
use heartbeat_domain::ids::{
    BotId, ExecutionId, HeartbeatId, MemberId, NodeId, ProjectId, ToolServerId,
};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::schedule::Due;
use heartbeat_domain::tool::{Permission, Place, ToolServer};
use jiff::Timestamp;
use jiff::civil::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row, Sqlite, Type};
use uuid::Uuid;

use crate::StoreError;
use crate::verbs::Result;

/// Columns of a project under the alias `p`.
macro_rules! project_columns {
    () => {
        "p.id, p.name, p.plan, p.paused_at, p.created_at"
    };
}

/// Columns of an agent under the alias `b`.
macro_rules! bot_columns {
    () => {
        "b.id, b.number, b.project_id, b.name, b.model, b.instruction, b.status, b.heartbeat, \
         b.credit_limit, b.web_hosts, b.created_at, b.updated_at"
    };
}

/// Columns of a heartbeat under the alias `h`.
macro_rules! heartbeat_columns {
    () => {
        "h.id, h.project_id, h.bot_id, \
         (SELECT number FROM bots WHERE project_id = h.project_id AND id = h.bot_id), \
         h.member_id, h.label, h.prompt, h.run_model, h.interval_minutes, h.cron_pattern, \
         h.active_hours_start, h.active_hours_end, h.active_days, h.timezone, h.watch, \
         h.credit_budget, h.max_consecutive_errors, h.catch_up_minutes, h.spread_minutes, \
         h.enabled, h.paused_reason, h.paused_since, h.resumes_at, h.next_due_at, h.next_anchor, \
         h.claimable_at, h.open_execution_id, h.open_due_at, h.error_count, h.execution_count, \
         h.last_executed_at, h.last_status, h.baseline, h.grid_since, h.created_at, h.updated_at"
    };
}

/// Columns of an execution under the alias `e`, with those that prove a hold at the end.
macro_rules! execution_columns {
    () => {
        "e.id, e.project_id, e.bot_id, e.heartbeat_id, e.member_id, e.kind, e.triggered_by, \
         e.due_at, e.phase, e.status, e.reason, e.prompt, e.response, e.error_message, \
         e.tokens_used, e.micro_spent, e.micro_reserved, e.credits_charged, e.first_due_at, \
         e.last_due_at, e.missed_count, e.missed_reason, e.needs_review, e.cancel_requested, \
         e.fence, e.claimable_at, e.created_at, e.started_at, e.finished_at, e.holder, e.ended_by"
    };
}

/// Columns of a tool server under the alias `t`, with its sealed headers at the end.
macro_rules! tool_server_columns {
    () => {
        "t.id, t.project_id, t.bot_id, t.label, t.url, t.declared_name, t.fresh, t.header_names, \
         t.is_enabled, t.trusted, t.tools, t.trouble, t.created_at, t.updated_at, t.headers"
    };
}

pub(crate) use {
    bot_columns, execution_columns, heartbeat_columns, project_columns, tool_server_columns,
};

/// A row of either database.
#[derive(Clone, Copy)]
pub(crate) enum AnyRow<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

impl<'r> From<&'r SqliteRow> for AnyRow<'r> {
    fn from(row: &'r SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}

impl<'r> From<&'r PgRow> for AnyRow<'r> {
    fn from(row: &'r PgRow) -> Self {
        Self::Postgres(row)
    }
}

/// What both databases can keep.
pub(crate) trait Kept<'r>:
    Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

impl<'r, T> Kept<'r> for T where
    T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

/// Reads the columns of a row one after another.
#[derive(Clone)]
pub(crate) struct Cursor<'r> {
    row: AnyRow<'r>,
    at: usize,
}

impl<'r> Cursor<'r> {
    /// At the first column.
    pub(crate) fn new(row: impl Into<AnyRow<'r>>) -> Self {
        Self {
            row: row.into(),
            at: 0,
        }
    }

    /// The next column.
    pub(crate) fn take<T: Kept<'r>>(&mut self) -> Result<T> {
        let value = match self.row {
            AnyRow::Sqlite(row) => row.try_get(self.at),
            AnyRow::Postgres(row) => row.try_get(self.at),
        };
        self.at += 1;
        value.map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// A count that is not negative.
    pub(crate) fn count(&mut self) -> Result<u64> {
        let number: i64 = self.take()?;
        u64::try_from(number).map_err(|_| self.odd(&number))
    }

    /// A count that may be absent.
    pub(crate) fn find_count(&mut self) -> Result<Option<u64>> {
        let number: Option<i64> = self.take()?;
        number
            .map(|n| u64::try_from(n).map_err(|_| self.odd(&n)))
            .transpose()
    }

    /// A small count.
    pub(crate) fn small(&mut self) -> Result<u32> {
        let number = self.count()?;
        u32::try_from(number).map_err(|_| self.odd(&number))
    }

    /// A small count that may be absent.
    pub(crate) fn find_small(&mut self) -> Result<Option<u32>> {
        let number = self.find_count()?;
        number
            .map(|n| u32::try_from(n).map_err(|_| self.odd(&n)))
            .transpose()
    }

    /// A moment.
    pub(crate) fn time(&mut self) -> Result<Timestamp> {
        let millis: i64 = self.take()?;
        Timestamp::from_millisecond(millis).map_err(|_| self.odd(&millis))
    }

    /// A moment that may be absent.
    pub(crate) fn find_time(&mut self) -> Result<Option<Timestamp>> {
        let millis: Option<i64> = self.take()?;
        millis
            .map(|at| Timestamp::from_millisecond(at).map_err(|_| self.odd(&at)))
            .transpose()
    }

    /// A name from a closed list.
    pub(crate) fn name<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let text: &str = self.take()?;
        find(text).ok_or_else(|| self.odd(&text))
    }

    /// A name from a closed list, where there is one.
    pub(crate) fn find_name<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        let text: Option<&str> = self.take()?;
        text.map(|text| find(text).ok_or_else(|| self.odd(&text)))
            .transpose()
    }

    /// A value that is kept as JSON, where there is one.
    pub(crate) fn find_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let text: Option<&str> = self.take()?;
        text.map(|text| serde_json::from_str(text).map_err(|_| self.odd(&text)))
            .transpose()
    }

    /// An id, where there is one.
    pub(crate) fn find_id<T>(&mut self, id: impl Fn(Uuid) -> T) -> Result<Option<T>> {
        Ok(self.take::<Option<Uuid>>()?.map(id))
    }

    fn odd(&self, value: &dyn std::fmt::Debug) -> StoreError {
        StoreError::Corrupt(format!("{value:?} in column {} of a row", self.at))
    }
}

/// A reason by its stable name.
pub(crate) fn reason(text: &str) -> Option<Reason> {
    text.parse().ok()
}

/// Reads [`project_columns`].
pub(crate) fn project<'r>(row: impl Into<AnyRow<'r>>) -> Result<Project> {
    let mut c = Cursor::new(row);
    Ok(Project {
        id: ProjectId(c.take()?),
        name: c.take()?,
        plan: c.take()?,
        paused_at: c.find_time()?,
        created_at: c.time()?,
    })
}

/// Reads [`bot_columns`].
pub(crate) fn bot<'r>(row: impl Into<AnyRow<'r>>) -> Result<Bot> {
    let mut c = Cursor::new(row);
    Ok(Bot {
        id: BotId(c.take()?),
        number: c.take()?,
        project_id: ProjectId(c.take()?),
        name: c.take()?,
        model: c.take()?,
        instruction: c.take()?,
        status: c.take()?,
        heartbeat: c.take()?,
        credit_limit: c.find_count()?,
        web_hosts: c.find_json()?,
        created_at: c.time()?,
        updated_at: c.time()?,
    })
}

/// Reads [`heartbeat_columns`] from the cursor on.
pub(crate) fn heartbeat(c: &mut Cursor<'_>) -> Result<Heartbeat> {
    Ok(Heartbeat {
        id: HeartbeatId(c.take()?),
        project_id: ProjectId(c.take()?),
        bot_id: BotId(c.take()?),
        bot_number: c.take()?,
        member_id: c.find_id(MemberId)?,
        settings: settings(c)?,
        enabled: c.take()?,
        paused: pause(c)?,
        next: due(c)?,
        claimable_at: c.find_time()?,
        open: open_run(c)?,
        error_count: c.small()?,
        execution_count: c.count()?,
        credits_used: 0,
        last_executed_at: c.find_time()?,
        last_status: c.take()?,
        baseline: c.find_json()?,
        grid_since: c.find_time()?,
        created_at: c.time()?,
        updated_at: c.time()?,
    })
}

fn settings(c: &mut Cursor<'_>) -> Result<Settings> {
    Ok(Settings {
        label: c.take()?,
        prompt: c.take()?,
        run_model: c.take()?,
        schedule: ScheduleFields {
            interval_minutes: c.find_small()?,
            cron_pattern: c.take()?,
            active_hours_start: c.take()?,
            active_hours_end: c.take()?,
            active_days: c.take()?,
            timezone: c.take()?,
        },
        watch: c.find_json()?,
        credit_budget: c.find_count()?,
        max_consecutive_errors: c.small()?,
        catch_up_minutes: c.find_small()?,
        spread_minutes: c.small()?,
    })
}

fn pause(c: &mut Cursor<'_>) -> Result<Option<Pause>> {
    let (reason, since) = (c.find_name(reason)?, c.find_time()?);
    let resumes_at = c.find_time()?;
    Ok(reason.zip(since).map(|(reason, since)| Pause {
        reason,
        since,
        resumes_at,
    }))
}

fn due(c: &mut Cursor<'_>) -> Result<Option<Due>> {
    let (at, anchor) = (c.find_time()?, c.take::<Option<i64>>()?);
    let Some((at, second)) = at.zip(anchor) else {
        return Ok(None);
    };
    let anchor = time_of_day(second).ok_or_else(|| c.odd(&second))?;
    Ok(Some(Due { at, anchor }))
}

fn open_run(c: &mut Cursor<'_>) -> Result<Option<OpenRun>> {
    let (id, due_at) = (c.find_id(ExecutionId)?, c.find_time()?);
    Ok(id.zip(due_at).map(|(id, due_at)| OpenRun::new(id, due_at)))
}

fn time_of_day(second: i64) -> Option<Time> {
    let second = i32::try_from(second).ok()?;
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    Time::new(
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second % 60).ok()?,
        0,
    )
    .ok()
}

/// An anchor as seconds since midnight.
pub(crate) fn second_of_day(time: Time) -> i64 {
    i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}

/// An execution and what proves a hold on it.
#[derive(Clone, Debug)]
pub(crate) struct HeldExecution {
    /// The row.
    pub(crate) execution: Execution,
    /// Who has it.
    pub(crate) holder: Option<NodeId>,
    /// Who ended it.
    pub(crate) ended_by: Option<NodeId>,
}

/// Reads [`execution_columns`] from the cursor on.
pub(crate) fn held_execution(c: &mut Cursor<'_>) -> Result<HeldExecution> {
    Ok(HeldExecution {
        execution: execution(c)?,
        holder: c.find_id(NodeId)?,
        ended_by: c.find_id(NodeId)?,
    })
}

/// Reads [`execution_columns`] but for the last two from the cursor on.
pub(crate) fn execution(c: &mut Cursor<'_>) -> Result<Execution> {
    Ok(Execution {
        id: ExecutionId(c.take()?),
        project_id: ProjectId(c.take()?),
        bot_id: BotId(c.take()?),
        heartbeat_id: c.find_id(HeartbeatId)?,
        member_id: c.find_id(MemberId)?,
        kind: c.name(ExecutionType::find)?,
        trigger: c.name(Trigger::find)?,
        due_at: c.time()?,
        phase: c.name(Phase::find)?,
        status: c.find_name(Status::find)?,
        reason: c.find_name(reason)?,
        prompt: c.take()?,
        response: c.take()?,
        error_message: c.take()?,
        tokens_used: c.count()?,
        held: Held {
            spent: c.count()?,
            reserved: c.count()?,
        },
        credits_charged: c.count()?,
        first_due_at: c.find_time()?,
        last_due_at: c.find_time()?,
        missed_count: c.find_count()?,
        missed_reason: c.name(reason)?,
        needs_review: c.take()?,
        cancel_requested: c.find_name(reason)?,
        fence: c.take()?,
        claimable_at: c.find_time()?,
        created_at: c.time()?,
        started_at: c.find_time()?,
        finished_at: c.find_time()?,
    })
}

/// Reads [`tool_server_columns`]; its headers as they are kept beside it.
pub(crate) fn tool_server<'r>(row: impl Into<AnyRow<'r>>) -> Result<(ToolServer, Option<Vec<u8>>)> {
    let mut c = Cursor::new(row);
    let server = ToolServer {
        id: ToolServerId(c.take()?),
        project_id: ProjectId(c.take()?),
        bot_id: BotId(c.take()?),
        label: c.take()?,
        place: place(&mut c)?,
        fresh: c.name(Permission::find)?,
        header_names: c.find_json()?.unwrap_or_default(),
        is_enabled: c.take()?,
        trusted: c.take()?,
        tools: c.find_json()?.unwrap_or_default(),
        trouble: c.take()?,
        created_at: c.time()?,
        updated_at: c.time()?,
    };
    Ok((server, c.take()?))
}

fn place(c: &mut Cursor<'_>) -> Result<Place> {
    let (url, name) = (c.take::<Option<String>>()?, c.take::<Option<String>>()?);
    match (url, name) {
        (Some(url), None) => Ok(Place::Http { url }),
        (None, Some(name)) => Ok(Place::Declared { name }),
        both => Err(c.odd(&both)),
    }
}

/// A value that is kept as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// A count as the database keeps it.
pub(crate) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A moment as the database keeps it.
pub(crate) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A moment that may be absent, as the database keeps it.
pub(crate) fn opt_ms(at: Option<Timestamp>) -> Option<i64> {
    at.map(ms)
}

/// `now` as it will be read back: whole milliseconds, so a first answer equals a later one.
pub(crate) fn whole_ms(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(ms(now)).expect("a moment less its fraction is a moment")
}
