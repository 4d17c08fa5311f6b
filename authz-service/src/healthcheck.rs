//! The `healthcheck` subcommand: for container health checks in images without a shell.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use service_kit::env::EnvReader;
use service_kit::http_client;

/// Asks the running service at `AUTHZ_ADMIN_LISTEN` whether it is ready; exit code 0 or 1.
#[must_use]
pub fn run(mut env: EnvReader) -> ExitCode {
    let address: SocketAddr = env.parse_or("AUTHZ_ADMIN_LISTEN", SocketAddr::from(([127, 0, 0, 1], 19091)));
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    if runtime.block_on(is_ready(address)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn is_ready(address: SocketAddr) -> bool {
    let Ok(client) = http_client::build(http_client::internal().timeout(Duration::from_secs(3))) else {
        return false;
    };
    let answer = client.get(format!("http://{address}/health/ready")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
