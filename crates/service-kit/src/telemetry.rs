//! Logging: one subscriber for the process, JSON in containers and readable text on a terminal.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::log_buffer::LogBuffer;

static BUFFER: OnceLock<LogBuffer> = OnceLock::new();

/// Starts logging to standard error. `RUST_LOG` filters (default `info`), `BEAVER_LOG_FORMAT` is `json` or
/// `pretty` (default: `pretty` on a terminal). A second call in one process changes nothing.
pub fn init() {
    start(BoxMakeWriter::new(std::io::stderr));
}

/// The same with lines gathered for a moment, for a service that logs thousands a second; [`flush`] at the end.
pub fn init_buffered() {
    match LogBuffer::start(Box::new(std::io::stderr())) {
        Ok(buffer) => {
            start(BoxMakeWriter::new(BUFFER.get_or_init(|| buffer).clone()));
        }
        // Without a thread each line is written by whoever logs it.
        Err(_) => init(),
    }
}

/// Writes out what is gathered, if anything is.
pub fn flush() {
    if let Some(buffer) = BUFFER.get() {
        buffer.flush();
    }
}

fn start(writer: BoxMakeWriter) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let format = std::env::var("BEAVER_LOG_FORMAT").unwrap_or_default();
    let pretty = format == "pretty" || (format != "json" && std::io::stderr().is_terminal());
    let builder = fmt().with_env_filter(filter).with_writer(writer);
    // A subscriber that is already set (a test's) stays.
    let _ = if pretty {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    };
}
