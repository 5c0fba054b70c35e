//! The rows that fires leave, in bare SQL: what the load program holds the engine against.
//!
//! The same server, driver, durability, columns and indexes, a batch to a statement and a commit;
//! nothing is read, decided or answered. Fenced by nothing: for measuring only.
//!
//! Differs: a column of a batch is an array, so that a statement has as many rows as the batch and
//! is planned once; and there may be several that write at the same time.

use std::sync::Arc;

use heartbeat_domain::heartbeat::utc_day;
use heartbeat_domain::ids::{IdSource, NodeId};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::failure::failure;
use super::rows::{Cursor, ms};
use super::servers::Servers;
use super::tx::{Statement, sql};
use super::{OpenOptions, url};
use crate::bare::{BareFire, BareSession, BareWrites, levels};
use crate::verbs::Result;

/// A connection that writes rows and does nothing else.
pub struct Bare {
    conn: PgConnection,
    ids: Arc<IdSource>,
    node: Uuid,
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

const DUE: &str = "SELECT project_id, id, bot_id, prompt, next_due_at, interval_minutes \
    FROM heartbeats WHERE claimable_at <= $1 ORDER BY claimable_at LIMIT $2";

const OPEN: &str = "INSERT INTO executions (project_id, id, bot_id, heartbeat_id, due_at, prompt, \
     holder, created_at, started_at, kind, triggered_by, phase, response, tokens_used, \
     micro_spent, micro_reserved, credits_charged, missed_reason, needs_review, fence) \
     SELECT v.project_id, v.id, v.bot_id, v.heartbeat_id, v.due_at, v.prompt, $7, $8, $8, \
     'heartbeat', 'schedule', 'running', '', 0, 0, 0, 0, 'capacity', FALSE, 1 \
     FROM UNNEST($1::UUID[], $2::UUID[], $3::UUID[], $4::UUID[], $5::BIGINT[], $6::TEXT[]) \
     AS v (project_id, id, bot_id, heartbeat_id, due_at, prompt)";

const MARK: &str = "UPDATE heartbeats SET open_execution_id = v.execution_id, \
     open_due_at = v.due_at, claimable_at = NULL \
     FROM UNNEST($1::UUID[], $2::UUID[], $3::UUID[], $4::BIGINT[]) \
     AS v (project_id, id, execution_id, due_at) \
     WHERE heartbeats.project_id = v.project_id AND heartbeats.id = v.id";

const END: &str = "UPDATE executions SET phase = 'ended', status = 'success', \
     finished_at = $5, ended_by = $6, holder = NULL, response = v.response, credits_charged = $7 \
     FROM UNNEST($1::UUID[], $2::UUID[], $3::BIGINT[], $4::TEXT[]) \
     AS v (project_id, id, due_at, response) WHERE executions.project_id = v.project_id \
     AND executions.id = v.id AND executions.due_at = v.due_at";

const ENDED: &str = "INSERT INTO executions (project_id, id, bot_id, heartbeat_id, due_at, prompt, \
     response, ended_by, created_at, started_at, finished_at, tokens_used, micro_spent, \
     credits_charged, kind, triggered_by, phase, status, micro_reserved, missed_reason, \
     needs_review, fence) SELECT v.project_id, v.id, v.bot_id, v.heartbeat_id, v.due_at, \
     v.prompt, v.response, $8, $9, $9, $9, $10, $11, $12, 'heartbeat', 'schedule', 'ended', \
     'success', 0, 'capacity', FALSE, 1 FROM UNNEST($1::UUID[], $2::UUID[], $3::UUID[], \
     $4::UUID[], $5::BIGINT[], $6::TEXT[], $7::TEXT[]) \
     AS v (project_id, id, bot_id, heartbeat_id, due_at, prompt, response)";

const MOVE: &str = "UPDATE heartbeats SET open_execution_id = NULL, open_due_at = NULL, \
     next_due_at = v.next_at, next_anchor = 0, claimable_at = v.next_at, \
     error_count = 0, execution_count = execution_count + 1, last_executed_at = $4, \
     last_status = 'success' FROM UNNEST($1::UUID[], $2::UUID[], $3::BIGINT[]) \
     AS v (project_id, id, next_at) \
     WHERE heartbeats.project_id = v.project_id AND heartbeats.id = v.id";

const COUNT: &str = "INSERT INTO rollups (project_id, bot_id, day, heartbeat_id, tokens, credits, \
     kind, success, error, skipped, cancelled, duration_ms) SELECT v.project_id, v.bot_id, $4, \
     v.heartbeat_id, $5, $6, 'heartbeat', 1, 0, 0, 0, 0 \
     FROM UNNEST($1::UUID[], $2::UUID[], $3::UUID[]) AS v (project_id, bot_id, heartbeat_id) \
     ON CONFLICT (project_id, bot_id, day, heartbeat_id, kind) DO UPDATE SET \
     success = rollups.success + 1, tokens = rollups.tokens + excluded.tokens, \
     credits = rollups.credits + excluded.credits";

const STEP: &str = "INSERT INTO steps (project_id, execution_id, name, intent, effect_id, result, \
     seq, kind, state, micro_reserved, micro_input_bound, begun_at, ended_at, tokens, \
     micro_charged, attempt, max_tokens, fence, notes) SELECT v.project_id, v.execution_id, \
     v.name, v.intent, v.effect_id, v.result, $7, $8, $9, $10, $10, $11, $12, $13, $14, 0, 4096, \
     1, '[]' FROM UNNEST($1::UUID[], $2::UUID[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[]) \
     AS v (project_id, execution_id, name, intent, effect_id, result)";

const STEP_END: &str = "UPDATE steps SET state = 'done', result = v.result, tokens = $5, \
     micro_charged = $6, micro_reserved = 0, ended_at = $7 \
     FROM UNNEST($1::UUID[], $2::UUID[], $3::TEXT[]) AS v (project_id, execution_id, result) \
     WHERE steps.project_id = v.project_id AND steps.execution_id = v.execution_id \
     AND steps.seq = $4 AND steps.attempt = 0";

const SPEND: &str = "UPDATE executions SET micro_spent = $4, micro_reserved = $5, \
     tokens_used = $6 FROM UNNEST($1::UUID[], $2::UUID[], $3::BIGINT[]) \
     AS v (project_id, id, due_at) WHERE executions.project_id = v.project_id \
     AND executions.id = v.id AND executions.due_at = v.due_at";

const HOLD: &str = "INSERT INTO budgets (project_id, scope, scope_id, period, used, held, tokens, \
     credit_limit) SELECT v.project_id, v.scope, v.scope_id, v.period, v.used, v.held, 0, NULL \
     FROM UNNEST($1::UUID[], $2::TEXT[], $3::UUID[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[]) \
     AS v (project_id, scope, scope_id, period, used, held) \
     ON CONFLICT (project_id, scope, scope_id, period) DO UPDATE SET \
     used = budgets.used + excluded.used, held = budgets.held + excluded.held";

const DRAW: &str = "UPDATE budgets SET used = budgets.used + v.used, held = budgets.held + v.held \
     FROM UNNEST($1::UUID[], $2::TEXT[], $3::UUID[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[]) \
     AS v (project_id, scope, scope_id, period, used, held) \
     WHERE budgets.project_id = v.project_id AND budgets.scope = v.scope \
     AND budgets.scope_id = v.scope_id AND budgets.period = v.period";

const ONE_ROW: &str = "INSERT INTO facts (name, value) VALUES ('bare commit', $1) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

impl Bare {
    /// A connection to a database that has the schema.
    ///
    /// # Errors
    /// The server cannot be connected to.
    pub async fn open(url: &str, ids: Arc<IdSource>, now: Timestamp) -> Result<Self> {
        let options = OpenOptions::default();
        let (_, conn) = Servers::open(url::connect_options(url, options)?, options).await?;
        let node = NodeId::new(&ids, now).0;
        Ok(Self { conn, ids, node })
    }

