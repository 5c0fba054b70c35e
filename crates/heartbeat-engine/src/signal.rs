//! What nodes tell each other, as lines.
//!
//! A line is a word and what belongs to it, apart by spaces. One with an unknown word, of a newer
//! version, says nothing.

use heartbeat_domain::execution::Status;
use heartbeat_domain::ids::ProjectId;

use crate::events::{Event, EventKind};

/// Something became claimable.
pub(crate) const DUE: &str = "due";

/// Something that is carried out is to stop.
pub(crate) const STOP: &str = "stop";

/// Characters of a streamed text in one line; escaped, they take at most six bytes each.
const TEXT_MAX: usize = 1_000;

/// What a node tells the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Something became claimable.
    Due,
    /// Something that is carried out is to stop.
    Stop,
    /// Somebody here looks at this project.
    Watching(ProjectId),
    /// From now on this node tells what happens in this project; before, it did not.
    Telling(ProjectId),
    /// Something happened.
    Happened(Event),
}

impl Signal {
    /// The lines that say it: one, or more where a text is long.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Due => vec![DUE.to_owned()],
            Self::Stop => vec![STOP.to_owned()],
            Self::Watching(project) => vec![format!("watching {project}")],
            Self::Telling(project) => vec![format!("telling {project}")],
            Self::Happened(event) => happened(event),
        }
    }

    /// What a line says, if it is known here.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            DUE => Some(Self::Due),
            STOP => Some(Self::Stop),
            "watching" => rest.parse().ok().map(Self::Watching),
            "telling" => rest.parse().ok().map(Self::Telling),
            _ => read_event(word, rest).map(Self::Happened),
        }
    }
}

fn happened(event: &Event) -> Vec<String> {
    let name = event.kind.name();
    let heartbeat = event.heartbeat_id.map(|id| id.to_string());
    let execution = event.execution_id.map(|id| id.to_string());
    let opening = format!(
        "{name} {} {} {}",
        event.project_id,
        heartbeat.as_deref().unwrap_or("-"),
        execution.as_deref().unwrap_or("-")
    );
    match &event.kind {
        EventKind::Started | EventKind::Notice => vec![opening],
        EventKind::Step { seq } => vec![format!("{opening} {seq}")],
        EventKind::Ended { status } => vec![format!("{opening} {status}")],
        EventKind::Delta { seq, text } => {
            let characters: Vec<char> = text.chars().collect();
            let pieces = characters.chunks(TEXT_MAX);
            let quoted = pieces.map(|piece| {
                let text: String = piece.iter().collect();
                format!("{opening} {seq} {}", serde_json::Value::from(text))
            });
            quoted.collect()
        }
    }
}

fn read_event(word: &str, rest: &str) -> Option<Event> {
    let mut parts = rest.splitn(4, ' ');
    let project_id = parts.next()?.parse().ok()?;
    let heartbeat_id = absent_or(parts.next()?)?;
    let execution_id = absent_or(parts.next()?)?;
    let rest = parts.next().unwrap_or("");
    let kind = match word {
        "started" => EventKind::Started,
        "notice" => EventKind::Notice,
        "step" => EventKind::Step {
            seq: rest.parse().ok()?,
        },
        "ended" => EventKind::Ended {
            status: Status::find(rest)?.as_str(),
        },
        "delta" => {
            let (seq, text) = rest.split_once(' ')?;
            EventKind::Delta {
                seq: seq.parse().ok()?,
                text: serde_json::from_str(text).ok()?,
            }
        }
        _ => return None,
    };
    Some(Event {
        project_id,
        heartbeat_id,
        execution_id,
        kind,
    })
}

/// An id or a dash for none; nothing for anything else.
fn absent_or<T: std::str::FromStr>(text: &str) -> Option<Option<T>> {
    match text {
        "-" => Some(None),
        text => text.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use heartbeat_domain::ids::{ExecutionId, HeartbeatId, IdSource};
    use heartbeat_store::bell::LINE_MAX;
    use jiff::Timestamp;

    use super::*;

    fn event(kind: EventKind) -> Event {
        let ids = IdSource::from_seed(1);
        let now = Timestamp::UNIX_EPOCH;
        Event {
            project_id: ProjectId::new(&ids, now),
            heartbeat_id: Some(HeartbeatId::new(&ids, now)),
            execution_id: Some(ExecutionId::new(&ids, now)),
            kind,
        }
    }

    #[test]
    fn what_is_said_is_what_is_read() {
        let text = "a \"quoted\"\nline, ünïcode and  spaces ".to_owned();
        let project = event(EventKind::Notice).project_id;
        let mut signals = vec![
            Signal::Due,
            Signal::Stop,
            Signal::Watching(project),
            Signal::Telling(project),
        ];
        for kind in [
            EventKind::Started,
            EventKind::Notice,
            EventKind::Step { seq: 7 },
            EventKind::Ended { status: "success" },
            EventKind::Ended {
                status: "cancelled",
            },
            EventKind::Delta { seq: 3, text },
        ] {
            signals.push(Signal::Happened(event(kind)));
        }
        signals.push(Signal::Happened(Event {
            heartbeat_id: None,
            execution_id: None,
            ..event(EventKind::Started)
        }));
        for signal in signals {
            let lines = signal.lines();
            assert_eq!(lines.len(), 1);
            assert!(!lines[0].contains('\n'), "{lines:?}");
            assert_eq!(Signal::read(&lines[0]), Some(signal));
        }
    }

    #[test]
    fn a_long_text_is_said_in_pieces_that_fit_a_line() {
        let long = "\u{1}😀".repeat(3_000);
        let lines = Signal::Happened(event(EventKind::Delta {
            seq: 1,
            text: long.clone(),
        }))
        .lines();
        let mut read = String::new();
        for line in &lines {
            assert!(line.len() <= LINE_MAX, "{}", line.len());
            match Signal::read(line) {
                Some(Signal::Happened(Event {
                    kind: EventKind::Delta { seq: 1, text },
                    ..
                })) => read.push_str(&text),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(read, long);
    }

    #[test]
    fn a_line_of_another_version_says_nothing() {
        for line in [
            "",
            "parked 1 2 3",
            "step x y z 1",
            "watching nobody",
            "ended - - - bored",
        ] {
            assert_eq!(Signal::read(line), None, "{line}");
        }
    }
}
