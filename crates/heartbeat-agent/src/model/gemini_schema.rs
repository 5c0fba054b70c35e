//! JSON Schema of a tool in the part of it that Gemini takes as `parametersJsonSchema`.
//!
//! One word that it does not know refuses the whole request, so what is not on its list is left
//! out: `const` becomes an `enum` of one, `definitions` become `$defs`, and conditions such as
//! `pattern` or `exclusiveMinimum` go. Nothing is lost by it: arguments are checked against the
//! whole schema before a call is made.

use serde_json::{Map, Value, json};

const PLAIN: &[&str] = &[
    "type",
    "format",
    "title",
    "description",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
];
const ONE_SCHEMA: &[&str] = &["items", "additionalProperties"];
const LIST_OF_SCHEMAS: &[&str] = &["prefixItems", "anyOf", "oneOf"];
const NAMED_SCHEMAS: &[&str] = &["properties", "$defs"];

/// The parameters of a function.
pub(super) fn parameters(schema: &Value) -> Value {
    let mut parameters = translate(schema);
    if parameters["type"] != "object" {
        parameters["type"] = "object".into();
    }
    parameters
}

fn translate(schema: &Value) -> Value {
    let Value::Object(schema) = schema else {
        // `true` and `false`, where a schema may stand.
        return json!({});
    };
    let defs = schema.get("$defs").or_else(|| schema.get("definitions"));
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return referring(reference, defs);
    }
    let mut taken = Map::new();
    for (name, value) in schema {
        if let Some(value) = keyword(name, value) {
            taken.insert(name.clone(), value);
        }
    }
    if let Some(defs) = defs {
        taken.insert("$defs".to_owned(), each(defs));
    }
    if let Some(only) = schema.get("const").filter(|only| is_listed(only)) {
        taken.insert("enum".to_owned(), json!([only]));
    }
    complete(&mut taken);
    Value::Object(taken)
}

/// Beside a reference Gemini takes only words that begin with `$`.
fn referring(reference: &str, defs: Option<&Value>) -> Value {
    let reference = reference.replacen("#/definitions/", "#/$defs/", 1);
    let mut taken = json!({ "$ref": reference });
    if let Some(defs) = defs {
        taken["$defs"] = each(defs);
    }
    taken
}

fn keyword(name: &str, value: &Value) -> Option<Value> {
    let list = |value: &Value| Some(value.as_array()?.iter().map(translate).collect());
    match name {
        _ if PLAIN.contains(&name) => Some(value.clone()),
        "additionalProperties" if value.is_boolean() => Some(value.clone()),
        _ if ONE_SCHEMA.contains(&name) => Some(translate(value)),
        _ if LIST_OF_SCHEMAS.contains(&name) => list(value),
        _ if NAMED_SCHEMAS.contains(&name) => Some(each(value)),
        "enum" => value
            .as_array()
            .filter(|values| values.iter().all(is_listed))
            .map(|_| value.clone()),
        "required" => Some(value.clone()),
        _ => None,
    }
}

fn each(named: &Value) -> Value {
    let named = named.as_object().into_iter().flatten();
    named
        .map(|(name, schema)| (name.clone(), translate(schema)))
        .collect::<Map<_, _>>()
        .into()
}

/// Gemini lists texts and numbers.
fn is_listed(value: &Value) -> bool {
    value.is_string() || value.is_number()
}

/// What Gemini insists on: items of every array, and no required property that is not described.
fn complete(schema: &mut Map<String, Value>) {
    let is_list = schema.get("type").is_some_and(|kind| kind == "array");
    if is_list && !schema.contains_key("items") && !schema.contains_key("prefixItems") {
        schema.insert("items".to_owned(), json!({}));
    }
    let described = schema.get("properties").cloned().unwrap_or_default();
    let required = schema.get("required").and_then(Value::as_array);
    let required = required.map(|names| {
        let known = names.iter().filter(|name| {
            let name = name.as_str().unwrap_or_default();
            described.get(name).is_some()
        });
        known.cloned().collect::<Vec<_>>()
    });
    match required {
        Some(names) if !names.is_empty() => {
            schema.insert("required".to_owned(), names.into());
        }
        _ => {
            schema.remove("required");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gemini_knows_passes_unchanged() {
        let schema = json!({
            "type": "object",
            "description": "Where to look.",
            "properties": {
                "path": { "type": "string", "description": "A path." },
                "depth": { "type": ["integer", "null"], "minimum": 0, "maximum": 9 },
                "kinds": { "type": "array", "items": { "enum": ["file", "folder"] } },
                "size": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
            },
            "required": ["path"],
            "additionalProperties": false,
        });
        assert_eq!(parameters(&schema), schema);
    }

    #[test]
    fn what_it_does_not_know_is_translated_or_left_out() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "mode": { "const": "fast", "default": "fast", "examples": ["fast"] },
                "name": { "type": "string", "pattern": "^a", "minLength": 1 },
                "n": { "type": "integer", "exclusiveMinimum": 0, "multipleOf": 2 },
                "on": { "enum": [true, false] },
                "list": { "type": "array", "uniqueItems": true },
                "any": true,
                "node": { "$ref": "#/definitions/Node", "description": "A node." },
            },
            "required": ["mode", "nowhere"],
            "definitions": { "Node": { "type": "object", "required": ["x"] } },
            "if": {}, "then": {}, "allOf": [{}],
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "mode": { "enum": ["fast"] },
                "name": { "type": "string" },
                "n": { "type": "integer" },
                "on": {},
                "list": { "type": "array", "items": {} },
                "any": {},
                "node": { "$ref": "#/$defs/Node" },
            },
            "required": ["mode"],
            "$defs": { "Node": { "type": "object" } },
        });
        assert_eq!(parameters(&schema), expected);
    }

    #[test]
    fn a_tool_without_parameters_takes_an_object() {
        assert_eq!(parameters(&json!({})), json!({ "type": "object" }));
    }
}
