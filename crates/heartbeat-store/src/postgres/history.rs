//! The history in parts, a month each: made ahead of time, and dropped whole once nobody keeps what
//! is in them. Whatever is due outside of them waits in `…_other` until its month is made.
//!
//! Differs: SQLite has no parts; there the caretaker deletes row by row.

use heartbeat_domain::ids::ExecutionId;
use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection};

use super::failure::failure;
use super::rows::{Cursor, ms};
use super::tx::{Statement, Tx, sql};
use super::{PostgresStore, executions};
use crate::months::Month;
use crate::verbs::{HistoryKept, Result, Tended};

/// Months that are made ahead of the present one.
const AHEAD: usize = 3;

/// How long an execution may take after it was due and still go with its month.
const GRACE: SignedDuration = SignedDuration::from_hours(24);

/// Everybody's verbs wait while this waits for theirs, so it does not wait long and comes again.
const HURRY: &str = "SET LOCAL lock_timeout = '250ms'";

const PARTS: &str = "SELECT c.relname::TEXT FROM pg_catalog.pg_inherits i \
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid \
    WHERE i.inhparent = $1::TEXT::regclass ORDER BY c.relname";

const OLDEST_ROW: &str = "SELECT MIN(due_at) FROM executions_other WHERE due_at < $1";

const OLDEST_STEP: &str = "SELECT execution_id FROM steps_other WHERE execution_id < $1 \
    ORDER BY execution_id LIMIT 1";

/// Executions begun before a time that are open, or that a person has to look at.
const NEEDED: &str = "SELECT 1 FROM executions WHERE id < $1 \
    AND (holder IS NOT NULL OR claimable_at IS NOT NULL OR needs_review) LIMIT 1";

/// A table that is divided into months.
#[derive(Clone, Copy)]
enum Table {
    /// By when they were due.
    Executions,
    /// By the time that their execution's id begins with.
    Steps,
}

/// A part of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// What a database had before it was divided: up to the end of that month.
    UpTo(Month),
    /// A month.
    Of(Month),
}

/// What is to be done.
enum Work {
    Make(Month),
    Drop(String),
}

