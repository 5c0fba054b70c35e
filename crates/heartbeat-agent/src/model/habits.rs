//! What a server of OpenAI's dialect turned out to want otherwise, remembered for as long as the process
//! lives, so that only the first turn of a model meets the refusal.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// One way in which a request is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Habit {
    /// Some servers do not know `stream_options`.
    NoStreamOptions,
    /// Some models know only the newer name of the limit.
    NewerLimit,
    /// Some models call functions in this dialect only where they are told not to think first.
    NoThinking,
}

impl Habit {
    /// What a refusal asks for, if the request does not have it yet.
    pub(super) fn asked_for(refusal: &str, body: &Value) -> Option<Self> {
        let has = |field: &str| body.get(field).is_some();
        if refusal.contains("stream_options") {
            has("stream_options").then_some(Self::NoStreamOptions)
        } else if refusal.contains("max_completion_tokens") {
            has("max_tokens").then_some(Self::NewerLimit)
        } else if refusal.contains("reasoning_effort") {
            (!has("reasoning_effort")).then_some(Self::NoThinking)
        } else {
            None
        }
    }

    /// Changes a request.
    pub(super) fn shape(self, body: &mut Value) {
        let Some(fields) = body.as_object_mut() else {
            return;
        };
        match self {
            Self::NoStreamOptions => {
                fields.remove("stream_options");
            }
            Self::NewerLimit => {
                if let Some(limit) = fields.remove("max_tokens") {
                    fields.insert("max_completion_tokens".to_owned(), limit);
                }
            }
            Self::NoThinking => {
                if fields.contains_key("tools") {
                    fields.insert("reasoning_effort".to_owned(), "none".into());
                }
            }
        }
    }
}

/// The habits of one model.
#[derive(Debug, Default)]
pub struct Habits(Mutex<BTreeSet<Habit>>);

impl Habits {
    /// Changes a request in all the ways that are known.
    pub(super) fn shape(&self, body: &mut Value) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().for_each(|habit| habit.shape(body));
    }

    /// Remembers what helped.
    pub(super) fn learn(&self, habits: &[Habit]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(habits);
    }
}
