//! What a request says, read field by field: so that ids come before everything else, keys that an
//! endpoint does not know are ignored whatever they hold, and an error names its field.

use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::violation::Violation;
use heartbeat_domain::watch::Watch;
use jiff::Timestamp;
use serde_json::{Map, Value};

type Result<T> = std::result::Result<T, Violation>;

/// The fields of a request.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// Of a GET or DELETE: texts. An empty one counts as left out.
    Query(Vec<(String, String)>),
    /// Of a POST or PUT.
    Body(Map<String, Value>),
}

/// A field as it was given.
#[derive(Clone, Copy)]
pub(crate) enum Given<'a> {
    /// In a query.
    Text(&'a str),
    /// In a body.
    Json(&'a Value),
}

/// A value that can be read from a field.
pub(crate) trait Field: Sized {
    /// What is expected, for messages.
    const EXPECTED: &'static str;

    /// The value; nothing if it is something else.
    fn read(given: Given<'_>) -> Option<Self>;

    /// What to say if it is something else.
    fn complaint(given: Given<'_>) -> String {
        format!("must be {}, not {}", Self::EXPECTED, given.described())
    }
}

impl Input {
    fn find(&self, name: &str) -> Option<Given<'_>> {
        match self {
            Self::Body(fields) => fields.get(name).map(Given::Json),
            Self::Query(pairs) => {
                let pair = pairs
                    .iter()
                    .rev()
                    .find(|(key, value)| key == name && !value.is_empty());
                pair.map(|(_, value)| Given::Text(value))
            }
        }
    }

    /// A field that a change keeps, clears or sets.
    pub(crate) fn patch<T: Field>(&self, name: &'static str) -> Result<Patch<T>> {
        match self.find(name) {
            None => Ok(Patch::Keep),
            Some(Given::Json(Value::Null)) => Ok(Patch::Clear),
            Some(given) => T::read(given)
                .map(Patch::Set)
                .ok_or_else(|| Violation::input(name, T::complaint(given))),
        }
    }

    /// A field that may be left out, or null.
    pub(crate) fn optional<T: Field>(&self, name: &'static str) -> Result<Option<T>> {
        Ok(self.patch(name)?.or_keep(None))
    }

    /// A field that has to be there.
    pub(crate) fn required<T: Field>(&self, name: &'static str) -> Result<T> {
        self.optional(name)?.ok_or_else(|| {
            let given = self.find(name).map(Given::described);
            let but = given
                .map(|given| format!(", not {given}"))
                .unwrap_or_default();
            Violation::input(name, format!("is required: {}{but}", T::EXPECTED))
        })
    }
}

impl Given<'_> {
    fn described(self) -> &'static str {
        match self {
            Self::Text(_) | Self::Json(Value::String(_)) => "this text",
            Self::Json(Value::Null) => "null",
            Self::Json(Value::Bool(_)) => "true or false",
            Self::Json(Value::Number(_)) => "this number",
            Self::Json(Value::Array(_)) => "a list",
            Self::Json(Value::Object(_)) => "an object",
        }
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.to_owned()),
            Self::Json(value) => value.as_str().map(str::to_owned),
        }
    }

    fn whole_number(self) -> Option<u64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Json(value) => value.as_u64(),
        }
    }
}

impl Field for String {
    const EXPECTED: &'static str = "a text";

    fn read(given: Given<'_>) -> Option<Self> {
        given.text()
    }
}

impl Field for u32 {
    const EXPECTED: &'static str = "a whole number of 0 or more";

    fn read(given: Given<'_>) -> Option<Self> {
        given.whole_number()?.try_into().ok()
    }
}

impl Field for u64 {
    const EXPECTED: &'static str = "a whole number of 0 or more";

    fn read(given: Given<'_>) -> Option<Self> {
        given.whole_number()
    }
}

impl Field for i64 {
    const EXPECTED: &'static str = "a whole number";

    fn read(given: Given<'_>) -> Option<Self> {
        match given {
            Given::Json(Value::Number(number)) => number.as_i64(),
            given => given.text()?.parse().ok(),
        }
    }
}

impl Field for bool {
    const EXPECTED: &'static str = "true, false, 1 or 0";

    fn read(given: Given<'_>) -> Option<Self> {
        match given {
            Given::Json(Value::Bool(flag)) => Some(*flag),
            Given::Text("true") => Some(true),
            Given::Text("false") => Some(false),
            _ => match given.whole_number()? {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            },
        }
    }
}

/// The `status` of an agent: a switch that is also written in words.
pub(crate) struct BotStatus(pub(crate) bool);

impl Field for BotStatus {
    const EXPECTED: &'static str = "1, 0, true, false, `active` or `inactive`";

    fn read(given: Given<'_>) -> Option<Self> {
        match given.text().as_deref() {
            Some("active") => Some(Self(true)),
            Some("inactive") => Some(Self(false)),
            _ => bool::read(given).map(Self),
        }
    }
}

impl Field for Timestamp {
    const EXPECTED: &'static str = "a moment such as 2026-05-04T08:00:00Z";

    fn read(given: Given<'_>) -> Option<Self> {
        given.text()?.parse().ok()
    }
}

impl Field for Watch {
    const EXPECTED: &'static str = "an object with `tool`, `arguments`, `selector` and `condition`";

