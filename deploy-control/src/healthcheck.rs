//! The `healthcheck` subcommand: for container health checks in images without a shell. It asks for life, not
//! readiness: while Docker is away this service serves its reads, and restarting it would help nobody.

use std::net::SocketAddr;
use std::process::ExitCode;

use service_kit::env::EnvReader;
use service_kit::healthcheck;

/// Asks the running service at `DEPLOY_ADMIN_LISTEN` whether it lives; exit code 0 or 1.
#[must_use]
pub fn run(env: EnvReader) -> ExitCode {
    healthcheck::run(env, "DEPLOY_ADMIN_LISTEN", SocketAddr::from(([127, 0, 0, 1], 8091)), "/health/live")
}
