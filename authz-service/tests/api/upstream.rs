//! Sign-in at another issuer: who is let in, who becomes an account, and by which rules.

use std::time::Duration;

use control_api::authz::RegistrationMode;
use serde_json::json;

use crate::fake_issuer::answer;
use crate::harness::{PASSWORD, TestApp, registration};
use crate::people::{act, administrator};
use crate::sink::Sink;
use crate::upstream_flow::{
    BROWSER, OTHER, callback, callback_with, choose_name, log, newcomer, now_s, refusal, sign_in, start,
    try_start, with_issuer,
};

#[tokio::test]
async fn somebody_new_chooses_a_name_and_comes_back_as_the_same_account() {
    let (app, issuer) = with_issuer(|_| {}).await;
    assert_eq!(app.get("/portal/settings").await.expect(200).text("upstream"), "Home");
    let to = start(&app).await;
    assert!(to.as_str().starts_with(&format!("{}/authorize?tenant=home&response_type=code&", issuer.url)));
    assert!(
        to.as_str().contains("&redirect_uri=http%3A%2F%2Flocalhost%3A3081%2Flogin%2Fupstream%2Fcallback&")
    );
    assert!(to.as_str().contains("&scope=openid+profile+email&"));

    let claims = json!({"preferred_username": "Alice", "email": "alice@example.com", "email_verified": true});
    let query = issuer.approve(&to, now_s(&app), &claims);
    assert_eq!(callback(&app, &query).await.expect(200).body, json!({"outcome": "choose-name"}));
    let arrival = app.post("/portal/upstream/arrival", &json!({"browser": BROWSER})).await.expect(200);
    let form = json!({"username": "alice", "email": "alice@example.com", "registration": "open"});
    assert_eq!(arrival.body, form);
    let made = choose_name(&app, "alice").await.expect(201);
    app.until_order(&made.text("session"), "accepted").await;
    // The arrival is used up.
    choose_name(&app, "bob").await.expect(400);
    app.post("/portal/upstream/arrival", &json!({"browser": BROWSER})).await.expect(400);

    let again = sign_in(&app, &issuer, &json!({})).await;
    assert_eq!(again.body["outcome"], "signed-in");
    assert_eq!(again.text("user_id"), made.text("user_id"));
    assert_eq!(again.text("next"), "/account?a=b");
    assert_ne!(again.text("session"), made.text("session"));
    let view = app.session(&again.text("session")).await.expect(200);
    assert_eq!(view.body["user"]["username"], "alice");

    // No password opens it.
    for guess in ["!", "", PASSWORD] {
        assert_eq!(app.login("alice", guess).await.expect(401).code(), "urn:beaver:bad-credentials");
    }
    let actions: Vec<_> = log(&app).await.into_iter().map(|(action, _)| action).collect();
    assert!(actions.starts_with(&["upstream-link", "register"].map(str::to_owned)), "{actions:?}");
    assert!(actions.contains(&"upstream-login".to_owned()));
}

#[tokio::test]
async fn an_address_finds_no_account_not_even_a_verified_one() {
    let (app, issuer) = with_issuer(|_| {}).await;
    app.register("alice").await.expect(201);
    for verified in [json!(true), json!("true"), json!(false), json!(null)] {
        let claims = json!({"email": "alice@example.com", "email_verified": verified});
        let came = sign_in(&app, &issuer, &claims).await;
        assert_eq!(came.body["outcome"], "choose-name");
        let arrival = app.post("/portal/upstream/arrival", &json!({"browser": BROWSER})).await.expect(200);
        let filled = if verified == true || verified == "true" { "alice@example.com" } else { "" };
        assert_eq!(arrival.text("email"), filled, "{verified}");
    }
    let body = json!({"browser": BROWSER, "username": "alice-2", "email": "Alice@example.com"});
    let conflict = app.post("/portal/upstream/register", &body).await.expect(409);
    assert_eq!(conflict.code(), "urn:beaver:email-taken");
    let nonsense = json!({"browser": BROWSER, "username": "a", "email": "nonsense"});
    let faulty = app.post("/portal/upstream/register", &nonsense).await.expect(422);
    assert!(faulty.body["errors"]["username"].is_string() && faulty.body["errors"]["email"].is_string());
    // A form at fault does not use the arrival up.
    choose_name(&app, "bob").await.expect(201);
}

#[tokio::test]
async fn what_the_issuer_calls_a_person_is_a_name_only_where_it_is_one() {
    let (app, issuer) = with_issuer(|_| {}).await;
    for name in ["alice@example.com", "a", "admin", "<script>", ""] {
        sign_in(&app, &issuer, &json!({"preferred_username": name})).await;
        let arrival = app.post("/portal/upstream/arrival", &json!({"browser": BROWSER})).await.expect(200);
        assert_eq!(arrival.text("username"), "", "{name}");
    }
}

