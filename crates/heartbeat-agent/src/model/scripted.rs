//! A model that says what it was told to say: for tests and the simulator.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use heartbeat_domain::conversation::{ToolCall, Turn, TurnRequest};
use serde_json::Value;

use super::{ModelError, OnText, Provider};
use crate::usage::estimate;

type Answer = dyn Fn(&TurnRequest) -> Result<Turn, ModelError> + Send + Sync;

/// A model with a script. Keeps the requests it got.
pub struct Scripted {
    answer: Box<Answer>,
    asked: Mutex<Vec<TurnRequest>>,
}

impl Scripted {
    /// Answers with these turns and failures, one after another; after the last it is broken.
    pub fn new(script: impl IntoIterator<Item = Result<Turn, ModelError>>) -> Self {
        let script = Mutex::new(script.into_iter().collect::<VecDeque<_>>());
        Self::answering(move |_| {
            let next = script
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            next.unwrap_or_else(|| Err(ModelError::broken("the script has ended")))
        })
    }

    /// Answers with what the closure makes of each request.
    pub fn answering(
        answer: impl Fn(&TurnRequest) -> Result<Turn, ModelError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            answer: Box::new(answer),
            asked: Mutex::default(),
        }
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<TurnRequest> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl Provider for Scripted {
    fn label(&self) -> String {
        "scripted".to_owned()
    }

    async fn turn(&self, request: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request.clone());
        let mut turn = (self.answer)(request)?;
        on_text(&turn.text);
        if turn.usage.total() == 0 {
            turn.usage = estimate(request, turn.text.len());
        }
        Ok(turn)
    }
}

/// A turn that only speaks.
pub fn say(text: impl Into<String>) -> Turn {
    Turn {
        text: text.into(),
        ..Turn::default()
    }
}

/// A turn that calls one tool.
pub fn call(name: &str, arguments: Value) -> Turn {
    calls([(name, arguments)])
}

/// A turn that calls several tools at once.
pub fn calls<'a>(calls: impl IntoIterator<Item = (&'a str, Value)>) -> Turn {
    let numbered = calls.into_iter().enumerate();
    let calls = numbered.map(|(number, (name, arguments))| ToolCall {
        id: format!("call_{number}"),
        name: name.to_owned(),
        arguments,
    });
    Turn {
        calls: calls.collect(),
        ..Turn::default()
    }
}
