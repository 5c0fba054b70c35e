//! Levels of budget that verbs which are written together draw on, whichever database keeps them.
//!
//! The period of an execution is that of its start, so it does not change while it runs. The levels
//! are read once, drawn on in memory, and written once each, by a transaction that nobody else can
//! come between.

use std::collections::{BTreeMap, BTreeSet};

use heartbeat_domain::budget::{Allowance, Level, Scope};
use heartbeat_domain::execution::Execution;
use heartbeat_domain::heartbeat::{Heartbeat, billing_period, utc_day};
use heartbeat_domain::plan::Spending;
use jiff::Timestamp;
use uuid::Uuid;

use crate::rows::Cursor;
use crate::verbs::Result;

/// What a row of budgets is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shelf {
    /// A level.
    Level(Scope),
    /// The balance of a project; its only period is 0. What was added is its limit, what was drawn
    /// its use.
    Balance,
}

impl Shelf {
    /// The stable name, in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Level(scope) => scope.as_str(),
            Self::Balance => "balance",
        }
    }

    fn find(text: &str) -> Option<Self> {
        match text {
            "balance" => Some(Self::Balance),
            text => Scope::find(text).map(Self::Level),
        }
    }
}

/// One level of one period: project, shelf, what within it, period.
pub(crate) type LevelKey = (Uuid, Shelf, Uuid, i64);

/// The budgets that an execution draws on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purse {
    project: Uuid,
    heartbeat: Option<Uuid>,
    member: Option<Uuid>,
    bot: Uuid,
    month: i64,
    day: i64,
}

impl Purse {
    /// Of an execution.
    pub(crate) fn of(execution: &Execution) -> Self {
        let started_at = execution.started_at.unwrap_or(execution.created_at);
        Self {
            project: execution.project_id.0,
            heartbeat: execution.heartbeat_id.map(|id| id.0),
            member: execution.member_id.map(|id| id.0),
            bot: execution.bot_id.0,
            month: i64::from(billing_period(started_at)),
            day: i64::from(utc_day(started_at)),
        }
    }

    /// That an execution of a heartbeat would have now.
    pub(crate) fn of_heartbeat(heartbeat: &Heartbeat, now: Timestamp) -> Self {
        Self {
            project: heartbeat.project_id.0,
            heartbeat: Some(heartbeat.id.0),
            member: heartbeat.member_id.map(|id| id.0),
            bot: heartbeat.bot_id.0,
            month: i64::from(billing_period(now)),
            day: i64::from(utc_day(now)),
        }
    }

    /// Its levels, from the narrowest.
    fn keys(&self) -> impl Iterator<Item = LevelKey> {
        let key = |scope, id: Option<Uuid>, period| {
            id.map(|id| (self.project, Shelf::Level(scope), id, period))
        };
        let all = [
            key(Scope::Heartbeat, self.heartbeat, self.month),
            key(Scope::Member, self.member, self.month),
            key(Scope::Bot, Some(self.bot), self.month),
            key(Scope::ProjectDay, Some(self.project), self.day),
            key(Scope::ProjectMonth, Some(self.project), self.month),
        ];
        all.into_iter().flatten()
    }

    fn balance(&self) -> LevelKey {
        (self.project, Shelf::Balance, self.project, 0)
    }

    /// The months beside its own: what is open in them may draw on the same balance.
    fn neighbours(&self) -> [LevelKey; 2] {
        let month = Shelf::Level(Scope::ProjectMonth);
        [self.month - 1, self.month + 1].map(|period| (self.project, month, self.project, period))
    }
}

/// One level as it is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LevelRow {
    /// Of a person's levels what was set; of a project's what was told last.
    pub(crate) limit: Option<u64>,
    pub(crate) used: u64,
    pub(crate) held: u64,
    pub(crate) tokens: u64,
}

/// What moves on every level of a purse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Move {
    /// Drawn more, in whole credits.
    pub(crate) used: u64,
    /// Held more or less, in whole credits.
    pub(crate) held: i64,
    /// Used more.
    pub(crate) tokens: u64,
}

/// Levels that are read once and drawn on in memory until they are written.
#[derive(Debug, Default)]
pub(crate) struct Purses {
    levels: BTreeMap<LevelKey, LevelRow>,
    drawn: BTreeSet<LevelKey>,
    /// Credits that went from balances, by project.
    pub(crate) paid: BTreeMap<Uuid, u64>,
}

