//! A parser of server-sent events (WHATWG HTML, section 9.2): bytes in, in any segmentation; whole events
//! out. Events larger than the limit are an error, so that a hostile sender cannot fill the memory.

/// One event: `data` lines joined by line feeds, the `event` name where there was one, and the last `id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The event's name; empty means `message`.
    pub event: String,
    /// The payload.
    pub data: String,
    /// The id to send as `Last-Event-ID` after a break.
    pub id: Option<String>,
}

/// The sender's event is larger than the limit, or is not UTF-8.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the event stream is malformed: {0}")]
pub struct ParseError(&'static str);

/// Holds what has arrived of a line and of an event.
#[derive(Debug)]
pub struct Parser {
    line: Vec<u8>,
    pending: Event,
    has_data: bool,
    after_cr: bool,
    limit: usize,
}

impl Parser {
    /// A parser for events of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { line: Vec::new(), pending: Event::default(), has_data: false, after_cr: false, limit }
    }

    /// Takes the next bytes and answers the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, ParseError> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                // The second half of CRLF.
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    let line = std::str::from_utf8(&line).map_err(|_| ParseError("not UTF-8"))?;
                    events.extend(self.end_line(line));
                }
                _ if self.line.len() + self.pending.data.len() >= self.limit => {
                    return Err(ParseError("an event is too large"));
                }
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let id = self.pending.id.clone();
            let event = std::mem::replace(&mut self.pending, Event { id, ..Event::default() });
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.pending.data.push('\n');
                }
                self.pending.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.pending.event),
            "id" if !value.contains('\0') => self.pending.id = Some(value.to_owned()),
            // Comments, `retry` and unknown fields say nothing to us.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hi\r\nevent: step\ndata: one\ndata: two\nid: 7\n\ndata:three\r\rdata: lost";

    fn expected() -> Vec<Event> {
        vec![
            Event { event: "step".into(), data: "one\ntwo".into(), id: Some("7".into()) },
            Event { event: String::new(), data: "three".into(), id: Some("7".into()) },
        ]
    }

    #[test]
    fn any_segmentation_gives_the_same_events() {
        for size in 1..=STREAM.len() {
            let mut parser = Parser::new(1024);
            let events: Vec<_> = STREAM
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| parser.push(chunk).expect("well formed"))
                .collect();
            assert_eq!(events, expected(), "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_over_the_limit_is_an_error() {
        let mut parser = Parser::new(8);
        assert!(parser.push(b"data: 123456789").is_err());
        let mut parser = Parser::new(12);
        assert!((0..10).any(|_| parser.push(b"data: 12\n").is_err()));
    }
}
