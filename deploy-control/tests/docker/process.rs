//! docker-guard as a process: its exit codes, its health check, and what a kill leaves.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use deploy_control::docker::DockerEngine;
use deploy_control::engine::Engine as _;

use super::rig::Rig;

/// A process that ends with the test.
pub(crate) struct Process(pub(crate) std::process::Child);

impl Process {
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("signalled");
    }

    pub(crate) async fn end(&mut self) -> ExitStatus {
        for _ in 0..400 {
            if let Some(status) = self.0.try_wait().expect("a status") {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn guard() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docker-guard"));
    command.env_clear().stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_configuration_is_told_at_once_and_is_exit_code_64() {
    let output = guard()
        .env("DOCKER_HOST", "tcp://10.0.0.1:2375")
        .env("BEAVER_INSTANCE_SUBNET", "nonsense")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(64));
    let told = String::from_utf8_lossy(&output.stderr);
    for name in ["PROJECT_ROOT", "DOCKER_HOST", "BEAVER_INSTANCE_SUBNET"] {
        assert!(told.contains(name), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_healthy_while_it_runs_and_starts_again_after_a_kill() {
    let rig = Rig::new().await;
    let socket = rig.folder.path().join("process.sock");
    let root = rig.folder.path().to_str().expect("text").to_owned();
    let command = |args: &[&str]| {
        let mut command = guard();
        command.args(args).env("PROJECT_ROOT", &root).env("BEAVER_GUARD_SOCKET", &socket);
        command.env("BEAVER_INSTALLATION", &rig.installation);
        command
    };
    let healthy = || command(&["healthcheck"]).output().expect("it runs").status.success();
    let engine = DockerEngine::new(&socket, &rig.installation);
    let up = async || {
        for _ in 0..400 {
            if engine.ping().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it does not come up");
    };
    assert!(!healthy());
    let mut first = Process(command(&[]).stderr(Stdio::null()).spawn().expect("it starts"));
    up().await;
    assert!(healthy());
    first.signal(rustix::process::Signal::KILL);
    first.end().await;
    assert!(socket.exists() && !healthy());

    let mut second = Process(command(&[]).stderr(Stdio::null()).spawn().expect("it starts"));
    up().await;
    second.signal(rustix::process::Signal::TERM);
    assert!(second.end().await.success());
    assert!(!socket.exists());
}
