//! The mind: one session of prompt, model, tools, done.
//!
//! Reading order: [`session`] is the loop; [`ask`] makes one model turn with its retries and
//! [`calls`] the tool calls of one turn; [`journal`], [`tool`], [`waiter`] and [`model`] are what a
//! session needs from the outside. [`preamble`] writes the first request, [`registry`] knows which
//! provider answers for a model.
//!
//! The rule of this room: it does not know the store. It asks the [`journal::Journal`] before it
//! acts, and what is on record is never asked or made again.

pub mod around;
pub mod ask;
pub mod backoff;
pub mod calls;
pub mod default_model;
pub mod health;
pub mod journal;
pub mod limits;
pub mod model;
pub mod preamble;
pub mod quiet;
pub mod registry;
pub mod session;
pub mod settings;
pub mod tool;
pub mod usage;
pub mod waiter;

pub use journal::{Begun, BegunTurn, BudgetStop, Halt, Journal, StepSeq};
pub use limits::Limits;
pub use model::{ModelError, ModelErrorKind, Provider};
pub use registry::Models;
pub use session::{Ended, Session};
pub use settings::ModelSettings;
pub use tool::{Attempt, Made, Toolbox};
pub use waiter::Waiter;
