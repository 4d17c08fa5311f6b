//! One line of the access log as JSON, in the form that the subscriber of `tracing` gives its lines.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Bytes of a usual line.
const USUAL: usize = 640;

thread_local! {
    /// A second since 1970 and its text: most lines are of the same second as the last.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// A line that is being written. Writing to memory does not fail.
pub(super) struct Line(Vec<u8>);

impl Line {
    pub(super) fn begin() -> Self {
        let mut line = Self(Vec::with_capacity(USUAL));
        line.0.extend_from_slice(b"{\"timestamp\":\"");
        line.timestamp();
        line.0.extend_from_slice(b"\",\"level\":\"INFO\",\"message\":\"request\"");
        line
    }

    #[expect(clippy::disallowed_methods, reason = "when a line was written is nothing that a test moves")]
    fn timestamp(&mut self) {
        let now = Timestamp::now();
        SECOND.with_borrow_mut(|(second, text)| {
            if *second != now.as_second() {
                *second = now.as_second();
                *text = now.to_zoned(TimeZone::UTC).datetime().strftime("%Y-%m-%dT%H:%M:%S").to_string();
            }
            self.0.extend_from_slice(text.as_bytes());
        });
        let _ = write!(self.0, ".{:06}Z", now.subsec_microsecond());
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// Text from anywhere.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        // Most text needs no escape.
        if value.bytes().all(|byte| (0x20..0x7f).contains(&byte) && !matches!(byte, b'"' | b'\\')) {
            return self.shown(name, value);
        }
        self.name(name);
        let _ = serde_json::to_writer(&mut self.0, value);
    }

    /// What is shown without anything that JSON would have to escape.
    pub(super) fn shown(&mut self, name: &str, value: impl Display) {
        self.name(name);
        let _ = write!(self.0, "\"{value}\"");
    }

    /// A number.
    pub(super) fn shown_bare(&mut self, name: &str, value: impl Display) {
        self.name(name);
        let _ = write!(self.0, "{value}");
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b",\"target\":\"access\"}\n");
        self.0
    }
}
