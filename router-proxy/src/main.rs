//! router-proxy: the public edge in front of the instances. `router-proxy healthcheck` asks the running
//! process whether it is ready, for container health checks.

use std::process::ExitCode;

use router_proxy::config::Config;
use router_proxy::limits::DRAIN;
use router_proxy::{App, Listeners};
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::lifecycle::StartError;

/// Gives back to the system what many connections needed for a while, which the C library's does not. What it does by
/// itself is set where it is compiled: `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("healthcheck") {
        return router_proxy::healthcheck::run(service_kit::env::EnvReader::from_process());
    }
    service_kit::telemetry::init_buffered();
    service_kit::lifecycle::run("router-proxy", DRAIN, |lifecycle| async move {
        let config = Config::from_env(&mut EnvReader::from_process()).map_err(StartError::Config)?;
        let listeners = Listeners::open(&config).await?;
        App::start(config, Clock::system(), listeners, &lifecycle).await
    })
}
