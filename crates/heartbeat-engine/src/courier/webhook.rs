//! A signed webhook, as Standard Webhooks 1.0 describes it: `webhook-id` is the delivery's stable
//! id, so a receiver recognises a repeat; `webhook-signature` covers id, time and body.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heartbeat_store::verbs::Delivery;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha2::Sha256;

use super::{Carrier, Refusal};

/// The operator's webhook.
pub struct Webhook {
    target: Option<Target>,
    client: reqwest::Client,
}

struct Target {
    url: reqwest::Url,
    key: Vec<u8>,
}

/// What is wrong with the configuration of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// `webhook.url` is no URL.
    #[error("webhook.url is not an http(s) URL: {0}")]
    Url(String),
    /// `webhook.secret` is malformed.
    #[error("webhook.secret must be `whsec_` followed by base64 of 24 to 64 bytes")]
    Secret,
    /// No HTTP client can be built.
    #[error("no HTTP client: {0}")]
    Client(String),
}

impl Webhook {
    /// A webhook with the operator's URL and secret; without them nothing is ever carried.
    ///
    /// # Errors
    /// URL or secret is malformed.
    pub fn new(target: Option<(&str, &str)>) -> Result<Self, WebhookError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(std::time::Duration::from_secs(20))
            .user_agent("heartbeat")
            .build()
            .map_err(|error| WebhookError::Client(error.to_string()))?;
        let target = target
            .map(|(url, secret)| Target::new(url, secret))
            .transpose()?;
        Ok(Self { target, client })
    }
}

impl Target {
    fn new(url: &str, secret: &str) -> Result<Self, WebhookError> {
        let url = reqwest::Url::parse(url).map_err(|error| WebhookError::Url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookError::Url(
                "it must begin with http:// or https://".into(),
            ));
        }
        let encoded = secret.strip_prefix("whsec_").ok_or(WebhookError::Secret)?;
        let key = STANDARD.decode(encoded).map_err(|_| WebhookError::Secret)?;
        if !(24..=64).contains(&key.len()) {
            return Err(WebhookError::Secret);
        }
        Ok(Self { url, key })
    }
}

/// The value of `webhook-signature` for a message.
#[must_use]
pub fn sign(key: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn body(delivery: &Delivery) -> String {
    let notice = &delivery.notice;
    json!({
        "type": "notification.created",
        "timestamp": notice.created_at.to_string(),
        "data": {
            "uuid": notice.id.to_string(),
            "project_id": notice.project_id.to_string(),
            "heartbeat_id": notice.heartbeat_id.map(|id| id.to_string()),
            "execution_id": notice.execution_id.map(|id| id.to_string()),
            "title": notice.title,
            "message": notice.message,
            "priority": notice.priority.as_str(),
            "action_url": notice.action_url,
            "topic": notice.topic,
            "state": notice.state,
        }
    })
    .to_string()
}

#[async_trait]
impl Carrier for Webhook {
    async fn carry(&self, delivery: &Delivery, now: Timestamp) -> Result<(), Refusal> {
        let Some(target) = &self.target else {
            return Err(Refusal {
                message: "no webhook is configured any more".into(),
                is_final: true,
            });
        };
        let (id, body) = (delivery.id.to_string(), body(delivery));
        let answer = self
            .client
            .post(target.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", now.as_second())
            .header(
                "webhook-signature",
                sign(&target.key, &id, now.as_second(), &body),
            )
            .body(body)
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(Refusal {
                message: format!("the webhook answered with status {}", answer.status()),
                is_final: answer.status() == reqwest::StatusCode::GONE,
            }),
            Err(error) => Err(Refusal {
                message: format!("the webhook did not answer: {}", error.without_url()),
                is_final: false,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification.
    #[test]
    fn a_message_is_signed_as_the_specification_says() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_is_refused() {
        for secret in [
            "",
            "whsec_",
            "whsec_!!!",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert!(
                Target::new("https://example.org", secret).is_err(),
                "{secret}"
            );
        }
    }
}
