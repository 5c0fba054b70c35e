//! What people do to a tool server: the rules for its fields, and what a change comes to.
//!
//! Invariant: the values of headers never go to another address than the one that they were entered
//! for, so nobody who may change a server can read them back by pointing it elsewhere.

use jiff::Timestamp;

use crate::bot::check_text;
use crate::headers::{Headers, HeadersChange};
use crate::heartbeat::Patch;
use crate::tool::{Permission, Place, Repeat, Tool, ToolServer};
use crate::violation::Violation;

const LABEL_MAX: usize = 255;
const URL_MAX: usize = 500;
const TAKEN_ALONG: &str = "their values were entered for the former address and do not go to \
    another one; enter them again, or send `{}` to send none";
/// What a request changes. What is `None` keeps its value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolServerChange {
    /// Name for people.
    pub label: Option<String>,
    /// Where it is.
    pub place: Option<Place>,
    /// What new tools start as; also moves the tools that a person has not set otherwise.
    pub fresh: Option<Permission>,
    /// All of its headers.
    pub headers: Option<HeadersChange>,
    /// Whether its tools are offered at all.
    pub is_enabled: Option<bool>,
    /// Whether its annotations count for repeats.
    pub trusted: Option<bool>,
}

impl ToolServerChange {
    /// # Errors
    /// A label or an address is empty or too long.
    pub fn check(&self) -> Result<(), Violation> {
        check_text("server_label", self.label.as_deref(), 1, LABEL_MAX)?;
        match &self.place {
            Some(Place::Http { url }) => check_url(url),
            Some(Place::Declared { name }) => check_name(name),
            None => Ok(()),
        }
    }

    /// Whether this moves a server to another address.
    #[must_use]
    pub fn moves(&self, server: &ToolServer) -> bool {
        self.place
            .as_ref()
            .is_some_and(|place| *place != server.place)
    }

    /// `server` with what this changes, and its new headers unless they stay as they are. At another
    /// address nothing is trusted any more unless the same change says so, and no word on repeats
    /// holds. `present` need hold values only if the change keeps some.
    ///
    /// # Errors
    /// As [`Self::check`] and [`HeadersChange::applied_to`]; values would go to another address; or
    /// a declared server would get headers.
    pub fn applied_to(
        self,
        server: &ToolServer,
        present: &Headers,
        now: Timestamp,
    ) -> Result<(ToolServer, Option<Headers>), Violation> {
        self.check()?;
        let moves = self.moves(server);
        if moves && self.takes_along(server) {
            return Err(Violation::input("headers", TAKEN_ALONG));
        }
        let mut after = server.clone();
        let change = self.headers.map(|change| change.applied_to(present));
        let headers = change.transpose()?;
        if let Some(headers) = &headers {
            after.header_names = headers.names();
        }
        after.label = self.label.unwrap_or(after.label);
        after.place = self.place.unwrap_or(after.place);
        after.is_enabled = self.is_enabled.unwrap_or(after.is_enabled);
        after.trusted = self.trusted.unwrap_or(after.trusted && !moves);
        after.updated_at = now;
        if let Some(fresh) = self.fresh.filter(|fresh| *fresh != server.fresh) {
            after.fresh = fresh;
            after.tools.iter_mut().for_each(|tool| follow(tool, fresh));
        }
        if moves {
            after.trouble = None;
            after.tools.iter_mut().for_each(|tool| tool.repeat = None);
        }
        check_headers_fit(&after)?;
        Ok((after, headers))
    }

    /// Whether a value that was entered for the former address would stay.
    fn takes_along(&self, server: &ToolServer) -> bool {
        match &self.headers {
            None => !server.header_names.is_empty(),
            Some(change) => change.keeps_any(),
        }
    }
}

/// A URL as far as its form goes; where it leads is checked by whoever connects to it.
fn check_url(url: &str) -> Result<(), Violation> {
    check_text("server_url", Some(url), 1, URL_MAX)?;
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let is_web = |scheme: &str| {
        ["http", "https"]
            .iter()
            .any(|own| scheme.eq_ignore_ascii_case(own))
    };
    if scheme.is_some_and(is_web) {
        return Ok(());
    }
    let message = "must begin with http:// or https://: no request can name a file or a program";
    Err(Violation::input("server_url", message))
}

/// The name of a declared server: never a path.
fn check_name(name: &str) -> Result<(), Violation> {
    check_text("server_name", Some(name), 1, LABEL_MAX)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.chars().all(is_plain) {
        return Ok(());
    }
    let message = "must be a name that the operator declared, of letters, digits, `-` and `_`";
    Err(Violation::input("server_name", message))
}

/// Checks a server that is to be made.
///
/// # Errors
/// As [`ToolServerChange::check`], or a declared server would get headers.
pub fn check_new(server: &ToolServer) -> Result<(), Violation> {
    let fields = ToolServerChange {
        label: Some(server.label.clone()),
        place: Some(server.place.clone()),
        ..ToolServerChange::default()
    };
    fields.check()?;
    check_headers_fit(server)
}

fn check_headers_fit(server: &ToolServer) -> Result<(), Violation> {
    match server.place {
        Place::Declared { .. } if !server.header_names.is_empty() => Err(Violation::input(
            "headers",
            "a declared server has none; what it needs stands in the operator's configuration",
        )),
        _ => Ok(()),
    }
}

/// Moves a tool with the setting of its server. What a person switched off stays off, and what fell
/// back to asking because it changed goes on asking.
fn follow(tool: &mut Tool, fresh: Permission) {
    tool.permission = match (tool.permission, fresh) {
        (Permission::Allowed, Permission::Asks) => Permission::Asks,
        (Permission::Asks, Permission::Allowed) if !tool.changed => Permission::Allowed,
        (kept, _) => kept,
    };
}

/// What a person decides about one tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDecision {
    /// Its name on the server.
    pub tool: String,
    /// Whether it may be called.
    pub permission: Option<Permission>,
    /// What may be done about a call whose answer was lost.
    pub repeat: Patch<Repeat>,
}

/// Tools after what a person decided. Whoever sets a tool's permission has seen that it changed.
///
/// # Errors
/// A decision names a tool that the server does not have.
pub fn decided(known: &[Tool], decisions: Vec<ToolDecision>) -> Result<Vec<Tool>, Violation> {
    let mut tools = known.to_vec();
    for decision in decisions {
        let named = tools
            .iter_mut()
            .find(|tool| tool.listed.name == decision.tool);
        let Some(tool) = named else {
            let message = format!(
                "this server has no tool named `{}`; refresh it, or name one that it lists",
                decision.tool
            );
            return Err(Violation::input("tool_name", message));
        };
        if let Some(permission) = decision.permission {
            tool.permission = permission;
            tool.changed = false;
        }
        tool.repeat = decision.repeat.or_keep(tool.repeat);
    }
    Ok(tools)
}

#[cfg(test)]
mod tests;
