//! The process: without arguments the app, with one of its subcommands a short-lived helper.

use std::process::ExitCode;
use std::time::Duration;

use app_instance::{app, cli, config::Config};
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::lifecycle;

/// A stop must not hold up a restart of the container; answers under way are kept as far as they came.
const GRACE: Duration = Duration::from_millis(1500);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.is_empty() {
        return cli::run(&arguments);
    }
    lifecycle::run_current_thread("app-instance", GRACE, async |lifecycle| {
        let config = Config::from_env(EnvReader::from_process())?;
        let listener = service_kit::server::bind(config.listen, "APP_LISTEN").await?;
        app::start(config, Clock::system(), &lifecycle, listener).await
    })
}
