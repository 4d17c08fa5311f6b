//! docker-guard: holds Docker's socket for deploy-control; see `deploy_control::guard`.

use std::process::ExitCode;
use std::time::Duration;

use deploy_control::guard::{self, GuardConfig};
use service_kit::env::EnvReader;
use service_kit::lifecycle;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("healthcheck") {
        service_kit::telemetry::init();
        return guard::healthcheck();
    }
    lifecycle::run("docker-guard", Duration::from_secs(10), async |lifecycle| {
        let config = GuardConfig::from_env(EnvReader::from_process())?;
        guard::start(&lifecycle, config).await
    })
}
