//! Running the project's scripts and other programs, with their output kept.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{Failure, Outcome};

/// What a program left.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Both streams.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The output, or a failure that shows all of it where the exit code is not 0.
    pub fn success(self) -> Outcome<Self> {
        if self.code == 0 {
            Ok(self)
        } else {
            Err(Failure(format!("exit code {}:\n{}", self.code, self.all())))
        }
    }
}

/// Runs a program with variables and standard input until it ends, at most `limit`.
pub async fn run(
    program: &Path,
    args: &[&str],
    env: &[(&str, &str)],
    input: &str,
    limit: Duration,
) -> Outcome<Output> {
    let mut child = Command::new(program)
        .args(args)
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure(format!("{} cannot be run: {error}", program.display())))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input closes it: no fault of ours.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = tokio::time::timeout(limit, child.wait_with_output()).await.map_err(|_| {
        Failure(format!("{} {args:?} took longer than {} s", program.display(), limit.as_secs()))
    })??;
    Ok(Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs `docker` with these arguments.
pub async fn docker(args: &[&str]) -> Outcome<Output> {
    run(Path::new("docker"), args, &[], "", Duration::from_mins(1)).await
}
