//! What was asked for.

use super::Fallible;

const USAGE: &str = "load --heartbeats N --rate R [--seconds S] [--journaled] [--due-at-once N] \
    [--sessions N] [--postgres [--nodes N]] [--database DIR|postgres://…] \
    [--only idle,empty,journaled,steady,at-once,sessions,starts] [--json]; --sessions alone \
    measures nothing else";

/// Nodes on one database at most.
const NODES_MAX: usize = 8;

/// What is measured, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    Empty,
    Journaled,
    Steady,
    AtOnce,
    Sessions,
    Starts,
}

impl Phase {
    pub(crate) const ALL: [Self; 7] = [
        Self::Idle,
        Self::Empty,
        Self::Journaled,
        Self::Steady,
        Self::AtOnce,
        Self::Sessions,
        Self::Starts,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Empty => "empty",
            Self::Journaled => "journaled",
            Self::Steady => "steady",
            Self::AtOnce => "at-once",
            Self::Sessions => "sessions",
            Self::Starts => "starts",
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) heartbeats: u64,
    pub(crate) rate: u64,
    pub(crate) seconds: u64,
    pub(crate) due_at_once: u64,
    /// Sessions that wait on a slow model; in a child, its slots.
    pub(crate) sessions: u64,
    /// In a child: the model server, instead of answers from memory.
    pub(crate) model_url: Option<String>,
    /// A directory, or the URL of a database.
    pub(crate) database: Option<String>,
    /// A PostgreSQL that lives as long as this process.
    pub(crate) postgres: bool,
    /// Engines on the database.
    pub(crate) nodes: usize,
    pub(crate) json: bool,
    /// The name of the node that this process is, for another one that measures it.
    pub(crate) child: Option<String>,
    journaled: bool,
    only: Vec<String>,
}

impl Args {
    pub(crate) fn parse(given: impl Iterator<Item = String>) -> Fallible<Self> {
        let mut args = Self {
            heartbeats: 10_000,
            rate: 200,
            seconds: 30,
            due_at_once: 0,
            sessions: 0,
            model_url: None,
            database: None,
            postgres: false,
            nodes: 1,
            json: false,
            child: None,
            journaled: false,
            only: Vec::new(),
        };
        let mut given = given;
        let mut heartbeats = None;
        while let Some(name) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--heartbeats" => heartbeats = Some(number(&value()?)?),
                "--rate" => args.rate = number(&value()?)?,
                "--seconds" => args.seconds = number(&value()?)?,
                "--due-at-once" => args.due_at_once = number(&value()?)?,
                "--sessions" => args.sessions = number(&value()?)?,
                "--model-url" => args.model_url = Some(value()?),
                "--database" => args.database = Some(value()?),
                "--postgres" => args.postgres = true,
                "--nodes" => args.nodes = usize::try_from(number(&value()?)?)?,
                "--only" => args.only = value()?.split(',').map(str::to_owned).collect(),
                "--journaled" => args.journaled = true,
                "--json" => args.json = true,
                "--live-as" => args.child = Some(value()?),
                _ => return Err(format!("{name} is unknown; usage: {USAGE}").into()),
            }
        }
        match heartbeats {
            Some(heartbeats) => args.heartbeats = heartbeats,
            // Nothing else was asked for; they wait twice.
            None if args.sessions > 0 => {
                args.heartbeats = (args.sessions * 4).max(10_000);
                args.only = vec![Phase::Sessions.name().to_owned()];
            }
            None => {}
        }
        args.check()
    }

    fn check(self) -> Fallible<Self> {
        if self.heartbeats < 1_000 || self.heartbeats > 5_000_000 {
            return Err("--heartbeats must be between 1000 and 5000000".into());
        }
        if self.rate == 0 || self.seconds == 0 || self.seconds > 600 {
            return Err("--rate must be 1 or more, --seconds between 1 and 600".into());
        }
        if self.due_at_once > 1_000_000 {
            return Err("--due-at-once is at most 1000000".into());
        }
        if self.postgres && self.database.is_some() {
            return Err(
                "--postgres starts a server of its own: leave out --database, or write \
                 only --database postgres://user:password@host:5432/name"
                    .into(),
            );
        }
        if !(1..=NODES_MAX).contains(&self.nodes) {
            return Err(format!("--nodes must be between 1 and {NODES_MAX}").into());
        }
        if self.nodes > 1 && !self.is_on_a_server() {
            return Err(
                "--nodes needs a database of several nodes: add --postgres; a file has one".into(),
            );
        }
        if self.wants(Phase::Sessions) && self.is_on_a_server() {
            return Err(
                "what a waiting session takes of memory is measured on a file only: leave out \
                 --sessions, or --postgres"
                    .into(),
            );
        }
        if self.sessions > self.heartbeats / 4 {
            return Err("--sessions is at most a quarter of --heartbeats".into());
        }
        let known = |name: &String| Phase::ALL.iter().any(|phase| phase.name() == name);
        match self.only.iter().find(|name| !known(name)) {
            Some(name) => Err(format!("--only {name} is unknown; usage: {USAGE}").into()),
            None => Ok(self),
        }
    }

    /// Whether the database is a server's.
    pub(crate) fn is_on_a_server(&self) -> bool {
        let named = self.database.as_deref().unwrap_or_default();
        self.postgres || named.starts_with("postgres://") || named.starts_with("postgresql://")
    }

    pub(crate) fn wants(&self, phase: Phase) -> bool {
        match phase {
            _ if !self.only.is_empty() => self.only.iter().any(|name| name == phase.name()),
            Phase::Journaled => self.journaled,
            Phase::AtOnce => self.due_at_once > 0,
            Phase::Sessions => self.sessions > 0,
            _ => true,
        }
    }
}

fn number(text: &str) -> Fallible<u64> {
    let parsed = text.replace(['_', ','], "").parse();
    parsed.map_err(|_| format!("{text} is not a number").into())
}
