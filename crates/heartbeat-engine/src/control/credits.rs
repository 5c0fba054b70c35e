//! Credits: what was used, and balances.

use heartbeat_domain::ids::{CreditId, ProjectId};
use heartbeat_store::verbs::{CreditEntry, Page, UsageAsk, UsageBy, UsageSummary};

use super::{Control, Result};

impl Control {
    /// What a project and what is below it used in a month, counted as
    /// [`heartbeat_domain::heartbeat::billing_period`] does.
    ///
    /// # Errors
    /// There is no such project.
    pub async fn usage(
        &self,
        project_id: ProjectId,
        (month, by): (i32, UsageBy),
        page: Page,
    ) -> Result<UsageSummary> {
        let (_, plan) = self.plan_of(project_id).await?;
        let ask = UsageAsk {
            month,
            by,
            spending: plan.spending(),
            page,
        };
        self.store.usage(project_id, ask, self.now()).await
    }

    /// Puts credits on the balance of a project, or takes some back; answers the entry and what is
    /// on the balance then. The same id again changes nothing.
    ///
    /// # Errors
    /// There is no such project, or more is taken than is there.
    pub async fn add_credit(
        &self,
        project_id: ProjectId,
        (credits, note): (i64, String),
        id: Option<CreditId>,
    ) -> Result<(CreditId, i64)> {
        let now = self.now();
        let entry = CreditEntry {
            id: id.unwrap_or_else(|| CreditId::new(&self.ids, now)),
            credits,
            note,
            drawn: false,
            created_at: now,
        };
        let balance = self.store.add_credit(project_id, &entry, now).await?;
        self.wake.due();
        Ok((entry.id, balance))
    }
}