/// [`crate::verbs::Executions::tend_history`].
pub(super) async fn tend(
    store: &PostgresStore,
    kept: HistoryKept,
    now: Timestamp,
) -> Result<Tended> {
    for table in [Table::Executions, Table::Steps] {
        let ends_before = table.ends_before(kept);
        let work = {
            let mut conn = store.read().await?;
            table.find_work(&mut conn, ends_before, now).await?
        };
        if work.is_some() {
            return store
                .write_once(move |tx| Box::pin(table.tend(tx, ends_before, now)))
                .await;
        }
    }
    Ok(Tended::Done)
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Executions => "executions",
            Self::Steps => "steps",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Executions => "due_at",
            Self::Steps => "execution_id",
        }
    }

    /// The first value of the key that belongs to a time, as SQL.
    fn bound(self, at: Timestamp) -> String {
        match self {
            Self::Executions => ms(at).to_string(),
            Self::Steps => format!("'{}'", executions::first_id(at)),
        }
    }

    /// Parts that end before this may go. Steps go with their executions, if those go sooner.
    fn ends_before(self, kept: HistoryKept) -> Option<Timestamp> {
        let from = match self {
            Self::Executions => kept.rows_from,
            Self::Steps => kept.steps_from.max(kept.rows_from),
        };
        from?.checked_sub(GRACE).ok()
    }

    /// One thing that is to be done: the most urgent.
    async fn find_work(
        self,
        conn: &mut PgConnection,
        ends_before: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Work>> {
        let parts = self.parts(conn).await?;
        let mut month = Month::of(now);
        for _ in 0..=AHEAD {
            if !parts.iter().any(|part| part.has(month)) {
                return Ok(Some(Work::Make(month)));
            }
            month = month.next();
        }
        if let Some(month) = self.homeless(conn, month.start()).await? {
            return Ok(Some(Work::Make(month)));
        }
        let Some(before) = ends_before else {
            return Ok(None);
        };
        for part in parts {
            if part.end() <= before && !self.is_needed(conn, part).await? {
                return Ok(Some(Work::Drop(self.part_name(part))));
            }
        }
        Ok(None)
    }

    async fn parts(self, conn: &mut PgConnection) -> Result<Vec<Part>> {
        let found = sql(PARTS).bind(self.name()).fetch_all(conn).await;
        let mut parts = Vec::new();
        for row in &found.map_err(|error| failure(&error))? {
            let name: String = Cursor::new(row).take()?;
            let label = name.strip_prefix(self.name());
            parts.extend(label.and_then(|label| Part::parse(label.strip_prefix('_')?)));
        }
        Ok(parts)
    }

    /// The oldest month before a time that has rows and no part: a trigger or a catch-up from long
    /// ago, or rows that were written before any month was made.
    async fn homeless(self, conn: &mut PgConnection, before: Timestamp) -> Result<Option<Month>> {
        let statement = match self {
            Self::Executions => sql(OLDEST_ROW).bind(ms(before)),
            Self::Steps => sql(OLDEST_STEP).bind(executions::first_id(before)),
        };
        let row = statement.fetch_optional(conn).await;
        let row = row.map_err(|error| failure(&error))?;
        let oldest = match (row, self) {
            (None, _) => None,
            (Some(row), Self::Executions) => Cursor::new(&row).find_time()?,
            (Some(row), Self::Steps) => executions::time_of(ExecutionId(Cursor::new(&row).take()?)),
        };
        Ok(oldest.map(Month::of))
    }

    /// Whether something in a part is not at its end, or waits for a person.
    async fn is_needed(self, conn: &mut PgConnection, part: Part) -> Result<bool> {
        let statement: Statement<'static> = match self {
            Self::Executions => sqlx::query(AssertSqlSafe(format!(
                "SELECT 1 FROM {} WHERE holder IS NOT NULL OR claimable_at IS NOT NULL LIMIT 1",
                self.part_name(part)
            )))
            .persistent(false),
            Self::Steps => sql(NEEDED).bind(executions::first_id(part.end())),
        };
        let found = statement.fetch_optional(conn).await;
        Ok(found.map_err(|error| failure(&error))?.is_some())
    }

    fn part_name(self, part: Part) -> String {
        let label = match part {
            Part::UpTo(month) => format!("to_{}", month.label()),
            Part::Of(month) => month.label(),
        };
        format!("{}_{label}", self.name())
    }

    /// Does one thing, after a second look: another node may have done it.
    async fn tend(
        self,
        tx: &mut Tx,
        ends_before: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Tended> {
        tx.write(sql(HURRY)).await?;
        // Nodes wait for each other here, and whoever reads or writes rows for neither.
        self.run(
            tx,
            "LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE".into(),
        )
        .await?;
        match self.find_work(tx.conn(), ends_before, now).await? {
            Some(Work::Make(month)) => self.make(tx, month).await,
            Some(Work::Drop(part)) => self.drop(tx, part, ends_before, now).await,
            None => Ok(Tended::Done),
        }
    }

    async fn make(self, tx: &mut Tx, month: Month) -> Result<Tended> {
        let part = self.part_name(Part::Of(month));
        let (from, to) = (self.bound(month.start()), self.bound(month.end()));
        let key = self.key();
        self.run(
            tx,
            format!("CREATE TABLE {part} (LIKE {{table}} INCLUDING ALL)"),
        )
        .await?;
        self.run(
            tx,
            "LOCK TABLE {table}_other IN ACCESS EXCLUSIVE MODE".into(),
        )
        .await?;
        self.run(
            tx,
            format!(
                "WITH moved AS (DELETE FROM {{table}}_other WHERE {key} >= {from} AND {key} < {to} \
                 RETURNING *) INSERT INTO {part} SELECT * FROM moved"
            ),
        )
        .await?;
        self.run(
            tx,
            format!(
                "ALTER TABLE {{table}} ATTACH PARTITION {part} FOR VALUES FROM ({from}) TO ({to})"
            ),
        )
        .await?;
        Ok(Tended::Made(part))
    }

    async fn drop(
        self,
        tx: &mut Tx,
        part: String,
        ends_before: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Tended> {
        self.run(
            tx,
            "LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE".into(),
        )
        .await?;
        // A row of a moment long ago may have been opened until now.
        match self.find_work(tx.conn(), ends_before, now).await? {
            Some(Work::Drop(still)) if still == part => {}
            _ => return Ok(Tended::Done),
        }
        self.run(tx, format!("ALTER TABLE {{table}} DETACH PARTITION {part}"))
            .await?;
        self.run(tx, format!("DROP TABLE {part}")).await?;
        Ok(Tended::Dropped(part))
    }

    /// Runs a statement made of texts of this file, months and moments.
    async fn run(self, tx: &mut Tx, text: String) -> Result<u64> {
        let text = text.replace("{table}", self.name());
        tx.write(sqlx::query(AssertSqlSafe(text)).persistent(false))
            .await
    }
}

impl Part {
    fn parse(label: &str) -> Option<Self> {
        match label.strip_prefix("to_") {
            Some(label) => Month::parse(label).map(Self::UpTo),
            None => Month::parse(label).map(Self::Of),
        }
    }

    fn has(self, month: Month) -> bool {
        match self {
            Self::UpTo(last) => month <= last,
            Self::Of(one) => month == one,
        }
    }

    fn end(self) -> Timestamp {
        match self {
            Self::UpTo(month) | Self::Of(month) => month.end(),
        }
    }
}
