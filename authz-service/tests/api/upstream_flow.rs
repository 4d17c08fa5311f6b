//! A service with an upstream, and what the portal and the browser do in a sign-in there.

use authz_service::{Config, UpstreamSettings};
use serde_json::{Value, json};
use service_kit::env::EnvReader;
use url::Url;

use crate::fake_issuer::{CLIENT_ID, CLIENT_SECRET, FakeIssuer};
use crate::harness::{Answer, TestApp};

/// The secrets in the cookies of two browsers.
pub(crate) const BROWSER: &str = "browser-1-browser-1-browser-1-browser-1-brow";
pub(crate) const OTHER: &str = "browser-2-browser-2-browser-2-browser-2-brow";

pub(crate) fn settings(issuer: &str, client_id: &str, secret: &str) -> Option<UpstreamSettings> {
    UpstreamSettings::from_env(&mut EnvReader::from_pairs([
        ("BEAVER_UPSTREAM_ISSUER", issuer),
        ("BEAVER_UPSTREAM_CLIENT_ID", client_id),
        ("BEAVER_UPSTREAM_CLIENT_SECRET", secret),
        ("BEAVER_UPSTREAM_NAME", "Home"),
    ]))
}

/// A service and its upstream.
pub(crate) async fn with_issuer(change: impl FnOnce(&mut Config)) -> (TestApp, FakeIssuer) {
    let issuer = FakeIssuer::start().await;
    let app = TestApp::start_with(|config| {
        config.upstream = settings(&issuer.url, CLIENT_ID, CLIENT_SECRET);
        change(config);
    })
    .await;
    (app, issuer)
}

pub(crate) fn now_s(app: &TestApp) -> i64 {
    app.clock.now_ms().div_euclid(1000)
}

pub(crate) async fn try_start(app: &TestApp) -> Answer {
    app.post("/portal/upstream/start", &json!({"browser": BROWSER, "next": "/account?a=b"})).await
}

/// Where the browser is sent.
pub(crate) async fn start(app: &TestApp) -> Url {
    Url::parse(&try_start(app).await.expect(200).text("to")).expect("a URL")
}

pub(crate) async fn callback_with(
    app: &TestApp,
    browser: Option<&str>,
    query: &str,
    session: Option<&str>,
) -> Answer {
    let body = json!({"browser": browser, "session": session, "query": query, "agent": "Firefox"});
    app.post("/portal/upstream/callback", &body).await
}

pub(crate) async fn callback(app: &TestApp, query: &str) -> Answer {
    callback_with(app, Some(BROWSER), query, None).await
}

/// A whole sign-in of somebody with these claims.
pub(crate) async fn sign_in(app: &TestApp, issuer: &FakeIssuer, claims: &Value) -> Answer {
    let query = issuer.approve(&start(app).await, now_s(app), claims);
    callback(app, &query).await.expect(200)
}

/// Why nobody was signed in.
#[track_caller]
pub(crate) fn refusal(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["outcome"], "refused", "{answer:?}");
    answer.body["reason"].as_str().expect("a reason")
}

pub(crate) async fn choose_name(app: &TestApp, username: &str) -> Answer {
    let email = format!("{username}@example.com");
    let body = json!({"browser": BROWSER, "username": username, "email": email});
    app.post("/portal/upstream/register", &body).await
}

/// An account without a password, made by a sign-in; answers its session.
pub(crate) async fn newcomer(app: &TestApp, issuer: &FakeIssuer, username: &str) -> String {
    let answer = sign_in(app, issuer, &json!({"sub": username})).await;
    assert_eq!(answer.body["outcome"], "choose-name", "{answer:?}");
    choose_name(app, username).await.expect(201).text("session")
}

/// The actions of the audit log, the oldest first, each with its target.
pub(crate) async fn log(app: &TestApp) -> Vec<(String, String)> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(app.database());
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the database");
    sqlx::query_as("SELECT action, target FROM audit ORDER BY id").fetch_all(&pool).await.expect("entries")
}
