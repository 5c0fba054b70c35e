//! Heartbeats by the million, and which of them are due when.
//!
//! A fire needs a heartbeat that has not fired yet in this run. Slices of the population, scattered
//! over the whole table, are dealt out one after another; everything else is due hours from now.

use std::sync::atomic::{AtomicU64, Ordering};

use heartbeat_domain::bot::{Bot, Project};
use heartbeat_domain::ids::{BotId, ProjectId};

use super::Fallible;
use super::args::Args;
use super::figures::progress;
use super::world::{MODEL, PLAN, World};

/// Heartbeats of one project and agent.
const OF_ONE_AGENT: u64 = 10_000;

/// The name of a project that has a fifth of all heartbeats.
pub(crate) const LARGE_PROJECT: &str = "large";

/// The name of the project that fires beside a project with a great many.
pub(crate) const OTHER_PROJECT: &str = "other";

const WATCH: &str = r#"{"tool":"host_status","arguments":null,"selector":{"jsonpath":"$.disk.used_percent"},"condition":{"above":90.0}}"#;

const PROMPT: &str = "Tell me when the disk is nearly full, and what fills it.";

/// Three hours from a moment on, four hours wide.
const LATER: (i64, i64) = (3 * 3_600_000, 4 * 3_600);

/// Makes the population, if the database is new; otherwise checks that it is the one asked for.
pub(crate) async fn fill(world: &World) -> Fallible<()> {
    let there = world.number("SELECT COUNT(*) AS a FROM heartbeats").await?;
    let Sizes {
        large,
        others,
        rest,
    } = world.sizes;
    let all = world.sizes.all();
    if there > 0 {
        return reuse(world, (there, all)).await;
    }
    progress(&format!("{all} heartbeats …"))?;
    add(world, LARGE_PROJECT, (1, large)).await?;
    add(world, OTHER_PROJECT, (1 + large, others)).await?;
    let mut made = 0;
    for number in 1.. {
        if made == rest {
            break;
        }
        let some = OF_ONE_AGENT.min(rest - made);
        let first = 1 + large + others + made;
        add(world, &format!("project {number}"), (first, some)).await?;
        made += some;
    }
    Ok(())
}

/// How many heartbeats each part of the population has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    /// Of one project, all of which may be due at once.
    large: u64,
    /// Of the project beside it.
    others: u64,
    /// Of all other projects together.
    rest: u64,
}

impl Sizes {
    /// A fifth is the large project's, which is larger if more are to be due at once.
    pub(crate) fn of(args: &Args) -> Self {
        let (fifth, others) = (args.heartbeats / 5, 600.min(args.heartbeats / 10));
        Self {
            large: fifth.max(args.due_at_once),
            others,
            rest: args.heartbeats - fifth - others,
        }
    }

    pub(crate) fn all(self) -> u64 {
        self.large + self.others + self.rest
    }

    /// Projects beside those two.
    pub(crate) fn projects(self) -> usize {
        usize::try_from(self.rest.div_ceil(OF_ONE_AGENT)).unwrap_or(usize::MAX)
    }

    /// Each heartbeat fires once.
    pub(crate) fn suffice(self, fires: u64) -> Fallible<()> {
        match fires <= self.rest {
            true => Ok(()),
            false => Err(format!(
                "all of this takes {fires} heartbeats, and only {} of --heartbeats are free for it: \
                 name more, or a lower --rate, or fewer --seconds",
                self.rest
            )
            .into()),
        }
    }
}

async fn reuse(world: &World, (there, wanted): (i64, u64)) -> Fallible<()> {
    if u64::try_from(there)? != wanted {
        return Err(format!("the database has {there} heartbeats, not {wanted}").into());
    }
    let soon = world.now().as_millisecond() + 3_600_000;
    let due = format!("SELECT COUNT(*) AS a FROM heartbeats WHERE claimable_at < {soon}");
    if world.number(&due).await? > 0 {
        return Err("heartbeats of this database fall due within the hour; make a new one".into());
    }
    let again =
        format!("UPDATE heartbeats SET label = NULL, watch = '{WATCH}' WHERE label IS NOT NULL");
    world.db.write(again).await?;
    Ok(())
}

async fn add(world: &World, name: &str, (first, heartbeats): (u64, u64)) -> Fallible<()> {
    let now = world.now();
    let project = Project {
        id: ProjectId::new(&world.ids, now),
        name: name.to_owned(),
        plan: PLAN.to_owned(),
        paused_at: None,
        created_at: now,
    };
    world.store.create_project(&project).await?;
    let bot = Bot {
        id: BotId::new(&world.ids, now),
        number: 0,
        project_id: project.id,
        name: "Ada".into(),
        model: MODEL.into(),
        instruction: "You look after machines. Be brief.".into(),
        status: true,
        heartbeat: true,
        credit_limit: None,
        web_hosts: None,
        created_at: now,
        updated_at: now,
    };
    world.store.create_bot(&bot).await?;
    let (at, (from, width)) = (now.as_millisecond(), LATER);
    let baseline = format!(r#"{{"value":40,"holds":false,"told_at":"{now}"}}"#);
    let (project, bot) = (project.id.0, bot.id.0);
    let (in_project, of_bot) = (world.db.id(project), world.db.id(bot));
    let (fresh_id, chance) = (world.db.fresh_id(at), world.db.chance(width));
    let text = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {heartbeats}), \
         h(id, due) AS (SELECT {fresh_id}, ({at} + {from}) / 1000 + {chance} FROM n) \
         INSERT INTO heartbeats (project_id, id, bot_id, prompt, interval_minutes, timezone, \
         watch, max_consecutive_errors, spread_minutes, enabled, next_due_at, next_anchor, \
         grid_since, claimable_at, error_count, execution_count, baseline, created_at, \
         updated_at) SELECT {in_project}, id, {of_bot}, '{PROMPT}', 240, 'UTC', '{WATCH}', 5, 0, \
         TRUE, due * 1000, due % 86400, {at}, due * 1000, 0, 0, '{baseline}', {at}, {at} FROM h"
    );
    world.db.write(text).await?;
    world.db.number(project, first).await
}

