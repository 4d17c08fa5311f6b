//! The `healthcheck` subcommand: for container health checks in images without a shell. It asks for life, not
//! readiness: while Docker is away this service serves its reads, and restarting it would help nobody.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use service_kit::env::EnvReader;
use service_kit::http_client;

/// Asks the running service at `DEPLOY_ADMIN_LISTEN` whether it lives; exit code 0 or 1.
#[must_use]
pub fn run(mut env: EnvReader) -> ExitCode {
    let address: SocketAddr = env.parse_or("DEPLOY_ADMIN_LISTEN", SocketAddr::from(([127, 0, 0, 1], 8091)));
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
