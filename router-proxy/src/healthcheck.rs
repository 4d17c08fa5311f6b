//! The `healthcheck` subcommand: for container health checks in images without a shell.

use std::net::SocketAddr;
use std::process::ExitCode;

use service_kit::env::EnvReader;
use service_kit::healthcheck;

/// Asks the running service at `ROUTER_ADMIN_LISTEN` whether it is ready; exit code 0 or 1.
#[must_use]
pub fn run(env: EnvReader) -> ExitCode {
    healthcheck::run(env, "ROUTER_ADMIN_LISTEN", SocketAddr::from(([127, 0, 0, 1], 8089)), "/health/ready")
}
