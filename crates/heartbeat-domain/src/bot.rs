//! Projects and agents.

use jiff::Timestamp;

use crate::budget::check_credits;
use crate::heartbeat::Patch;
use crate::ids::{BotId, ProjectId};
use crate::violation::Violation;

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Id.
    pub id: ProjectId,
    /// Name, unique within the installation.
    pub name: String,
    /// Name of its plan.
    pub plan: String,
    /// Since when everything in it is paused, if it is.
    pub paused_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An agent: instructions, model and switches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bot {
    /// Id.
    pub id: BotId,
    /// Row number, shown on the wire.
    pub number: i64,
    /// Its project.
    pub project_id: ProjectId,
    /// Name.
    pub name: String,
    /// `provider/name`, or a name from the configuration.
    pub model: String,
    /// What it is told first in every session.
    pub instruction: String,
    /// Whether it works at all.
    pub status: bool,
    /// Whether it may have heartbeats.
    pub heartbeat: bool,
    /// Most credits that it may draw in a calendar month, UTC; `None` is unlimited, 0 is nothing.
    pub credit_limit: Option<u64>,
    /// Hosts that its pages and its watches on web addresses may be on; `None` where nobody has said.
    pub web_hosts: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Bot {
    /// The only hosts that it may ask, if not all. The address of a page can carry out what was
    /// read, so who reads private data reaches what a person has listed, and nothing else.
    #[must_use]
    pub fn web_bounds(&self, reads_private: bool) -> Option<Vec<String>> {
        match (&self.web_hosts, reads_private) {
            (Some(hosts), _) => Some(hosts.clone()),
            (None, true) => Some(Vec::new()),
            (None, false) => None,
        }
    }

    /// Whether its heartbeats may run.
    #[must_use]
    pub fn is_switched_on(&self) -> bool {
        self.status && self.heartbeat
    }
}

/// What a request changes of an agent; `None` keeps the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BotChange {
    /// Name.
    pub name: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Instructions.
    pub instruction: Option<String>,
    /// Whether it works at all.
    pub status: Option<bool>,
    /// Whether it may have heartbeats.
    pub heartbeat: Option<bool>,
    /// Most credits in a calendar month.
    pub credit_limit: Patch<u64>,
    /// Hosts that it may ask.
    pub web_hosts: Patch<Vec<String>>,
}

impl BotChange {
    /// # Errors
    /// A name or model is empty or too long, the instructions are too long, or a host is none.
    pub fn check(&self) -> Result<(), Violation> {
        check_text("name", self.name.as_deref(), 1, 255)?;
        check_text("model", self.model.as_deref(), 1, 255)?;
        check_text("instruction", self.instruction.as_deref(), 0, 65_536)?;
        if let Patch::Set(hosts) = &self.web_hosts {
            check_hosts(hosts)?;
        }
        match self.credit_limit {
            Patch::Set(limit) => check_credits("credit_limit", limit),
            _ => Ok(()),
        }
    }

    /// `bot` with what this changes.
    #[must_use]
    pub fn applied_to(self, bot: &Bot, now: Timestamp) -> Bot {
        Bot {
            name: self.name.unwrap_or_else(|| bot.name.clone()),
            model: self.model.unwrap_or_else(|| bot.model.clone()),
            instruction: self.instruction.unwrap_or_else(|| bot.instruction.clone()),
            status: self.status.unwrap_or(bot.status),
            heartbeat: self.heartbeat.unwrap_or(bot.heartbeat),
            credit_limit: self.credit_limit.or_keep(bot.credit_limit),
            web_hosts: self.web_hosts.or_keep(bot.web_hosts.clone()),
            updated_at: now,
            ..bot.clone()
        }
    }
}

/// Most hosts of an agent's list.
const HOSTS_MAX: usize = 100;

fn check_hosts(hosts: &[String]) -> Result<(), Violation> {
    if hosts.len() > HOSTS_MAX {
        let message = format!("has {} hosts; at most {HOSTS_MAX} are allowed", hosts.len());
        return Err(Violation::input("web_hosts", message));
    }
    match hosts.iter().find(|host| !is_host(host)) {
        Some(wrong) => {
            let message = format!(
                "`{wrong}` is no host; write `name` or `name:port`, such as docs.example.org, \
                 without https:// and without a path"
            );
            Err(Violation::input("web_hosts", message))
        }
        None => Ok(()),
    }
}

/// `name`, `name:port`, or an address in the same form; IPv6 in brackets.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let is_name = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')),
    };
    is_port && is_name && !name.is_empty() && text.len() <= 253
}

/// Checks the length of a text in characters.
pub(crate) fn check_text(
    field: &'static str,
    text: Option<&str>,
    least: usize,
    most: usize,
) -> Result<(), Violation> {
    let Some(text) = text else { return Ok(()) };
    let length = text.chars().count();
    if length < least || text.trim().is_empty() && least > 0 {
        return Err(Violation::input(
            field,
            format!("must not be empty; at most {most} characters"),
        ));
    }
    if length > most {
        let message = format!("has {length} characters; at most {most} are allowed");
        return Err(Violation::input(field, message));
    }
    Ok(())
}
