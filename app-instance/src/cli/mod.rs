//! The subcommands: helpers that run in the same image, where there is no shell.

mod healthcheck;
mod probe;

use std::io::Write as _;
use std::process::ExitCode;

use service_kit::env::EXIT_CONFIG;

const USAGE: &str = "\
Usage: app-instance                                      run the app
       app-instance healthcheck                          ask the running app; exit code 0 when it can serve
       app-instance probe --connect A:P[,A:P...] [--timeout-ms N]
                                                         try TCP connections and print the outcome as JSON
       app-instance probe --listen PORT                  accept TCP connections until SIGTERM
       app-instance --version | --help
";

/// Runs a subcommand and answers its exit code; 64 for arguments that make no sense.
pub fn run(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["healthcheck"] => return healthcheck::run(),
        ["probe", rest @ ..] => probe::parse(rest).and_then(probe::run),
        ["--help" | "-h" | "help"] => print(USAGE),
        ["--version" | "-V"] => print(concat!("app-instance ", env!("CARGO_PKG_VERSION"), "\n")),
        _ => Err("unknown arguments".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            let _ = writeln!(std::io::stderr(), "app-instance: {reason}\n\n{USAGE}");
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

fn print(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
}