#[tokio::test]
async fn the_rules_of_registration_hold_for_newcomers() {
    let (app, issuer) = with_issuer(|config| config.registration = RegistrationMode::Closed).await;
    assert_eq!(refusal(&sign_in(&app, &issuer, &json!({})).await), "registration-closed");
    choose_name(&app, "alice").await.expect(403);

    let (app, issuer) = with_issuer(|config| config.registration = RegistrationMode::Invite).await;
    sign_in(&app, &issuer, &json!({})).await;
    let refused = choose_name(&app, "alice").await.expect(403);
    assert!(refused.body["errors"]["invite"].is_string());
    let code = app.post("/internal/invites", &json!({})).await.expect(201).text("code");
    let mut body = json!({"browser": BROWSER, "username": "alice", "email": "alice@example.com"});
    body["invite"] = json!(code);
    app.post("/portal/upstream/register", &body).await.expect(201);
    let mut other = registration("bob");
    other["invite"] = json!(code);
    app.post("/portal/register", &other).await.expect(403);

    let (app, issuer) = with_issuer(|config| config.registration = RegistrationMode::Approval).await;
    sign_in(&app, &issuer, &json!({})).await;
    assert_eq!(choose_name(&app, "alice").await.expect(403).code(), "urn:beaver:approval-pending");
    assert_eq!(refusal(&sign_in(&app, &issuer, &json!({})).await), "approval-pending");
    let waiting = app.get("/internal/accounts?state=pending_approval").await.expect(200);
    let id = waiting.body["accounts"][0]["user_id"].as_str().expect("an id").to_owned();
    app.post(&format!("/internal/accounts/{id}/approve"), &json!({})).await.expect(204);
    let came = sign_in(&app, &issuer, &json!({})).await;
    assert_eq!(came.text("user_id"), id);
    app.until_order(&came.text("session"), "accepted").await;
}

#[tokio::test]
async fn a_suspended_account_is_shut_out_there_too_and_told_why() {
    let (app, issuer) = with_issuer(|_| {}).await;
    let carol = administrator(&app, "carol").await;
    newcomer(&app, &issuer, "alice").await;
    let alice = json!({"sub": "alice"});
    let id = sign_in(&app, &issuer, &alice).await.text("user_id");
    act(&app, &carol, &id, "suspend").await.expect(204);
    let refused = sign_in(&app, &issuer, &alice).await;
    assert_eq!((refusal(&refused), refused.text("detail").as_str()), ("suspended", "sends spam"));
    act(&app, &carol, &id, "lift").await.expect(204);
    assert_eq!(sign_in(&app, &issuer, &alice).await.body["outcome"], "signed-in");
    // A deleted account takes its identity along.
    act(&app, &carol, &id, "delete").await.expect(204);
    assert_eq!(sign_in(&app, &issuer, &alice).await.body["outcome"], "choose-name");
}

#[tokio::test]
async fn of_50_callbacks_at_once_exactly_one_wins() {
    let (app, issuer) = with_issuer(|_| {}).await;
    newcomer(&app, &issuer, "alice").await;
    let query = issuer.approve(&start(&app).await, now_s(&app), &json!({"sub": "alice"}));
    let answers = futures_util::future::join_all((0..50).map(|_| callback(&app, &query))).await;
    let won = answers.iter().filter(|answer| answer.body["outcome"] == "signed-in").count();
    let lost = answers.iter().filter(|answer| answer.body["reason"] == "expired").count();
    assert_eq!((won, lost), (1, 49), "{answers:?}");
}

