//! The tools of one session: the built-in ones, and those of the agent's tool servers.

use async_trait::async_trait;
use heartbeat_agent::{Attempt, Halt, Made, Toolbox};
use heartbeat_domain::conversation::{ToolCall, ToolSpec};
use heartbeat_domain::tool::Repeat;
use jiff::SignedDuration;

use crate::capabilities::{Capabilities, WEB_FETCH};
use crate::offer::Offered;
use crate::outside::Outside;

/// The tools of one session.
pub(crate) struct Belt<'a> {
    /// Whether what the session reads is to stay within listed hosts.
    pub(crate) reads_private: bool,
    pub(crate) built_in: Capabilities<'a>,
    pub(crate) outside: Outside<'a>,
}

/// What is decided about a call before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handling {
    /// What may be done about it if its answer is lost.
    pub(crate) repeat: Repeat,
    /// Longest time from its first byte to its end.
    pub(crate) within: SignedDuration,
}

impl Handling {
    /// Of a call that sends nothing, or that only fetches.
    pub(crate) const HARMLESS: Self = Self {
        repeat: Repeat::Safe,
        within: SignedDuration::ZERO,
    };
}

impl Belt<'_> {
    /// Whether any of them brings in what others wrote.
    pub(crate) fn reads_outside(&self) -> bool {
        self.built_in.web.is_some() || !self.outside.offered.is_empty()
    }

    /// What may be done about each of those calls.
    pub(crate) async fn handling(&self, calls: &[&ToolCall]) -> Result<Vec<Handling>, Halt> {
        let tools: Vec<Option<&Offered>> = calls
            .iter()
            .map(|call| self.outside.find(&call.name))
            .collect();
        self.outside.handling(&tools).await
    }
}

#[async_trait]
impl Toolbox for Belt<'_> {
    fn specs(&self) -> Vec<ToolSpec> {
        let mut specs = self.built_in.specs();
        specs.extend(self.outside.specs.iter().cloned());
        specs
    }

    async fn call(&self, attempt: Attempt<'_>) -> Result<Made, Halt> {
        if let Some(offered) = self.outside.find(&attempt.call.name) {
            return self.outside.call(offered, attempt).await;
        }
        if attempt.call.name == WEB_FETCH {
            let bounds = self.outside.web_bounds(self.reads_private).await?;
            self.outside.look_at_the_lease().await?;
            let fetched = self.built_in.web_fetch(&attempt.call.arguments, bounds);
            return Ok(Made::Answered(fetched.await));
        }
        Ok(Made::Answered(self.built_in.call(attempt.call).await))
    }

    fn lane(&self, name: &str) -> Option<String> {
        let offered = self.outside.find(name)?;
        (!offered.parallel).then(|| offered.server_id.to_string())
    }
}
