//! Which of the due heartbeats are taken: oldest first within a project, round robin between
//! projects.

use std::collections::{HashMap, HashSet};

use heartbeat_domain::ids::{HeartbeatId, ProjectId};

/// A heartbeat's key.
pub(crate) type Key = (ProjectId, HeartbeatId);

/// A due heartbeat and the turn at which it is taken.
pub(crate) type Turn = (i64, i64, Key);

/// The first `want` in order of their turns, without doubles. A turn counts within the project,
/// whichever look found it.
pub(crate) fn in_turn(mut turns: Vec<Turn>, want: usize) -> Vec<Key> {
    turns.sort_unstable();
    let mut known = HashSet::new();
    let mut taken: HashMap<ProjectId, i64> = HashMap::new();
    turns.retain(|(_, _, key)| known.insert(*key));
    turns.sort_unstable_by_key(|(turn, at, key)| (key.0, *at, *turn, key.1));
    for (turn, _, key) in &mut turns {
        let count = taken.entry(key.0).or_default();
        *count += 1;
        *turn = *count;
    }
    turns.sort_unstable();
    turns
        .into_iter()
        .take(want)
        .map(|(_, _, key)| key)
        .collect()
}