impl Purses {
    /// Those purses, empty; what is kept of [`Purses::keys`] is to be put in.
    pub(crate) fn of(purses: &[Purse]) -> Self {
        let empty = purses.iter().flat_map(|purse| {
            let beside = purse.neighbours().into_iter().chain([purse.balance()]);
            purse.keys().chain(beside)
        });
        Self {
            levels: empty.map(|key| (key, LevelRow::default())).collect(),
            ..Self::default()
        }
    }

    /// Whose rows are to be read, each once.
    pub(crate) fn keys(&self) -> Vec<LevelKey> {
        self.levels.keys().copied().collect()
    }

    /// Puts a row in: key, limit, used, held, tokens. Answers the key.
    pub(crate) fn put(&mut self, c: &mut Cursor<'_>) -> Result<LevelKey> {
        let (project, shelf) = (c.take()?, c.name(Shelf::find)?);
        let key = (project, shelf, c.take()?, c.take()?);
        let row = LevelRow {
            limit: c.find_count()?,
            used: c.count()?,
            held: c.count()?,
            tokens: c.count()?,
        };
        self.levels.insert(key, row);
        Ok(key)
    }

    fn row(&self, key: &LevelKey) -> LevelRow {
        self.levels.get(key).copied().unwrap_or_default()
    }

    /// What the levels of a purse have drawn and hold, from the narrowest; the project's limits as
    /// they are told, else as they were last seen.
    pub(crate) fn levels(&self, purse: &Purse, told: Option<Spending>) -> Vec<Level> {
        let levels = purse.keys().filter_map(|key| {
            let Shelf::Level(scope) = key.1 else {
                return None;
            };
            let kept = self.row(&key);
            let limit = match scope {
                Scope::ProjectMonth => return Some(self.allowance(purse, told).level()),
                Scope::ProjectDay => told.map_or(kept.limit, |told| told.daily),
                _ => kept.limit,
            };
            Some(Level {
                scope,
                limit,
                used: kept.used,
                held: kept.held,
            })
        });
        levels.collect()
    }

    /// What the project's month of a purse is made of.
    fn allowance(&self, purse: &Purse, told: Option<Spending>) -> Allowance {
        let month = Shelf::Level(Scope::ProjectMonth);
        let own = self.row(&(purse.project, month, purse.project, purse.month));
        let balance = self.row(&purse.balance());
        let beyond = |row: LevelRow| {
            let of_plan = row.limit.map(|plan| plan.saturating_sub(row.used));
            of_plan.map_or(0, |left| row.held.saturating_sub(left))
        };
        let elsewhere = purse.neighbours().map(|key| beyond(self.row(&key)));
        Allowance {
            plan: told.map_or(own.limit, |told| told.monthly),
            used: own.used,
            held: own.held,
            added: balance.limit.unwrap_or(0),
            drawn: balance.used,
            held_elsewhere: elsewhere.iter().sum(),
        }
    }

    /// Adds to what all levels of a purse have drawn and hold. What the credits of the plan do not
    /// cover goes from the balance.
    pub(crate) fn draw(&mut self, purse: &Purse, moves: Move) {
        if moves == Move::default() {
            return;
        }
        let paid = self.allowance(purse, None).from_balance(moves.used);
        for key in purse.keys() {
            let kept = self.levels.entry(key).or_default();
            kept.used = kept.used.saturating_add(moves.used);
            kept.held = kept.held.saturating_add_signed(moves.held);
            kept.tokens = kept.tokens.saturating_add(moves.tokens);
            self.drawn.insert(key);
        }
        if paid > 0 {
            let balance = self.levels.entry(purse.balance()).or_default();
            balance.used = balance.used.saturating_add(paid);
            self.drawn.insert(purse.balance());
            *self.paid.entry(purse.project).or_default() += paid;
        }
    }

    /// Keeps the limits of a project, for those who settle without knowing the plan.
    pub(crate) fn remember(&mut self, purse: &Purse, told: Spending) {
        for key in purse.keys() {
            let limit = match key.1 {
                Shelf::Level(Scope::ProjectDay) => told.daily,
                Shelf::Level(Scope::ProjectMonth) => told.monthly,
                _ => continue,
            };
            let kept = self.levels.entry(key).or_default();
            if kept.limit != limit {
                kept.limit = limit;
                self.drawn.insert(key);
            }
        }
    }

    /// What was drawn on, as it is to be kept.
    pub(crate) fn drawn(&self) -> Vec<(LevelKey, LevelRow)> {
        let drawn = self.drawn.iter();
        drawn
            .filter_map(|key| Some((*key, *self.levels.get(key)?)))
            .collect()
    }
}
