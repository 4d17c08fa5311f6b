//! A forgotten password: a link by mail or from the operator, what it ends, and that asking teaches nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, TestApp};
use crate::mail::rows;
use crate::sink::{Sink, app_with};

const OPTIONAL: (&str, &str) = ("BEAVER_EMAIL_VERIFICATION", "optional");
const NEW: &str = "velvet harbour nine moss";

async fn forgot(app: &TestApp, login: &str) -> Answer {
    app.post("/portal/forgot", &json!({"login": login, "client_addr": "192.0.2.7"})).await
}

async fn reset(app: &TestApp, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "new_password": password, "client_addr": "192.0.2.7"});
    app.post("/portal/reset", &body).await
}

/// An account whose address is proved; answers its session.
async fn proved(app: &TestApp, sink: &mut Sink, name: &str) -> String {
    let session = app.register(name).await.expect(201).text("session");
    let token = sink.token(&format!("{name}@example.com")).await;
    app.post("/portal/mail/confirm", &json!({"token": token})).await.expect(200);
    session
}

#[tokio::test]
async fn a_link_sets_a_new_password_once_and_ends_every_session() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[OPTIONAL]).await;
    let session = proved(&app, &mut sink, "alice").await;
    let other = app.login("alice", PASSWORD).await.expect(200).text("session");
    forgot(&app, " Alice@Example.com ").await.expect(202);
    let mail = sink.mail().await;
    assert_eq!(mail.about["to"][0], "alice@example.com");
    assert!(mail.text.contains("\nhttp://localhost:3081/reset?token="), "{}", mail.text);
    let token = mail.token();

    // The policy of passwords holds, and a fault does not use the link up.
    for weak in ["short", "alicealicealice", "passwordpassword"] {
        let answer = reset(&app, &token, weak).await.expect(422);
        assert!(answer.body["errors"]["new_password"].is_string());
    }
    app.session(&session).await.expect(200);
    reset(&app, &token, NEW).await.expect(204);
    for ended in [&session, &other] {
        app.session(ended).await.expect(401);
    }
    app.login("alice", PASSWORD).await.expect(401);
    app.login("alice", NEW).await.expect(200);
    assert_eq!(reset(&app, &token, PASSWORD).await.expect(400).code(), "urn:beaver:code-invalid");
    let told = sink.mail().await;
    assert_eq!(told.header("Subject"), "Your password was reset");
    let published = app.get("/router/revocations?after=0").await.expect(200);
    assert_eq!(published.body["revocations"].as_array().expect("a list").len(), 2);
}

#[tokio::test]
async fn of_fifty_uses_of_a_link_at_once_one_sets_its_password() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[OPTIONAL]).await;
    proved(&app, &mut sink, "alice").await;
    forgot(&app, "alice").await.expect(202);
    let token = sink.token("alice@example.com").await;
    let passwords: Vec<String> = (0..50).map(|n| format!("velvet harbour {n} moss")).collect();
    let answers =
        futures_util::future::join_all(passwords.iter().map(|password| reset(&app, &token, password))).await;
    let won: Vec<usize> =
        answers.iter().enumerate().filter(|(_, answer)| answer.status == 204).map(|(n, _)| n).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    // The others came too late, or were told to come again because many hashes waited.
    assert!(answers.iter().all(|answer| matches!(answer.status, 204 | 400 | 503)), "{answers:?}");
    app.login("alice", &passwords[won[0]]).await.expect(200);
}

#[tokio::test]
async fn asking_says_the_same_for_accounts_that_are_there_and_that_are_not() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[OPTIONAL]).await;
    proved(&app, &mut sink, "alice").await;
    // Bob's address is not proved: it may be anybody's.
    app.register("bob").await.expect(201);
    sink.token("bob@example.com").await;
    let mut answers: Vec<(u16, Value)> = Vec::new();
    for login in ["nobody", "nobody@example.com", "bob", "bob@example.com", "alice"] {
        let answer = forgot(&app, login).await;
        answers.push((answer.status, answer.body));
    }
    assert!(answers.iter().all(|answer| *answer == (202, Value::Null)), "{answers:?}");
    sink.expect_only("alice@example.com").await;
    assert_eq!(rows(&app, "mail_links WHERE kind = 'reset'").await, 1);
    assert_eq!(rows(&app, "audit WHERE action = 'password-reset-asked'").await, 5);
    forgot(&app, "").await.expect(422);
}

#[tokio::test]
async fn a_link_lives_for_half_an_hour_and_not_beyond_a_change_of_the_password() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[OPTIONAL]).await;
    let session = proved(&app, &mut sink, "alice").await;
    forgot(&app, "alice").await.expect(202);
    let late = sink.token("alice@example.com").await;
    app.clock.advance(Duration::from_mins(30));
    reset(&app, &late, NEW).await.expect(400);

    forgot(&app, "alice").await.expect(202);
    let void = sink.token("alice@example.com").await;
    let body = json!({"session": session, "current_password": PASSWORD, "new_password": NEW});
    app.post("/portal/password", &body).await.expect(200);
    assert_eq!(sink.mail().await.header("Subject"), "Your password was changed");
    reset(&app, &void, PASSWORD).await.expect(400);
}

#[tokio::test]
async fn asking_is_slowed_down_by_network_and_by_what_is_typed_and_a_person_gets_three_links() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[OPTIONAL]).await;
    proved(&app, &mut sink, "alice").await;
    for login in ["alice", "nobody"] {
        for _ in 0..5 {
            app.post("/portal/forgot", &json!({"login": login})).await.expect(202);
        }
        let answer = app.post("/portal/forgot", &json!({"login": login})).await.expect(429);
        assert_eq!(answer.headers["retry-after"], "1");
    }
    for _ in 0..3 {
        sink.token("alice@example.com").await;
    }
    proved(&app, &mut sink, "bob").await;
    assert_eq!(rows(&app, "mails").await, 0, "the fourth and fifth were not sent");

    let narrow = TestApp::start_with(|config| config.login_burst = 2).await;
    for status in [202, 202, 429] {
        forgot(&narrow, &format!("nobody-{status}")).await.expect(status);
    }
}

#[tokio::test]
async fn the_operator_hands_over_a_link_where_there_is_no_mail() {
    let app = app_with(&[]).await;
    let made = app.post("/internal/accounts", &json!({"username": "alice"})).await.expect(201);
    let path = format!("/internal/accounts/{}/reset-link", made.text("user_id"));
    let token = |url: &str| url.split_once("?token=").expect("a token").1.to_owned();
    let first = token(&app.post(&path, &json!({})).await.expect(201).text("url"));
    let answer = app.post(&path, &json!({})).await.expect(201);
    assert!(answer.text("url").starts_with("http://localhost:3081/reset?token="));
    reset(&app, &first, NEW).await.expect(400);
    reset(&app, &token(&answer.text("url")), NEW).await.expect(204);
    let session = app.login("alice", NEW).await.expect(200).text("session");
    let state = app.post("/portal/email/state", &json!({"session": session})).await.expect(200);
    assert_eq!(state.body["verified"], false, "no mail was read");
    app.post("/internal/accounts/01JDF3X5S8Q4M7R2V6T9W0YZAB/reset-link", &json!({})).await.expect(404);
}
