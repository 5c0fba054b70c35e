//! Arguments against the schema of their tool, before anything is sent.
//!
//! Invariant: nothing is fetched for a schema, and no schema can make us wait.

use jsonschema::{PatternOptions, Retrieve, Uri};
use serde_json::Value;

use super::effort::is_bounded;

/// Largest schema that is looked at.
const SCHEMA_BYTES_MAX: usize = 256 * 1024;

/// Most complaints that are told at once.
const COMPLAINTS_MAX: usize = 5;

/// Longest complaint, in characters.
const COMPLAINT_MAX: usize = 300;

/// Checks arguments.
///
/// # Errors
/// They do not meet the schema, or the schema cannot be used; in words for the model.
pub(super) fn check(schema: &Value, arguments: &Value) -> Result<(), String> {
    if !arguments.is_object() {
        return Err("the arguments must be a JSON object".into());
    }
    if schema.to_string().len() > SCHEMA_BYTES_MAX {
        return Err(format!(
            "the tool's schema has more than {SCHEMA_BYTES_MAX} bytes and is not used"
        ));
    }
    if !is_bounded(schema, arguments) {
        let words = "the tool's schema refers to itself so often that checking might not end; it is \
                     not used, so nothing was sent";
        return Err(words.into());
    }
    let validator = jsonschema::options()
        .with_retriever(Nowhere)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| {
            let why = shortened(&error.to_string());
            format!("the tool's schema cannot be used, so nothing was sent: {why}")
        })?;
    let complaints: Vec<String> = validator
        .iter_errors(arguments)
        .take(COMPLAINTS_MAX)
        .map(|error| {
            let at = error.instance_path().to_string();
            let at = if at.is_empty() { "/" } else { &at };
            format!("{at}: {}", shortened(&error.to_string()))
        })
        .collect();
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "the arguments do not meet the tool's schema, so nothing was sent: {}",
            complaints.join("; ")
        )),
    }
}

/// Fetches nothing.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("`$ref` to {uri} leads outside the schema and is not followed").into())
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(COMPLAINT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_that_meet_their_schema_pass() {
        let schema = json!({ "type": "object", "properties": { "a": { "type": "number" } },
            "required": ["a"] });
        assert_eq!(check(&schema, &json!({ "a": 1 })), Ok(()));
    }

    #[test]
    fn a_complaint_names_the_field() {
        let schema = json!({ "type": "object", "properties": { "a": { "type": "number" } } });
        let complaint = check(&schema, &json!({ "a": "one" })).unwrap_err();
        assert!(complaint.contains("/a"), "{complaint}");
    }

    #[test]
    fn arguments_that_are_no_object_are_refused() {
        assert!(check(&json!({}), &json!([1])).is_err());
    }

    #[test]
    fn a_reference_to_the_outside_is_refused_in_words() {
        for target in [
            "http://127.0.0.1:9/schema.json",
            "https://example.org/schema.json",
            "file:///etc/passwd",
        ] {
            let schema = json!({ "properties": { "a": { "$ref": target } } });
            let complaint = check(&schema, &json!({ "a": 1 })).unwrap_err();
            assert!(complaint.contains("not followed"), "{complaint}");
        }
    }

    #[test]
    fn a_schema_that_turns_in_circles_ends() {
        let schema = json!({ "$ref": "#" });
        assert_eq!(check(&schema, &json!({})), Ok(()));
        let both = json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } },
            "$ref": "#/$defs/a" });
        assert_eq!(check(&both, &json!({})), Ok(()));
    }

    #[test]
    fn a_schema_that_doubles_at_every_level_is_refused() {
        let mut defs = serde_json::Map::new();
        defs.insert("a0".into(), json!({ "required": ["never"] }));
        for level in 1..=24 {
            let below = json!({ "$ref": format!("#/$defs/a{}", level - 1) });
            defs.insert(format!("a{level}"), json!({ "anyOf": [below, below] }));
        }
        let schema = json!({ "$defs": defs, "$ref": "#/$defs/a24" });
        let complaint = check(&schema, &json!({})).unwrap_err();
        assert!(complaint.contains("might not end"), "{complaint}");
    }

    #[test]
    fn a_pattern_that_would_take_for_ever_does_not() {
        let schema = json!({ "properties": { "a": { "pattern": "^(a+)+$" } } });
        let long = "a".repeat(50) + "!";
        assert!(check(&schema, &json!({ "a": long })).is_err());
    }
}
