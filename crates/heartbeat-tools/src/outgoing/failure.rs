//! Why a request did not come to an answer, and whether any of it was sent.

use super::lookup::Refusal;

/// What became of a request without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    /// The URL cannot be asked at all.
    #[error("{0}")]
    BadUrl(String),
    /// The host is not on the list that applies.
    #[error(
        "host `{host}` is not in the agent's `web_hosts`: once a tool of an agent reads private \
         data, or a person has made that list, pages and watches are on listed hosts only"
    )]
    HostNotListed {
        /// The host.
        host: String,
    },
    /// The host is at an address that may not be reached.
    #[error("host `{host}` is at an address that may not be reached: {what}")]
    AddressRefused {
        /// The host.
        host: String,
        /// The kind of address.
        what: &'static str,
    },
    /// The host has no address.
    #[error("host `{host}` has no address: {reason}")]
    Unresolved {
        /// The host.
        host: String,
        /// In the system's words.
        reason: String,
    },
    /// No connection came about.
    #[error("no connection to `{host}`: {reason}")]
    NotConnected {
        /// The host.
        host: String,
        /// In the words of the connection.
        reason: String,
    },
    /// The host answered with a redirect that is not followed.
    #[error("{0}")]
    Redirected(String),
    /// It took too long; it may have been sent.
    #[error("`{host}` did not answer in time")]
    TimedOut {
        /// The host.
        host: String,
    },
    /// The connection broke after something was sent.
    #[error("the connection to `{host}` broke: {reason}")]
    Broken {
        /// The host.
        host: String,
        /// In the words of the connection.
        reason: String,
    },
    /// The answer is larger than what is read.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

impl OutgoingError {
    /// Whether it is certain that no byte of the request reached the host.
    #[must_use]
    pub fn nothing_was_sent(&self) -> bool {
        matches!(
            self,
            Self::BadUrl(_)
                | Self::HostNotListed { .. }
                | Self::AddressRefused { .. }
                | Self::Unresolved { .. }
                | Self::NotConnected { .. }
        )
    }

    /// What a failure of the HTTP client means.
    pub(super) fn from_client(host: &str, error: &reqwest::Error) -> Self {
        let host = host.to_owned();
        match Refusal::within(error) {
            Some(Refusal::Closed(what)) => return Self::AddressRefused { host, what },
            Some(Refusal::NoAddress(reason)) => return Self::Unresolved { host, reason },
            None => {}
        }
        let reason = innermost(error);
        if error.is_connect() {
            return Self::NotConnected { host, reason };
        }
        match error.is_timeout() {
            true => Self::TimedOut { host },
            false => Self::Broken { host, reason },
        }
    }
}

/// The words of the error at the bottom, which names no URL.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
