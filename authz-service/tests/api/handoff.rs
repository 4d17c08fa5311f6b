//! The hand-off from the portal's session to a slug's host.

use std::time::Duration;

use serde_json::json;

use crate::harness::{TestApp, VERIFIER, handoff_body};

#[tokio::test]
async fn a_code_becomes_tokens_of_its_user_and_instance() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let code = app.handoff(&alice).await;
    let tokens = app.redeem(&code, "alice").await.expect(200).body;
    assert_eq!(tokens["instance_id"], alice.instance_id);
    assert_eq!(tokens["user"]["user_id"], alice.user_id);
    assert_eq!(tokens["user"]["username"], "alice");
    assert_eq!(tokens["expires_at"], app.clock.now_secs() + 600);
    let sid = app.session(&alice.session).await.expect(200).text("sid");
    assert_eq!(tokens["sid"], sid);
}

#[tokio::test]
async fn of_50_redemptions_at_once_exactly_one_wins() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let code = app.handoff(&alice).await;
    let statuses =
        futures_util::future::join_all((0..50).map(|_| async { app.redeem(&code, "alice").await.status }))
            .await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 49, "{statuses:?}");
}

#[tokio::test]
async fn a_code_is_refused_late_elsewhere_and_without_its_verifier_and_is_used_up_by_trying() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    app.resident("bob").await;
    let redeem = async |code: &str, verifier: &str, slug: &str| {
        let body = json!({"code": code, "code_verifier": verifier, "slug": slug});
        app.post("/router/redeem", &body).await
    };
    let other = VERIFIER.replace('d', "e");
    for (verifier, slug) in [(VERIFIER, "bob"), (other.as_str(), "alice"), ("", "alice"), ("short", "alice")]
    {
        let code = app.handoff(&alice).await;
        let refused = redeem(&code, verifier, slug).await.expect(400);
        assert_eq!(refused.code(), "urn:beaver:code-invalid");
        redeem(&code, VERIFIER, "alice").await.expect(400);
    }
    let code = app.handoff(&alice).await;
    app.clock.advance(Duration::from_mins(1));
    redeem(&code, VERIFIER, "alice").await.expect(400);
    redeem("never-given-out", VERIFIER, "alice").await.expect(400);
    redeem("", VERIFIER, "alice").await.expect(400);
}

#[tokio::test]
async fn a_code_dies_with_its_session_and_its_instance() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let code = app.handoff(&alice).await;
    app.post("/portal/logout", &json!({"session": alice.session})).await.expect(204);
    app.redeem(&code, "alice").await.expect(400);

    let bob = app.resident("bob").await;
    let code = app.handoff(&bob).await;
    app.delete(&format!("/internal/instances/{}", bob.instance_id)).await.expect(204);
    app.redeem(&code, "bob").await.expect(400);
}

#[tokio::test]
async fn nobody_gets_a_code_for_what_is_not_theirs() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let mut body = handoff_body(&alice);
    body["session"] = json!(bob.session);
    assert_eq!(app.post("/portal/handoff", &body).await.expect(403).code(), "urn:beaver:not-yours");

    let mut body = handoff_body(&alice);
    body["slug"] = json!("bob");
    app.post("/portal/handoff", &body).await.expect(403);

    let mut body = handoff_body(&alice);
    body["instance_id"] = json!("01JDF3X5S8Q4M7R2V6T9W0YZAB");
    app.post("/portal/handoff", &body).await.expect(403);

    let mut body = handoff_body(&alice);
    body["session"] = json!("unknown");
    assert_eq!(app.post("/portal/handoff", &body).await.expect(401).code(), "urn:beaver:session-ended");

    for bad in ["", "short", &"=".repeat(43), &"a".repeat(44)] {
        let mut body = handoff_body(&alice);
        body["code_challenge"] = json!(bad);
        app.post("/portal/handoff", &body).await.expect(422);
    }
}

#[tokio::test]
async fn an_instance_that_changes_hands_is_the_new_owners_alone() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let token = app.tokens(&alice).await["app_token"].as_str().expect("a token").to_owned();
    let mut moved = bob.clone();
    moved.instance_id.clone_from(&alice.instance_id);
    moved.slug = "alice".to_owned();
    app.registration_token(&moved).await;
    assert_eq!(app.renew(&token).await.expect(403).code(), "urn:beaver:not-yours");
    app.post("/portal/handoff", &handoff_body(&alice)).await.expect(403);
    app.tokens(&moved).await;
}
