//! Logging: one subscriber for the process, JSON in containers and readable text on a terminal.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::log_buffer::LogBuffer;

static BUFFER: OnceLock<LogBuffer> = OnceLock::new();
static ACCESS: OnceLock<LogBuffer> = OnceLock::new();

/// The target of access-log lines.
pub const ACCESS_TARGET: &str = "access";

/// Starts logging to standard error. `RUST_LOG` filters (default `info`), `BEAVER_LOG_FORMAT` is `json` or
/// `pretty` (default: `pretty` on a terminal). A second call in one process changes nothing.
pub fn init() {
    start(BoxMakeWriter::new(std::io::stderr));
}

/// The same with lines gathered for a moment, for a service that logs thousands a second; [`flush`] at the end.
pub fn init_buffered() {
    match LogBuffer::start(Box::new(std::io::stderr())) {
        Ok(buffer) => {
            let buffer = BUFFER.get_or_init(|| buffer);
            let format = start(BoxMakeWriter::new(buffer.clone()));
            if format == Format::Json && tracing::enabled!(target: ACCESS_TARGET, tracing::Level::INFO) {
                let _ = ACCESS.set(buffer.clone());
            }
        }
        // Without a thread each line is written by whoever logs it.
        Err(_) => init(),
    }
}

/// Where a service that formats its access log itself, as JSON, puts its lines; `None` where the log is for people, or
/// has no such lines.
pub fn access_lines() -> Option<&'static LogBuffer> {
    ACCESS.get()
}

/// Writes out what is gathered, if anything is.
pub fn flush() {
    if let Some(buffer) = BUFFER.get() {
        buffer.flush();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Pretty,
}

fn start(writer: BoxMakeWriter) -> Format {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let format = std::env::var("BEAVER_LOG_FORMAT").unwrap_or_default();
    let pretty = format == "pretty" || (format != "json" && std::io::stderr().is_terminal());
    let builder = fmt().with_env_filter(filter).with_writer(writer);
    // A subscriber that is already set (a test's) stays.
    if pretty {
        let _ = builder.with_ansi(std::io::stderr().is_terminal()).try_init();
        Format::Pretty
    } else {
        let _ = builder.json().flatten_event(true).with_current_span(false).try_init();
        Format::Json
    }
}
