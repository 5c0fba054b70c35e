//! Takes the credentials of a tool server out of what it says.
//!
//! A server knows the headers that it is asked with, a program its environment, and one that shows them
//! (an echo, an error page, a description that somebody else wrote) would put them before the model and on
//! record. Only what has the name of a credential counts: a workspace or a language has to stay readable.

use heartbeat_domain::tool::ListedTool;
use serde_json::Value;

use crate::hands::{CallEnd, HandsError};

/// Parts of the names of headers and variables that carry credentials.
const CREDENTIALS: [&str; 8] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "password",
    "secret",
    "session",
    "token",
];

/// Shorter ones would be found in any text.
const LENGTH_MIN: usize = 8;

/// What stands in their place.
const BLOT: &str = "[secret]";

/// The credentials of one server, longest first.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Those among its headers and variables.
    pub(super) fn among<'v>(named: impl Iterator<Item = (&'v String, &'v String)>) -> Self {
        let credentials = named.filter(|(name, _)| {
            let name = name.to_ascii_lowercase();
            CREDENTIALS.iter().any(|part| name.contains(part))
        });
        let mut all: Vec<String> = credentials
            .flat_map(|(_, value)| pieces(value))
            .filter(|piece| piece.len() >= LENGTH_MIN)
            .map(str::to_owned)
            .collect();
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.dedup();
        Self(all)
    }

    fn text(&self, text: String) -> String {
        let blot = |text: String, secret: &String| match text.contains(secret.as_str()) {
            true => text.replace(secret.as_str(), BLOT),
            false => text,
        };
        self.0.iter().fold(text, blot)
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(list) => list.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(map) => {
                let map = map.into_iter();
                map.map(|(name, value)| (self.text(name), self.value(value)))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }
            other => other,
        }
    }

    /// An end of a call without them.
    pub(super) fn taken_from_end(&self, end: CallEnd) -> CallEnd {
        match end {
            CallEnd::Answered { text, is_error } => CallEnd::Answered {
                text: self.text(text),
                is_error,
            },
            CallEnd::NotMade { message } => CallEnd::NotMade {
                message: self.text(message),
            },
            CallEnd::Unknown { message } => CallEnd::Unknown {
                message: self.text(message),
            },
        }
    }

    /// A list of tools without them; a tool that is named after one cannot be shown at all.
    pub(super) fn taken_from_list(&self, tools: Vec<ListedTool>) -> Vec<ListedTool> {
        let shown = |tool: &ListedTool| {
            let mut secrets = self.0.iter();
            !secrets.any(|secret| tool.name.contains(secret.as_str()))
        };
        let clean = |tool: ListedTool| ListedTool {
            description: self.text(tool.description),
            schema: self.value(tool.schema),
            ..tool
        };
        tools.into_iter().filter(shown).map(clean).collect()
    }

    /// A failure without them.
    pub(super) fn taken_from_error(&self, error: HandsError) -> HandsError {
        HandsError {
            message: self.text(error.message),
            ..error
        }
    }
}

/// The whole value, and what in it is a credential by itself: after `Bearer`, after the name of a
/// cookie.
fn pieces(value: &str) -> impl Iterator<Item = &str> {
    let words = value.split(|c: char| c.is_whitespace() || matches!(c, ';' | ','));
    let parts = words.flat_map(|word| {
        let named = word.split_once('=').map(|(_, value)| value);
        [Some(word), named].into_iter().flatten()
    });
    std::iter::once(value.trim()).chain(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secrets(headers: &[(&str, &str)]) -> Secrets {
        let owned = headers.iter();
        let owned: Vec<_> = owned
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Secrets::among(owned.iter().map(|(name, value)| (name, value)))
    }

    #[test]
    fn credentials_are_blotted_out_however_their_header_carries_them() {
        let all = secrets(&[
            ("Authorization", "Bearer tok-1234567=="),
            ("Cookie", "sid=abcdefgh1; theme=dark"),
            ("X-Api-Key", "key-of-the-house"),
        ]);
        for (said, shown) in [
            ("token tok-1234567== is bad", "token [secret] is bad"),
            ("Bearer tok-1234567==", "[secret]"),
            ("sid=abcdefgh1", "[secret]"),
            ("session abcdefgh1, dark", "session [secret], dark"),
            ("key-of-the-house", "[secret]"),
        ] {
            assert_eq!(all.text(said.to_owned()), shown);
        }
    }

    #[test]
    fn what_is_no_credential_stays_readable() {
        let none = secrets(&[
            ("X-Workspace", "production"),
            ("Accept-Language", "de-DE-bavarian"),
            ("X-Token", "short"),
        ]);
        let said = "production speaks de-DE-bavarian in short";
        assert_eq!(none.text(said.to_owned()), said);
    }

    #[test]
    fn a_list_of_tools_is_cleaned_down_to_its_schemas() {
        let all = secrets(&[("x-token", "canary-9942")]);
        let tool = |name: &str| ListedTool {
            name: name.to_owned(),
            description: "Asks with canary-9942.".to_owned(),
            schema: json!({ "properties": { "a": { "default": "canary-9942" } } }),
            annotations: heartbeat_domain::tool::Annotations::default(),
        };
        let listed = all.taken_from_list(vec![tool("ask"), tool("x_canary-9942")]);
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].description, "Asks with [secret].");
        assert_eq!(
            listed[0].schema,
            json!({ "properties": { "a": { "default": BLOT } } })
        );
    }
}
