//! Incidents of model providers: told once, and their end told too.
//!
//! The counts live in the process; what was told lives in the store, where the same state of a topic
//! is silence. So a restart in mid-incident neither tells it again nor forgets to tell its end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use heartbeat_domain::ids::ProjectId;
use heartbeat_domain::notice::{NoticeDraft, Priority};

/// Executions in a row that could not reach a provider before people are told.
const UNAVAILABLE_IN_A_ROW: u32 = 3;

/// What is known of the providers that projects work with.
#[derive(Clone, Debug, Default)]
pub struct Incidents(Arc<Mutex<HashMap<(ProjectId, String), Health>>>);

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    unavailable: u32,
    /// Whether people know that it answers.
    is_well: bool,
}

impl Incidents {
    /// An execution could not reach a provider; the third in a row is an incident.
    pub(crate) fn unavailable(
        &self,
        project_id: ProjectId,
        provider: &str,
        why: &str,
    ) -> Option<NoticeDraft> {
        let in_a_row = self.change(project_id, provider, |health| {
            health.unavailable = health.unavailable.saturating_add(1);
            health.is_well = false;
            health.unavailable
        });
        let told = in_a_row == UNAVAILABLE_IN_A_ROW;
        told.then(|| notice(provider, ("cannot be reached", why), ("unavailable", false)))
    }

    /// A provider refused to work; told at once.
    pub(crate) fn denied(&self, project_id: ProjectId, provider: &str, why: &str) -> NoticeDraft {
        self.change(project_id, provider, |health| health.is_well = false);
        notice(provider, ("refuses to work", why), ("denied", false))
    }

    /// A provider answered; tells the end of what was told of it, if anything was.
    pub(crate) fn answered(&self, project_id: ProjectId, provider: &str) -> Option<NoticeDraft> {
        let was_well = self.change(project_id, provider, |health| {
            health.unavailable = 0;
            std::mem::replace(&mut health.is_well, true)
        });
        let why = "Heartbeats that wait for it go on by themselves.";
        (!was_well).then(|| notice(provider, ("answers again", why), ("answers", true)))
    }

    fn change<T>(
        &self,
        project_id: ProjectId,
        provider: &str,
        change: impl FnOnce(&mut Health) -> T,
    ) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry((project_id, provider.to_owned())).or_default())
    }
}

fn notice(provider: &str, (what, why): (&str, &str), (state, ends): (&str, bool)) -> NoticeDraft {
    NoticeDraft {
        title: format!("Model {provider} {what}"),
        message: why.to_owned(),
        priority: if ends {
            Priority::Normal
        } else {
            Priority::Urgent
        },
        action_url: None,
        topic: Some(format!("model:{provider}")),
        state: Some(state.to_owned()),
        ends,
    }
}

#[cfg(test)]
mod tests {
    use heartbeat_domain::ids::IdSource;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_third_failure_in_a_row_is_told_and_the_first_answer_after_it() {
        let project = ProjectId::new(&IdSource::from_seed(1), Timestamp::UNIX_EPOCH);
        let incidents = Incidents::default();
        assert!(
            incidents
                .answered(project, "m")
                .is_some_and(|notice| notice.ends)
        );
        assert!(incidents.answered(project, "m").is_none());
        let told: Vec<_> = (0..5)
            .map(|_| incidents.unavailable(project, "m", "refused").is_some())
            .collect();
        assert_eq!(told, [false, false, true, false, false]);
        assert!(incidents.answered(project, "m").is_some());
        assert!(incidents.unavailable(project, "m", "refused").is_none());
    }
}
