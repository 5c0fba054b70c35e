//! The rows that fires leave, in bare SQL: what the load program holds the engine against.
//!
//! The same file, driver, durability, columns and indexes, many rows to a statement and many fires
//! to a commit; nothing is read, decided or answered. Fenced by nothing: for measuring only.
//!
//! Differs: PostgreSQL takes a column as an array, so that a statement has as many rows as a batch.

use std::path::Path;
use std::sync::Arc;

use heartbeat_domain::heartbeat::utc_day;
use heartbeat_domain::ids::{IdSource, NodeId};
use jiff::Timestamp;
use uuid::Uuid;

use super::batch::Batch;
use super::rows::{Cursor, ms};
use super::tx::{Tx, sql};
use super::{OpenOptions, connect};
use crate::bare::{BareFire, BareSession, BareWrites, levels};
use crate::verbs::Result;

/// A connection that writes rows and does nothing else.
pub struct Bare {
    tx: Tx,
    node: Uuid,
}

const DUE: &str = "SELECT project_id, id, bot_id, prompt, next_due_at, interval_minutes \
    FROM heartbeats WHERE claimable_at <= ? ORDER BY claimable_at LIMIT ?";

static OPEN: Batch = Batch::new(
    "INSERT INTO executions (project_id, id, bot_id, heartbeat_id, due_at, prompt, holder, \
     created_at, started_at, kind, triggered_by, phase, response, tokens_used, micro_spent, \
     micro_reserved, credits_charged, missed_reason, needs_review, fence) \
     SELECT column1, column2, column3, column4, column5, column6, column7, column8, column8, \
     'heartbeat', 'schedule', 'running', '', 0, 0, 0, 0, 'capacity', 0, 1 FROM (VALUES",
    8,
    ")",
);

static MARK: Batch = Batch::new(
    "WITH v(project_id, id, execution_id, due_at) AS (VALUES",
    4,
    ") UPDATE heartbeats SET open_execution_id = v.execution_id, open_due_at = v.due_at, \
     claimable_at = NULL FROM v \
     WHERE heartbeats.project_id = v.project_id AND heartbeats.id = v.id",
);

static END: Batch = Batch::new(
    "WITH v(project_id, id, ended_by, finished_at, response, credits) AS (VALUES",
    6,
    ") UPDATE executions SET phase = 'ended', status = 'success', finished_at = v.finished_at, \
     ended_by = v.ended_by, holder = NULL, response = v.response, credits_charged = v.credits \
     FROM v WHERE executions.project_id = v.project_id AND executions.id = v.id",
);

static ENDED: Batch = Batch::new(
    "INSERT INTO executions (project_id, id, bot_id, heartbeat_id, due_at, prompt, ended_by, \
     created_at, started_at, finished_at, response, tokens_used, micro_spent, credits_charged, \
     kind, triggered_by, phase, status, micro_reserved, missed_reason, needs_review, fence) \
     SELECT column1, column2, column3, column4, column5, column6, column7, column8, column8, \
     column8, column9, column10, column11, column12, 'heartbeat', 'schedule', 'ended', \
     'success', 0, 'capacity', 0, 1 FROM (VALUES",
    12,
    ")",
);

static MOVE: Batch = Batch::new(
    "WITH v(project_id, id, next_at, ran_at) AS (VALUES",
    4,
    ") UPDATE heartbeats SET open_execution_id = NULL, open_due_at = NULL, \
     next_due_at = v.next_at, next_anchor = 0, claimable_at = v.next_at, error_count = 0, \
     execution_count = execution_count + 1, last_executed_at = v.ran_at, \
     last_status = 'success' \
     FROM v WHERE heartbeats.project_id = v.project_id AND heartbeats.id = v.id",
);

static COUNT: Batch = Batch::new(
    "INSERT INTO rollups (project_id, bot_id, day, heartbeat_id, tokens, credits, kind, success, \
     error, skipped, cancelled, duration_ms) SELECT column1, column2, column3, column4, column5, \
     column6, 'heartbeat', 1, 0, 0, 0, 0 FROM (VALUES",
    6,
    ") WHERE true ON CONFLICT (project_id, bot_id, day, heartbeat_id, kind) DO UPDATE SET \
     success = rollups.success + 1, tokens = rollups.tokens + excluded.tokens, \
     credits = rollups.credits + excluded.credits",
);

