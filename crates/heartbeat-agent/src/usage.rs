//! Counting tokens where a provider reports none.
//!
//! The shown estimate is one token per four bytes; the bound that budgets reserve is another
//! figure (`heartbeat_domain::budget::input_bound`).

use heartbeat_domain::conversation::{Message, TurnRequest, Usage};

const BYTES_PER_TOKEN: u64 = 4;

/// Tokens of a text of so many bytes, rounded up.
#[must_use]
pub fn tokens_in(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

/// An estimate for a request and the bytes that came back, marked as one.
#[must_use]
pub fn estimate(request: &TurnRequest, answer_bytes: usize) -> Usage {
    Usage {
        input_tokens: tokens_in(request_bytes(request)),
        cached_input_tokens: 0,
        output_tokens: tokens_in(answer_bytes),
        estimated: true,
    }
}

fn request_bytes(request: &TurnRequest) -> usize {
    let messages: usize = request.messages.iter().map(message_bytes).sum();
    let tools = request.tools.iter();
    let tools: usize = tools
        .map(|tool| tool.name.len() + tool.description.len() + tool.schema.to_string().len())
        .sum();
    messages + tools
}

fn message_bytes(message: &Message) -> usize {
    match message {
        Message::System { text } | Message::User { text } => text.len(),
        Message::ToolResult { text, name, .. } => text.len() + name.len(),
        Message::Assistant {
            echo: Some(echo), ..
        } => echo.to_string().len(),
        Message::Assistant { text, calls, .. } => {
            let calls = calls.iter();
            let calls: usize = calls
                .map(|call| call.name.len() + call.arguments.to_string().len())
                .sum();
            text.len() + calls
        }
    }
}
