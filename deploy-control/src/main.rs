//! deploy-control's process: configuration, Docker behind docker-guard, listeners; or, as `healthcheck`, a
//! question to the one that runs.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use deploy_control::app::{App, Listeners, production};
use deploy_control::config::Config;
use deploy_control::docker::DockerEngine;
use deploy_control::healthcheck;
use service_kit::env::EnvReader;
use service_kit::lifecycle;

/// A step under way (a container being stopped, above all) may take this long to end.
const GRACE: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("healthcheck") {
        return healthcheck::run(EnvReader::from_process());
    }
    lifecycle::run("deploy-control", GRACE, |lifecycle| async move {
        let config = Config::from_env(EnvReader::from_process())?;
        let listeners = Listeners::bind(&config).await?;
        let engine = DockerEngine::new(&config.guard_socket, &config.installation);
        let deps = production(&config, Arc::new(engine))?;
        App::start(config, deps, listeners, &lifecycle).await.map(drop)
    })
}
