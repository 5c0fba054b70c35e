//! Chores that every node may do, because doing them twice does no harm: probes of providers that
//! are down, pruning of what is older than the plan keeps, parts of the history, counting what has
//! grown, and marking what a pause of many heartbeats left unmarked because its process died.

use std::sync::atomic::{AtomicI64, Ordering};

use heartbeat_domain::bot::Project;
use heartbeat_store::StoreError;
use heartbeat_store::verbs::{HistoryKept, Reach, SETTLE_MOST, SettleAsk, Tended};
use jiff::{SignedDuration, Timestamp};

use crate::Parts;
use crate::beat::Node;

/// How often old rows are looked for.
const PRUNE_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Rows that one look prunes at most, for each project.
const PRUNE_MOST: u32 = 2_000;

/// How often heartbeats that were left unmarked are looked for.
const SETTLE_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// How often tables that have grown are looked for.
const TAKE_STOCK_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// How long whoever set a switch has for marking what is below it.
const SETTLES_ITSELF: SignedDuration = SignedDuration::from_mins(1);

/// When each chore was last begun, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Caretaker {
    pruned_at: AtomicI64,
    settled_at: AtomicI64,
    stock_taken_at: AtomicI64,
}

impl Caretaker {
    /// Begins the chores that are due.
    pub(crate) fn look_round(&self, node: &Node, now: Timestamp) {
        for model in node.parts.models.probes_due(now) {
            let parts = node.parts.clone();
            node.crew
                .spawn_chore(async move { probe(&parts, &model).await });
        }
        if is_due(&self.pruned_at, PRUNE_EVERY, now) {
            let parts = node.parts.clone();
            node.crew
                .spawn_chore(async move { prune_all(&parts, now).await });
        }
        if is_due(&self.settled_at, SETTLE_EVERY, now) {
            let parts = node.parts.clone();
            node.crew
                .spawn_chore(async move { settle_all(&parts, now).await });
        }
        if is_due(&self.stock_taken_at, TAKE_STOCK_EVERY, now) {
            let parts = node.parts.clone();
            node.crew
                .spawn_chore(async move { take_stock(&parts).await });
        }
    }
}

/// Whether a chore is to be begun now; then it has been.
fn is_due(begun_at: &AtomicI64, every: SignedDuration, now: Timestamp) -> bool {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
    let next = begun_at.load(Ordering::Relaxed).saturating_add(every);
    let is_due = now.as_millisecond() >= next;
    if is_due {
        begun_at.store(now.as_millisecond(), Ordering::Relaxed);
    }
    is_due
}

async fn settle_all(parts: &Parts, now: Timestamp) {
    if let Err(error) = settle(parts, now).await {
        tracing::warn!(%error, "Heartbeats below a switch were not marked; they will be");
    }
}

async fn settle(parts: &Parts, now: Timestamp) -> Result<(), StoreError> {
    let mut ask = SettleAsk {
        changed_until: now.checked_sub(SETTLES_ITSELF).ok(),
        ..SettleAsk::new(Reach::All, SETTLE_MOST)
    };
    loop {
        let settled = parts.store.settle(ask, parts.waiter.now()).await?;
        if !settled.more {
            return Ok(());
        }
        ask.place = settled.place;
    }
}

async fn probe(parts: &Parts, model: &str) {
    match parts.models.probe(model).await {
        Ok(()) => tracing::info!(model, "The model's provider answers again"),
        Err(error) => tracing::debug!(model, %error, "The model's provider is still down"),
    }
}

async fn take_stock(parts: &Parts) {
    match parts.store.take_stock().await {
        Ok(counted) if counted.is_empty() => {}
        Ok(counted) => tracing::debug!(?counted, "Tables that have grown were counted"),
        Err(error) => tracing::debug!(%error, "Tables were not counted; they will be"),
    }
}

async fn prune_all(parts: &Parts, now: Timestamp) {
    if let Err(error) = prune(parts, now).await {
        tracing::warn!(%error, "Old rows were not pruned; they will be");
    }
}

async fn prune(parts: &Parts, now: Timestamp) -> Result<(), StoreError> {
    let projects = parts.store.projects().await?;
    let cutoffs: Vec<_> = projects
        .iter()
        .map(|project| (project.id, cutoffs(parts, project, now)))
        .collect();
    let kept = HistoryKept {
        steps_from: oldest(cutoffs.iter().map(|(_, (steps, _))| *steps)),
        rows_from: oldest(cutoffs.iter().map(|(_, (_, rows))| *rows)),
    };
    let is_divided = tend_history(parts, kept, now).await?;
    for (project, (mut steps, mut rows)) in cutoffs {
        if is_divided {
            // What is kept longest goes with its month, not row by row.
            steps = steps.filter(|from| Some(*from) != kept.steps_from);
            rows = rows.filter(|from| Some(*from) != kept.rows_from);
        }
        if steps.is_some() || rows.is_some() {
            parts
                .store
                .prune(project, (steps, rows), PRUNE_MOST)
                .await?;
        }
    }
    Ok(())
}

/// From when on somebody keeps something; nothing where one keeps all, or where there is nobody.
fn oldest(cutoffs: impl Iterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    cutoffs.min().flatten()
}

/// Makes parts of the history ahead and drops what nobody keeps; answers whether it has parts.
async fn tend_history(
    parts: &Parts,
    kept: HistoryKept,
    now: Timestamp,
) -> Result<bool, StoreError> {
    loop {
        match parts.store.tend_history(kept, now).await? {
            Tended::Undivided => return Ok(false),
            Tended::Done => return Ok(true),
            Tended::Made(part) => tracing::info!(part, "A part of the history was made"),
            Tended::Dropped(part) => tracing::info!(part, "A part of the history was dropped"),
        }
    }
}

fn cutoffs(
    parts: &Parts,
    project: &Project,
    now: Timestamp,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let Some(plan) = parts.plans.find(&project.plan) else {
        return (None, None);
    };
    let before = |days: Option<u32>| {
        let hours = i64::from(days?) * 24;
        now.checked_sub(SignedDuration::from_hours(hours)).ok()
    };
    (before(plan.steps_kept_days), before(plan.rows_kept_days))
}
