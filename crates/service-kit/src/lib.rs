//! Plumbing that every service shares: configuration, telemetry, lifecycle, HTTP serving, problems,
//! health, `SQLite` and secrets. No word of the domain may appear here; the wire contract is in
//! `control-api`.

pub mod atomic_file;
pub mod bearer;
pub mod client_addr;
pub mod clock;
pub mod env;
pub mod health;
pub mod healthcheck;
pub mod http_client;
pub mod lifecycle;
pub mod log_buffer;
pub mod metrics;
pub mod problem;
pub mod request_id;
pub mod routes;
pub mod secret;
pub mod server;
pub mod sqlite;
pub mod sse;
pub mod telemetry;
pub mod totp;
