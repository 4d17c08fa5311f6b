//! Orders of instances reach deploy-control whatever happens in between.

use std::time::Duration;

use serde_json::json;

use crate::harness::{FakeDeploy, Mood, TestApp};

#[tokio::test]
async fn an_order_is_carried_over_at_once() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let orders = app.deploy.orders();
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].user_id.to_string(), alice.user_id);
    assert_eq!(orders[0].username.as_str(), "alice");
    assert_eq!(orders[0].email.as_deref(), Some("alice@example.com"));
    let view = app.session(&alice.session).await.expect(200).body["provisioning"].clone();
    assert!(view["operation_id"].is_string() && view["reason"].is_null());
}

#[tokio::test]
async fn an_order_waits_for_deploy_control_across_a_restart() {
    let app = TestApp::start_beside(FakeDeploy::reserve(), |_| {}).await;
    let session = app.register("alice").await.expect(201).text("session");
    let reason = loop {
        let view = app.session(&session).await.expect(200).body["provisioning"].clone();
        assert_eq!(view["state"], "queued");
        if let Some(reason) = view["reason"].as_str() {
            break reason.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(reason.contains("tried again"), "{reason}");
    let app = app.restart().await;
    assert_eq!(app.session(&session).await.expect(200).body["provisioning"]["state"], "queued");
    app.deploy.come_up();
    app.clock.advance(Duration::from_mins(1));
    app.until_order(&session, "accepted").await;
    assert_eq!(app.deploy.orders().len(), 1);
}

#[tokio::test]
async fn a_crash_between_call_and_store_repeats_the_call_and_changes_nothing() {
    let app = TestApp::start().await;
    app.deploy.set_mood(Mood::TakeAndHang);
    let session = app.register("alice").await.expect(201).text("session");
    while app.deploy.orders().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app.deploy.set_mood(Mood::Accept);
    let app = app.restart().await;
    app.until_order(&session, "accepted").await;
    let orders = app.deploy.orders();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0].user_id, orders[1].user_id);
}

#[tokio::test]
async fn a_refusal_is_shown_and_another_slug_helps() {
    let app = TestApp::start().await;
    app.deploy.set_mood(Mood::Problem(409, "urn:beaver:slug-taken", "Choose another slug."));
    let session = app.register("alice").await.expect(201).text("session");
    let view = app.until_order(&session, "refused").await;
    assert!(view["reason"].as_str().expect("a reason").contains("Choose another slug."), "{view}");
    let refused = app.deploy.orders().len();
    assert_eq!(refused, 1, "not tried again");

    app.deploy.set_mood(Mood::Accept);
    let again = json!({"session": session, "slug": "alice-two"});
    let answer = app.post("/portal/provisioning", &again).await.expect(202);
    // The outbox may be as fast as the answer.
    let state = answer.text("state");
    assert!(state == "queued" || state == "accepted", "{answer:?}");
    app.until_order(&session, "accepted").await;
    assert_eq!(app.deploy.orders()[1].slug.as_ref().map(ToString::to_string).as_deref(), Some("alice-two"));

    let unknown = json!({"session": "unknown"});
    app.post("/portal/provisioning", &unknown).await.expect(401);
    let malformed = json!({"session": session, "slug": "a--b"});
    let answer = app.post("/portal/provisioning", &malformed).await.expect(400);
    assert!(answer.text("detail").contains("hyphen"), "{answer:?}");
}

#[tokio::test]
async fn a_wrong_token_is_a_fault_of_the_operators_and_the_order_waits() {
    let app = TestApp::start().await;
    let hint = "DEPLOY_API_TOKEN and DEPLOY_CONTROL_API_TOKEN differ.";
    app.deploy.set_mood(Mood::Problem(401, "urn:beaver:token-mismatch", hint));
    let session = app.register("alice").await.expect(201).text("session");
    let health = loop {
        let health = app.get("/health").await.expect(200).body;
        if health["checks"]["deploy-control"]["state"] == "warning" {
            break health;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(health.to_string().contains("DEPLOY_CONTROL_API_TOKEN"), "{health}");
    assert_eq!(app.session(&session).await.expect(200).body["provisioning"]["state"], "queued");
    app.deploy.set_mood(Mood::Accept);
    app.clock.advance(Duration::from_mins(1));
    app.until_order(&session, "accepted").await;
    assert_eq!(app.get("/health").await.body["checks"]["deploy-control"]["state"], "ok");
}
