//! Headers that a tool server is sent, with the secrets in them.
//!
//! Invariant: no `Debug` of anything here shows a value.

use crate::violation::Violation;

const HEADERS_MAX: usize = 20;
const HEADER_NAME_MAX: usize = 100;
const HEADER_VALUE_MAX: usize = 8_192;

/// Headers that the protocol sets itself.
const RESERVED: [&str; 12] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "keep-alive",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Headers with their values. `Debug` shows the names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Headers").field(&self.names()).finish()
    }
}

impl Headers {
    /// Checked headers.
    ///
    /// # Errors
    /// Too many, a name twice, a name that is none or that the protocol sets itself, a value that a
    /// header cannot carry.
    pub fn new(pairs: Vec<(String, String)>) -> Result<Self, Violation> {
        if pairs.len() > HEADERS_MAX {
            return Err(wrong(format!("at most {HEADERS_MAX} headers are allowed")));
        }
        for (at, (name, value)) in pairs.iter().enumerate() {
            check_name(name)?;
            check_value(name, value)?;
            let same = |(other, _): &(String, String)| other.eq_ignore_ascii_case(name);
            if pairs[..at].iter().any(same) {
                return Err(wrong(format!("`{name}` is there twice")));
            }
        }
        Ok(Self(pairs))
    }

    /// Names and values, for whoever sends or seals them.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Names alone.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn value(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

fn check_name(name: &str) -> Result<(), Violation> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || name.len() > HEADER_NAME_MAX || !name.chars().all(is_token) {
        return Err(wrong(
            "a name of a header is letters, digits and dashes, such as `Authorization`",
        ));
    }
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(wrong(format!("`{name}` is set by Heartbeat itself")));
    }
    Ok(())
}

fn check_value(name: &str, value: &str) -> Result<(), Violation> {
    let is_plain = |c: char| (' '..='~').contains(&c);
    if value.is_empty() || value.len() > HEADER_VALUE_MAX || !value.chars().all(is_plain) {
        return Err(wrong(format!(
            "the value of `{name}` must be 1 to {HEADER_VALUE_MAX} printable ASCII characters"
        )));
    }
    Ok(())
}

fn wrong(message: impl Into<String>) -> Violation {
    Violation::input("headers", message)
}

/// What somebody wants a server's headers to be: names with new values, or with `None` for those
/// that keep the value they have. Its `Debug` shows the names alone.
#[derive(Clone, PartialEq, Eq)]
pub struct HeadersChange(pub Vec<(String, Option<String>)>);

impl std::fmt::Debug for HeadersChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_tuple("HeadersChange").field(&names).finish()
    }
}

impl HeadersChange {
    /// Whether a value that is there already is wanted.
    #[must_use]
    pub fn keeps_any(&self) -> bool {
        self.0.iter().any(|(_, value)| value.is_none())
    }

    /// The headers that it comes to, where `present` are there already.
    ///
    /// # Errors
    /// As [`Headers::new`], or a value is to be kept and there is none.
    pub fn applied_to(self, present: &Headers) -> Result<Headers, Violation> {
        let value = |(name, value): (String, Option<String>)| {
            let value = value.or_else(|| present.value(&name).map(str::to_owned));
            match value {
                Some(value) => Ok((name, value)),
                None => Err(wrong(format!(
                    "there is no value of `{name}` to keep; enter it"
                ))),
            }
        };
        Headers::new(self.0.into_iter().map(value).collect::<Result<_, _>>()?)
    }
}
