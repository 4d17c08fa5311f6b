//! Programs in Python beside the tests: packages of `PyPI`, each set in an environment of its own, which is made once
//! and kept in the build folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

/// Tests that need the same environment wait for the first to make it.
static MAKING: Mutex<()> = Mutex::const_new(());

/// The interpreter of an environment with exactly these packages, such as `["aiosmtpd==1.4.6"]`.
pub(crate) async fn interpreter(packages: &[&str]) -> PathBuf {
    let name = packages.join("-").replace("==", "-");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{name}"));
    let python = folder.join("bin/python");
    let _turn = MAKING.lock().await;
    if python.exists() {
        return python;
    }
    // Whoever is first puts it in its place; a half one is never there.
    let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let made = fresh.path().join("env");
    run(Command::new("python3").args(["-m", "venv"]).arg(&made)).await;
    let mut install = Command::new(made.join("bin/python"));
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        .args(packages);
    run(&mut install).await;
    if std::fs::rename(&made, &folder).is_err() {
        assert!(python.exists(), "{} could not be put in its place", folder.display());
    }
    python
}

async fn run(command: &mut Command) {
    let output = command.output().await.expect("python3 runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A script that speaks in lines of JSON. It ends with its handle.
pub(crate) struct Script {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// Starts a script of `tests/foreign/`; plain http goes through `proxy`.
    pub(crate) fn start(python: &Path, name: &str, proxy: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(name);
        let mut command = Command::new(python);
        command.arg(path).env("http_proxy", proxy).env_remove("no_proxy").env_remove("NO_PROXY");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let stdin = child.stdin.take().expect("a pipe");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, stdin, lines }
    }

    pub(crate) async fn tell(&mut self, value: &Value) {
        self.stdin.write_all(format!("{value}\n").as_bytes()).await.expect("it listens");
    }

    pub(crate) async fn hear(&mut self) -> Value {
        let line = self.lines.next_line().await.expect("a line").expect("it says something before it ends");
        serde_json::from_str(&line).expect("JSON")
    }

    pub(crate) async fn end(mut self) {
        assert!(self.child.wait().await.expect("it ends").success());
    }
}
