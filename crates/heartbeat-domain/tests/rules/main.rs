//! The rules of heartbeats beyond their schedules, as cases and as laws.

mod admission;
mod baseline;
mod breaker;
mod budget;
mod cover;
mod limits;
mod lives;
mod names;
mod pause;
mod periods;
mod plan;
mod settings;
mod settlement;
mod standing;
mod support;
mod watch;
