//! Whether the rows are those that the fires should have left.

use super::Fallible;
use super::world::World;

/// What the database held at the start, and what was added to it since.
pub(crate) struct Account {
    before: Counts,
    fires: i64,
    sessions: i64,
    /// Fires of a mass, which may have been skipped instead, with a reason.
    mass: i64,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    success: i64,
    skipped: i64,
    other: i64,
    steps: i64,
    steps_done: i64,
}

const BY_STATUS: &str = "SELECT COUNT(*) FILTER (WHERE status = 'success') AS a, \
    COUNT(*) FILTER (WHERE status = 'skipped') AS b, \
    COUNT(*) FILTER (WHERE status IS NULL OR status NOT IN ('success', 'skipped')) AS c \
    FROM executions";

const BY_STEP: &str =
    "SELECT COUNT(*) AS a, COUNT(*) FILTER (WHERE state = 'done') AS b FROM steps";

/// Each answers a number that must be 0.
const NEVER: [(&str, &str); 8] = [
    (
        "executions are open",
        "SELECT COUNT(*) AS a FROM executions WHERE phase <> 'ended'",
    ),
    (
        "due times have two rows",
        "SELECT COUNT(*) AS a FROM (SELECT 1 FROM executions \
         GROUP BY project_id, heartbeat_id, due_at HAVING COUNT(*) > 1) AS twice",
    ),
    (
        "is by how much the rollups' successes differ from the rows",
        "SELECT (SELECT COALESCE(SUM(success), 0) FROM rollups) \
         - (SELECT COUNT(*) FROM executions WHERE status = 'success') AS a",
    ),
    (
        "is by how much the rollups' other counts differ from the rows",
        "SELECT (SELECT COALESCE(SUM(error + skipped + cancelled), 0) FROM rollups) \
         - (SELECT COUNT(*) FROM executions WHERE status <> 'success') AS a",
    ),
    (
        "is by how much the heartbeats' counts differ from the rows",
        "SELECT (SELECT SUM(execution_count) FROM heartbeats) \
         - (SELECT COUNT(*) FROM executions WHERE status <> 'skipped') AS a",
    ),
    (
        "credits are drawn from heartbeats but not by rows, or the other way round",
        "SELECT (SELECT COALESCE(SUM(used), 0) FROM budgets WHERE scope = 'heartbeat') \
         - (SELECT COALESCE(SUM(credits_charged), 0) FROM executions) AS a",
    ),
    (
        "credits are drawn from projects but not by rows, or the other way round",
        "SELECT (SELECT COALESCE(SUM(used), 0) FROM budgets WHERE scope = 'project_day') \
         - (SELECT COALESCE(SUM(credits_charged), 0) FROM executions) AS a",
    ),
    (
        "credits are still held",
        "SELECT COALESCE(SUM(held), 0) AS a FROM budgets",
    ),
];

impl Account {
    pub(crate) async fn open(world: &World) -> Fallible<Self> {
        let before = count(world).await?;
        Ok(Self {
            before,
            fires: 0,
            sessions: 0,
            mass: 0,
        })
    }

    /// So many more fires, each of which must have succeeded.
    pub(crate) fn fired(&mut self, fires: u64) -> Fallible<()> {
        self.fires += i64::try_from(fires)?;
        Ok(())
    }

    /// So many more fires that had a session of three steps.
    pub(crate) fn conversed(&mut self, fires: u64) -> Fallible<()> {
        self.sessions += i64::try_from(fires)?;
        self.fired(fires)
    }

    /// So many more fires that must have a row, whatever it says.
    pub(crate) fn accounted_for(&mut self, fires: u64) -> Fallible<()> {
        self.mass += i64::try_from(fires)?;
        Ok(())
    }

    /// What is wrong, a sentence each.
    pub(crate) async fn close(&self, world: &World) -> Fallible<Vec<String>> {
        let (before, after) = (self.before, count(world).await?);
        let mut wrong = Vec::new();
        let mut expect = |what: &str, is: i64, should: i64| {
            if is != should {
                wrong.push(format!("{what}: {is}, should be {should}"));
            }
        };
        let skipped = after.skipped - before.skipped;
        let rows = after.success - before.success + skipped;
        expect(
            "rows that succeeded or were skipped",
            rows,
            self.fires + self.mass,
        );
        expect(
            "rows that were skipped",
            skipped.max(self.mass) - self.mass,
            0,
        );
        expect(
            "rows that failed or are open",
            after.other - before.other,
            0,
        );
        expect("steps", after.steps - before.steps, 3 * self.sessions);
        expect(
            "steps that are done",
            after.steps_done - before.steps_done,
            3 * self.sessions,
        );
        for (what, sql) in NEVER {
            expect(what, world.number(sql).await?, 0);
        }
        let now = world.now().as_millisecond();
        let stuck = format!(
            "SELECT COUNT(*) AS a FROM heartbeats WHERE NOT enabled OR paused_reason IS NOT NULL \
             OR open_execution_id IS NOT NULL OR next_due_at <= {now} OR claimable_at IS NULL"
        );
        expect(
            "heartbeats that are not waiting for their next fire",
            world.number(&stuck).await?,
            0,
        );
        Ok(wrong)
    }
}

async fn count(world: &World) -> Fallible<Counts> {
    let rows = world.numbers(BY_STATUS).await?;
    let steps = world.numbers(BY_STEP).await?;
    match (rows.as_slice(), steps.as_slice()) {
        (&[success, skipped, other], &[steps, steps_done]) => Ok(Counts {
            success,
            skipped,
            other,
            steps,
            steps_done,
        }),
        _ => Err("the rows could not be counted".into()),
    }
}
