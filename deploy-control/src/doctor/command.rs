//! `deploy-control doctor`: asks the service that runs, prints what it found, and answers an exit code for scripts.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to whoever runs it")]

use std::process::ExitCode;

use control_api::deploy_client::DeployClient;
use control_api::doctor::{DoctorCheck, DoctorReport, DoctorStatus};
use service_kit::env::{EXIT_CONFIG, EnvReader};
use service_kit::http_client;

use crate::config::Config;
use crate::docker::DockerEngine;
use crate::engine::Engine as _;
use crate::rebuild;

const USAGE: &str = "usage: deploy-control doctor [--json] [--probe] | doctor --rebuild";

/// Runs the subcommand with the arguments after its name. Exit code 0 when all is well, 2 for warnings alone, 1 when
/// something is failing, 64 for bad arguments or configuration.
#[must_use]
pub fn run(arguments: &[String], env: EnvReader) -> ExitCode {
    let (mut json, mut probe) = (false, false);
    for argument in arguments {
        match argument.as_str() {
            "--rebuild" if arguments.len() == 1 => return rebuild::command::run(env),
            "--json" => json = true,
            "--probe" => probe = true,
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(EXIT_CONFIG);
            }
        }
    }
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
            eprintln!("nothing was looked at: {error}");
            return ExitCode::FAILURE;
        }
    };
    let report = runtime.block_on(examine(&config, probe));
    show(&report, json);
    match report.worst() {
        DoctorStatus::Ok => ExitCode::SUCCESS,
        DoctorStatus::Warning => ExitCode::from(2),
        DoctorStatus::Failing => ExitCode::FAILURE,
    }
}

async fn examine(config: &Config, probe: bool) -> DoctorReport {
    match ask(config, probe).await {
        Ok(report) => report,
        Err(reason) => without_the_service(config, reason).await,
    }
}

async fn ask(config: &Config, probe: bool) -> Result<DoctorReport, String> {
    let base = format!("http://{}", config.listen).parse().map_err(|_| "no such address".to_owned())?;
    let http = http_client::build(http_client::internal()).map_err(|error| error.to_string())?;
    let client = DeployClient::new(http, base, config.deploy_token.clone());
    client.doctor(probe).await.map_err(|error| error.to_string())
}

/// The service does not answer: what can be seen all the same.
async fn without_the_service(config: &Config, reason: String) -> DoctorReport {
    let failing = |name: &str, detail: String, remedy: &str| DoctorCheck {
        name: name.to_owned(),
        status: DoctorStatus::Failing,
        detail,
        remedy: Some(remedy.to_owned()),
    };
    let well = |name: &str, detail: String| DoctorCheck {
        name: name.to_owned(),
        status: DoctorStatus::Ok,
        detail,
        remedy: None,
    };
    let mut checks = vec![failing(
        "deploy-control",
        reason,
        "start it with scripts/up.sh; scripts/logs.sh deploy-control says why it ended",
    )];
    let engine = DockerEngine::new(&config.guard_socket, &config.installation);
    checks.push(match engine.ping().await {
        Ok(version) => well("docker", format!("Docker {version} answers through docker-guard")),
        Err(error) => failing("docker", error.to_string(), "see that Docker and docker-guard run"),
    });
    let database = config.runtime().join("deploy/deploy.sqlite");
    checks.push(match std::fs::metadata(&database) {
        Ok(file) => well("database", format!("{} is there, {} bytes", database.display(), file.len())),
        Err(error) => failing(
            "database",
            format!("{}: {error}", database.display()),
            "where it was lost, scripts/doctor.sh --rebuild makes it again",
        ),
    });
    DoctorReport::new(checks)
}

fn show(report: &DoctorReport, json: bool) {
    if json {
        println!("{}", serde_json::to_string(report).unwrap_or_default());
        return;
    }
    for DoctorCheck { name, status, detail, remedy } in &report.checks {
        let word = match status {
            DoctorStatus::Ok => "ok",
            DoctorStatus::Warning => "warning",
            DoctorStatus::Failing => "FAILING",
        };
        println!("{word:<8} {name:<14} {detail}");
        if let Some(remedy) = remedy {
            println!("{:<24}{remedy}", "");
        }
    }
}
