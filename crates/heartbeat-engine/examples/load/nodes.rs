//! The nodes under measure: one, or several on one database.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Fallible;
use super::args::Args;
use super::child::Child;
use super::figures::{Figures, float};
use super::usage::Usage;
use super::world::{Running, World};

/// Engines that beat.
pub(crate) struct Nodes {
    here: Option<Running>,
    apart: Vec<Child>,
}

impl Nodes {
    /// The first in this process, so that it begins at once and no other is needed; the others in
    /// processes of their own.
    pub(crate) async fn start(world: &World, args: &Args) -> Fallible<Self> {
        let mut nodes = Self {
            here: Some(world.start("node 1").await?),
            apart: Vec::new(),
        };
        nodes.add(world, 2..=args.nodes).await?;
        Ok(nodes)
    }

    /// All of them in processes of their own, so that what they take is nobody else's.
    pub(crate) async fn start_apart(world: &World, args: &Args) -> Fallible<Self> {
        let mut nodes = Self {
            here: None,
            apart: Vec::new(),
        };
        nodes.add(world, 1..=args.nodes).await?;
        Ok(nodes)
    }

    async fn add(
        &mut self,
        world: &World,
        numbers: std::ops::RangeInclusive<usize>,
    ) -> Fallible<()> {
        for number in numbers {
            let mut child = Child::start_as(world, &format!("node {number}")).await?;
            child.heard("ready").await?;
            self.apart.push(child);
        }
        Ok(())
    }

    /// Tells all of them that something is due.
    pub(crate) async fn wake(&mut self) -> Fallible<()> {
        for child in &mut self.apart {
            child.wake().await?;
        }
        if let Some(running) = &self.here {
            running.wake();
        }
        Ok(())
    }

    /// What they take of the machine: processor time of all, memory of the one that has most.
    pub(crate) async fn usage(&mut self) -> Fallible<Usage> {
        let mut all = match &self.here {
            Some(_) => Usage::of_this_process()?,
            None => Usage::default(),
        };
        for child in &mut self.apart {
            all = all.and(child.usage().await?);
        }
        Ok(all)
    }

    /// Stops all of them cleanly.
    pub(crate) async fn stop(self) -> Fallible<()> {
        for child in self.apart {
            child.stop().await?;
        }
        match self.here {
            Some(running) => running.stop().await,
            None => Ok(()),
        }
    }
}

/// Which node ended how many fires.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Split(BTreeMap<String, u64>);

impl Split {
    /// Of the rows written after that moment.
    pub(crate) async fn since(world: &World, before: i64) -> Fallible<Self> {
        let rows = world
            .db
            .rows(format!(
                "SELECT n.name AS node, COUNT(*) AS fires FROM executions e \
                 JOIN nodes n ON n.id = e.ended_by WHERE e.created_at > {before} GROUP BY n.name"
            ))
            .await?;
        let counts = rows.iter().map(|row| {
            let node = row.get("node").and_then(Value::as_str);
            let fires = row.get("fires").and_then(Value::as_u64);
            Ok((
                node.ok_or("a node has no name")?.to_owned(),
                fires.ok_or("no count")?,
            ))
        });
        Ok(Self(counts.collect::<Fallible<_>>()?))
    }

    /// Both together.
    pub(crate) fn add(&mut self, more: Self) {
        for (node, fires) in more.0 {
            *self.0.entry(node).or_default() += fires;
        }
    }

    /// A line, where there is more than one node.
    pub(crate) fn tell(&self, what: &str, args: &Args, figures: &mut Figures) {
        if args.nodes < 2 {
            return;
        }
        let all: u64 = self.0.values().sum();
        let shares = self.0.iter().map(|(node, fires)| {
            let share = float(*fires) * 100.0 / float(all.max(1));
            format!("{node} {share:.0} %")
        });
        let shown = shares.collect::<Vec<_>>().join(", ");
        let how = format!("of {all} fires, by the node that ended them");
        figures.row(&format!("{what}: split"), shown, ("", &how));
        let name = format!("{}_split", what.replace([' ', '-'], "_"));
        figures.value(&name, json!(self.0));
    }
}
