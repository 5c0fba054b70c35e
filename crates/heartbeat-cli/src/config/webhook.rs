//! The operator's webhook.

use heartbeat_engine::courier::{Webhook, WebhookError};
use heartbeat_store::verbs::Channel;
use serde::Deserialize;

/// `[webhook]`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebhookConfig {
    pub(crate) url: Option<String>,
    pub(crate) secret: Option<String>,
}

impl std::fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl WebhookConfig {
    pub(crate) fn channels(&self) -> Vec<Channel> {
        self.url
            .as_ref()
            .map(|_| Channel::Webhook)
            .into_iter()
            .collect()
    }

    pub(crate) fn carrier(&self) -> Result<Webhook, WebhookError> {
        Webhook::new(self.url.as_deref().zip(self.secret.as_deref()))
    }
}