/// When the heartbeats of a slice are due.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    /// All at the last whole second, claimable in an order by chance.
    Backlog,
    /// All at once, then.
    At(i64),
    /// So many a second from then on, evenly, each within the second of its due time.
    Evenly(i64, u64),
    /// So many at the start of each second from then on.
    EachSecond(i64, u64),
}

/// What a slice's heartbeats do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Look and find nothing.
    Watches,
    /// Ask a model.
    Sessions,
}

/// Part of the population: rows that lie one after another, dealt out in an order by chance.
struct Pool {
    first: u64,
    size: u64,
    dealt: &'static AtomicU64,
}

static DEALT: AtomicU64 = AtomicU64::new(0);
static DEALT_OF_LARGE: AtomicU64 = AtomicU64::new(0);
static DEALT_OF_OTHER: AtomicU64 = AtomicU64::new(0);

impl Pool {
    fn all(world: &World) -> Self {
        let Sizes {
            large,
            others,
            rest,
        } = world.sizes;
        Self {
            first: 1 + large + others,
            size: rest,
            dealt: &DEALT,
        }
    }

    fn of(world: &World, name: &str) -> Self {
        let Sizes { large, others, .. } = world.sizes;
        match name {
            LARGE_PROJECT => Self {
                first: 1,
                size: large,
                dealt: &DEALT_OF_LARGE,
            },
            _ => Self {
                first: 1 + large,
                size: others,
                dealt: &DEALT_OF_OTHER,
            },
        }
    }
}

/// Makes `most` heartbeats due that have not fired yet, by chance from the whole table; answers how
/// many there were. When each may be claimed is kept in its label.
pub(crate) async fn deal(world: &World, most: u64, does: Does, due: Due) -> Fallible<u64> {
    deal_from(world, &Pool::all(world), (most, does), due).await
}

/// The same of one project.
pub(crate) async fn deal_of(world: &World, name: &str, most: u64, due: Due) -> Fallible<u64> {
    deal_from(world, &Pool::of(world, name), (most, Does::Watches), due).await
}

async fn deal_from(
    world: &World,
    pool: &Pool,
    (most, does): (u64, Does),
    due: Due,
) -> Fallible<u64> {
    let Pool { first, size, dealt } = pool;
    let from = dealt.fetch_add(most, Ordering::Relaxed);
    if from + most > *size {
        return Err("these heartbeats are too few for all of this: name more".into());
    }
    let now = world.now().as_millisecond();
    let claimable = match due {
        Due::Backlog => format!("{now} / 1000 * 1000 - 1000 + {}", world.db.chance(1_000)),
        Due::At(at) => at.to_string(),
        Due::Evenly(from, rate) => format!("{from} + place * 1000 / {rate}"),
        Due::EachSecond(from, rate) => format!("{from} / 1000 * 1000 + place / {rate} * 1000"),
    };
    let watch = match does {
        Does::Watches => "watch",
        Does::Sessions => "NULL",
    };
    let (stride, which) = (stride(*size), world.db.chosen_by_number());
    let text = format!(
        "WITH RECURSIVE n(place) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT place + 1 FROM n \
         WHERE place + 1 < {most}), \
         chosen AS MATERIALIZED (SELECT {first} + ({from} + place) * {stride} % {size} AS r, \
         {claimable} AS due FROM n) \
         UPDATE heartbeats SET claimable_at = due, next_due_at = due / 1000 * 1000, \
         next_anchor = due / 1000 % 86400, watch = {watch}, label = CAST(due AS TEXT) {which}"
    );
    world.db.write(text).await
}

/// A step that visits every one of so many places before any of them twice, far from the last.
fn stride(size: u64) -> u64 {
    let common = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let golden = size * 618 / 1_000 + 1;
    (golden..)
        .find(|step| common(*step, size) == 1)
        .unwrap_or(1)
}

/// Waits until nothing is due before `until` and nothing is under way.
pub(crate) async fn done(world: &World, until: i64, seconds: u64) -> Fallible<()> {
    let left = format!(
        "SELECT EXISTS (SELECT 1 FROM heartbeats WHERE claimable_at <= {until}) \
         OR EXISTS (SELECT 1 FROM executions WHERE holder IS NOT NULL) \
         OR EXISTS (SELECT 1 FROM executions WHERE claimable_at IS NOT NULL) AS a"
    );
    let passed = super::world::stopwatch();
    while world.number(&left).await? > 0 {
        if passed() > super::figures::float(seconds) * 1_000.0 {
            return Err(format!("fires were still open after {seconds} s").into());
        }
        super::world::pause(50).await;
    }
    Ok(())
}
