//! The first administrator: made once, with a code, whatever the registration mode; never again after that.

use std::time::Duration;

use control_api::authz::RegistrationMode;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, ROUTER, TestApp, registration, send};

const CODE: &str = "/internal/setup-code";
const SETUP: &str = "/portal/setup";

async fn code(app: &TestApp) -> String {
    app.post(CODE, &json!({})).await.expect(201).text("code")
}

fn form(username: &str, code: &str) -> Value {
    let mut body = registration(username);
    body["code"] = json!(code);
    body
}

async fn is_open(app: &TestApp) -> bool {
    app.get("/portal/settings").await.expect(200).body["setup_open"].as_bool().expect("a bool")
}

fn closed(answer: Answer) {
    assert_eq!(answer.expect(403).code(), "urn:beaver:setup-closed");
}

#[tokio::test]
async fn the_code_makes_an_administrator_in_any_mode_and_closes_the_set_up() {
    for mode in RegistrationMode::ALL {
        let app = TestApp::start_with(|config| config.registration = mode).await;
        assert!(is_open(&app).await);
        assert_eq!(app.get(CODE).await.expect(200).body, json!({"open": true}));
        let code = code(&app).await;
        assert!(app.get(CODE).await.expect(200).body["code_expires_at"].is_string());
        let answer = app.post(SETUP, &form("alice", &format!(" {code} "))).await.expect(201);
        let session = answer.text("session");
        assert_eq!(app.session(&session).await.expect(200).text("role"), "admin");
        app.until_order(&session, "accepted").await;
        assert!(!is_open(&app).await);
        assert_eq!(app.get(CODE).await.expect(200).body, json!({"open": false}));
        closed(app.post(SETUP, &form("bob", &code)).await);
        closed(app.post(CODE, &json!({})).await);
    }
}

#[tokio::test]
async fn fifty_at_once_make_one_administrator() {
    let app = TestApp::start().await;
    let code = code(&app).await;
    let tries = (0..50).map(|n| {
        let (app, body) = (&app, form(&format!("alice-{n}"), &code));
        async move { app.post(SETUP, &body).await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 403, 503].contains(status)), "{statuses:?}");
    let accounts = app.get("/internal/accounts").await.expect(200).body["accounts"].clone();
    assert_eq!(accounts.as_array().expect("accounts").len(), 1, "losers left nothing: {accounts}");
}

#[tokio::test]
async fn it_stays_closed_when_the_administrator_is_gone_and_after_a_restart() {
    let app = TestApp::start().await;
    let code = code(&app).await;
    let answer = app.post(SETUP, &form("alice", &code)).await.expect(201);
    let path = format!("/internal/accounts/{}/role", answer.text("user_id"));
    app.post(&path, &json!({"role": "user"})).await.expect(204);
    closed(app.post(CODE, &json!({})).await);
    // Also where the row itself is gone.
    let url = format!("sqlite://{}", app.database().display());
    let pool = sqlx::SqlitePool::connect(&url).await.expect("the database");
    sqlx::query("DELETE FROM accounts").execute(&pool).await.expect("deleted");
    for forbidden in ["UPDATE setup SET closed = 0", "DELETE FROM setup"] {
        sqlx::query(forbidden).execute(&pool).await.expect_err("a trigger refuses it");
    }
    pool.close().await;
    let app = app.restart().await;
    assert!(!is_open(&app).await);
    closed(app.post(CODE, &json!({})).await);
    closed(app.post(SETUP, &form("bob", &code)).await);
}

#[tokio::test]
async fn an_administrator_whom_the_operator_made_closes_it_too() {
    let app = TestApp::start().await;
    let code = code(&app).await;
    let alice = app.register("alice").await.expect(201).text("user_id");
    assert!(is_open(&app).await, "an account without the role changes nothing");
    app.post(&format!("/internal/accounts/{alice}/role"), &json!({"role": "admin"})).await.expect(204);
    assert!(!is_open(&app).await);
    closed(app.post(SETUP, &form("bob", &code)).await);
    // Others may still be made that way.
    let bob = app.register("bob").await.expect(201).text("user_id");
    app.post(&format!("/internal/accounts/{bob}/role"), &json!({"role": "admin"})).await.expect(204);
}

