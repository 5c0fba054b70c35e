//! The history of a world: a hash that two runs of a seed must share, and the lines where wanted.

use jiff::Timestamp;

/// What happened so far.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    hash: u64,
    count: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty history; `keep` keeps its lines.
    pub(crate) fn new(keep: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            count: 0,
            lines: keep.then(Vec::new),
        }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, real: i64, line: &str) {
        for byte in real.to_le_bytes().iter().chain(line.as_bytes()) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.count += 1;
        if let Some(lines) = &mut self.lines {
            let moment = Timestamp::from_millisecond(real).unwrap_or_default();
            lines.push(format!("{moment:.3} {line}"));
        }
    }

    /// The hash of everything so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The lines, where they were kept.
    pub(crate) fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
