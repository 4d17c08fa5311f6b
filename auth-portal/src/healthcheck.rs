//! The `healthcheck` subcommand: for container health checks in images without a shell. It asks for life, not
//! readiness: without its neighbours the portal still shows pages that say so.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use service_kit::env::EnvReader;
use service_kit::http_client;

use crate::config::DEFAULT_ADMIN_LISTEN;

/// Asks the running portal at `PORTAL_ADMIN_LISTEN` whether it lives; exit code 0 or 1.
#[must_use]
pub fn run(mut env: EnvReader) -> ExitCode {
    let address = env.parse_or("PORTAL_ADMIN_LISTEN", DEFAULT_ADMIN_LISTEN);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    if runtime.block_on(is_live(address)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn is_live(address: SocketAddr) -> bool {
    let Ok(client) = http_client::build(http_client::internal().timeout(Duration::from_secs(3))) else {
        return false;
    };
    let answer = client.get(format!("http://{address}/health/live")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