#[tokio::test]
async fn a_code_ends_with_the_next_one_and_after_72_hours() {
    let app = TestApp::start().await;
    let old = code(&app).await;
    let new = code(&app).await;
    for bad in [old.as_str(), "", "unknown"] {
        let answer = app.post(SETUP, &form("alice", bad)).await.expect(422);
        assert!(answer.body["errors"]["code"].is_string(), "{answer:?}");
    }
    app.clock.advance(Duration::from_hours(72));
    assert_eq!(app.get(CODE).await.expect(200).body, json!({"open": true}), "a dead code is none");
    app.post(SETUP, &form("alice", &new)).await.expect(422);
    let code = code(&app).await;
    app.clock.advance(Duration::from_hours(71));
    app.post(SETUP, &form("alice", &code)).await.expect(201);
}

#[tokio::test]
async fn a_form_at_fault_uses_nothing_up_and_a_wrong_code_tells_nothing() {
    let app = TestApp::start().await;
    app.register("bob").await.expect(201);
    // Whether a name is taken is not for strangers, nor what is wrong with the rest.
    let answer = app.post(SETUP, &form("bob", "unknown")).await.expect(422);
    assert_eq!(answer.body["errors"].as_object().expect("errors").len(), 1);
    let code = code(&app).await;
    let mut weak = form("alice", &code);
    weak["password"] = json!("short");
    let answer = app.post(SETUP, &weak).await.expect(422);
    assert_eq!(answer.code(), "urn:beaver:weak-password");
    assert_eq!(app.post(SETUP, &form("bob", &code)).await.expect(409).code(), "urn:beaver:username-taken");
    app.post(SETUP, &form("alice", &code)).await.expect(201);
}

#[tokio::test]
async fn guesses_are_throttled_and_slips_with_the_right_code_are_not() {
    let app = TestApp::start_with(|config| config.login_burst = 5).await;
    let code = code(&app).await;
    let from = |address: &str, code: &str, password: &str| {
        let mut body = form("alice", code);
        body["client_addr"] = json!(address);
        body["password"] = json!(password);
        body
    };
    let good = "plum tray orbit lamp";
    for _ in 0..10 {
        app.post(SETUP, &from("192.0.2.7", &code, "short")).await.expect(422);
    }
    for _ in 0..5 {
        app.post(SETUP, &from("192.0.2.7", "guess", good)).await.expect(422);
    }
    let slowed = app.post(SETUP, &from("192.0.2.7", &code, good)).await.expect(429);
    assert_eq!(slowed.headers["retry-after"], "20");
    let app = app.restart().await;
    app.post(SETUP, &from("192.0.2.7", &code, good)).await.expect(429);
    app.post(SETUP, &from("198.51.100.1", &code, good)).await.expect(201);
}

#[tokio::test]
async fn the_code_is_nowhere_and_the_log_tells_who_did_what() {
    let app = TestApp::start().await;
    let code = code(&app).await;
    app.post(SETUP, &form("alice", "guess-of-a-stranger")).await.expect(422);
    let answer = app.post(SETUP, &form("alice", &code)).await.expect(201);
    let page = app.post("/portal/admin/audit", &json!({"session": answer.text("session")})).await.expect(200);
    let entries = page.body["entries"].as_array().expect("entries");
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry["actor"].as_str().expect("text"), entry["action"].as_str().expect("text")))
        .collect();
    let alice = answer.text("user_id");
    assert_eq!(
        told,
        [(alice.as_str(), "first-admin"), ("anonymous", "setup-refused"), ("operator", "setup-code")]
    );
    let database = app.database();
    assert!(app.stop().await, "a clean stop");
    let bytes = std::fs::read(database).expect("the file");
    for text in [code.as_bytes(), b"guess-of-a-stranger"] {
        assert!(!bytes.windows(text.len()).any(|part| part == text), "a code is in the database");
    }
}

#[tokio::test]
async fn only_the_internal_token_opens_it() {
    let app = TestApp::start().await;
    for (method, path) in [(Method::POST, SETUP), (Method::POST, CODE), (Method::GET, CODE)] {
        for token in ["x", ROUTER] {
            send(app.request(method.clone(), path).bearer_auth(token).json(&json!({}))).await.expect(401);
        }
        let answer = send(app.instance_request(method, path)).await;
        assert!([404, 405].contains(&answer.status), "instances cannot reach it: {answer:?}");
    }
}
