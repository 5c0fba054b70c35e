//! How much work a schema could make, told from its form before it is used.
//!
//! A schema of a few hundred bytes can double the work at every level (`anyOf` of two references to
//! the level below), and a tool server writes its own schemas. Validators follow references as often
//! as they meet them, so the bound has to come before.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// Most places of a schema, every reference written out.
const PLACES_MAX: f64 = 1e6;

/// Most ways through a schema that refers to itself.
const WAYS_MAX: f64 = 1e9;

/// Whether checking these arguments against the schema ends in a reasonable time, whatever they are.
pub(super) fn is_bounded(schema: &Value, arguments: &Value) -> bool {
    let mut reading = Reading {
        root: schema,
        sizes: HashMap::new(),
        open: HashSet::new(),
        turns: false,
        references: 0,
    };
    let places = reading.size(schema);
    let levels = depth(arguments) + reading.sizes.len();
    let ways = f64::from(reading.references).powf(levels as f64);
    places <= PLACES_MAX && (!reading.turns || ways <= WAYS_MAX)
}

struct Reading<'a> {
    root: &'a Value,
    /// Sizes of what was referred to, every reference in it written out.
    sizes: HashMap<&'a str, f64>,
    /// References that are being written out.
    open: HashSet<&'a str>,
    /// Whether a reference leads back to where it came from, or to where only a validator knows.
    turns: bool,
    references: u32,
}

impl<'a> Reading<'a> {
    fn size(&mut self, place: &'a Value) -> f64 {
        match place {
            Value::Array(items) => 1.0 + items.iter().map(|item| self.size(item)).sum::<f64>(),
            Value::Object(fields) => {
                let mut size = 1.0;
                for (name, value) in fields {
                    size += match (name.as_str(), value) {
                        // What is only kept there counts where it is referred to.
                        ("$defs" | "definitions", _) => 0.0,
                        ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(to)) => {
                            self.written_out(to)
                        }
                        _ => self.size(value),
                    };
                }
                size
            }
            _ => 1.0,
        }
    }

    fn written_out(&mut self, to: &'a str) -> f64 {
        self.references += 1;
        if let Some(size) = self.sizes.get(to) {
            return *size;
        }
        let target = to.strip_prefix('#').and_then(|at| self.root.pointer(at));
        let Some(target) = target.filter(|_| self.open.insert(to)) else {
            self.turns = true;
            return 1.0;
        };
        let size = self.size(target);
        self.open.remove(to);
        self.sizes.insert(to, size);
        size
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_as_people_write_them_are_bounded() {
        let filter = json!({ "$defs": { "filter": { "anyOf": [
            { "properties": { "and": { "type": "array", "items": { "$ref": "#/$defs/filter" } } } },
            { "properties": { "or": { "type": "array", "items": { "$ref": "#/$defs/filter" } } } },
            { "properties": { "not": { "$ref": "#/$defs/filter" } } },
            { "properties": { "field": { "type": "string" } } },
        ] } }, "properties": { "where": { "$ref": "#/$defs/filter" } } });
        let asked = json!({ "where": { "and": [{ "or": [{ "not": { "field": "a" } }] }] } });
        assert!(is_bounded(&filter, &asked));
        assert!(is_bounded(&json!({ "$ref": "#" }), &json!({})));
        assert!(is_bounded(
            &json!({ "type": "object" }),
            &json!({ "a": [[[[1]]]] })
        ));
    }

    #[test]
    fn a_schema_that_doubles_at_every_level_is_not() {
        let mut defs = serde_json::Map::new();
        defs.insert("a0".into(), json!({ "required": ["never"] }));
        for level in 1..=40 {
            let below = json!({ "$ref": format!("#/$defs/a{}", level - 1) });
            defs.insert(format!("a{level}"), json!({ "anyOf": [below, below] }));
        }
        let schema = json!({ "$defs": defs, "$ref": "#/$defs/a40" });
        assert!(!is_bounded(&schema, &json!({})));
    }

    #[test]
    fn a_schema_that_refers_to_itself_twice_is_not_for_arguments_that_go_deep() {
        let twice = json!({ "anyOf": [
            { "items": { "$ref": "#" }, "required": ["never"] },
            { "items": { "$ref": "#" }, "required": ["never"] },
        ] });
        let deep = (0..60).fold(json!(1), |inner, _| json!([inner]));
        assert!(!is_bounded(&twice, &json!({ "a": deep })));
        assert!(is_bounded(&twice, &json!({ "a": [[1]] })));
    }
}
