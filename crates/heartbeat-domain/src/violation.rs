//! The one error of the domain: which field broke which rule, and what to write instead.

/// Bad input or a limit, in words that a person can act on.
///
/// `field` is the wire name of the offending field; `message` says what was expected. A rule that
/// belongs to a plan or a switch rather than to the input carries another [`Rule`], so that the
/// edge can answer 403 instead of 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Violation {
    /// Wire name of the field.
    pub field: &'static str,
    /// What is wrong, what was expected and what to do.
    pub message: String,
    /// Which family of rule was broken.
    pub rule: Rule,
}

/// Families of rules, in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The input itself is wrong.
    Input,
    /// The schedule is more frequent than the plan allows. A matter of input on the wire (400).
    Frequency,
    /// The schedule can never fire.
    NeverFires,
}

impl Violation {
    /// The input itself is wrong.
    pub fn input(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
            rule: Rule::Input,
        }
    }

    /// The schedule fires more often than the plan's minimum.
    pub fn frequency(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
            rule: Rule::Frequency,
        }
    }

    /// No fire in the next eight years.
    pub fn never_fires(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
            rule: Rule::NeverFires,
        }
    }
}
