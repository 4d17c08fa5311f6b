//! An authenticator app, and the way through set-up with it.

use std::time::Duration;

use serde_json::{Value, json};
use service_kit::totp;

use crate::harness::{Answer, PASSWORD, TestApp};

/// What an app keeps of a set-up.
pub(crate) struct Authenticator {
    pub(crate) secret: Vec<u8>,
}

impl Authenticator {
    /// Takes the secret over, as if it was typed.
    pub(crate) async fn begin(app: &TestApp, session: &str) -> Self {
        let answer = app.post("/portal/second-factor/totp", &json!({"session": session})).await.expect(200);
        Self { secret: totp::from_base32(&answer.text("secret")).expect("base32") }
    }

    /// What it shows now.
    pub(crate) fn code(&self, app: &TestApp) -> String {
        self.code_of(app, 0)
    }

    /// What it shows so many steps from now.
    pub(crate) fn code_of(&self, app: &TestApp, steps: i64) -> String {
        totp::code(&self.secret, totp::step_at(app.clock.now_secs()) + steps)
    }

    /// A code that is wrong now and in every step near.
    pub(crate) fn wrong_code(&self, app: &TestApp) -> String {
        let near: Vec<String> = (-3..=3).map(|steps| self.code_of(app, steps)).collect();
        (0..10).map(|n| format!("{n:06}")).find(|code| !near.contains(code)).expect("a wrong code")
    }
}

/// An account whose second factor is on. The code that shows now is fresh.
pub(crate) struct Guarded {
    pub(crate) session: String,
    pub(crate) user_id: String,
    pub(crate) authenticator: Authenticator,
    pub(crate) recovery_codes: Vec<String>,
}

impl Guarded {
    /// Signs up and sets one-time passwords up.
    pub(crate) async fn sign_up(app: &TestApp, name: &str) -> Self {
        let answer = app.register(name).await.expect(201);
        let (session, user_id) = (answer.text("session"), answer.text("user_id"));
        let authenticator = Authenticator::begin(app, &session).await;
        let answer = confirm(app, &session, &authenticator.code(app), PASSWORD).await.expect(200);
        app.clock.advance(Duration::from_secs(30));
        let recovery_codes = codes(&answer);
        Self { session: answer.text("session"), user_id, authenticator, recovery_codes }
    }
}

pub(crate) async fn confirm(app: &TestApp, session: &str, code: &str, password: &str) -> Answer {
    let body = json!({
        "session": session, "code": code, "current_password": password, "client_addr": "192.0.2.7",
    });
    app.post("/portal/second-factor/totp/confirm", &body).await
}

/// `remove` or `recovery-codes`.
pub(crate) async fn change(app: &TestApp, what: &str, session: &str, code: &str, password: &str) -> Answer {
    let path = match what {
        "remove" => "/portal/second-factor/totp/remove",
        _ => "/portal/second-factor/recovery-codes",
    };
    let body = json!({
        "session": session, "code": code, "current_password": password, "client_addr": "192.0.2.7",
    });
    app.post(path, &body).await
}

/// The first step of a sign-in.
pub(crate) async fn pending(app: &TestApp, name: &str) -> String {
    let answer = app.login(name, PASSWORD).await.expect(200);
    assert!(answer.body.get("session").is_none(), "{answer:?}");
    assert_eq!(answer.body["expires_in_s"], 300);
    answer.text("pending")
}

/// The second step of a sign-in.
pub(crate) async fn finish(app: &TestApp, pending: &str, code: &str) -> Answer {
    finish_from(app, pending, code, "192.0.2.7").await
}

pub(crate) async fn finish_from(app: &TestApp, pending: &str, code: &str, address: &str) -> Answer {
    let body = json!({"pending": pending, "code": code, "client_addr": address, "agent": "Firefox"});
    app.post("/portal/login/second", &body).await
}

pub(crate) fn codes(answer: &Answer) -> Vec<String> {
    let codes = answer.body["recovery_codes"].as_array().expect("codes");
    codes.iter().map(|code| code.as_str().expect("a code").to_owned()).collect()
}

/// What the account has.
pub(crate) async fn view(app: &TestApp, session: &str) -> Value {
    app.post("/portal/second-factor", &json!({"session": session})).await.expect(200).body
}

/// Actions of the audit log that begin so, in order; stops the service.
pub(crate) async fn audited(app: &TestApp, like: &str) -> Vec<(String, String, String)> {
    let database = app.database();
    assert!(app.stop().await, "a clean stop");
    let url = format!("sqlite://{}", database.display());
    let pool = sqlx::SqlitePool::connect(&url).await.expect("the database");
    let rows = sqlx::query_as("SELECT actor, action, target FROM audit WHERE action LIKE ? ORDER BY id")
        .bind(like)
        .fetch_all(&pool)
        .await
        .expect("the log");
    pool.close().await;
    rows
}
