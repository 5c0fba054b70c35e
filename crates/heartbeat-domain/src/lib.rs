//! Nouns and rules of Heartbeat: pure, no I/O, no async.
//!
//! | word | means |
//! |---|---|
//! | heartbeat | a standing instruction: prompt, schedule and limits |
//! | fire | one moment at which a heartbeat falls due, or at which a person triggers it |
//! | execution | the record of carrying out one fire |
//! | step | one model turn or tool call within an execution |
//! | claim, lease, fence | a node's exclusive right to a fire; its end; the number that shuts out a late holder |
//! | outcome, settlement | how an execution ended; everything that this changes |
//! | standing | active, paused (why) or off |
//! | notice | something to tell a person |
//!
//! Time is always an argument: a function here never asks what time it is.
#![warn(missing_docs)]

pub mod admission;
pub mod bot;
pub mod budget;
pub mod claim;
pub mod clock;
pub mod conversation;
pub mod execution;
pub mod headers;
pub mod heartbeat;
pub mod ids;
pub mod notice;
pub mod plan;
pub mod reason;
pub mod schedule;
pub mod settlement;
pub mod step;
pub mod tool;
pub mod tool_server;
pub mod violation;
pub mod watch;
pub mod window;
