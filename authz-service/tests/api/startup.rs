//! Starting and stopping: faults of the configuration, addresses that come later, the admin listener.

use std::process::Command;
use std::time::Duration;

use authz_service::{App, Config, HashParams, InstanceListener, Listeners};
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::lifecycle::Lifecycle;
use tokio::net::TcpListener;

use crate::harness::{DEPLOY, INTERNAL, ROUTER, TestApp};

fn binary(extra: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_authz-service"))
        .env_clear()
        .envs(extra.iter().copied())
        .output()
        .expect("the binary runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn bad_configuration_is_told_at_once_without_values_and_ends_with_64() {
    let (code, text) = binary(&[
        ("AUTHZ_ISSUER", "http://localhost:19090"),
        ("AUTHZ_INTERNAL_TOKEN", "short-s3cret"),
        ("AUTHZ_LISTEN", "nonsense-s3cret"),
    ]);
    assert_eq!(code, Some(64), "{text}");
    for name in
        ["AUTHZ_ISSUER", "AUTHZ_INTERNAL_TOKEN", "AUTHZ_LISTEN", "BEAVER_ROUTER_TOKEN", "DEPLOY_API_TOKEN"]
    {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
    assert!(text.contains("container itself"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn a_taken_port_is_told_with_its_variable() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text) = binary(&[
        ("AUTHZ_INTERNAL_TOKEN", INTERNAL),
        ("BEAVER_ROUTER_TOKEN", ROUTER),
        ("DEPLOY_API_TOKEN", DEPLOY),
        ("AUTHZ_DATA_DIR", &folder.path().display().to_string()),
        ("AUTHZ_LISTEN", &address),
    ]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&address) && text.contains("AUTHZ_LISTEN"), "{text}");
}

#[test]
fn the_health_check_fails_where_nothing_runs() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let status = Command::new(env!("CARGO_BIN_EXE_authz-service"))
        .arg("healthcheck")
        .env("AUTHZ_ADMIN_LISTEN", free.to_string())
        .status()
        .expect("the binary runs");
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn the_health_check_and_metrics_are_on_the_admin_listener() {
    let app = TestApp::start().await;
    app.register("alice").await.expect(201);
    let address = app.admin_base.strip_prefix("http://").expect("a URL").to_owned();
    let check = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_authz-service"))
            .arg("healthcheck")
            .env("AUTHZ_ADMIN_LISTEN", address)
            .status()
            .expect("the binary runs")
    });
    assert!(check.await.expect("no panic").success());
    let metrics = reqwest::get(format!("{}/metrics", app.admin_base)).await.expect("an answer");
    let text = metrics.text().await.expect("text");
    assert!(text.contains(r#"route="/portal/register""#), "{text}");
    app.get("/health/live").await.expect(200);
    app.get("/health/ready").await.expect(200);
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_address_that_does_not_exist_yet_fails_readiness_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::from_env(EnvReader::from_pairs([
        ("AUTHZ_INTERNAL_TOKEN", INTERNAL),
        ("BEAVER_ROUTER_TOKEN", ROUTER),
        ("DEPLOY_API_TOKEN", DEPLOY),
        ("AUTHZ_DATA_DIR", &folder.path().display().to_string()),
    ]))
    .expect("a configuration");
    config.hashing = HashParams { memory_kib: 64, iterations: 1, parallelism: 1 };
    let main = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let admin = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", main.local_addr().expect("an address"));
    let lifecycle = Lifecycle::new();
    // An address of TEST-NET-1 (RFC 5737), which no machine has.
    let instance = InstanceListener::At("192.0.2.1:19090".parse().expect("an address"));
    let listeners = Listeners { main, admin, instance };
    App::start(config, Clock::system(), listeners, &lifecycle).await.expect("started");

    let ready = reqwest::get(format!("{base}/health/ready")).await.expect("an answer");
    assert_eq!(ready.status(), 503);
    let text = ready.text().await.expect("text");
    assert!(text.contains("192.0.2.1") && text.contains("AUTHZ_INSTANCE_LISTEN"), "{text}");
    let live = reqwest::get(format!("{base}/.well-known/jwks.json")).await.expect("an answer");
    assert_eq!(live.status(), 200);
    lifecycle.stop();
    assert!(lifecycle.run_until_stopped(Duration::from_secs(5)).await);
}
