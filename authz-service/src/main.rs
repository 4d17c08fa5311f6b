//! Starts authz-service, or asks a running one how it is (`healthcheck`, for container health checks).

use std::process::ExitCode;
use std::time::Duration;

use authz_service::{App, Config, Listeners, healthcheck};
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::lifecycle;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("healthcheck") {
        return healthcheck::run(EnvReader::from_process());
    }
    lifecycle::run("authz-service", Duration::from_secs(20), |lifecycle| async move {
        let config = Config::from_env(EnvReader::from_process())?;
        let listeners = Listeners::bind(&config).await?;
        App::start(config, Clock::system(), listeners, &lifecycle).await
    })
}