    /// Heartbeats that are due, oldest first, with the ids of the rows to write.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn due(&mut self, most: u32, now: Timestamp) -> Result<Vec<BareFire>> {
        let statement = sql(DUE).bind(ms(now)).bind(i64::from(most));
        let rows = statement
            .fetch_all(&mut self.conn)
            .await
            .map_err(|error| failure(&error))?;
        rows.iter()
            .map(|row| BareFire::read(&mut Cursor::new(row), &self.ids, now))
            .collect()
    }

    /// Writes what fires leave whose watch found nothing.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn empty(
        &mut self,
        fires: &[BareFire],
        writes: BareWrites,
        now: Timestamp,
    ) -> Result<()> {
        let session = BareSession::default();
        let at = ms(now);
        self.write(sql(BEGIN)).await?;
        match writes {
            BareWrites::Stages => {
                self.claim(fires, at).await?;
                self.next_stage().await?;
                self.end(fires, &session, at).await?;
            }
            BareWrites::FinalRows => self.insert_ended(fires, &session, at).await?,
        }
        self.move_on(fires, &session, now).await?;
        self.write(sql("COMMIT")).await
    }

    /// Writes what fires leave that had one turn and one call.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn journaled(
        &mut self,
        fires: &[BareFire],
        session: &BareSession,
        writes: BareWrites,
        now: Timestamp,
    ) -> Result<()> {
        let at = ms(now);
        let drawn = BareSession::credits(session.micro.1);
        self.write(sql(BEGIN)).await?;
        match writes {
            BareWrites::Stages => {
                self.claim(fires, at).await?;
                self.next_stage().await?;
                self.converse(fires, session, now).await?;
                self.next_stage().await?;
                self.end(fires, session, at).await?;
                self.budget(DRAW, fires, (drawn, -drawn), now).await?;
            }
            BareWrites::FinalRows => {
                self.insert_ended(fires, session, at).await?;
                for seq in 0..3 {
                    self.step(fires, session, (seq, true), at).await?;
                }
                self.budget(HOLD, fires, (drawn, 0), now).await?;
            }
        }
        self.move_on(fires, session, now).await?;
        self.write(sql("COMMIT")).await
    }

    /// One row, one commit.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn commit_one(&mut self, number: i64) -> Result<()> {
        self.write(sql(ONE_ROW).bind(number.to_string())).await
    }

    /// Takes away the rows that nobody sees any more, so that whoever writes next does not pay for
    /// them, and lets the planner know what there is.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn tidy_up(&mut self) -> Result<()> {
        self.write(sql("SET statement_timeout = 0")).await?;
        self.write(sql(
            "VACUUM (ANALYZE) heartbeats, executions, steps, rollups, budgets",
        ))
        .await
    }

    async fn write(&mut self, statement: Statement<'_>) -> Result<()> {
        let done = statement.execute(&mut self.conn).await;
        done.map(drop).map_err(|error| failure(&error))
    }

    async fn next_stage(&mut self) -> Result<()> {
        // Both in one message: the server need not be waited for twice.
        let done = sqlx::raw_sql("COMMIT; BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            .execute(&mut self.conn)
            .await;
        done.map(drop).map_err(|error| failure(&error))
    }

    async fn claim(&mut self, fires: &[BareFire], at: i64) -> Result<()> {
        let statement = sql(OPEN)
            .bind(projects(fires))
            .bind(executions(fires))
            .bind(column(fires, |fire| fire.bot))
            .bind(heartbeats(fires))
            .bind(due_times(fires))
            .bind(column(fires, |fire| fire.prompt.clone()));
        self.write(statement.bind(self.node).bind(at)).await?;
        let statement = sql(MARK).bind(projects(fires)).bind(heartbeats(fires));
        self.write(statement.bind(executions(fires)).bind(due_times(fires)))
            .await
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
        self.budget(HOLD, fires, (0, held), now).await?;
        self.next_stage().await?;
        self.step_end(fires, (1, &session.turn.2), (session.tokens, spent), at)
            .await?;
        self.spend(fires, (spent, 0, session.tokens)).await?;
        self.budget(DRAW, fires, (0, drawn - held), now).await?;
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
        let (kind, (name, intent, result)) = match seq {
            0 => ("request", ("", session.request.as_str(), None)),
            1 => ("turn", parts(&session.turn)),
            _ => ("call", parts(&session.call)),
        };
        let (reserved, spent) = session.micro;
        let of_turn = |is_done: bool, amount: i64| match seq == 1 && done == is_done {
            true => amount,
            false => 0,
        };
        let effect = |fire: &BareFire| (seq == 2).then(|| format!("{}.{seq}", fire.execution));
        let result = result.filter(|_| done);
        let statement = sql(STEP)
            .bind(projects(fires))
            .bind(executions(fires))
            .bind(column(fires, |_| name.to_owned()))
            .bind(column(fires, |_| intent.to_owned()))
            .bind(column(fires, effect))
            .bind(column(fires, |_| result.cloned()))
            .bind(seq)
            .bind(kind)
            .bind(if done { "done" } else { "begun" });
        let statement = statement
            .bind(of_turn(false, reserved))
            .bind(at)
            .bind(done.then_some(at));
        let statement = statement
            .bind(of_turn(true, session.tokens))
            .bind(of_turn(true, spent));
        self.write(statement).await
    }

    async fn step_end(
        &mut self,
        fires: &[BareFire],
        (seq, result): (i64, &String),
        (tokens, micro): (i64, i64),
        at: i64,
    ) -> Result<()> {
        let statement = sql(STEP_END)
            .bind(projects(fires))
            .bind(executions(fires))
            .bind(column(fires, |_| result.clone()));
        self.write(statement.bind(seq).bind(tokens).bind(micro).bind(at))
            .await
    }

    async fn spend(&mut self, fires: &[BareFire], amounts: (i64, i64, i64)) -> Result<()> {
        let (spent, reserved, tokens) = amounts;
        let statement = sql(SPEND)
            .bind(projects(fires))
            .bind(executions(fires))
            .bind(due_times(fires));
        self.write(statement.bind(spent).bind(reserved).bind(tokens))
            .await
    }

    async fn budget(
        &mut self,
        text: &'static str,
        fires: &[BareFire],
        more: (i64, i64),
        now: Timestamp,
    ) -> Result<()> {
        let levels = levels(fires, more, now);
        let statement = sql(text)
            .bind(column(&levels, |(key, _)| key.0))
            .bind(column(&levels, |(key, _)| key.1))
            .bind(column(&levels, |(key, _)| key.2))
            .bind(column(&levels, |(key, _)| key.3))
            .bind(column(&levels, |(_, (used, _))| *used))
            .bind(column(&levels, |(_, (_, held))| *held));
        self.write(statement).await
    }

    async fn end(&mut self, fires: &[BareFire], session: &BareSession, at: i64) -> Result<()> {
        let statement = sql(END)
            .bind(projects(fires))
            .bind(executions(fires))
            .bind(due_times(fires))
            .bind(column(fires, |_| session.response.clone()))
            .bind(at)
            .bind(self.node)
            .bind(BareSession::credits(session.micro.1));
        self.write(statement).await
    }

    async fn insert_ended(
        &mut self,
        fires: &[BareFire],
        session: &BareSession,
        at: i64,
    ) -> Result<()> {
        let spent = session.micro.1;
        let statement = sql(ENDED)
            .bind(projects(fires))
            .bind(executions(fires))
            .bind(column(fires, |fire| fire.bot))
            .bind(heartbeats(fires))
            .bind(due_times(fires))
            .bind(column(fires, |fire| fire.prompt.clone()))
            .bind(column(fires, |_| session.response.clone()));
        let statement = statement.bind(self.node).bind(at).bind(session.tokens);
        self.write(statement.bind(spent).bind(BareSession::credits(spent)))
            .await
    }

    async fn move_on(
        &mut self,
        fires: &[BareFire],
        session: &BareSession,
        now: Timestamp,
    ) -> Result<()> {
        let statement = sql(MOVE)
            .bind(projects(fires))
            .bind(heartbeats(fires))
            .bind(column(fires, |fire| fire.next_at));
        self.write(statement.bind(ms(now))).await?;
        let statement = sql(COUNT)
            .bind(projects(fires))
            .bind(column(fires, |fire| fire.bot))
            .bind(heartbeats(fires))
            .bind(i64::from(utc_day(now)))
            .bind(session.tokens)
            .bind(BareSession::credits(session.micro.1));
        self.write(statement).await
    }
}

fn column<T, V>(rows: &[T], of: impl Fn(&T) -> V) -> Vec<V> {
    rows.iter().map(of).collect()
}

fn projects(fires: &[BareFire]) -> Vec<Uuid> {
    column(fires, |fire| fire.project)
}

fn executions(fires: &[BareFire]) -> Vec<Uuid> {
    column(fires, |fire| fire.execution)
}

fn heartbeats(fires: &[BareFire]) -> Vec<Uuid> {
    column(fires, |fire| fire.heartbeat)
}

fn due_times(fires: &[BareFire]) -> Vec<i64> {
    column(fires, |fire| fire.due_at)
}

fn parts(step: &(String, String, String)) -> (&str, &str, Option<&String>) {
    (&step.0, &step.1, Some(&step.2))
}