static STEP: Batch = Batch::new(
    "INSERT INTO steps (project_id, execution_id, seq, kind, state, name, intent, effect_id, \
     micro_reserved, begun_at, ended_at, result, tokens, micro_charged, attempt, max_tokens, \
     micro_input_bound, fence, notes) SELECT column1, column2, column3, column4, column5, \
     column6, column7, column8, column9, column10, column11, column12, column13, column14, \
     0, 4096, column9, 1, '[]' FROM (VALUES",
    14,
    ")",
);

static STEP_END: Batch = Batch::new(
    "WITH v(project_id, execution_id, seq, result, tokens, micro, ended_at) AS (VALUES",
    7,
    ") UPDATE steps SET state = 'done', result = v.result, tokens = v.tokens, \
     micro_charged = v.micro, micro_reserved = 0, ended_at = v.ended_at FROM v \
     WHERE steps.project_id = v.project_id AND steps.execution_id = v.execution_id \
     AND steps.seq = v.seq AND steps.attempt = 0",
);

static SPEND: Batch = Batch::new(
    "WITH v(project_id, id, spent, reserved, tokens) AS (VALUES",
    5,
    ") UPDATE executions SET micro_spent = v.spent, micro_reserved = v.reserved, \
     tokens_used = v.tokens FROM v \
     WHERE executions.project_id = v.project_id AND executions.id = v.id",
);

static HOLD: Batch = Batch::new(
    "INSERT INTO budgets (project_id, scope, scope_id, period, used, held, tokens, \
     credit_limit) SELECT column1, column2, column3, column4, column5, column6, 0, NULL \
     FROM (VALUES",
    6,
    ") WHERE true ON CONFLICT (project_id, scope, scope_id, period) DO UPDATE SET \
     used = budgets.used + excluded.used, held = budgets.held + excluded.held",
);

static DRAW: Batch = Batch::new(
    "WITH v(project_id, scope, scope_id, period, used, held) AS (VALUES",
    6,
    ") UPDATE budgets SET used = budgets.used + v.used, held = budgets.held + v.held FROM v \
     WHERE budgets.project_id = v.project_id AND budgets.scope = v.scope \
     AND budgets.scope_id = v.scope_id AND budgets.period = v.period",
);

const ONE_ROW: &str = "INSERT INTO facts (name, value) VALUES ('bare commit', ?) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

