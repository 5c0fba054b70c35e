//! How far one session may go; each limit has a code of its own when it is hit.

use jiff::SignedDuration;

/// Limits of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Model turns.
    pub turns: u32,
    /// Tool calls over all turns.
    pub tool_calls: u32,
    /// From start (or resume) to end.
    pub wall: SignedDuration,
    /// Output tokens of a turn; always sent.
    pub output_tokens: u32,
    /// Bytes of a tool result that the model gets to see.
    pub tool_result_bytes: usize,
    /// Until the first byte of an answer.
    pub first_byte: SignedDuration,
    /// Attempts at one turn.
    pub attempts: u32,
    /// From the first attempt to the start of the last.
    pub retry_total: SignedDuration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            turns: 20,
            tool_calls: 50,
            wall: SignedDuration::from_mins(10),
            output_tokens: 4096,
            tool_result_bytes: 64 * 1024,
            first_byte: SignedDuration::from_secs(30),
            attempts: 4,
            retry_total: SignedDuration::from_secs(60),
        }
    }
}
