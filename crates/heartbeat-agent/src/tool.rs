//! The tools of one session, as the session sees them.

use async_trait::async_trait;
use heartbeat_domain::conversation::{ToolCall, ToolOutput, ToolSpec};

use crate::journal::{Halt, StepSeq};

/// A call whose intent is durable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempt<'c> {
    /// Its number.
    pub seq: StepSeq,
    /// What the model asked for.
    pub call: &'c ToolCall,
    /// Whether a former holder may have made it already.
    pub is_repeat: bool,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// Its outcome is known, be it a failure.
    Answered(ToolOutput),
    /// It was sent, or may have been, and no answer is known; the output says so to the model.
    Unknown(ToolOutput),
}

impl Made {
    /// What the model is told.
    #[must_use]
    pub fn output(&self) -> &ToolOutput {
        match self {
            Self::Answered(output) | Self::Unknown(output) => output,
        }
    }

    /// What the model is told, to be changed.
    pub fn output_mut(&mut self) -> &mut ToolOutput {
        match self {
            Self::Answered(output) | Self::Unknown(output) => output,
        }
    }

    /// What the model is told.
    #[must_use]
    pub fn into_output(self) -> ToolOutput {
        match self {
            Self::Answered(output) | Self::Unknown(output) => output,
        }
    }
}

/// Something that carries out tool calls.
///
/// A failed call is a [`ToolOutput`] for the model, never an error of the session. Every call has
/// its own deadline; the session adds only the execution's.
#[async_trait]
pub trait Toolbox: Send + Sync {
    /// The tools to declare to the model.
    fn specs(&self) -> Vec<ToolSpec>;

    /// Makes one call. The session calls this at most once per recorded intent and holder.
    ///
    /// # Errors
    /// The right to act is in doubt: nothing was sent, and the session is to stop.
    async fn call(&self, attempt: Attempt<'_>) -> Result<Made, Halt>;

    /// Calls of one turn with the same lane are made one after another, in the model's order; all
    /// others beside one another.
    fn lane(&self, _name: &str) -> Option<String> {
        None
    }
}
