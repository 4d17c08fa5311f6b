//! Sessions: how they end, and what is kept of them.

use std::time::Duration;

use serde_json::json;

use crate::harness::{PASSWORD, TestApp};

/// Actor, action, target, address, request id.
type AuditRow = (String, String, String, Option<String>, Option<String>);

#[tokio::test]
async fn a_session_slides_for_an_hour_and_ends_after_twelve() {
    let app = TestApp::start().await;
    let session = app.register("alice").await.expect(201).text("session");
    for _ in 0..12 {
        app.session(&session).await.expect(200);
        app.clock.advance(Duration::from_mins(59));
    }
    // 11 h 48 min: the next hour would go beyond the absolute end.
    let view = app.session(&session).await.expect(200);
    let left = view.text("expires_at").parse::<jiff::Timestamp>().expect("a time").as_millisecond()
        - app.clock.now_ms();
    assert_eq!(left, 12 * 60_000);
    app.clock.advance(Duration::from_mins(12));
    assert_eq!(app.session(&session).await.expect(401).code(), "urn:beaver:session-ended");
}

#[tokio::test]
async fn a_session_that_is_not_used_ends_after_an_hour() {
    let app = TestApp::start().await;
    let session = app.register("alice").await.expect(201).text("session");
    app.clock.advance(Duration::from_hours(1));
    app.session(&session).await.expect(401);
}

#[tokio::test]
async fn logout_ends_one_session_and_no_other() {
    let app = TestApp::start().await;
    let first = app.register("alice").await.expect(201).text("session");
    let second = app.login("alice", PASSWORD).await.expect(200).text("session");
    app.post("/portal/logout", &json!({"session": first})).await.expect(204);
    app.session(&first).await.expect(401);
    app.session(&second).await.expect(200);
    // Again, and for a session that never was.
    app.post("/portal/logout", &json!({"session": first})).await.expect(204);
    app.post("/portal/logout", &json!({"session": "unknown"})).await.expect(204);
}

#[tokio::test]
async fn the_public_id_of_a_session_proves_nothing() {
    let app = TestApp::start().await;
    let session = app.register("alice").await.expect(201).text("session");
    let sid = app.session(&session).await.expect(200).text("sid");
    app.session(&sid).await.expect(401);
}

#[tokio::test]
async fn a_restart_keeps_accounts_sessions_and_keys() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let tokens = app.tokens(&alice).await;
    let jwks = app.get("/.well-known/jwks.json").await.expect(200).body;
    let app = app.restart().await;
    app.session(&alice.session).await.expect(200);
    app.login("alice", PASSWORD).await.expect(200);
    assert_eq!(app.get("/.well-known/jwks.json").await.expect(200).body, jwks);
    app.renew(tokens["app_token"].as_str().expect("a token")).await.expect(200);
}

#[tokio::test]
async fn no_secret_is_stored_in_plain() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let code = app.handoff(&alice).await;
    let tokens = app.tokens(&alice).await;
    let registration = app.registration_token(&alice).await;
    let used = app.registration_token(&alice).await;
    let body = json!({"instance_id": alice.instance_id, "name": "app", "version": "1"});
    let request = app.request(http::Method::POST, "/backends/register").bearer_auth(&used).json(&body);
    let client = crate::harness::send(request).await.expect(201).text("client_secret");
    let invite = app.post("/internal/invites", &json!({})).await.expect(201).text("code");
    app.login("alice", "a wrong password of alice's").await.expect(401);

    let read =
        |suffix: &str| std::fs::read(format!("{}{suffix}", app.database().display())).unwrap_or_default();
    let stored = [read(""), read("-wal")].concat();
    let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("alice@example.com"), "the search itself works");
    let token = |name: &str| tokens[name].as_str().expect("a token").to_owned();
    for secret in [
        PASSWORD.to_owned(),
        "a wrong password of alice's".to_owned(),
        alice.session.clone(),
        code,
        registration,
        used,
        client,
        invite,
        token("app_token"),
        token("assertion"),
    ] {
        assert!(!holds(&secret), "{secret} is stored in plain");
    }
    // PKCS#8 of an Ed25519 key begins with this (RFC 8410, section 7).
    let pkcs8: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
    assert!(!stored.windows(pkcs8.len()).any(|window| window == pkcs8), "the private key is in plain");
}

#[tokio::test]
async fn the_audit_log_tells_what_was_done_and_cannot_be_changed() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    app.tokens(&alice).await;
    let wrong = json!({"login": "ali\nce\u{202e}", "password": "wrong", "client_addr": "192.0.2.7"});
    app.post("/portal/login", &wrong).await.expect(401);
    app.post("/portal/logout", &json!({"session": alice.session})).await.expect(204);
    let database = app.database();
    assert!(app.stop().await, "a clean stop");
    let log = std::path::PathBuf::from(format!("{}-wal", database.display()));
    assert!(!log.exists(), "a stop folds the write-ahead log into the file");

    let url = format!("sqlite://{}", database.display());
    let pool = sqlx::SqlitePool::connect(&url).await.expect("the database");
    let rows: Vec<AuditRow> =
        sqlx::query_as("SELECT actor, action, target, address, request_id FROM audit ORDER BY id")
            .fetch_all(&pool)
            .await
            .expect("the log");
    let actions: Vec<&str> = rows.iter().map(|row| row.1.as_str()).collect();
    assert_eq!(actions, ["register", "handoff", "redeem", "login-failed", "logout"]);
    assert_eq!(rows[0].0, alice.user_id);
    assert_eq!(rows[3].2, "ali\\nce\\u{202e}", "escaped");
    assert_eq!(rows[3].3.as_deref(), Some("192.0.2.7"));
    assert!(rows.iter().all(|row| row.4.is_some()), "each has a request id");
    for statement in ["UPDATE audit SET actor = 'bob'", "DELETE FROM audit"] {
        assert!(sqlx::query(statement).execute(&pool).await.is_err(), "{statement}");
    }
    pool.close().await;
}

#[tokio::test]
async fn the_last_use_of_a_session_outlives_a_restart() {
    let app = TestApp::start().await;
    let session = app.register("alice").await.expect(201).text("session");
    app.clock.advance(Duration::from_mins(50));
    app.session(&session).await.expect(200);
    let app = app.restart().await;
    // An hour after sign-in, but not after that use.
    app.clock.advance(Duration::from_mins(50));
    app.session(&session).await.expect(200);
    app.clock.advance(Duration::from_mins(61));
    app.session(&session).await.expect(401);
}
