//! Shutting an account out, letting it in again, and signing a person out everywhere.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Resident, TestApp, send};
use crate::oauth_flow::{Client, user_info};
use crate::people::{act, administrator, log};

/// An API key of a resident.
pub(crate) async fn api_key(app: &TestApp, resident: &Resident) -> String {
    let body = json!({"session": resident.session, "name": "backup", "scopes": ["instance"]});
    app.post("/portal/api-keys", &body).await.expect(201).text("key")
}

pub(crate) async fn is_key_active(app: &TestApp, key: &str, resident: &Resident) -> bool {
    let body = json!({"key": key, "instance_id": resident.instance_id, "slug": resident.slug});
    app.post("/router/api-key", &body).await.expect(200).body["active"] == true
}

/// The kinds and ids that the router has heard of.
pub(crate) async fn revoked(app: &TestApp) -> Vec<(String, String)> {
    let feed = app.get("/router/revocations?after=0&wait_s=0").await.expect(200);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let all = feed.body["revocations"].as_array().expect("a list").iter();
    all.map(|one| (text(&one["kind"]), text(&one["id"]))).collect()
}

#[tokio::test]
async fn a_suspended_account_loses_everything_at_once_and_is_told_why() {
    let app = TestApp::start().await;
    let carol = administrator(&app, "carol").await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let client = Client::register(&app, &alice).await;
    let tokens = client.tokens(&app, &alice).await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let (key, others_key) = (api_key(&app, &alice).await, api_key(&app, &bob).await);
    let set = app.tokens(&alice).await;
    let app_token = set["app_token"].as_str().expect("a token");
    let code = app.handoff(&alice).await;
    assert!(client.is_active(&app, &access).await && is_key_active(&app, &key, &alice).await);

    let waiting = app.get("/router/revocations?after=0&wait_s=30");
    let (news, answer) = tokio::join!(waiting, act(&app, &carol, &alice.user_id, "suspend"));
    answer.expect(204);
    assert!(news.body.to_string().contains(&alice.user_id), "the router, which waits, hears of it: {news:?}");
    assert!(revoked(&app).await.contains(&("user".to_owned(), alice.user_id.clone())));

    app.session(&alice.session).await.expect(401);
    app.renew(app_token).await.expect(401);
    app.redeem(&code, "alice").await.expect(400);
    assert!(!is_key_active(&app, &key, &alice).await);
    assert!(!client.is_active(&app, &access).await);
    user_info(&app, &access).await.expect(401);
    client.refresh(&app, &refresh).await.expect(400);
    // Others go on.
    app.session(&bob.session).await.expect(200);
    assert!(is_key_active(&app, &others_key, &bob).await);

    let told = app.login("alice", PASSWORD).await.expect(403);
    assert_eq!(told.code(), "urn:beaver:account-suspended");
    assert_eq!(told.text("detail"), "sends spam");
    let wrong = app.login("alice", "another password entirely").await.expect(401);
    let nobody = app.login("nobody", "another password entirely").await.expect(401);
    let without_id = |mut body: Value| {
        body.as_object_mut().expect("an object").remove("request_id");
        body
    };
    assert_eq!(without_id(wrong.body), without_id(nobody.body), "only the right password learns of it");

    act(&app, &carol, &alice.user_id, "suspend").await.expect(204);
    act(&app, &carol, &alice.user_id, "lift").await.expect(204);
    app.login("alice", PASSWORD).await.expect(200);
    app.session(&alice.session).await.expect(401);
    assert!(!is_key_active(&app, &key, &alice).await, "what ended has ended for good");
    client.refresh(&app, &refresh).await.expect(400);
    let once = [(carol.id.clone(), alice.user_id.clone())];
    assert_eq!(log(&app, &carol, "suspend-account").await, once);
    assert_eq!(log(&app, &carol, "lift-suspension").await, once);
}

#[tokio::test]
async fn no_sign_in_slips_past_a_suspension() {
    let app = TestApp::start().await;
    let carol = administrator(&app, "carol").await;
    let alice = app.resident("alice").await;
    let logins = (0..50).map(|_| app.login("alice", PASSWORD));
    let (answers, suspended) =
        tokio::join!(futures_util::future::join_all(logins), act(&app, &carol, &alice.user_id, "suspend"));
    suspended.expect(204);
    for answer in answers {
        if answer.status == 200 {
            app.session(&answer.text("session")).await.expect(401);
        }
    }
    let show = json!({"session": carol.session, "user_id": alice.user_id});
    assert_eq!(app.post("/portal/admin/people/show", &show).await.expect(200).body["sessions"], 0);
}

#[tokio::test]
async fn a_suspension_needs_a_reason_that_can_be_shown() {
    let app = TestApp::start().await;
    let carol = administrator(&app, "carol").await;
    let alice = app.resident("alice").await;
    let long = "x".repeat(201);
    for reason in [Value::Null, json!(" "), json!("a\nb"), json!(long)] {
        let body = json!({
            "session": carol.session, "user_id": alice.user_id, "action": "suspend", "reason": reason,
        });
        let answer = app.post("/portal/admin/people/act", &body).await.expect(422);
        assert!(answer.body["errors"]["reason"].is_string(), "{answer:?}");
    }
    app.session(&alice.session).await.expect(200);
}

#[tokio::test]
async fn the_operator_suspends_and_lifts_too() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let path = |what: &str| format!("/internal/accounts/{}/{what}", alice.user_id);
    app.post(&path("suspend"), &json!({"reason": ""})).await.expect(422);
    app.post(&path("suspend"), &json!({"reason": "unpaid"})).await.expect(204);
    app.session(&alice.session).await.expect(401);
    assert_eq!(app.login("alice", PASSWORD).await.expect(403).text("detail"), "unpaid");
    let found = app.get("/internal/accounts?state=suspended").await.expect(200);
    assert_eq!(found.body["accounts"][0]["username"], "alice");
    // Approving is no way in for somebody who is shut out.
    app.post(&path("approve"), &json!({})).await.expect(204);
    app.login("alice", PASSWORD).await.expect(403);
    app.post(&path("lift"), &json!({})).await.expect(204);
    app.login("alice", PASSWORD).await.expect(200);
    for what in ["suspend", "lift"] {
        let body = json!({"reason": "unpaid"});
        app.post(&format!("/internal/accounts/01JDF3X5S8Q4M7R2V6T9W0YZAB/{what}"), &body).await.expect(404);
        send(app.request(Method::POST, &path(what)).json(&body)).await.expect(401);
    }
}

#[tokio::test]
async fn signing_a_person_out_everywhere_ends_sessions_and_grants_and_leaves_keys() {
    let app = TestApp::start().await;
    let carol = administrator(&app, "carol").await;
    let alice = app.resident("alice").await;
    let second = app.login("alice", PASSWORD).await.expect(200).text("session");
    let client = Client::register(&app, &alice).await;
    let refresh = client.tokens(&app, &alice).await.text("refresh_token");
    let key = api_key(&app, &alice).await;
    act(&app, &carol, &alice.user_id, "sign-out").await.expect(204);
    for session in [&alice.session, &second] {
        app.session(session).await.expect(401);
    }
    client.refresh(&app, &refresh).await.expect(400);
    assert!(is_key_active(&app, &key, &alice).await);
    assert!(revoked(&app).await.contains(&("user".to_owned(), alice.user_id.clone())));
    app.login("alice", PASSWORD).await.expect(200);
    app.session(&carol.session).await.expect(200);
    assert_eq!(log(&app, &carol, "sign-out-everywhere").await, [(carol.id.clone(), alice.user_id.clone())]);
}
