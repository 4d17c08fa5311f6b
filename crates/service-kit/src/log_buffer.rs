//! Log lines that are gathered for a moment and written together, so that a service with thousands of requests a
//! second does not pay a system call for each.
//!
//! A warning or an error goes out at once, with everything before it. What was gathered is lost where the process is
//! killed, and nowhere else: at most [`GATHER`] of it.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The longest that a line waits.
const GATHER: Duration = Duration::from_millis(50);
/// With so many bytes whoever logs writes them out: a reader that is slow must slow down the writer, not fill memory.
const FULL: usize = 64 * 1024;

/// Gathers lines. Clones share them.
#[derive(Clone)]
pub struct LogBuffer {
    shared: Arc<Shared>,
}

struct Shared {
    lines: Mutex<Vec<u8>>,
    first: Condvar,
    /// Held while writing, so that lines stay in order.
    out: Mutex<Out>,
}

struct Out {
    sink: Box<dyn Write + Send>,
    /// Written last; its room is used again.
    spare: Vec<u8>,
}

impl LogBuffer {
    /// Starts the thread that writes to `out`.
    pub fn start(out: Box<dyn Write + Send>) -> io::Result<Self> {
        let shared = Shared {
            lines: Mutex::default(),
            first: Condvar::new(),
            out: Mutex::new(Out { sink: out, spare: Vec::new() }),
        };
        let this = Self { shared: Arc::new(shared) };
        let writer = this.clone();
        // It ends with the process, which flushes last.
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                drop(writer.shared.first.wait_while(writer.lines(), |lines| lines.is_empty()));
                std::thread::sleep(GATHER);
                writer.flush();
            }
        })?;
        Ok(this)
    }

    /// Writes out what was gathered. There is nowhere to complain of a failure to.
    pub fn flush(&self) {
        let mut out = self.shared.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Out { sink, spare } = &mut *out;
        spare.clear();
        std::mem::swap(spare, &mut *self.lines());
        let _ = sink.write_all(spare).and_then(|()| sink.flush());
    }

    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line that was formatted elsewhere, with its end.
    pub fn line(&self, line: &[u8]) {
        self.add(line, false);
    }

    fn add(&self, line: &[u8], is_urgent: bool) {
        let mut lines = self.lines();
        if lines.is_empty() {
            self.shared.first.notify_one();
        }
        lines.extend_from_slice(line);
        let is_full = lines.len() >= FULL;
        drop(lines);
        if is_urgent || is_full {
            self.flush();
        }
    }
}

/// Takes the lines of one event.
pub struct Line<'a> {
    buffer: &'a LogBuffer,
    is_urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.add(bytes, self.is_urgent);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogBuffer {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { buffer: self, is_urgent: true }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        Line { buffer: self, is_urgent: *meta.level() <= Level::WARN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn writes(&self) -> Vec<String> {
            let writes = self.0.lock().expect("not poisoned");
            writes.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
        }

        fn wait(&self, text: &str) {
            let limit = std::time::Instant::now() + Duration::from_secs(10);
            while self.writes().concat() != text {
                assert!(std::time::Instant::now() < limit, "{:?}", self.writes());
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn lines_go_out_together_in_order_and_by_themselves() {
        let sink = Sink::default();
        let buffer = LogBuffer::start(Box::new(sink.clone())).expect("a thread");
        for line in ["one\n", "two\n", "three\n"] {
            buffer.add(line.as_bytes(), false);
        }
        sink.wait("one\ntwo\nthree\n");
        buffer.add(b"four\n", false);
        sink.wait("one\ntwo\nthree\nfour\n");
    }

    #[test]
    fn what_is_urgent_or_too_much_takes_along_what_was_before() {
        let sink = Sink::default();
        let buffer = LogBuffer::start(Box::new(sink.clone())).expect("a thread");
        buffer.add(b"one\n", false);
        buffer.add(b"two\n", true);
        assert_eq!(sink.writes().concat(), "one\ntwo\n");
        buffer.add(&vec![b'x'; FULL], false);
        assert_eq!(sink.writes().concat().len(), FULL + 8);
    }

    #[test]
    fn the_level_decides_what_is_urgent() {
        let sink = Sink::default();
        let buffer = LogBuffer::start(Box::new(sink.clone())).expect("a thread");
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(buffer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("first");
            tracing::error!("then");
            let written = sink.writes().concat();
            assert!(written.contains("first") && written.contains("then"), "{written}");
            tracing::info!("last");
        });
        buffer.flush();
        assert!(sink.writes().concat().contains("last"));
    }
}