    fn read(given: Given<'_>) -> Option<Self> {
        match given {
            Given::Text(_) => None,
            Given::Json(value) => serde_json::from_value(value.clone()).ok(),
        }
    }

    fn complaint(given: Given<'_>) -> String {
        match given {
            Given::Json(value @ Value::Object(_)) => serde_json::from_value::<Self>(value.clone())
                .err()
                .map_or_else(String::new, |error| error.to_string()),
            _ => format!("must be {}, not {}", Self::EXPECTED, given.described()),
        }
    }
}

impl Field for Vec<String> {
    const EXPECTED: &'static str = "a list of texts";

    fn read(given: Given<'_>) -> Option<Self> {
        let Given::Json(value) = given else {
            return None;
        };
        let texts = value.as_array()?.iter();
        texts.map(|text| text.as_str().map(str::to_owned)).collect()
    }
}

/// Any JSON, for what has a shape of its own. Only bodies carry it.
pub(crate) struct Json(pub(crate) Value);

impl Field for Json {
    const EXPECTED: &'static str = "a JSON value in a body";

    fn read(given: Given<'_>) -> Option<Self> {
        match given {
            Given::Text(_) => None,
            Given::Json(value) => Some(Self(value.clone())),
        }
    }
}

/// An id as a client writes it: a text, or the number of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdText(pub(crate) String);

impl Field for IdText {
    const EXPECTED: &'static str = "an id";

    /// Clients write an id that they do not have as the text `null`.
    fn read(given: Given<'_>) -> Option<Self> {
        let text = match given {
            Given::Json(Value::Number(number)) => number.to_string(),
            given => given.text()?,
        };
        let is_id = !matches!(text.trim(), "" | "null" | "undefined");
        is_id.then_some(Self(text))
    }

    fn complaint(given: Given<'_>) -> String {
        match given.text() {
            Some(text) => format!("must be an id, not the text `{text}`"),
            None => format!("must be an id, not {}", given.described()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(value: Value) -> Input {
        Input::Body(value.as_object().unwrap().clone())
    }

    fn query(pairs: &[(&str, &str)]) -> Input {
        Input::Query(
            pairs
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        )
    }

    #[test]
    fn a_switch_is_true_false_1_or_0_and_nothing_else() {
        for (value, want) in [(json!(true), true), (json!(1), true), (json!(0), false)] {
            assert_eq!(body(json!({ "a": value })).required::<bool>("a"), Ok(want));
        }
        for wrong in [json!("true"), json!(2), json!(1.5), json!([]), json!("1")] {
            let error = body(json!({ "a": wrong }))
                .required::<bool>("a")
                .unwrap_err();
            assert_eq!(error.field, "a");
            assert!(error.message.contains("true, false, 1 or 0"), "{error}");
        }
        assert_eq!(query(&[("a", "1")]).required::<bool>("a"), Ok(true));
    }

    #[test]
    fn a_number_in_a_body_is_not_a_text() {
        assert_eq!(body(json!({ "n": 30 })).required::<u32>("n"), Ok(30));
        for wrong in [
            json!("30"),
            json!(-1),
            json!(1.5),
            json!(4_294_967_296_u64),
            json!({}),
        ] {
            let error = body(json!({ "n": wrong }))
                .required::<u32>("n")
                .unwrap_err();
            assert!(error.message.contains("whole number"), "{error}");
        }
        assert_eq!(query(&[("n", "30")]).required::<u32>("n"), Ok(30));
        assert!(query(&[("n", "thirty")]).required::<u32>("n").is_err());
    }

    #[test]
    fn left_out_keeps_and_null_clears() {
        let input = body(json!({ "gone": null, "here": "x" }));
        assert_eq!(input.patch::<String>("left_out"), Ok(Patch::Keep));
        assert_eq!(input.patch::<String>("gone"), Ok(Patch::Clear));
        assert_eq!(input.patch::<String>("here"), Ok(Patch::Set("x".into())));
        let error = input.required::<String>("gone").unwrap_err();
        assert_eq!(error.to_string(), "gone: is required: a text, not null");
        assert_eq!(query(&[("a", "")]).patch::<String>("a"), Ok(Patch::Keep));
    }

    #[test]
    fn an_id_is_a_text_or_a_number_and_never_the_text_null() {
        assert_eq!(
            body(json!({ "id": 17 })).required("id"),
            Ok(IdText("17".into()))
        );
        assert_eq!(
            query(&[("id", "B-1")]).required("id"),
            Ok(IdText("B-1".into()))
        );
        for wrong in [
            json!("null"),
            json!("undefined"),
            json!(""),
            json!(true),
            json!([1]),
        ] {
            assert!(
                body(json!({ "id": wrong }))
                    .required::<IdText>("id")
                    .is_err()
            );
        }
        let error = query(&[("id", "null")])
            .required::<IdText>("id")
            .unwrap_err();
        assert_eq!(error.message, "must be an id, not the text `null`");
    }

    #[test]
    fn a_watch_says_what_is_wrong_in_it() {
        let error = body(json!({ "watch": { "tool": "telepathy" } }))
            .optional::<Watch>("watch")
            .unwrap_err();
        assert!(error.message.contains("telepathy"), "{error}");
        assert!(
            body(json!({ "watch": "disk" }))
                .optional::<Watch>("watch")
                .is_err()
        );
    }
}
