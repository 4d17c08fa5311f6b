//! The `healthcheck` subcommand: for container health checks in images without a shell. It asks for life, not
//! readiness: without its neighbours the portal still shows pages that say so.

use std::process::ExitCode;

use service_kit::env::EnvReader;
use service_kit::healthcheck;

/// Asks the running service at `PORTAL_ADMIN_LISTEN` whether it lives; exit code 0 or 1.
#[must_use]
pub fn run(env: EnvReader) -> ExitCode {
    healthcheck::run(env, "PORTAL_ADMIN_LISTEN", crate::config::DEFAULT_ADMIN_LISTEN, "/health/live")
}
