//! Administrators: made and unmade by the operator alone, at once.

use http::Method;
use serde_json::json;

use crate::harness::{PASSWORD, ROUTER, TestApp, registration, send};

fn path(user_id: &str) -> String {
    format!("/internal/accounts/{user_id}/role")
}

#[tokio::test]
async fn a_role_holds_and_ends_at_the_next_request_of_a_session() {
    let app = TestApp::start().await;
    let answer = app.register("alice").await.expect(201);
    let (alice, session) = (answer.text("user_id"), answer.text("session"));
    assert_eq!(app.session(&session).await.expect(200).text("role"), "user");
    app.post(&path(&alice), &json!({"role": "admin"})).await.expect(204);
    assert_eq!(app.session(&session).await.expect(200).text("role"), "admin");
    // Also of a session that begins later, and of nobody else's.
    let later = app.login("alice", PASSWORD).await.expect(200).text("session");
    assert_eq!(app.session(&later).await.expect(200).text("role"), "admin");
    let bob = app.register("bob").await.expect(201).text("session");
    assert_eq!(app.session(&bob).await.expect(200).text("role"), "user");
    let found = app.get("/internal/accounts?username=alice").await.expect(200);
    assert_eq!(found.body["accounts"][0]["role"], "admin");

    app.post(&path(&alice), &json!({"role": "user"})).await.expect(204);
    for secret in [&session, &later] {
        assert_eq!(app.session(secret).await.expect(200).text("role"), "user");
    }
}

#[tokio::test]
async fn a_role_outlives_a_restart() {
    let app = TestApp::start().await;
    let answer = app.register("alice").await.expect(201);
    app.post(&path(&answer.text("user_id")), &json!({"role": "admin"})).await.expect(204);
    let app = app.restart().await;
    assert_eq!(app.session(&answer.text("session")).await.expect(200).text("role"), "admin");
}

#[tokio::test]
async fn only_the_internal_token_sets_a_role() {
    let app = TestApp::start().await;
    let answer = app.register("alice").await.expect(201);
    let (alice, session) = (answer.text("user_id"), answer.text("session"));
    let body = json!({"role": "admin"});
    let bare = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = app.request(Method::POST, &path(&alice)).build().expect("a request").url().clone();
    for token in [None, Some("x"), Some(session.as_str()), Some(ROUTER)] {
        let mut request = bare.post(url.clone()).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        send(request).await.expect(401);
    }
    assert_eq!(app.session(&session).await.expect(200).text("role"), "user");
    // A sign-up cannot ask for it either.
    let mut wish = registration("bob");
    wish["role"] = json!("admin");
    let bob = app.post("/portal/register", &wish).await.expect(201).text("session");
    assert_eq!(app.session(&bob).await.expect(200).text("role"), "user");
}

#[tokio::test]
async fn an_unknown_account_or_role_is_refused() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await.expect(201).text("user_id");
    app.post(&path("01JDF3X5S8Q4M7R2V6T9W0YZAB"), &json!({"role": "admin"})).await.expect(404);
    for body in [json!({"role": "root"}), json!({}), json!({"role": null})] {
        let answer = app.post(&path(&alice), &body).await;
        assert!((400..500).contains(&answer.status), "{body}: {}", answer.status);
    }
}

#[tokio::test]
async fn the_audit_log_tells_each_change_once() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await.expect(201).text("user_id");
    for role in ["admin", "admin", "user"] {
        app.post(&path(&alice), &json!({"role": role})).await.expect(204);
    }
    let database = app.database();
    assert!(app.stop().await, "a clean stop");
    let pool =
        sqlx::SqlitePool::connect(&format!("sqlite://{}", database.display())).await.expect("the database");
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("SELECT actor, action, target FROM audit WHERE action LIKE '%admin' ORDER BY id")
            .fetch_all(&pool)
            .await
            .expect("the log");
    let entry = |action: &str| ("operator".to_owned(), action.to_owned(), alice.clone());
    assert_eq!(rows, [entry("make-admin"), entry("revoke-admin")]);
    pool.close().await;
}