impl Bare {
    /// A second connection to a file that has the schema.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn open(path: &Path, ids: Arc<IdSource>, now: Timestamp) -> Result<Self> {
        let conn = connect(path, OpenOptions::default()).await?;
        let node = NodeId::new(&ids, now).0;
        let tx = Tx::new(conn, ids, Arc::default());
        Ok(Self { tx, node })
    }

    /// Heartbeats that are due, oldest first, with the ids of the rows to write.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn due(&mut self, most: u32, now: Timestamp) -> Result<Vec<BareFire>> {
        let rows = self
            .tx
            .rows(sql(DUE).bind(ms(now)).bind(i64::from(most)))
            .await?;
        let ids = Arc::clone(&self.tx.ids);
        rows.iter()
            .map(|row| BareFire::read(&mut Cursor::new(row), &ids, now))
            .collect()
    }

    /// Writes what fires leave whose watch found nothing.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn empty(
        &mut self,
        fires: &[BareFire],
        writes: BareWrites,
        now: Timestamp,
    ) -> Result<()> {
        let session = BareSession::default();
        let at = ms(now);
        self.tx.begin(false).await?;
        match writes {
            BareWrites::Stages => {
                self.claim(fires, at).await?;
                self.next_stage().await?;
                self.end(fires, &session, at).await?;
            }
            BareWrites::FinalRows => self.insert_ended(fires, &session, at).await?,
        }
        self.move_on(fires, &session, now).await?;
        self.tx.commit().await
    }

    /// Writes what fires leave that had one turn and one call.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn journaled(
        &mut self,
        fires: &[BareFire],
        session: &BareSession,
        writes: BareWrites,
        now: Timestamp,
    ) -> Result<()> {
        let at = ms(now);
        let drawn = BareSession::credits(session.micro.1);
        self.tx.begin(false).await?;
        match writes {
            BareWrites::Stages => {
                self.claim(fires, at).await?;
                self.next_stage().await?;
                self.converse(fires, session, now).await?;
                self.next_stage().await?;
                self.end(fires, session, at).await?;
                self.draw(fires, (drawn, -drawn), now).await?;
            }
            BareWrites::FinalRows => {
                self.insert_ended(fires, session, at).await?;
                for seq in 0..3 {
                    self.step(fires, session, (seq, true), at).await?;
                }
                self.hold(fires, (drawn, 0), now).await?;
            }
        }
        self.move_on(fires, session, now).await?;
        self.tx.commit().await
    }

    /// One row, one commit.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn commit_one(&mut self, number: i64) -> Result<()> {
        self.tx.begin(false).await?;
        self.tx.write(sql(ONE_ROW).bind(number.to_string())).await?;
        self.tx.commit().await
    }

    /// Empties the write-ahead log, so that whoever writes next does not pay for it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn tidy_up(&mut self) -> Result<()> {
        self.tx
            .rows(sql("PRAGMA wal_checkpoint(TRUNCATE)"))
            .await
            .map(drop)
    }

    async fn next_stage(&mut self) -> Result<()> {
        self.tx.commit().await?;
        self.tx.begin(false).await
    }

    async fn claim(&mut self, fires: &[BareFire], at: i64) -> Result<()> {
        let node = self.node;
        OPEN.write(&mut self.tx, fires, |statement, fire| {
            let statement = statement
                .bind(fire.project)
                .bind(fire.execution)
                .bind(fire.bot);
            let statement = statement.bind(fire.heartbeat).bind(fire.due_at);
            statement.bind(fire.prompt.clone()).bind(node).bind(at)
        })
        .await?;
        MARK.write(&mut self.tx, fires, |statement, fire| {
            let statement = statement.bind(fire.project).bind(fire.heartbeat);
            statement.bind(fire.execution).bind(fire.due_at)
        })
        .await?;
        Ok(())
    }

    async fn converse(
        &mut self,
        fires: &[BareFire],
        session: &BareSession,
        now: Timestamp,
    ) -> Result<()> {
        let at = ms(now);
        let (reserved, spent) = session.micro;
        let (held, drawn) = (BareSession::credits(reserved), BareSession::credits(spent));
        self.step(fires, session, (0, true), at).await?;
        self.next_stage().await?;
        self.step(fires, session, (1, false), at).await?;
        self.spend(fires, (0, reserved, 0)).await?;
        self.hold(fires, (0, held), now).await?;
        self.next_stage().await?;
        self.step_end(fires, (1, &session.turn.2), (session.tokens, spent), at)
            .await?;
        self.spend(fires, (spent, 0, session.tokens)).await?;
        self.draw(fires, (0, drawn - held), now).await?;
        self.next_stage().await?;
        self.step(fires, session, (2, false), at).await?;
        self.next_stage().await?;
        self.step_end(fires, (2, &session.call.2), (0, 0), at).await
    }

    async fn step(
        &mut self,
        fires: &[BareFire],
        session: &BareSession,
        (seq, done): (i64, bool),
        at: i64,
    ) -> Result<()> {
        let (kind, name, intent, result) = match seq {
            0 => ("request", "", session.request.as_str(), None),
            1 => (
                "turn",
                &*session.turn.0,
                &*session.turn.1,
                Some(&session.turn.2),
            ),
            _ => (
                "call",
                &*session.call.0,
                &*session.call.1,
                Some(&session.call.2),
            ),
        };
        let is_turn = seq == 1;
        let (reserved, spent) = session.micro;
        STEP.write(&mut self.tx, fires, |statement, fire| {
            let effect = (seq == 2).then(|| format!("{}.{seq}", fire.execution));
            let result = result.filter(|_| done).cloned();
            let statement = statement.bind(fire.project).bind(fire.execution).bind(seq);
            let statement = statement
                .bind(kind)
                .bind(if done { "done" } else { "begun" });
            let statement = statement
                .bind(name.to_owned())
                .bind(intent.to_owned())
                .bind(effect);
            let statement = statement.bind(if is_turn && !done { reserved } else { 0 });
            let statement = statement.bind(at).bind(done.then_some(at)).bind(result);
            let statement = statement.bind(if is_turn && done { session.tokens } else { 0 });
            statement.bind(if is_turn && done { spent } else { 0 })
        })
        .await?;
        Ok(())
    }

    async fn step_end(
        &mut self,
        fires: &[BareFire],
        (seq, result): (i64, &String),
        (tokens, micro): (i64, i64),
        at: i64,
    ) -> Result<()> {
        STEP_END
            .write(&mut self.tx, fires, |statement, fire| {
                let statement = statement.bind(fire.project).bind(fire.execution).bind(seq);
                statement
                    .bind(result.clone())
                    .bind(tokens)
                    .bind(micro)
                    .bind(at)
            })
            .await?;
        Ok(())
    }

    async fn spend(&mut self, fires: &[BareFire], amounts: (i64, i64, i64)) -> Result<()> {
        let (spent, reserved, tokens) = amounts;
        SPEND
            .write(&mut self.tx, fires, |statement, fire| {
                let statement = statement.bind(fire.project).bind(fire.execution);
                statement.bind(spent).bind(reserved).bind(tokens)
            })
            .await?;
        Ok(())
    }

    async fn hold(&mut self, fires: &[BareFire], more: (i64, i64), now: Timestamp) -> Result<()> {
        let levels = levels(fires, more, now);
        HOLD.write(&mut self.tx, &levels, |statement, (key, (used, held))| {
            let statement = statement.bind(key.0).bind(key.1).bind(key.2).bind(key.3);
            statement.bind(*used).bind(*held)
        })
        .await?;
        Ok(())
    }

    async fn draw(&mut self, fires: &[BareFire], more: (i64, i64), now: Timestamp) -> Result<()> {
        let levels = levels(fires, more, now);
        DRAW.write(&mut self.tx, &levels, |statement, (key, (used, held))| {
            let statement = statement.bind(key.0).bind(key.1).bind(key.2).bind(key.3);
            statement.bind(*used).bind(*held)
        })
        .await?;
        Ok(())
    }

    async fn end(&mut self, fires: &[BareFire], session: &BareSession, at: i64) -> Result<()> {
        let (node, credits) = (self.node, BareSession::credits(session.micro.1));
        END.write(&mut self.tx, fires, |statement, fire| {
            let statement = statement.bind(fire.project).bind(fire.execution).bind(node);
            statement
                .bind(at)
                .bind(session.response.clone())
                .bind(credits)
        })
        .await?;
        Ok(())
    }

    async fn insert_ended(
        &mut self,
        fires: &[BareFire],
        session: &BareSession,
        at: i64,
    ) -> Result<()> {
        let (node, spent) = (self.node, session.micro.1);
        ENDED
            .write(&mut self.tx, fires, |statement, fire| {
                let statement = statement
                    .bind(fire.project)
                    .bind(fire.execution)
                    .bind(fire.bot);
                let statement = statement.bind(fire.heartbeat).bind(fire.due_at);
                let statement = statement.bind(fire.prompt.clone()).bind(node).bind(at);
                let statement = statement
                    .bind(session.response.clone())
                    .bind(session.tokens);
                statement.bind(spent).bind(BareSession::credits(spent))
            })
            .await?;
        Ok(())
    }

    async fn move_on(
        &mut self,
        fires: &[BareFire],
        session: &BareSession,
        now: Timestamp,
    ) -> Result<()> {
        MOVE.write(&mut self.tx, fires, |statement, fire| {
            let statement = statement
                .bind(fire.project)
                .bind(fire.heartbeat)
                .bind(fire.next_at);
            statement.bind(ms(now))
        })
        .await?;
        let day = i64::from(utc_day(now));
        let credits = BareSession::credits(session.micro.1);
        COUNT
            .write(&mut self.tx, fires, |statement, fire| {
                let statement = statement.bind(fire.project).bind(fire.bot).bind(day);
                statement
                    .bind(fire.heartbeat)
                    .bind(session.tokens)
                    .bind(credits)
            })
            .await?;
        Ok(())
    }
}
