//! JSON for people: small values on a line, others indented, all of it cut at a length that a page
//! can bear.

use serde_json::Value;

const LINE: usize = 72;
const MOST: usize = 20_000;

/// A value as text.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => laid_out(other),
    };
    cut(text)
}

/// A text that may be JSON, laid out if it is.
pub(super) fn shown_text(text: &str) -> String {
    let looks_like = text.starts_with(['{', '[']);
    match looks_like.then(|| serde_json::from_str::<Value>(text)) {
        Some(Ok(value)) => cut(laid_out(&value)),
        _ => cut(text.to_owned()),
    }
}

fn laid_out(value: &Value) -> String {
    let line = value.to_string();
    if line.len() <= LINE {
        return line;
    }
    serde_json::to_string_pretty(value).unwrap_or(line)
}

fn cut(text: String) -> String {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…\n[the first {MOST} characters]", &text[..end]),
        None => text,
    }
}
