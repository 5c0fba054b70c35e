//! Server-sent events: bytes in, the data of whole events out.
//!
//! Line ends may be LF, CR LF or CR, and may fall anywhere between two chunks. The buffer is
//! bounded: a server that never ends a line is answered with an error, not with memory.

use super::ModelError;

const EVENT_BYTES_MAX: usize = 1 << 20;

/// Puts events together from chunks.
#[derive(Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    data: Vec<u8>,
    after_cr: bool,
}

impl Decoder {
    /// Takes the next bytes and returns the data of every event that they complete.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<Vec<String>, ModelError> {
        let mut events = Vec::new();
        for &byte in chunk {
            let completes_crlf =
                std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            match byte {
                b'\n' if completes_crlf => {}
                b'\n' | b'\r' => events.extend(self.end_line()?),
                _ => self.line.push(byte),
            }
        }
        if self.line.len() + self.data.len() > EVENT_BYTES_MAX {
            return Err(ModelError::broken(
                "the answer has an event of more than 1 MB",
            ));
        }
        Ok(events)
    }

    /// What is left at the end of the stream: some servers omit the last empty line.
    pub(super) fn finish(mut self) -> Result<Option<String>, ModelError> {
        let last = self.end_line()?;
        if last.is_some() {
            Ok(last)
        } else {
            self.end_event()
        }
    }

    fn end_line(&mut self) -> Result<Option<String>, ModelError> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.end_event();
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            self.data
                .extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        }
        Ok(None)
    }

    fn end_event(&mut self) -> Result<Option<String>, ModelError> {
        if self.data.is_empty() {
            return Ok(None);
        }
        let data = String::from_utf8(std::mem::take(&mut self.data));
        data.map(Some)
            .map_err(|_| ModelError::broken("the answer is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str, chunk: usize) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for bytes in text.as_bytes().chunks(chunk) {
            events.extend(decoder.feed(bytes).unwrap());
        }
        events.extend(decoder.finish().unwrap());
        events
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut_and_lines_end() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!(
                ": hello{end}event: x{end}data: ä{end}data:b{end}{end}{end}id: 7{end}data: [DONE]"
            );
            for chunk in 1..text.len() {
                assert_eq!(decode(&text, chunk), ["ä\nb", "[DONE]"], "{end:?} {chunk}");
            }
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut decoder = Decoder::default();
        assert!(decoder.feed(&vec![b'x'; EVENT_BYTES_MAX + 1]).is_err());
    }
}
