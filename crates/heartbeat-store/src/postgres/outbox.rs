//! Messages to people, and their way through the channels.

use async_trait::async_trait;
use heartbeat_domain::ids::{DeliveryId, NoticeId, ProjectId};
use heartbeat_domain::notice::NoticeDraft;
use jiff::Timestamp;
use sqlx::{Postgres, QueryBuilder};

use super::failure::failure;
use super::receipts::with_receipt;
use super::rows::{Cursor, ms, opt_ms};
use super::tx::{Tx, plain, sql};
use super::{PostgresStore, access};
use crate::StoreError;
use crate::error::Thing;
use crate::messages::{Origin, channel, notice, notice_columns};
use crate::verbs::{
    Attempt, Channel, Delivery, Listed, Notice, NoticeFilter, Outbox, Page, Result,
};

const END_TOPIC: &str = "UPDATE topics SET state = $3 WHERE project_id = $1 AND topic = $2 \
    AND (state IS NULL OR state <> $3)";

const MOVE_TOPIC: &str = "INSERT INTO topics (project_id, topic, state) VALUES ($1, $2, $3) \
    ON CONFLICT (project_id, topic) DO UPDATE SET state = excluded.state \
    WHERE topics.state IS NULL OR excluded.state IS NULL OR topics.state <> excluded.state";

const INSERT: &str = "INSERT INTO notices (project_id, id, bot_id, member_id, heartbeat_id, \
    execution_id, title, message, priority, action_url, topic, state, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

const INSERT_DELIVERY: &str = "INSERT INTO deliveries \
    (project_id, id, notice_id, channel, state, attempts, due_at) \
    VALUES ($1, $2, $3, $4, 'pending', 0, $5) \
    ON CONFLICT (project_id, notice_id, channel) DO NOTHING";

macro_rules! due {
    () => {
        concat!(
            "SELECT ",
            notice_columns!(),
            ", d.id, d.channel, d.attempts FROM deliveries d \
             JOIN notices n ON n.project_id = d.project_id AND n.id = d.notice_id \
             WHERE d.due_at <= $1 ORDER BY d.due_at, d.id LIMIT $2 \
             FOR UPDATE OF d SKIP LOCKED"
        )
    };
}

const DUE: &str = due!();

/// The same, with the receipt of the verb that begins with it.
const DUE_ONCE: &str = concat!(with_receipt!("$3", "$4"), due!());

/// A delivery as it was left by whoever holds it until a moment.
const STILL: &str = "SELECT 1 FROM deliveries WHERE project_id = $1 AND id = $2 \
    AND due_at = $3 AND attempts = $4 AND state = 'pending'";

const HOLD: &str = "UPDATE deliveries SET due_at = $3 WHERE project_id = $1 AND id = $2";

const RECORD: &str = "UPDATE deliveries SET state = $4, attempts = $5, due_at = $6, \
    last_error = $7, ended_at = $8 \
    WHERE project_id = $1 AND id = $2 AND attempts = $3 AND state = 'pending'";

const FAILED: &str = "UPDATE notices SET failed_at = COALESCE(failed_at, $3) \
    WHERE project_id = $1 AND id = $2";

const KNOWN: &str = "SELECT 1 FROM deliveries WHERE project_id = $1 AND id = $2";

const NEXT: &str = "SELECT MIN(due_at) FROM deliveries WHERE due_at IS NOT NULL";

const READ: &str = "UPDATE notices SET read_at = COALESCE(read_at, $3) \
    WHERE project_id = $1 AND id = $2";

const ONE: &str = concat!(
    "SELECT ",
    notice_columns!(),
    " FROM notices n WHERE n.project_id = $1 AND n.id = $2"
);

#[async_trait]
impl Outbox for PostgresStore {
    async fn tell(
        &self,
        project_id: ProjectId,
        notice: &NoticeDraft,
        channels: &[Channel],
        now: Timestamp,
    ) -> Result<bool> {
        let (notice, channels) = (notice.clone(), channels.to_vec());
        self.write_once(move |tx| {
            let (notice, channels) = (notice.clone(), channels.clone());
            Box::pin(async move {
                access::find(tx.conn(), project_id).await?;
                let origin = Origin::of_project(project_id);
                let told = write_notices(tx, &origin, &[notice], (&channels, now)).await?;
                Ok(told > 0)
            })
        })
        .await
    }

