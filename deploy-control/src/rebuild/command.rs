//! The rebuild as a subcommand: `doctor --rebuild`, run while the service does not.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to whoever runs it")]

use std::process::ExitCode;

use service_kit::clock::Clock;
use service_kit::env::{EXIT_CONFIG, EnvReader};

use crate::config::Config;
use crate::docker::DockerEngine;

/// Rebuilds and tells what came of it. Exit code 0; 1 when nothing was rebuilt; 2 when something was left out; 64
/// for bad configuration.
#[must_use]
pub fn run(env: EnvReader) -> ExitCode {
    let config = match Config::from_env(env) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("nothing was rebuilt: {error}");
            return ExitCode::FAILURE;
        }
    };
    let engine = DockerEngine::new(&config.guard_socket, &config.installation);
    match runtime.block_on(super::run(&config, &engine, Clock::system())) {
        Ok(report) => {
            println!("{report}");
            if report.left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }
        Err(error) => {
            eprintln!("nothing was rebuilt: {error}");
            ExitCode::FAILURE
        }
    }
}
