//! Failed sign-ins get slower; nobody is ever locked out.

use std::time::Duration;

use authz_service::HashParams;
use serde_json::json;

use crate::harness::{Answer, PASSWORD, TestApp, registration};

async fn login_from(app: &TestApp, login: &str, password: &str, address: &str) -> Answer {
    let body = json!({"login": login, "password": password, "client_addr": address});
    app.post("/portal/login", &body).await
}

#[tokio::test]
async fn an_address_has_its_burst_and_then_one_try_in_20_s() {
    let app = TestApp::start_with(|config| config.login_burst = 3).await;
    for name in ["a", "b", "c"] {
        login_from(&app, name, "wrong", "2001:db8:1:2::1").await.expect(401);
    }
    // Another address of the same /64.
    let refused = login_from(&app, "d", "wrong", "2001:db8:1:2::ffff").await.expect(429);
    assert_eq!(refused.code(), "urn:beaver:too-many-tries");
    assert_eq!(refused.headers["retry-after"], "20");
    login_from(&app, "d", "wrong", "2001:db8:1:3::1").await.expect(401);
    app.clock.advance(Duration::from_secs(20));
    login_from(&app, "d", "wrong", "2001:db8:1:2::1").await.expect(401);
    // The operator's scripts name no address and are not slowed down.
    for n in 0..10 {
        let body = json!({"username": format!("user{n}")});
        app.post("/internal/accounts", &body).await.expect(201);
    }
}

#[tokio::test]
async fn an_addresss_tries_do_not_come_back_with_a_restart() {
    let app = TestApp::start_with(|config| config.login_burst = 2).await;
    let from = |username: &str| {
        let mut body = registration(username);
        body["client_addr"] = json!("192.0.2.1");
        body
    };
    for name in ["alice", "bob"] {
        app.post("/portal/register", &from(name)).await.expect(201);
        login_from(&app, &format!("nobody-{name}"), "wrong", "192.0.2.1").await.expect(401);
    }
    let app = app.restart().await;
    app.post("/portal/register", &from("carol")).await.expect(429);
    assert_eq!(
        login_from(&app, "carol", "wrong", "192.0.2.1").await.expect(429).headers["retry-after"],
        "20"
    );
    login_from(&app, "carol", "wrong", "192.0.2.2").await.expect(401);
    app.clock.advance(Duration::from_secs(20));
    app.post("/portal/register", &from("carol")).await.expect(201);
    login_from(&app, "carol", "wrong", "192.0.2.1").await.expect(401);
}

#[tokio::test]
async fn many_tries_at_once_of_one_address_do_not_all_pass() {
    let app = TestApp::start_with(|config| config.login_burst = 3).await;
    let tries = (0..20).map(|n| {
        let app = &app;
        async move { login_from(app, &format!("nobody{n}"), "wrong", "192.0.2.1").await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 3, "{statuses:?}");
}

#[tokio::test]
async fn registering_is_throttled_but_mending_a_form_is_not() {
    let app = TestApp::start_with(|config| config.login_burst = 1).await;
    let from = |username: &str, password: &str| {
        let mut body = registration(username);
        body["password"] = json!(password);
        body["client_addr"] = json!("192.0.2.1");
        body
    };
    for _ in 0..5 {
        app.post("/portal/register", &from("alice", "short")).await.expect(422);
    }
    app.post("/portal/register", &from("alice", PASSWORD)).await.expect(201);
    app.post("/portal/register", &from("bob", PASSWORD)).await.expect(429);
}

#[tokio::test]
async fn successful_sign_ins_do_not_use_the_burst_up() {
    let app = TestApp::start_with(|config| config.login_burst = 2).await;
    app.register("alice").await.expect(201);
    for _ in 0..10 {
        login_from(&app, "alice", PASSWORD, "192.0.2.1").await.expect(200);
    }
}

#[tokio::test]
async fn an_accounts_delay_survives_a_restart_and_spares_its_owner() {
    let app = TestApp::start().await;
    app.register("alice").await.expect(201);
    login_from(&app, "alice", PASSWORD, "192.0.2.1").await.expect(200);
    // Strangers from many addresses, against a known and an unknown account alike.
    for login in ["alice", "nobody"] {
        for n in 0..5 {
            login_from(&app, login, "wrong", &format!("198.51.100.{n}")).await.expect(401);
        }
        login_from(&app, login, "wrong", "198.51.100.9").await.expect(429);
    }
    let app = app.restart().await;
    for login in ["alice", "nobody"] {
        let refused = login_from(&app, login, "wrong", "198.51.100.9").await.expect(429);
        assert_eq!(refused.headers["retry-after"], "1");
    }
    // Where alice has signed in before, she is not slowed down.
    login_from(&app, "alice", PASSWORD, "192.0.2.1").await.expect(200);
    // Her success cleared the count; from anywhere she is let in.
    login_from(&app, "alice", PASSWORD, "203.0.113.1").await.expect(200);
}

#[tokio::test]
async fn the_delay_is_never_a_lock() {
    let app = TestApp::start().await;
    app.register("alice").await.expect(201);
    for n in 0..20 {
        login_from(&app, "alice", "wrong", &format!("198.51.100.{n}")).await.expect(401);
        app.clock.advance(Duration::from_mins(1));
    }
    login_from(&app, "alice", PASSWORD, "203.0.113.1").await.expect(200);
}

#[tokio::test]
async fn many_tries_at_once_do_not_all_pass() {
    let app = TestApp::start().await;
    app.register("alice").await.expect(201);
    let tries = (0..40).map(|n| {
        let app = &app;
        async move { login_from(app, "alice", "wrong", &format!("198.51.100.{n}")).await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    assert!(statuses.iter().filter(|status| **status == 401).count() <= 5, "{statuses:?}");
    assert!(statuses.contains(&429));
}

/// With the parameters of production: 200 hashes of 64 MiB at once would be 12 GiB.
#[tokio::test]
async fn two_hundred_sign_ins_at_once_stay_within_memory_and_time() {
    let app = TestApp::start_with(|config| config.hashing = HashParams::default()).await;
    let started = std::time::Instant::now();
    let tries = (0..200).map(|n| {
        let app = &app;
        async move { app.login(&format!("user{n}"), "wrong").await }
    });
    let answers = futures_util::future::join_all(tries).await;
    let (refused, busy): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 401);
    assert!(refused.len() >= 34, "those at work and in the queue: {}", refused.len());
    assert!(!busy.is_empty());
    for answer in &busy {
        assert_eq!((answer.status, answer.code()), (503, "urn:beaver:busy"));
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert!(started.elapsed() < Duration::from_secs(30), "the portal waits no longer");
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak_kib < 600 * 1024, "{peak_kib} KiB at the peak");
}
