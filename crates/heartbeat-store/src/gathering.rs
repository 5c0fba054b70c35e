//! Lines that wait to be said to other processes: in bounded room, and in as few payloads as hold
//! them.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::bell::LINE_MAX;

/// PostgreSQL takes less than 8,000 bytes at once.
const PAYLOAD_MAX: usize = 7_900;

/// What may gather; more than any look-on needs.
const GATHERED_MAX: usize = 256 * 1024;

/// The line that tells of a gap.
pub(crate) const GAP: &str = "!";

/// What processes of this version begin with, before their name.
pub(crate) const OPENING: &str = "1 ";

/// What waits to be said.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    lines: Mutex<Lines>,
    /// Told when there is something.
    pub(crate) some: Notify,
    /// Held while something is being said: whoever wants to end waits for that.
    pub(crate) speaking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Lines {
    all: Vec<String>,
    /// Their bytes, line breaks included.
    bytes: usize,
    /// Those of which one is enough.
    once: HashSet<&'static str>,
    /// Whether something was dropped.
    gap: bool,
    /// Whether something is to be said though there is nothing to say.
    echo: bool,
}

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, line: String) {
        let mut lines = self.lock();
        let bytes = lines.bytes + line.len() + 1;
        if line.len() > LINE_MAX || bytes > GATHERED_MAX {
            lines.gap = true;
        } else {
            lines.bytes = bytes;
            lines.all.push(line);
        }
        drop(lines);
        self.some.notify_one();
    }

    pub(crate) fn add_once(&self, line: &'static str) {
        if self.lock().once.insert(line) {
            self.some.notify_one();
        }
    }

    /// Has the process say something that it hears itself.
    pub(crate) fn ask_for_echo(&self) {
        self.lock().echo = true;
        self.some.notify_one();
    }

    pub(crate) fn note_gap(&self) {
        self.lock().gap = true;
    }

    /// What is to be said now, in as few payloads as hold it. Lines of which one is enough come
    /// first: they are short, and others wait for them.
    pub(crate) fn take(&self, name: &str) -> Vec<String> {
        let lines = std::mem::take(&mut *self.lock());
        let gap = lines.gap.then_some(GAP);
        let first = lines.once.into_iter().chain(gap);
        let each = first.chain(lines.all.iter().map(String::as_str));
        let opening = format!("{OPENING}{name}");
        let mut payloads: Vec<String> = Vec::new();
        for line in each {
            match payloads.last_mut() {
                Some(last) if last.len() + 1 + line.len() <= PAYLOAD_MAX => {
                    last.push('\n');
                    last.push_str(line);
                }
                _ => payloads.push(format!("{opening}\n{line}")),
            }
        }
        if payloads.is_empty() && lines.echo {
            payloads.push(opening);
        }
        payloads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gathers_is_said_in_payloads_that_the_server_takes_and_in_order() {
        let gathered = Gathered::default();
        let lines: Vec<String> = (0..300)
            .map(|n| format!("{n} {}", "x".repeat(90)))
            .collect();
        for line in &lines {
            gathered.add(line.clone());
        }
        gathered.add_once("due");
        gathered.add_once("due");
        let payloads = gathered.take("me");
        assert!(payloads.len() > 1);
        let mut said = Vec::new();
        for payload in &payloads {
            assert!(payload.len() <= PAYLOAD_MAX);
            let rest = payload.strip_prefix("1 me\n").expect("it says who speaks");
            said.extend(rest.split('\n').map(str::to_owned));
        }
        assert_eq!(said.remove(0), "due");
        assert_eq!(said, lines);
        assert!(gathered.take("me").is_empty(), "all of it has been said");
        gathered.ask_for_echo();
        assert_eq!(gathered.take("me"), ["1 me"]);
    }

    #[test]
    fn a_flood_takes_no_more_room_than_there_is_and_leaves_a_gap() {
        let gathered = Gathered::default();
        for _ in 0..10_000 {
            gathered.add("x".repeat(1_000));
        }
        gathered.add_once("due");
        let payloads = gathered.take("me");
        let bytes: usize = payloads.iter().map(String::len).sum();
        assert!(bytes < GATHERED_MAX + 40 * payloads.len(), "{bytes}");
        assert!(
            payloads[0].starts_with("1 me\ndue\n!\n"),
            "what matters comes first"
        );
        gathered.add("x".repeat(LINE_MAX + 1));
        assert_eq!(gathered.take("me"), ["1 me\n!"]);
    }
}