#[tokio::test]
async fn of_50_names_at_once_exactly_one_becomes_an_account() {
    let (app, issuer) = with_issuer(|_| {}).await;
    sign_in(&app, &issuer, &json!({})).await;
    let names: Vec<String> = (0..50).map(|n| format!("alice-{n}")).collect();
    let answers = futures_util::future::join_all(names.iter().map(|name| choose_name(&app, name))).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 49, "{statuses:?}");
    let accounts = app.get("/internal/accounts").await.expect(200);
    assert_eq!(accounts.body["accounts"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn an_identity_that_arrives_in_two_browsers_becomes_one_account() {
    let (app, issuer) = with_issuer(|_| {}).await;
    sign_in(&app, &issuer, &json!({})).await;
    let body = json!({"browser": OTHER});
    let to = app.post("/portal/upstream/start", &body).await.expect(200).text("to");
    let query = issuer.approve(&to.parse().expect("a URL"), now_s(&app), &json!({}));
    let other = callback_with(&app, Some(OTHER), &query, None).await;
    assert_eq!(other.body["outcome"], "choose-name");
    choose_name(&app, "alice").await.expect(201);
    let late = json!({"browser": OTHER, "username": "bob", "email": "bob@example.com"});
    app.post("/portal/upstream/register", &late).await.expect(400);
    assert_eq!(app.get("/internal/accounts").await.body["accounts"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn a_callback_belongs_to_one_browser_works_once_and_for_ten_minutes() {
    let (app, issuer) = with_issuer(|_| {}).await;
    newcomer(&app, &issuer, "alice").await;
    let alice = json!({"sub": "alice"});
    let query = issuer.approve(&start(&app).await, now_s(&app), &alice);
    assert_eq!(refusal(&callback_with(&app, Some(OTHER), &query, None).await), "other-browser");
    assert_eq!(refusal(&callback_with(&app, None, &query, None).await), "other-browser");
    // The first browser goes on as if nothing had been.
    assert_eq!(callback(&app, &query).await.body["outcome"], "signed-in");
    assert_eq!(refusal(&callback(&app, &query).await), "expired");

    let query = issuer.approve(&start(&app).await, now_s(&app), &alice);
    app.clock.advance(Duration::from_mins(10));
    assert_eq!(refusal(&callback(&app, &query).await), "expired");
    for never in ["", "code=x", "state=never&code=x", "state=a&state=b&code=x"] {
        assert_eq!(refusal(&callback(&app, never).await), "expired", "{never}");
    }
    // A name takes no longer either.
    sign_in(&app, &issuer, &json!({"sub": "bob"})).await;
    app.clock.advance(Duration::from_mins(10));
    choose_name(&app, "bob").await.expect(400);
}

#[tokio::test]
async fn a_no_at_the_issuer_is_a_no_and_ends_the_sign_in() {
    let (app, issuer) = with_issuer(|_| {}).await;
    for (error, reason) in [
        ("access_denied", "denied"),
        ("temporarily_unavailable", "unavailable"),
        ("server_error", "unavailable"),
        ("invalid_scope", "faulty"),
        ("<script>", "faulty"),
    ] {
        let to = start(&app).await;
        let state = to.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
        let query = answer(&[("error", error), ("state", &state), ("iss", &issuer.url)]);
        assert_eq!(refusal(&callback(&app, &query).await), reason, "{error}");
        assert_eq!(refusal(&callback(&app, &query).await), "expired", "{error}");
    }
    let logged = log(&app).await;
    assert!(logged.contains(&("upstream-refused".to_owned(), "denied".to_owned())), "{logged:?}");
}

#[tokio::test]
async fn without_an_upstream_there_is_nothing() {
    let app = TestApp::start().await;
    assert!(app.get("/portal/settings").await.expect(200).body.get("upstream").is_none());
    assert_eq!(try_start(&app).await.expect(404).code(), "urn:beaver:not-found");
    callback(&app, "state=s&code=c").await.expect(404);
    choose_name(&app, "alice").await.expect(404);
}

#[tokio::test]
async fn an_address_has_so_many_tries_and_success_gives_them_back() {
    let (app, issuer) = with_issuer(|config| config.login_burst = 3).await;
    newcomer(&app, &issuer, "alice").await;
    let body = json!({"browser": BROWSER, "client_addr": "192.0.2.7"});
    for _ in 0..5 {
        let to = app.post("/portal/upstream/start", &body).await.expect(200).text("to");
        let query = issuer.approve(&to.parse().expect("a URL"), now_s(&app), &json!({"sub": "alice"}));
        let back = json!({"browser": BROWSER, "query": query, "client_addr": "192.0.2.7"});
        let came = app.post("/portal/upstream/callback", &back).await.expect(200);
        assert_eq!(came.body["outcome"], "signed-in");
    }
    for _ in 0..3 {
        app.post("/portal/upstream/start", &body).await.expect(200);
    }
    let refused = app.post("/portal/upstream/start", &body).await.expect(429);
    assert_eq!(refused.headers["retry-after"], "20");
}

#[tokio::test]
async fn an_address_that_the_issuer_verified_is_proved_and_where_that_is_asked_no_other_will_do() {
    let mut sink = Sink::start(&[]).await;
    let required = [("BEAVER_EMAIL_VERIFICATION", "required")];
    let (app, issuer) = with_issuer(|config| sink.set(config, &required)).await;
    let claims =
        |verified: bool| json!({"sub": "person-1", "email": "Alice@example.com", "email_verified": verified});
    sign_in(&app, &issuer, &claims(false)).await;
    assert!(choose_name(&app, "alice").await.expect(422).body["errors"]["email"].is_string());
    sign_in(&app, &issuer, &claims(true)).await;
    let body = json!({"browser": BROWSER, "username": "alice", "email": "bob@example.com"});
    let other = app.post("/portal/upstream/register", &body).await.expect(422);
    assert!(other.body["errors"]["email"].is_string(), "{other:?}");
    let session = choose_name(&app, "alice").await.expect(201).text("session");
    let state = app.post("/portal/email/state", &json!({"session": session})).await.expect(200);
    assert_eq!(state.body["verified"], true);
    // Nothing was sent to prove it: the next mail is somebody else's.
    app.register("bob").await.expect(403);
    sink.expect_only("bob@example.com").await;
}
