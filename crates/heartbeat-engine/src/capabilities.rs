//! The tools that every agent has: `notify_user`, `nothing_to_report` and, where the plan allows a
//! look at this machine, `host_status`.
//!
//! None of them touches the world outside by itself: a message is written down together with the
//! call's result, so it is told exactly once however often the call is repeated.

use std::sync::Arc;

use heartbeat_domain::conversation::{ToolCall, ToolOutput, ToolSpec};
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::watch::{Condition, Probe, Watch};
use heartbeat_tools::{FetchAsk, Observe, UrlBounds, WebFetch};
use serde_json::{Value, json};

/// The built-in tools of one session.
pub(crate) struct Capabilities<'a> {
    pub(crate) observe: &'a dyn Observe,
    pub(crate) local_access: bool,
    /// What fetches pages; absent where no host may be asked.
    pub(crate) web: Option<Arc<WebFetch>>,
    /// The hosts that a page may be on, as the model is told them; not what decides.
    pub(crate) hosts: Option<Vec<String>>,
}

/// The name of the tool that fetches pages.
pub(crate) const WEB_FETCH: &str = "web_fetch";

impl Capabilities<'_> {
    /// The built-in tools.
    pub(crate) fn specs(&self) -> Vec<ToolSpec> {
        let mut specs = vec![notify_user_spec(), nothing_to_report_spec()];
        if self.local_access {
            specs.push(host_status_spec());
        }
        if self.web.is_some() {
            specs.push(web_fetch_spec(self.hosts.as_deref()));
        }
        specs
    }

    /// Makes a call of one of them, but for `web_fetch`.
    pub(crate) async fn call(&self, call: &ToolCall) -> ToolOutput {
        match call.name.as_str() {
            "notify_user" => notify_user(&call.arguments),
            "nothing_to_report" => nothing_to_report(&call.arguments),
            "host_status" if self.local_access => self.host_status().await,
            other => ToolOutput::error(format!("there is no tool `{other}`")),
        }
    }

    async fn host_status(&self) -> ToolOutput {
        let look = Watch {
            tool: Probe::HostStatus,
            arguments: Value::Null,
            selector: None,
            condition: Condition::Changed,
            remind_minutes: None,
        };
        match self.observe.observe(&look, &UrlBounds::default()).await {
            Ok(status) => ToolOutput::text(status.to_string()),
            Err(error) => ToolOutput::error(error.message),
        }
    }
}

impl Capabilities<'_> {
    /// Fetches a page from where it may be now.
    pub(crate) async fn web_fetch(&self, arguments: &Value, bounds: UrlBounds) -> ToolOutput {
        let Some(web) = &self.web else {
            return ToolOutput::error("pages cannot be fetched in this run");
        };
        let Some(url) = arguments.get("url").and_then(Value::as_str) else {
            return ToolOutput::error("`url` is required and must be a text");
        };
        let ask = FetchAsk {
            url: url.to_owned(),
            allow_networks: bounds.allow_networks,
            hosts: bounds.hosts,
        };
        match web.fetch(&ask).await {
            Ok(page) => ToolOutput {
                outside: true,
                ..ToolOutput::text(page.for_model())
            },
            Err(error) => ToolOutput::error(error.message),
        }
    }
}

fn notify_user(arguments: &Value) -> ToolOutput {
    match notice(arguments) {
        Ok(notice) => {
            let notices = vec![notice];
            ToolOutput {
                notices,
                ..ToolOutput::text("recorded; it is on its way")
            }
        }
        Err(message) => ToolOutput::error(message),
    }
}

