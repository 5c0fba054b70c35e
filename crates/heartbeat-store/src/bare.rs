//! What bare SQL writes for measured fires, whichever database it writes them to.

use std::collections::BTreeMap;

use heartbeat_domain::heartbeat::{billing_period, utc_day};
use heartbeat_domain::ids::{ExecutionId, IdSource};
use jiff::Timestamp;
use uuid::Uuid;

use crate::rows::Cursor;
use crate::verbs::Result;

/// How much of a fire's life is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareWrites {
    /// Everything that the engine makes durable, stage by stage, each stage a commit.
    Stages,
    /// Only the rows as they stay, in one commit.
    FinalRows,
}

/// A heartbeat that is due, and the row that it will have; in the order of the tables' keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BareFire {
    pub(crate) project: Uuid,
    pub(crate) heartbeat: Uuid,
    pub(crate) bot: Uuid,
    pub(crate) execution: Uuid,
    pub(crate) prompt: String,
    pub(crate) due_at: i64,
    pub(crate) next_at: i64,
}

impl BareFire {
    /// Of a row of project, id, agent, prompt, due time and interval of a heartbeat.
    pub(crate) fn read(c: &mut Cursor<'_>, ids: &IdSource, now: Timestamp) -> Result<Self> {
        let (project, heartbeat, bot) = (c.take()?, c.take()?, c.take()?);
        let prompt = c.take()?;
        let (due_at, minutes): (i64, i64) = (c.take()?, c.take()?);
        Ok(Self {
            project,
            heartbeat,
            bot,
            execution: ExecutionId::new(ids, now).0,
            prompt,
            due_at,
            next_at: due_at + minutes * 60_000,
        })
    }

    /// Deals fires out to connections that write at the same time, each with about as many. All of
    /// a project go to one of them, so that none waits for a row that another has locked.
    #[must_use]
    pub fn deal(fires: Vec<Self>, connections: usize) -> Vec<Vec<Self>> {
        let mut of_project: BTreeMap<Uuid, usize> = BTreeMap::new();
        for fire in &fires {
            *of_project.entry(fire.project).or_default() += 1;
        }
        let mut projects: Vec<(Uuid, usize)> = of_project.into_iter().collect();
        projects.sort_unstable_by_key(|(_, fires)| std::cmp::Reverse(*fires));
        let mut loads = vec![0; connections.max(1)];
        let mut whose = BTreeMap::new();
        for (project, fires) in projects {
            let least = (0..loads.len()).min_by_key(|place| loads[*place]);
            let place = least.expect("there is at least one");
            loads[place] += fires;
            whose.insert(project, place);
        }
        let mut dealt = vec![Vec::new(); loads.len()];
        for fire in fires {
            dealt[whose[&fire.project]].push(fire);
        }
        dealt.retain(|some| !some.is_empty());
        dealt
    }
}

/// What a session leaves in the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BareSession {
    /// Step 0.
    pub request: String,
    /// The turn: its model, intent and result.
    pub turn: (String, String, String),
    /// The call: its tool, intent and result.
    pub call: (String, String, String),
    /// What the execution says at the end.
    pub response: String,
    /// Tokens of the turn.
    pub tokens: i64,
    /// Micro-credits of the turn: reserved, and drawn.
    pub micro: (i64, i64),
}

impl BareSession {
    /// Whole credits of a sum.
    pub(crate) fn credits(micro: i64) -> i64 {
        (micro + 999_999) / 1_000_000
    }
}

/// Project, scope, id within the scope, period.
pub(crate) type LevelKey = (Uuid, &'static str, Uuid, i64);

/// All levels of each fire's budget, each level once, with what is added to used and held.
pub(crate) fn levels(
    fires: &[BareFire],
    (used, held): (i64, i64),
    now: Timestamp,
) -> Vec<(LevelKey, (i64, i64))> {
    let (month, day) = (i64::from(billing_period(now)), i64::from(utc_day(now)));
    let mut levels: BTreeMap<LevelKey, (i64, i64)> = BTreeMap::new();
    for fire in fires {
        let own = [
            (fire.project, "heartbeat", fire.heartbeat, month),
            (fire.project, "bot", fire.bot, month),
            (fire.project, "project_day", fire.project, day),
            (fire.project, "project_month", fire.project, month),
        ];
        for key in own {
            let level = levels.entry(key).or_default();
            *level = (level.0 + used, level.1 + held);
        }
    }
    levels.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fire(project: u128, heartbeat: u128) -> BareFire {
        BareFire {
            project: Uuid::from_u128(project),
            heartbeat: Uuid::from_u128(heartbeat),
            bot: Uuid::nil(),
            execution: Uuid::nil(),
            prompt: String::new(),
            due_at: 0,
            next_at: 0,
        }
    }

    #[test]
    fn all_fires_are_dealt_out_evenly_and_no_project_to_two_connections() {
        let fires: Vec<BareFire> = (0..60).map(|n| fire(n % 6, n)).collect();
        let dealt = BareFire::deal(fires.clone(), 4);
        let mut sizes: Vec<usize> = dealt.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [10, 10, 20, 20]);
        let mut whose = BTreeMap::new();
        for (place, fire) in dealt
            .iter()
            .enumerate()
            .flat_map(|(n, f)| f.iter().map(move |f| (n, f)))
        {
            assert_eq!(*whose.entry(fire.project).or_insert(place), place);
        }
        let mut back: Vec<BareFire> = dealt.concat();
        back.sort_unstable();
        let mut fires = fires;
        fires.sort_unstable();
        assert_eq!(back, fires);
    }

    #[test]
    fn more_connections_than_projects_leave_some_without_work() {
        assert_eq!(BareFire::deal(vec![fire(1, 1), fire(1, 2)], 4).len(), 1);
        assert!(BareFire::deal(Vec::new(), 4).is_empty());
    }
}
