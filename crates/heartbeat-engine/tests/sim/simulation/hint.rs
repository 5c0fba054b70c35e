//! When something will next be due, from the database: so that the world need not beat through
//! hours in which nothing is.

use super::db::Db;

/// When something will next be due, by the wall clock, and whether something is under way.
#[derive(Clone, Debug)]
pub(crate) struct Hint {
    /// The earliest moment.
    pub(crate) at: Option<i64>,
    /// Whether heartbeats are left to be marked.
    unsettled: bool,
    /// Executions that are open.
    open: i64,
    /// Deliveries that are pending.
    pending: i64,
}

const LOOK: &str = "SELECT \
    (SELECT MIN(claimable_at) FROM heartbeats WHERE claimable_at IS NOT NULL) AS heartbeat, \
    (SELECT MIN(claimable_at) FROM executions WHERE claimable_at IS NOT NULL) AS execution, \
    (SELECT MIN(due_at) FROM deliveries WHERE due_at IS NOT NULL) AS delivery, \
    (SELECT COUNT(*) FROM executions WHERE claimable_at IS NOT NULL OR holder IS NOT NULL) AS open, \
    (SELECT COUNT(*) FROM deliveries WHERE due_at IS NOT NULL) AS pending, \
    (SELECT COUNT(*) FROM executions WHERE holder IS NOT NULL \
    AND cancel_requested IS NOT NULL) AS stopping, \
    (SELECT MIN(unsettled) FROM (SELECT unsettled FROM projects UNION ALL \
    SELECT unsettled FROM bots) AS both_tables) AS unsettled, \
    (SELECT MIN(n.lease_until) FROM nodes n WHERE n.ended_at IS NULL \
    AND EXISTS (SELECT 1 FROM executions e WHERE e.holder = n.id)) AS lease";

impl Hint {
    /// Looks.
    pub(crate) async fn look(db: &Db, wall: i64) -> Self {
        let row = db
            .row(LOOK)
            .await
            .expect("a query without a table has a row");
        // A lease that ends further ahead than a lease can is dead.
        let lease = row
            .find("lease")
            .map(|lease| if lease > wall + 20_000 { wall } else { lease });
        // Nodes look every second; what is to stop is worth a look each time.
        let stopping = (row.number("stopping") > 0).then_some(wall);
        let unsettled = row.find("unsettled");
        let moments = [
            stopping,
            unsettled.map(|at| at + 61_000),
            row.find("heartbeat"),
            row.find("execution"),
            row.find("delivery"),
            lease,
        ];
        Self {
            at: moments.into_iter().flatten().min(),
            unsettled: unsettled.is_some(),
            open: row.number("open"),
            pending: row.number("pending"),
        }
    }

    /// Whether something is open or on its way.
    pub(crate) fn is_busy(&self) -> bool {
        self.open > 0 || self.pending > 0 || self.unsettled
    }

    /// Whether something is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.open > 0
    }
}