    async fn due_deliveries(
        &self,
        want: usize,
        hold_until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Delivery>> {
        let taken = self.writers.write_once_within(
            move |tx| Box::pin(due(tx, want, hold_until, now)),
            move |tx, taken| Box::pin(still_held(tx, taken, hold_until)),
        );
        taken.await
    }

    async fn record_attempt(
        &self,
        delivery: &Delivery,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<()> {
        let (delivery, attempt) = (delivery.clone(), attempt.clone());
        self.write(move |tx| Box::pin(record(tx, delivery.clone(), attempt.clone(), now)))
            .await
    }

    async fn next_delivery_at(&self) -> Result<Option<Timestamp>> {
        let mut conn = self.read().await?;
        let row = sql(NEXT)
            .fetch_one(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        Cursor::new(&row).find_time()
    }

    async fn notices(
        &self,
        project_id: ProjectId,
        filter: &NoticeFilter,
        page: Page,
    ) -> Result<Listed<Notice>> {
        let mut conn = self.read().await?;
        access::find(&mut conn, project_id).await?;
        let mut count = QueryBuilder::new("SELECT COUNT(*) FROM notices n");
        narrow(&mut count, project_id, filter);
        let row = count
            .build()
            .fetch_one(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        let total = Cursor::new(&row).count()?;
        let mut list = QueryBuilder::new(concat!("SELECT ", notice_columns!(), " FROM notices n"));
        narrow(&mut list, project_id, filter);
        list.push(" ORDER BY n.created_at DESC, n.id DESC LIMIT ");
        list.push_bind(i64::from(page.size))
            .push(" OFFSET ")
            .push_bind(page.offset());
        let rows = list
            .build()
            .fetch_all(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        let rows = rows.iter().map(|row| notice(&mut Cursor::new(row)));
        Ok(Listed {
            rows: rows.collect::<Result<_>>()?,
            total,
        })
    }

    async fn acknowledge(
        &self,
        project_id: ProjectId,
        id: NoticeId,
        now: Timestamp,
    ) -> Result<Notice> {
        self.write(move |tx| Box::pin(acknowledge(tx, (project_id, id), now)))
            .await
    }
}

/// Records messages with a delivery for each channel; answers how many were not silence.
pub(super) async fn write_notices(
    tx: &mut Tx,
    origin: &Origin,
    drafts: &[NoticeDraft],
    (channels, now): (&[Channel], Timestamp),
) -> Result<u64> {
    let mut told = 0;
    for draft in drafts {
        if let Some(topic) = &draft.topic {
            let (topic, state) = (plain(topic), draft.state.as_deref().map(plain));
            let moved = sql(if draft.ends { END_TOPIC } else { MOVE_TOPIC })
                .bind(origin.project_id.0)
                .bind(topic)
                .bind(state);
            if tx.write(moved).await? == 0 {
                continue;
            }
        }
        let id = NoticeId::new(&tx.ids, now);
        insert(tx, (id, origin), draft, now).await?;
        for channel in channels {
            let delivery = sql(INSERT_DELIVERY)
                .bind(origin.project_id.0)
                .bind(DeliveryId::new(&tx.ids, now).0)
                .bind(id.0)
                .bind(channel.as_str())
                .bind(ms(now));
            tx.write(delivery).await?;
        }
        told += 1;
    }
    Ok(told)
}

async fn insert(
    tx: &mut Tx,
    (id, origin): (NoticeId, &Origin),
    draft: &NoticeDraft,
    now: Timestamp,
) -> Result<()> {
    let statement = sql(INSERT)
        .bind(origin.project_id.0)
        .bind(id.0)
        .bind(origin.bot_id.map(|id| id.0))
        .bind(origin.member_id.map(|id| id.0))
        .bind(origin.heartbeat_id.map(|id| id.0))
        .bind(origin.execution_id.map(|id| id.0))
        .bind(plain(&draft.title))
        .bind(plain(&draft.message))
        .bind(draft.priority.as_str())
        .bind(draft.action_url.as_deref().map(plain))
        .bind(draft.topic.as_deref().map(plain))
        .bind(draft.state.as_deref().map(plain))
        .bind(ms(now));
    tx.write(statement).await?;
    Ok(())
}

async fn due(
    tx: &mut Tx,
    want: usize,
    hold_until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Delivery>> {
    let want = i64::try_from(want).unwrap_or(i64::MAX);
    let statement = match tx.take_receipt() {
        Some(receipt) => receipt.bind(sql(DUE_ONCE).bind(ms(now)).bind(want)),
        None => sql(DUE).bind(ms(now)).bind(want),
    };
    let rows = tx.rows(statement).await?;
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut c = Cursor::new(row);
        let notice = notice(&mut c)?;
        let delivery = Delivery {
            id: DeliveryId(c.take()?),
            channel: c.name(channel)?,
            notice,
            attempts: c.small()?,
        };
        let project = delivery.notice.project_id.0;
        tx.write(
            sql(HOLD)
                .bind(project)
                .bind(delivery.id.0)
                .bind(ms(hold_until)),
        )
        .await?;
        deliveries.push(delivery);
    }
    Ok(deliveries)
}

/// What of deliveries that were taken until a moment nobody else has taken since.
async fn still_held(
    tx: &mut Tx,
    taken: Vec<Delivery>,
    hold_until: Timestamp,
) -> Result<Vec<Delivery>> {
    let mut held = Vec::with_capacity(taken.len());
    for delivery in taken {
        let statement = sql(STILL)
            .bind(delivery.notice.project_id.0)
            .bind(delivery.id.0)
            .bind(ms(hold_until))
            .bind(i64::from(delivery.attempts));
        if tx.find(statement).await?.is_some() {
            held.push(delivery);
        }
    }
    Ok(held)
}

async fn record(tx: &mut Tx, delivery: Delivery, attempt: Attempt, now: Timestamp) -> Result<()> {
    let failed = i64::from(delivery.attempts) + 1;
    let (state, attempts, due_at, error) = match &attempt {
        Attempt::Delivered => ("delivered", i64::from(delivery.attempts), None, None),
        Attempt::Again { at, error } => ("pending", failed, Some(*at), Some(plain(error))),
        Attempt::Failed { error } => ("failed", failed, None, Some(plain(error))),
    };
    let project = delivery.notice.project_id.0;
    let statement = sql(RECORD)
        .bind(project)
        .bind(delivery.id.0)
        .bind(i64::from(delivery.attempts))
        .bind(state)
        .bind(attempts)
        .bind(opt_ms(due_at))
        .bind(error)
        .bind(due_at.is_none().then(|| ms(now)));
    if tx.write(statement).await? == 0 {
        let known = tx
            .find(sql(KNOWN).bind(project).bind(delivery.id.0))
            .await?;
        return known.map(|_| ()).ok_or(StoreError::NotFound(Thing::Notice));
    }
    if matches!(attempt, Attempt::Failed { .. }) {
        tx.write(
            sql(FAILED)
                .bind(project)
                .bind(delivery.notice.id.0)
                .bind(ms(now)),
        )
        .await?;
    }
    Ok(())
}

async fn acknowledge(
    tx: &mut Tx,
    (project_id, id): (ProjectId, NoticeId),
    now: Timestamp,
) -> Result<Notice> {
    tx.write(sql(READ).bind(project_id.0).bind(id.0).bind(ms(now)))
        .await?;
    let row = tx.find(sql(ONE).bind(project_id.0).bind(id.0)).await?;
    notice(&mut Cursor::new(
        &row.ok_or(StoreError::NotFound(Thing::Notice))?,
    ))
}

fn narrow(query: &mut QueryBuilder<Postgres>, project_id: ProjectId, filter: &NoticeFilter) {
    query.push(" WHERE n.project_id = ").push_bind(project_id.0);
    if let Some(bot) = filter.bot_id {
        query.push(" AND n.bot_id = ").push_bind(bot.0);
    }
    if let Some(member) = filter.member_id {
        query.push(" AND n.member_id = ").push_bind(member.0);
    }
    if let Some(heartbeat) = filter.heartbeat_id {
        query.push(" AND n.heartbeat_id = ").push_bind(heartbeat.0);
    }
    if filter.unread {
        query.push(" AND n.read_at IS NULL");
    }
}
