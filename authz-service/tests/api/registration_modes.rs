//! Who may register: open, invite, approval, closed.

use control_api::authz::RegistrationMode;
use serde_json::json;
use std::time::Duration;

use crate::harness::{PASSWORD, TestApp, registration};

async fn in_mode(mode: RegistrationMode) -> TestApp {
    TestApp::start_with(|config| config.registration = mode).await
}

#[tokio::test]
async fn settings_tell_the_form_what_to_ask() {
    let app = in_mode(RegistrationMode::Invite).await;
    let settings = app.get("/portal/settings").await.expect(200);
    assert_eq!(settings.body["registration"], "invite");
    assert_eq!((&settings.body["password_min"], &settings.body["password_max"]), (&json!(15), &json!(128)));
}

#[tokio::test]
async fn closed_means_closed_but_not_for_the_operator() {
    let app = in_mode(RegistrationMode::Closed).await;
    assert_eq!(app.register("alice").await.expect(403).code(), "urn:beaver:registration-closed");
    app.post("/internal/accounts", &json!({"username": "alice"})).await.expect(201);
}

#[tokio::test]
async fn an_invite_works_once_and_for_72_hours() {
    let app = in_mode(RegistrationMode::Invite).await;
    let without = app.register("alice").await.expect(403);
    assert_eq!(without.code(), "urn:beaver:registration-closed");
    assert!(without.body["errors"]["invite"].is_string());

    let code = app.post("/internal/invites", &json!({})).await.expect(201).text("code");
    let invited = |username: &str, code: &str| {
        let mut body = registration(username);
        body["invite"] = json!(code);
        body
    };
    // A form at fault does not use it up, and the unknown invite is told with the other faults.
    let mut weak = invited("alice", "unknown");
    weak["password"] = json!("short");
    let answer = app.post("/portal/register", &weak).await.expect(422);
    assert!(answer.body["errors"]["invite"].is_string() && answer.body["errors"]["password"].is_string());

    let tries = (0..20_u8).map(|number| {
        let mut body = invited(&format!("alice-{number}"), &code);
        body["client_addr"] = json!(format!("192.0.2.{number}"));
        let app = &app;
        async move { app.post("/portal/register", &body).await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    app.post("/portal/register", &invited("bob", &code)).await.expect(403);

    let late = app.post("/internal/invites", &json!({})).await.expect(201).text("code");
    app.clock.advance(Duration::from_hours(72));
    app.post("/portal/register", &invited("bob", &late)).await.expect(403);
}

#[tokio::test]
async fn an_account_waits_for_approval_and_gets_its_instance_then() {
    let app = in_mode(RegistrationMode::Approval).await;
    let answer = app.register("alice").await.expect(403);
    assert_eq!(answer.code(), "urn:beaver:approval-pending");
    assert!(answer.text("detail").contains("approved"));

    assert_eq!(app.login("alice", PASSWORD).await.expect(403).code(), "urn:beaver:approval-pending");
    let wrong = app.login("alice", "another password entirely").await.expect(401);
    assert_eq!(wrong.code(), "urn:beaver:bad-credentials");
    assert!(app.deploy.orders().is_empty());

    let waiting = app.get("/internal/accounts?state=pending_approval").await.expect(200);
    let id = waiting.body["accounts"][0]["user_id"].as_str().expect("an id").to_owned();
    let approve = format!("/internal/accounts/{id}/approve");
    app.post(&approve, &json!({})).await.expect(204);
    app.post(&approve, &json!({})).await.expect(204);
    app.post("/internal/accounts/01JDF3X5S8Q4M7R2V6T9W0YZAB/approve", &json!({})).await.expect(404);

    let session = app.login("alice", PASSWORD).await.expect(200).text("session");
    app.until_order(&session, "accepted").await;
    assert_eq!(app.deploy.orders().len(), 1);
}
