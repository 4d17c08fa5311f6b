//! Linking an identity to an account that is there, and taking it away again.

use std::time::Duration;

use serde_json::json;

use crate::authenticator::{Guarded, finish};
use crate::fake_issuer::FakeIssuer;
use crate::harness::{Answer, PASSWORD, TestApp};
use crate::upstream_flow::{
    BROWSER, callback, callback_with, choose_name, log, newcomer, now_s, refusal, sign_in, with_issuer,
};

async fn ask(app: &TestApp, session: &str, password: &str) -> Answer {
    let body = json!({"browser": BROWSER, "session": session, "password": password});
    app.post("/portal/upstream/link", &body).await
}

/// The query with which the browser comes back.
async fn begin(app: &TestApp, issuer: &FakeIssuer, session: &str, subject: &str) -> String {
    let to = ask(app, session, PASSWORD).await.expect(200).text("to");
    let claims = json!({"sub": subject, "email": "home@example.com"});
    issuer.approve(&to.parse().expect("a URL"), now_s(app), &claims)
}

async fn standing(app: &TestApp, session: &str) -> Answer {
    app.post("/portal/upstream/identity", &json!({"session": session})).await.expect(200)
}

async fn unlink(app: &TestApp, session: &str, password: &str) -> Answer {
    app.post("/portal/upstream/unlink", &json!({"session": session, "password": password})).await
}

async fn set_password(app: &TestApp, session: &str, password: &str) -> Answer {
    let body = json!({"session": session, "current_password": "", "new_password": password});
    app.post("/portal/password", &body).await
}

#[tokio::test]
async fn a_person_links_an_identity_with_the_password_and_takes_it_away_with_it() {
    let (app, issuer) = with_issuer(|_| {}).await;
    let alice = app.register("alice").await.expect(201);
    let session = alice.text("session");
    assert_eq!(standing(&app, &session).await.body, json!({"has_password": true, "fresh": true}));
    let wrong = ask(&app, &session, "another password entirely").await.expect(422);
    assert!(wrong.body["errors"]["current_password"].is_string());
    ask(&app, "unknown", PASSWORD).await.expect(401);

    let query = begin(&app, &issuer, &session, "person-1").await;
    let linked = callback_with(&app, Some(BROWSER), &query, Some(&session)).await.expect(200);
    assert_eq!(linked.body, json!({"outcome": "linked"}));
    assert_eq!(standing(&app, &session).await.body["identity"]["label"], "home@example.com");
    let came = sign_in(&app, &issuer, &json!({"sub": "person-1"})).await;
    assert_eq!(came.text("user_id"), alice.text("user_id"));
    assert!(standing(&app, &session).await.body["identity"]["last_used_at"].is_string());
    // The same once more changes nothing.
    let query = begin(&app, &issuer, &session, "person-1").await;
    assert_eq!(callback_with(&app, Some(BROWSER), &query, Some(&session)).await.body["outcome"], "linked");

    unlink(&app, &session, "another password entirely").await.expect(422);
    unlink(&app, &session, PASSWORD).await.expect(204);
    assert!(standing(&app, &session).await.body.get("identity").is_none());
    let stranger = sign_in(&app, &issuer, &json!({"sub": "person-1"})).await;
    assert_eq!(stranger.body["outcome"], "choose-name");
    app.login("alice", PASSWORD).await.expect(200);
    let actions: Vec<_> = log(&app).await.into_iter().map(|(action, _)| action).collect();
    for action in ["upstream-link", "upstream-login", "upstream-unlink", "upstream-refused"] {
        assert!(actions.contains(&action.to_owned()), "{action} in {actions:?}");
    }
}

#[tokio::test]
async fn the_identity_is_the_first_factor_alone_where_an_account_has_a_second() {
    let (app, issuer) = with_issuer(|_| {}).await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let query = begin(&app, &issuer, &alice.session, "person-1").await;
    let linked = callback_with(&app, Some(BROWSER), &query, Some(&alice.session)).await;
    assert_eq!(linked.body["outcome"], "linked", "{linked:?}");
    let came = sign_in(&app, &issuer, &json!({"sub": "person-1"})).await;
    assert_eq!(came.body["outcome"], "second-factor", "{came:?}");
    assert_eq!(came.text("next"), "/account?a=b");
    let waiting = came.body["pending"]["pending"].as_str().expect("a token").to_owned();
    app.session(&waiting).await.expect(401);
    finish(&app, &waiting, "000000").await.expect(401);
    app.clock.advance(Duration::from_secs(30));
    let answer = finish(&app, &waiting, &alice.authenticator.code(&app)).await.expect(200);
    assert_eq!(answer.text("user_id"), alice.user_id);
}

