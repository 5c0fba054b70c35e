//! The memory of Heartbeat: one trait of verbs, each one transaction, and the databases behind it.
//!
//! This is the only crate that knows SQL. It knows the domain and nothing else of the house.
#![warn(missing_docs)]

mod address;
#[cfg(feature = "testing")]
pub mod bare;
pub mod bell;
mod calling;
mod claiming;
mod counting;
mod credits;
mod desk;
mod entries;
mod error;
mod gathering;
mod journaling;
mod kill_point;
mod limits;
mod marking;
mod messages;
mod months;
mod past;
pub mod postgres;
mod progress;
mod purses;
mod rows;
mod schedules;
pub mod sealing;
pub mod sqlite;
mod sums;
mod turns;
mod upgrades;
mod usage;
pub mod verbs;

pub use self::address::{Address, Database, OpenOptions, ServerUrl};
pub use self::error::{Limit, StoreError, Thing};
pub use self::kill_point::kill_point;
use self::verbs::{
    Access, Bots, Credits, Executions, Fires, Heartbeats, Journal, Outbox, Stats, ToolServers,
};

/// Everything that is remembered: the sum of the verb groups.
pub trait Store:
    Access + Bots + Credits + Heartbeats + Fires + Journal + Executions + Outbox + Stats + ToolServers
{
}

impl<T> Store for T where
    T: Access
        + Bots
        + Credits
        + Heartbeats
        + Fires
        + Journal
        + Executions
        + Outbox
        + Stats
        + ToolServers
        + ?Sized
{
}
