//! Logging: one subscriber for the process, JSON in containers and readable text on a terminal.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging to standard error. `RUST_LOG` filters (default `info`), `BEAVER_LOG_FORMAT` is `json` or
/// `pretty` (default: `pretty` on a terminal). A second call in one process changes nothing.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let format = std::env::var("BEAVER_LOG_FORMAT").unwrap_or_default();
    let pretty = format == "pretty" || (format != "json" && std::io::stderr().is_terminal());
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A subscriber that is already set (a test's) stays.
    let _ = if pretty {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    };
}
