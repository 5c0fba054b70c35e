//! The last beats of a heartbeat as a strip of bars: high is a run, low is a skip.

use askama::Template;
use askama::filters::HtmlSafe;
use heartbeat_domain::execution::Execution;

use super::Mark;
use crate::words::plural;

/// How many beats a strip shows.
pub(crate) const SHOWN: usize = 24;
const STEP: usize = 5;

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    /// From the left.
    pub(crate) x: usize,
    /// Its status.
    pub(crate) word: &'static str,
}

/// The strip.
#[derive(Clone, Debug, Template)]
#[template(path = "parts/beats.html")]
pub(crate) struct Beats {
    bars: Vec<Beat>,
    width: usize,
    label: String,
}

/// The words are ours and the label is made of them and of numbers.
impl HtmlSafe for Beats {}

impl Beats {
    /// From executions, newest first.
    pub(crate) fn of(newest_first: &[Execution]) -> Self {
        let shown = &newest_first[..newest_first.len().min(SHOWN)];
        let bars = shown.iter().enumerate().map(|(age, execution)| Beat {
            x: (SHOWN - 1 - age) * STEP,
            word: Mark::of(execution).word,
        });
        let bars: Vec<Beat> = bars.collect();
        Self {
            label: label(&bars),
            bars,
            width: SHOWN * STEP - 2,
        }
    }
}

fn label(bars: &[Beat]) -> String {
    let tally = |word: &str| bars.iter().filter(|bar| bar.word == word).count();
    let words = ["success", "error", "skipped", "cancelled", "running"];
    let parts: Vec<String> = words
        .into_iter()
        .filter(|word| tally(word) > 0)
        .map(|word| format!("{} {word}", tally(word)))
        .collect();
    let beats = plural(u64::try_from(bars.len()).unwrap_or(0), "beat");
    match parts.as_slice() {
        [] => "no beat yet".to_owned(),
        parts => format!("last {beats}: {}", parts.join(", ")),
    }
}
