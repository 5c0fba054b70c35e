//! What the processes on one database tell each other, so that nobody waits for the next look.
//!
//! A courtesy: lines may be lost, come late or not be carried at all. Nothing may depend on one that
//! a look at the database would not make up for.

use async_trait::async_trait;
use tokio::sync::mpsc;

/// Longest line in bytes; a longer one is dropped, and the others are told of a gap.
pub const LINE_MAX: usize = 7_800;

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line that another process said.
    Line(String),
    /// Lines may have been lost: whoever goes by them looks for himself.
    Gap,
}

/// A way to tell the other processes on a database something.
#[async_trait]
pub trait Bell: Send + Sync + std::fmt::Debug {
    /// Says a line without a line break to the others, at once or together with what gathers within
    /// a moment; never waits. Where too much gathers the rest is dropped, and the others are told of
    /// a gap.
    fn ring(&self, line: String);

    /// The same, unless that line already waits to be said.
    fn ring_once(&self, line: &'static str);

    /// What others say from now on, until the receiver is dropped. Whoever does not keep up is told
    /// of a gap.
    fn listen(&self) -> mpsc::Receiver<Heard>;

    /// Says what has gathered, for a process that is about to end. Where that cannot be done soon, it
    /// is not done.
    async fn say_the_rest(&self);
}