fn notice(arguments: &Value) -> Result<NoticeDraft, String> {
    let text = |name: &str, most: usize| -> Result<Option<String>, String> {
        match arguments.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.chars().count() <= most => Ok(Some(text.clone())),
            Some(Value::String(_)) => Err(format!("`{name}` has more than {most} characters")),
            Some(_) => Err(format!("`{name}` must be a text")),
        }
    };
    let required = |name: &str, most: usize| {
        text(name, most)?
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| format!("`{name}` is required"))
    };
    let priority = match arguments.get("priority") {
        None | Some(Value::Null) => heartbeat_domain::notice::Priority::default(),
        Some(given) => serde_json::from_value(given.clone())
            .map_err(|_| "`priority` must be low, normal or urgent".to_owned())?,
    };
    Ok(NoticeDraft {
        title: required("title", 200)?,
        message: required("message", 10_000)?,
        priority,
        action_url: text("action_url", 2_000)?.map(safe_url).transpose()?,
        topic: text("topic", 200)?,
        state: text("state", 200)?,
        ends: false,
    })
}

/// A link that an agent may put before a person.
fn safe_url(url: String) -> Result<String, String> {
    if url.starts_with("https://") || url.starts_with("mailto:") {
        return Ok(url);
    }
    Err("`action_url` must begin with https:// or mailto:".to_owned())
}

fn nothing_to_report(arguments: &Value) -> ToolOutput {
    let reason = arguments
        .get("reason")
        .and_then(Value::as_str)
        .unwrap_or("nothing to report");
    ToolOutput {
        quiet: Some(reason.to_owned()),
        ..ToolOutput::text("noted")
    }
}

fn notify_user_spec() -> ToolSpec {
    ToolSpec {
        name: "notify_user".into(),
        description: "Tells people something that matters. Name a topic, and the same state of \
                      that topic is told only once."
            .into(),
        schema: json!({
            "type": "object",
            "properties": {
                "title": { "type": "string", "description": "One line" },
                "message": { "type": "string" },
                "priority": { "type": "string", "enum": ["low", "normal", "urgent"] },
                "action_url": { "type": "string", "description": "https link to act on" },
                "topic": { "type": "string", "description": "What it is about" },
                "state": { "type": "string", "description": "State of the topic" }
            },
            "required": ["title", "message"]
        }),
    }
}

fn nothing_to_report_spec() -> ToolSpec {
    ToolSpec {
        name: "nothing_to_report".into(),
        description: "Ends the run in silence. Call it alone, when there is nothing to tell."
            .into(),
        schema: json!({
            "type": "object",
            "properties": { "reason": { "type": "string" } },
            "required": ["reason"]
        }),
    }
}

fn web_fetch_spec(hosts: Option<&[String]>) -> ToolSpec {
    let only = hosts.map_or_else(String::new, |hosts| {
        format!(" Only pages of these hosts: {}.", hosts.join(", "))
    });
    ToolSpec {
        name: WEB_FETCH.into(),
        description: format!("Fetches a web page and gives its text.{only}"),
        schema: json!({
            "type": "object",
            "properties": { "url": { "type": "string", "description": "http or https" } },
            "required": ["url"]
        }),
    }
}

fn host_status_spec() -> ToolSpec {
    ToolSpec {
        name: "host_status".into(),
        description: "Disk, memory and load of the machine that runs this heartbeat.".into(),
        schema: json!({ "type": "object", "properties": {} }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_needs_a_title_and_refuses_links_that_are_not_https() {
        let missing = notify_user(&json!({ "message": "m" }));
        assert!(
            missing.is_error && missing.text.contains("title"),
            "{missing:?}"
        );
        let link = json!({ "title": "t", "message": "m", "action_url": "javascript:alert(1)" });
        assert!(notify_user(&link).is_error);
        let fine = json!({ "title": "t", "message": "m", "action_url": "https://example.org" });
        assert_eq!(notify_user(&fine).notices.len(), 1);
    }

    #[test]
    fn a_priority_that_does_not_exist_is_told_to_the_model() {
        let output = notify_user(&json!({ "title": "t", "message": "m", "priority": "panic" }));
        assert!(
            output.is_error && output.text.contains("urgent"),
            "{output:?}"
        );
    }
}
