//! A tool's result as text for the model: bounded, and nothing but text inside.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;

use crate::hands::CallEnd;

/// Most bytes of text of one result.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// The answer to a call.
pub(super) fn answered(result: &CallToolResult) -> CallEnd {
    let mut parts: Vec<String> = result.content.iter().map(shown).collect();
    if let Some(structured) = &result.structured_content
        && !says_the_same(result, structured)
    {
        parts.push(structured.to_string());
    }
    CallEnd::Answered {
        text: bounded(parts.join("\n")),
        is_error: result.is_error == Some(true),
    }
}

/// One block: text as it is, everything else by its name.
fn shown(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => binary("image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => binary("audio", &audio.mime_type, &audio.data),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => {
                format!("[resource {uri}]\n{text}")
            }
            ResourceContents::BlobResourceContents {
                uri,
                mime_type,
                blob,
                ..
            } => binary(
                &format!("resource {uri}"),
                mime_type.as_deref().unwrap_or("of unknown type"),
                blob,
            ),
            _ => "[resource of a kind that is not shown]".into(),
        },
        ContentBlock::ResourceLink(link) => {
            format!("[link to resource {} ({})]", link.uri, link.name)
        }
        _ => "[content of a kind that is not shown]".into(),
    }
}

/// Names what is not shown; `data` is base64.
fn binary(what: &str, mime_type: &str, data: &str) -> String {
    format!(
        "[{what}, {mime_type}, {} bytes, not shown]",
        data.len() / 4 * 3
    )
}

/// Servers send a structured result as text too, for clients that know no structure.
fn says_the_same(result: &CallToolResult, structured: &Value) -> bool {
    result.content.iter().any(|block| match block {
        ContentBlock::Text(text) => {
            serde_json::from_str::<Value>(&text.text).is_ok_and(|value| value == *structured)
        }
        _ => false,
    })
}

fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX)
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or_default();
        text.truncate(end);
        text.push_str("\n[cut: the result is longer than 1 MB]");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(result: Value) -> (String, bool) {
        match answered(&serde_json::from_value(result).unwrap()) {
            CallEnd::Answered { text, is_error } => (text, is_error),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_is_shown_and_everything_else_is_named() {
        let (text, is_error) = answer(json!({ "content": [
            { "type": "text", "text": "Two files." },
            { "type": "image", "data": "AAAA".repeat(100), "mimeType": "image/png" },
            { "type": "resource", "resource": { "uri": "file:///a.txt", "text": "inside" } },
            { "type": "resource", "resource": { "uri": "file:///b.bin", "blob": "AAAA" } },
            { "type": "resource_link", "uri": "file:///c", "name": "c" },
        ] }));
        assert!(!is_error);
        assert!(text.starts_with("Two files.\n[image, image/png, 300 bytes, not shown]"));
        assert!(text.contains("[resource file:///a.txt]\ninside"), "{text}");
        assert!(text.contains("[resource file:///b.bin, of unknown type, 3 bytes, not shown]"));
        assert!(text.contains("[link to resource file:///c (c)]"), "{text}");
        assert!(!text.contains("AAAA"), "{text}");
    }

    #[test]
    fn a_structured_result_is_shown_once() {
        let both = answer(
            json!({ "content": [{ "type": "text", "text": "{\"n\": 1}" }],
            "structuredContent": { "n": 1 } }),
        );
        assert_eq!(both.0, "{\"n\": 1}");
        let alone = answer(json!({ "content": [], "structuredContent": { "n": 1 } }));
        assert_eq!(alone.0, "{\"n\":1}");
    }

    #[test]
    fn a_tool_that_failed_is_an_error() {
        assert!(answer(json!({ "content": [], "isError": true })).1);
    }

    #[test]
    fn a_long_result_is_cut_between_characters_and_says_so() {
        let (text, _) = answer(json!({ "content": [
            { "type": "text", "text": "é".repeat(TEXT_BYTES_MAX) }] }));
        assert!(text.len() < TEXT_BYTES_MAX + 100);
        assert!(text.ends_with("[cut: the result is longer than 1 MB]"));
    }
}
