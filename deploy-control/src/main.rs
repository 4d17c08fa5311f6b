//! deploy-control's process: configuration, Docker behind docker-guard, listeners; or, as `healthcheck` and
//! `doctor`, a question to the one that runs.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use deploy_control::app::{App, Listeners, production};
use deploy_control::config::Config;
use deploy_control::docker::DockerEngine;
use deploy_control::{doctor, healthcheck};
use service_kit::env::EnvReader;
use service_kit::lifecycle;

/// A step under way (a container being stopped, above all) may take this long to end.
const GRACE: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((name, _)) if name == "healthcheck" => return healthcheck::run(EnvReader::from_process()),
        Some((name, rest)) if name == "doctor" => {
            return doctor::command::run(rest, EnvReader::from_process());
        }
        _ => {}
    }
    lifecycle::run("deploy-control", GRACE, |lifecycle| async move {
        let config = Config::from_env(EnvReader::from_process())?;
        let listeners = Listeners::bind(&config).await?;
        let engine = DockerEngine::new(&config.guard_socket, &config.installation);
        let deps = production(&config, Arc::new(engine))?;
        App::start(config, deps, listeners, &lifecycle).await.map(drop)
    })
}
