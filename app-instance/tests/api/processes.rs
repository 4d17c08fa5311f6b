//! The binary itself: its subcommands, its exit codes, and what a kill leaves.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::support::{PATIENCE, TestApp, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_app-instance");

fn run(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(BINARY).args(arguments).env_clear().envs(env.iter().copied()).output().expect("it runs")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}

/// Killed also when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().expect("a status") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }
}

/// The binary on the data of `app`, which is stopped.
fn start(app: &mut TestApp) -> (Running, u16) {
    let port = free_port();
    let child = Command::new(BINARY)
        .env_clear()
        .env("APP_LISTEN", format!("127.0.0.1:{port}"))
        .env("APP_DATA", app.data())
        .env("APP_CONFIG", app.folder.path().join("config.json"))
        .env("AUTHZ_ISSUER", app.issuer.url())
        .env("BEAVER_INSTANCE_ID", app.instance_id.to_string())
        .env("RUST_LOG", "warn")
        .spawn()
        .expect("it starts");
    app.url = format!("http://127.0.0.1:{port}");
    (Running(child), port)
}

async fn ready(app: &TestApp) {
    eventually("ready", || async {
        app.bare(Method::GET, "/api/health").send().await.ok().filter(|answer| answer.status() == 200)
    })
    .await;
}

#[test]
fn bad_arguments_and_bad_configuration_exit_with_64() {
    for arguments in [&["nonsense"][..], &["probe"], &["probe", "--connect", "nowhere"]] {
        let output = run(arguments, &[]);
        assert_eq!(output.status.code(), Some(64));
        assert!(String::from_utf8_lossy(&output.stderr).contains("Usage:"));
    }
    let output = run(&[], &[("APP_LISTEN", "nonsense")]);
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for name in ["APP_LISTEN", "AUTHZ_ISSUER", "BEAVER_INSTANCE_ID"] {
        assert!(said.contains(name), "{said}");
    }
    assert_eq!(run(&["--version"], &[]).status.code(), Some(0));
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let env = [
        ("APP_LISTEN", "127.0.0.1:0"),
        ("APP_DATA", "/nonexistent"),
        ("AUTHZ_ISSUER", "http://issuer.test"),
        ("BEAVER_INSTANCE_ID", "01JDF3X5S8Q4M7R2V6T9W0YZAB"),
    ];
    let output = run(&[], &env);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("APP_DATA"));
}

#[test]
fn probe_tells_what_it_reaches() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let open = listener.local_addr().expect("an address");
    let closed = format!("127.0.0.1:{}", free_port());
    let output = run(&["probe", "--connect", &format!("{open},{closed}"), "--timeout-ms", "500"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.lines().count(), 1);
    let report: Value = serde_json::from_str(&text).expect("json");
    let expected = json!({"results": [
        {"address": open.to_string(), "reached": true}, {"address": closed, "reached": false},
    ]});
    assert_eq!(report, expected);
}

#[test]
fn probe_listens_until_it_is_told_to_stop() {
    let child = Command::new(BINARY)
        .args(["probe", "--listen", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut running = Running(child);
    let mut line = String::new();
    let stdout = running.0.stdout.take().expect("its output");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let port: u16 = line.trim().strip_prefix("listening on ").expect("a port").parse().expect("a port");
    for _ in 0..3 {
        TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    }
    signal(&running.0, "-TERM");
    assert_eq!(running.exit_code(), Some(0));
}

#[tokio::test]
async fn the_health_check_follows_the_app_and_sigterm_ends_it_quickly() {
    let mut app = TestApp::start_echo().await;
    app.stop().await;
    let (mut running, port) = start(&mut app);
    ready(&app).await;
    let listen = format!("127.0.0.1:{port}");
    let check = || run(&["healthcheck"], &[("APP_LISTEN", &listen)]).status.code();
    assert_eq!(check(), Some(0));

    // An answer under way does not hold it up.
    let id = app.new_conversation().await;
    let response = app.say_raw(&id, &"word ".repeat(4000)).await;
    assert_eq!(response.status(), 200);
    let asked = Instant::now();
    signal(&running.0, "-TERM");
    assert_eq!(running.exit_code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(check(), Some(1));
}

#[tokio::test]
async fn a_kill_in_the_middle_of_an_answer_loses_no_conversation() {
    let mut app = TestApp::start_echo().await;
    app.stop().await;
    let (mut running, _) = start(&mut app);
    ready(&app).await;
    let id = app.new_conversation().await;
    let response = app.say_raw(&id, &"word ".repeat(4000)).await;
    // Something of it is on the disk.
    let kept = eventually("some text", || async {
        let last = app.messages(&id).await.pop()?;
        Some(last["content"].as_str()?.to_owned()).filter(|text| !text.is_empty())
    })
    .await;
    signal(&running.0, "-KILL");
    running.exit_code();
    drop(response);

    let (_running, _) = start(&mut app);
    ready(&app).await;
    let messages = app.messages(&id).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0]["content"].as_str().expect("text").len(), 20_000);
    assert_eq!(messages[1]["state"], "broken");
    assert!(messages[1]["content"].as_str().expect("text").starts_with(&kept));
    assert!(messages[1]["note"].as_str().expect("a note").contains("restarted"));
}