#[tokio::test]
async fn an_identity_opens_one_account_and_an_account_has_one_identity() {
    let (app, issuer) = with_issuer(|_| {}).await;
    newcomer(&app, &issuer, "alice").await;
    let bob = app.register("bob").await.expect(201).text("session");
    let query = begin(&app, &issuer, &bob, "alice").await;
    assert_eq!(refusal(&callback_with(&app, Some(BROWSER), &query, Some(&bob)).await), "taken");
    let query = begin(&app, &issuer, &bob, "bob").await;
    assert_eq!(callback_with(&app, Some(BROWSER), &query, Some(&bob)).await.body["outcome"], "linked");
    let query = begin(&app, &issuer, &bob, "bob-2").await;
    assert_eq!(refusal(&callback_with(&app, Some(BROWSER), &query, Some(&bob)).await), "taken");
}

#[tokio::test]
async fn a_link_goes_to_the_session_that_asked_for_it_and_to_no_other() {
    let (app, issuer) = with_issuer(|_| {}).await;
    let alice = app.register("alice").await.expect(201).text("session");
    let carol = app.register("carol").await.expect(201).text("session");
    for other in [None, Some(carol.as_str()), Some("unknown")] {
        let query = begin(&app, &issuer, &alice, "person-1").await;
        let refused = callback_with(&app, Some(BROWSER), &query, other).await;
        assert_eq!(refusal(&refused), "session-ended", "{other:?}");
    }
    assert!(standing(&app, &carol).await.body.get("identity").is_none());
    let query = begin(&app, &issuer, &alice, "person-1").await;
    app.post("/portal/logout", &json!({"session": alice})).await.expect(204);
    assert_eq!(refusal(&callback(&app, &query).await), "expired", "it went with the session");
}

#[tokio::test]
async fn guesses_of_the_password_have_to_wait() {
    let (app, _issuer) = with_issuer(|_| {}).await;
    let alice = app.register("alice").await.expect(201).text("session");
    for _ in 0..5 {
        unlink(&app, &alice, "another password entirely").await.expect(422);
    }
    ask(&app, &alice, PASSWORD).await.expect(429);
    // Whoever guesses there slows no sign-in.
    app.login("alice", PASSWORD).await.expect(200);
    app.clock.advance(Duration::from_secs(1));
    ask(&app, &alice, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn the_last_way_in_stays_until_there_is_a_password() {
    let (app, issuer) = with_issuer(|_| {}).await;
    let session = newcomer(&app, &issuer, "alice").await;
    assert_eq!(standing(&app, &session).await.body["has_password"], false);
    for password in ["", "!", PASSWORD] {
        let refused = unlink(&app, &session, password).await.expect(422);
        assert!(refused.body["errors"]["current_password"].is_string());
    }
    assert!(
        set_password(&app, &session, "short").await.expect(422).body["errors"]["new_password"].is_string()
    );
    let renewed = set_password(&app, &session, PASSWORD).await.expect(200).text("session");
    app.session(&session).await.expect(401);
    assert_eq!(standing(&app, &renewed).await.body["has_password"], true);
    app.login("alice", PASSWORD).await.expect(200);
    // From now on the current one is asked for.
    set_password(&app, &renewed, "slate orbit plum tray").await.expect(422);
    unlink(&app, &renewed, PASSWORD).await.expect(204);
    assert_eq!(sign_in(&app, &issuer, &json!({"sub": "alice"})).await.body["outcome"], "choose-name");
    // Alice is taken; the account is there and has another way in.
    choose_name(&app, "alice").await.expect(409);
}

#[tokio::test]
async fn a_first_password_needs_a_sign_in_of_just_now() {
    let (app, issuer) = with_issuer(|_| {}).await;
    let session = newcomer(&app, &issuer, "alice").await;
    app.clock.advance(Duration::from_mins(15));
    assert_eq!(standing(&app, &session).await.body["fresh"], false);
    let refused = set_password(&app, &session, PASSWORD).await.expect(403);
    assert_eq!(refused.code(), "urn:beaver:sign-in-again");
    ask(&app, &session, "").await.expect(403);
    unlink(&app, &session, "").await.expect(403);
    let session = sign_in(&app, &issuer, &json!({"sub": "alice"})).await.text("session");
    set_password(&app, &session, PASSWORD).await.expect(200);
}
