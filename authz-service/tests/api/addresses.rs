//! Another e-mail address: what it needs, when it holds, and who is told.

use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, TestApp};
use crate::mail::rows;
use crate::sink::Sink;

const OPTIONAL: (&str, &str) = ("BEAVER_EMAIL_VERIFICATION", "optional");

async fn change(app: &TestApp, session: &str, email: &str, password: &str) -> Answer {
    let body = json!({
        "session": session, "email": email, "current_password": password, "client_addr": "192.0.2.7",
    });
    app.post("/portal/email", &body).await
}

async fn confirm(app: &TestApp, token: &str) -> Answer {
    app.post("/portal/mail/confirm", &json!({"token": token})).await
}

async fn state(app: &TestApp, session: &str) -> Value {
    app.post("/portal/email/state", &json!({"session": session})).await.expect(200).body
}

async fn proved(app: &TestApp, sink: &mut Sink, name: &str) -> String {
    let session = app.register(name).await.expect(201).text("session");
    let token = sink.token(&format!("{name}@example.com")).await;
    confirm(app, &token).await.expect(200);
    session
}

#[tokio::test]
async fn another_address_holds_when_its_link_is_used_and_the_one_before_is_told() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[OPTIONAL]).await;
    let session = proved(&app, &mut sink, "alice").await;
    let wrong = change(&app, &session, "new@example.com", "wrong password here").await.expect(422);
    assert!(wrong.body["errors"]["current_password"].is_string());
    for bad in ["new", "Alice@example.com"] {
        let answer = change(&app, &session, bad, PASSWORD).await.expect(422);
        assert!(answer.body["errors"]["email"].is_string());
    }
    change(&app, &session, "new@example.com", PASSWORD).await.expect(202);
    let mut mails = [sink.mail().await, sink.mail().await];
    mails.sort_by_key(|mail| mail.about["to"].to_string());
    let [old, new] = mails;
    assert_eq!(old.about["to"][0], "alice@example.com");
    assert!(old.text.contains("new@example.com") && !old.text.contains("token="), "{}", old.text);
    assert_eq!(state(&app, &session).await["email"], "alice@example.com");

    let token = new.token();
    confirm(&app, &token).await.expect(200);
    let now = state(&app, &session).await;
    assert_eq!((&now["email"], &now["verified"]), (&json!("new@example.com"), &json!(true)));
    let told = sink.mail().await;
    assert_eq!(told.about["to"][0], "alice@example.com");
    assert_eq!(told.header("Subject"), "Your e-mail address was changed");
    app.login("new@example.com", PASSWORD).await.expect(200);
    app.login("alice@example.com", PASSWORD).await.expect(401);
    confirm(&app, &token).await.expect(400);
    assert_eq!(rows(&app, "audit WHERE action = 'email-change'").await, 1);
}

#[tokio::test]
async fn an_address_that_is_anothers_is_not_told_from_one_that_is_free() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[OPTIONAL]).await;
    let alice = proved(&app, &mut sink, "alice").await;
    // Not proved, so nobody is told at the one before.
    let bob = app.register("bob").await.expect(201).text("session");
    sink.token("bob@example.com").await;
    let answer = change(&app, &bob, "alice@example.com", PASSWORD).await.expect(202);
    assert_eq!(answer.body, Value::Null);
    let told = sink.mail().await;
    assert_eq!(told.about["to"][0], "alice@example.com");
    assert!(told.text.starts_with("Hello alice,") && !told.text.contains("token="), "{}", told.text);

    // Free when it was asked for, and somebody else's when the link is used.
    change(&app, &bob, "new@example.com", PASSWORD).await.expect(202);
    let token = sink.token("new@example.com").await;
    change(&app, &alice, "new@example.com", PASSWORD).await.expect(202);
    let mails = [sink.mail().await, sink.mail().await];
    let first = mails.iter().find(|mail| mail.about["to"][0] == "new@example.com").expect("a link");
    confirm(&app, &first.token()).await.expect(200);
    assert_eq!(confirm(&app, &token).await.expect(400).code(), "urn:beaver:code-invalid");
    assert_eq!(state(&app, &bob).await["email"], "bob@example.com");
}

#[tokio::test]
async fn a_new_password_voids_the_link_that_somebody_else_asked_for() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[OPTIONAL]).await;
    let session = proved(&app, &mut sink, "alice").await;
    change(&app, &session, "thief@example.com", PASSWORD).await.expect(202);
    let mails = [sink.mail().await, sink.mail().await];
    let theirs = mails.iter().find(|mail| mail.about["to"][0] == "thief@example.com").expect("a link");
    app.post("/portal/forgot", &json!({"login": "alice"})).await.expect(202);
    let token = sink.token("alice@example.com").await;
    let body = json!({"token": token, "new_password": "velvet harbour nine moss"});
    app.post("/portal/reset", &body).await.expect(204);
    confirm(&app, &theirs.token()).await.expect(400);
}
