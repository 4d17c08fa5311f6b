//! Proving an e-mail address: what a link does, once, and that a sign-up says nothing of whose an address is.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, TestApp, registration};
use crate::mail::rows;
use crate::sink::Sink;

const REQUIRED: (&str, &str) = ("BEAVER_EMAIL_VERIFICATION", "required");
const OPTIONAL: (&str, &str) = ("BEAVER_EMAIL_VERIFICATION", "optional");
const PENDING: &str = "urn:beaver:verification-pending";

async fn confirm(app: &TestApp, token: &str) -> Answer {
    app.post("/portal/mail/confirm", &json!({"token": token, "client_addr": "192.0.2.7"})).await
}

fn with_email(username: &str, email: &str) -> Value {
    let mut body = registration(username);
    body["email"] = json!(email);
    body
}

#[tokio::test]
async fn where_it_is_required_there_is_no_account_before_the_link_is_used() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[REQUIRED]).await;
    let settings = app.get("/portal/mail").await.expect(200);
    assert_eq!(settings.body, json!({"sends": true, "verification": "required"}));
    assert_eq!(app.register("alice").await.expect(403).code(), PENDING);
    let token = sink.token("alice@example.com").await;
    app.login("alice", PASSWORD).await.expect(401);
    assert!(app.deploy.orders().is_empty());

    assert_eq!(confirm(&app, &token).await.expect(200).text("outcome"), "registered");
    let session = app.login("alice@example.com", PASSWORD).await.expect(200).text("session");
    app.until_order(&session, "accepted").await;
    let state = app.post("/portal/email/state", &json!({"session": session})).await.expect(200);
    assert_eq!(state.body, json!({"email": "alice@example.com", "verified": true, "sends": true}));
    assert_eq!(confirm(&app, &token).await.expect(400).code(), "urn:beaver:code-invalid");
}

#[tokio::test]
async fn a_sign_up_says_the_same_whether_or_not_the_address_has_an_account() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[REQUIRED]).await;
    app.register("alice").await.expect(403);
    let token = sink.token("alice@example.com").await;
    confirm(&app, &token).await.expect(200);

    let mut free = app.post("/portal/register", &with_email("bob", "bob@example.com")).await;
    let mut refused = app.post("/portal/register", &with_email("carol", "Alice@example.com")).await;
    for answer in [&mut free, &mut refused] {
        answer.body["request_id"] = Value::Null;
    }
    assert_eq!((free.status, &free.body), (refused.status, &refused.body));
    assert_eq!(rows(&app, "registrations").await, 2, "the same is written for both");

    // The owner of the address is told, in a mail that makes no account.
    let mut mails = [sink.mail().await, sink.mail().await];
    mails.sort_by_key(|mail| mail.about["to"].to_string());
    let [told, bobs] = mails;
    assert!(told.text.contains("tried to sign up") && !told.text.contains("token="), "{}", told.text);
    assert!(told.text.starts_with("Hello alice,"), "{}", told.text);
    confirm(&app, &bobs.token()).await.expect(200);

    // A name is public, as it is everywhere.
    let named = app.post("/portal/register", &with_email("alice", "x@example.com")).await.expect(409);
    assert!(named.body["errors"]["username"].is_string());
}

#[tokio::test]
async fn of_fifty_uses_of_a_link_at_once_one_makes_the_account() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[REQUIRED]).await;
    app.register("alice").await.expect(403);
    let token = sink.token("alice@example.com").await;
    let uses = (0..50).map(|_| confirm(&app, &token));
    let answers = futures_util::future::join_all(uses).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400)), "{answers:?}");
    assert_eq!(rows(&app, "accounts").await, 1);
}

#[tokio::test]
async fn of_two_who_want_one_name_the_first_link_decides() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[REQUIRED]).await;
    app.post("/portal/register", &with_email("alice", "a@example.com")).await.expect(403);
    app.post("/portal/register", &with_email("alice", "b@example.com")).await.expect(403);
    let (first, second) = (sink.mail().await.token(), sink.mail().await.token());
    confirm(&app, &second).await.expect(200);
    let late = confirm(&app, &first).await.expect(409);
    assert!(late.body["errors"]["username"].is_string());
    app.post("/portal/register", &with_email("bob", "a@example.com")).await.expect(403);
    let again = sink.token("a@example.com").await;
    confirm(&app, &again).await.expect(200);
}

#[tokio::test]
async fn a_link_lives_for_a_day_and_unknown_ones_never() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[REQUIRED]).await;
    app.register("alice").await.expect(403);
    let token = sink.token("alice@example.com").await;
    for bad in ["", "x", &token[1..], &format!("{token}x")] {
        confirm(&app, bad).await.expect(400);
    }
    app.clock.advance(Duration::from_hours(24));
    confirm(&app, &token).await.expect(400);
    // Neither name nor address is kept for somebody who never came.
    app.register("alice").await.expect(403);
    let token = sink.token("alice@example.com").await;
    confirm(&app, &token).await.expect(200);
}

#[tokio::test]
async fn an_address_gets_three_links_of_sign_ups_an_hour() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[REQUIRED]).await;
    for name in ["alice", "alice-2", "alice-3", "alice-4", "alice-5"] {
        app.post("/portal/register", &with_email(name, "alice@example.com")).await.expect(403);
        if name < "alice-4" {
            sink.token("alice@example.com").await;
        }
    }
    app.register("bob").await.expect(403);
    sink.token("bob@example.com").await;
    app.clock.advance(Duration::from_hours(1));
    app.register("alice").await.expect(403);
    sink.token("alice@example.com").await;
}

#[tokio::test]
async fn where_it_is_optional_the_account_works_at_once_and_a_link_proves_the_address_later() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[OPTIONAL]).await;
    let session = app.register("alice").await.expect(201).text("session");
    let state = async || app.post("/portal/email/state", &json!({"session": session})).await.expect(200).body;
    assert_eq!(state().await["verified"], false);
    let first = sink.token("alice@example.com").await;
    app.post("/portal/email/verify", &json!({"session": session})).await.expect(202);
    let second = sink.token("alice@example.com").await;
    assert_eq!(confirm(&app, &second).await.expect(200).text("outcome"), "address");
    assert_eq!(state().await["verified"], true);
    confirm(&app, &first).await.expect(200);
    confirm(&app, &first).await.expect(400);
    // Five links at a time.
    for _ in 0..5 {
        app.post("/portal/email/verify", &json!({"session": session})).await.expect(202);
    }
    app.post("/portal/email/verify", &json!({"session": session})).await.expect(429);
    // A taken address is said to be taken here, as before.
    app.post("/portal/register", &with_email("bob", "alice@example.com")).await.expect(409);
}
