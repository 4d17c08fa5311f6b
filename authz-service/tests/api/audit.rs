//! The audit log: administrators alone read it, filtered and in pages, and it is kept for as long as is said.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, TestApp, send};

const AUDIT: &str = "/portal/admin/audit";

/// An administrator's session.
async fn administrator(app: &TestApp) -> (String, String) {
    let answer = app.register("carol").await.expect(201);
    let id = answer.text("user_id");
    app.post(&format!("/internal/accounts/{id}/role"), &json!({"role": "admin"})).await.expect(204);
    (id, answer.text("session"))
}

async fn read(app: &TestApp, session: &str, more: Value) -> Answer {
    let mut body = json!({"session": session});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    app.post(AUDIT, &body).await
}

fn actions(page: &Answer) -> Vec<&str> {
    let entries = page.body["entries"].as_array().expect("entries");
    entries.iter().map(|entry| entry["action"].as_str().expect("text")).collect()
}

#[tokio::test]
async fn an_administrator_reads_filters_and_pages_the_log() {
    let app = TestApp::start().await;
    let (carol, session) = administrator(&app).await;
    let alice = app.register("alice").await.expect(201).text("user_id");
    let began = app.clock.now();
    app.clock.advance(Duration::from_mins(1));
    let wrong = json!({"login": "alice", "password": "wrong", "client_addr": "192.0.2.7"});
    app.post("/portal/login", &wrong).await.expect(401);
    app.login("alice", PASSWORD).await.expect(200);

    let all = read(&app, &session, json!({})).await.expect(200);
    assert_eq!(actions(&all), ["login", "login-failed", "register", "make-admin", "register"]);
    assert!(all.body["next"].is_null());
    let entry = &all.body["entries"][3];
    assert_eq!((&entry["actor"], &entry["target"]), (&json!("operator"), &json!(carol)));
    assert_eq!(entry["target_name"], "carol", "people know names");
    assert!(entry["request_id"].is_string() && entry["at"].is_string());
    assert_eq!(all.body["entries"][1]["address"], "192.0.2.7");

    // A name and an id find the same, whoever did it to whom.
    for who in ["alice", alice.as_str()] {
        let page = read(&app, &session, json!({"filter": {"who": who}})).await.expect(200);
        assert!(actions(&page).starts_with(&["login"]), "{page:?}");
        assert!(actions(&page).contains(&"register") && !actions(&page).contains(&"make-admin"));
    }
    for (filter, wanted) in [
        (json!({"action": "login-failed"}), vec!["login-failed"]),
        (json!({"since": began, "action": "register"}), vec!["register", "register"]),
        (json!({"until": began}), vec![]),
        (json!({"since": app.clock.now()}), vec!["login", "login-failed"]),
        (json!({"who": "nobody"}), vec![]),
        (json!({"who": "' OR 1=1 --"}), vec![]),
    ] {
        let page = read(&app, &session, json!({"filter": filter})).await.expect(200);
        assert_eq!(actions(&page), wanted, "{filter}");
    }

    let (mut seen, mut before) = (Vec::new(), Value::Null);
    for _ in 0..3 {
        let page = read(&app, &session, json!({"limit": 2, "before": before})).await.expect(200);
        seen.extend(actions(&page).into_iter().map(str::to_owned));
        before = page.body["next"].clone();
    }
    assert_eq!(seen, actions(&all), "in pages as in one");
    assert!(before.is_null(), "the last page says so");
    for bad in [json!({"limit": 0}), json!({"limit": 501}), json!({"filter": {"who": "x".repeat(257)}})] {
        read(&app, &session, bad).await.expect(422);
    }
}

#[tokio::test]
async fn nobody_else_reads_it() {
    let app = TestApp::start().await;
    let (carol, session) = administrator(&app).await;
    let alice = app.register("alice").await.expect(201).text("session");
    assert_eq!(read(&app, &alice, json!({})).await.expect(403).code(), "urn:beaver:not-yours");
    assert_eq!(read(&app, "x", json!({})).await.expect(401).code(), "urn:beaver:session-ended");
    let bare = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = app.request(Method::POST, AUDIT).build().expect("a request").url().clone();
    send(bare.post(url).json(&json!({"session": session}))).await.expect(401);
    // From the moment when the role ends.
    app.post(&format!("/internal/accounts/{carol}/role"), &json!({"role": "user"})).await.expect(204);
    read(&app, &session, json!({})).await.expect(403);
}

#[tokio::test]
async fn entries_older_than_they_are_kept_go_and_no_others() {
    let app = TestApp::start().await;
    let (_, _) = administrator(&app).await;
    app.clock.advance(Duration::from_hours(364 * 24));
    app.register("alice").await.expect(201);
    app.clock.advance(Duration::from_hours(2 * 24));
    // It is looked for at the start, and every minute.
    let app = app.restart().await;
    let session = app.login("carol", PASSWORD).await.expect(200).text("session");
    let limit = std::time::Instant::now() + Duration::from_secs(10);
    let page = loop {
        let page = read(&app, &session, json!({})).await.expect(200);
        if actions(&page).contains(&"audit-trim") {
            break page;
        }
        assert!(std::time::Instant::now() < limit, "{page:?}");
        tokio::task::yield_now().await;
    };
    let mut left = actions(&page);
    left.sort_unstable();
    // In a year a signing key has come of age, too.
    assert_eq!(left, ["audit-trim", "login", "publish-key", "register"]);
    let page = read(&app, &session, json!({"filter": {"action": "audit-trim"}})).await.expect(200);
    let entry = &page.body["entries"][0];
    assert_eq!((&entry["actor"], &entry["target"]), (&json!("authz-service"), &json!("2 entries")));
}
