//! `POST /api/auth/register`: once, after the issuer's yes, or not at all.

use std::os::unix::fs::PermissionsExt as _;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp};

async fn is_open_to_alice(app: &TestApp) -> bool {
    app.request(Method::GET, "/api/me").send().await.expect("an answer").status() == 200
}

#[tokio::test]
async fn the_owner_is_registered_once_and_the_issuer_sees_token_and_instance() {
    let mut app = TestApp::unregistered(None).await;
    assert!(!is_open_to_alice(&app).await);
    assert_eq!(app.register("token-1").await.status(), 201);
    let seen = app.issuer.registrations();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0.as_deref(), Some("token-1"));
    assert_eq!(seen[0].1["instance_id"], app.instance_id.to_string());
    assert_eq!(seen[0].1["name"], "app-instance");
    assert!(is_open_to_alice(&app).await);

    assert_eq!(app.register("token-2").await.status(), 409);
    app.restart().await;
    assert_eq!(app.register("token-3").await.status(), 409);
    assert!(is_open_to_alice(&app).await);
    assert_eq!(app.issuer.registrations().len(), 1, "the issuer is asked no more");
}

#[tokio::test]
async fn what_the_issuer_refuses_leaves_nothing_and_can_be_tried_again() {
    let mut app = TestApp::unregistered(None).await;
    for reply in [Reply::TokenInvalid, Reply::Broken] {
        app.issuer.reply_with(reply);
        let response = app.register("token-1").await;
        assert_eq!(response.status(), 502);
        let problem: Value = response.json().await.expect("json");
        assert_eq!(problem["type"], "urn:beaver:issuer-failed");
        assert!(!problem.to_string().contains("token-1"));
        assert!(!is_open_to_alice(&app).await);
    }
    app.restart().await;
    assert!(!is_open_to_alice(&app).await, "nothing was kept");
    app.issuer.reply_with(Reply::Yes);
    assert_eq!(app.register("token-2").await.status(), 201);
    assert!(is_open_to_alice(&app).await);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_a_502() {
    let app = TestApp::unregistered(None).await;
    app.issuer.go_down().await;
    assert_eq!(app.register("token-1").await.status(), 502);
    let health: Value =
        app.bare(Method::GET, "/api/health").send().await.expect("an answer").json().await.expect("json");
    assert_eq!(health["registered"], false);
}

#[tokio::test]
async fn another_issuer_and_malformed_bodies_are_refused_before_anybody_is_asked() {
    let app = TestApp::unregistered(None).await;
    let owner = json!({"user_id": app.alice, "username": "alice", "email": ""});
    let post = |body: Value| app.bare(Method::POST, "/api/auth/register").json(&body).send();
    for (body, status) in [
        (json!({"owner": owner, "issuer": "http://evil.test", "registration_token": "t"}), 422),
        (json!({"owner": owner, "issuer": app.issuer.url()}), 422),
        (
            json!({"owner": {"user_id": "x", "username": "alice", "email": ""}, "issuer": "", "registration_token": "t"}),
            422,
        ),
    ] {
        let response = post(body).await.expect("an answer");
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    assert!(app.issuer.registrations().is_empty());
}

#[tokio::test]
async fn of_two_registrations_at_once_one_wins() {
    let app = TestApp::unregistered(None).await;
    let (first, second) = tokio::join!(app.register("token-1"), app.register("token-2"));
    let mut statuses = [first.status().as_u16(), second.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_eq!(app.issuer.registrations().len(), 1);
}

#[tokio::test]
async fn what_is_kept_is_for_the_app_alone() {
    let app = TestApp::start_echo().await;
    assert!(is_open_to_alice(&app).await);
    for entry in std::fs::read_dir(app.data()).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}
