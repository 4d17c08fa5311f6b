//! The audit log on its way to a syslog server and a webhook: real sockets at the other end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use authz_service::{AuditTargetSettings, Config};
use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use service_kit::env::EnvReader;
use service_kit::lifecycle::Lifecycle;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, UdpSocket};

use crate::harness::{Answer, TestApp, send};

const SECRET: &str = "webhook-secret-webhook-secret-0001";

fn set(config: &mut Config, pairs: &[(&str, String)]) {
    let mut env = EnvReader::from_pairs(pairs.iter().cloned());
    let targets = AuditTargetSettings::from_env(&mut env);
    config.audit_targets = env.finish(targets).expect("settings");
}

async fn administrator(app: &TestApp) -> String {
    let answer = app.register("carol").await.expect(201);
    let id = answer.text("user_id");
    app.post(&format!("/internal/accounts/{id}/role"), &json!({"role": "admin"})).await.expect(204);
    answer.text("session")
}

async fn target(app: &TestApp, session: &str) -> Value {
    let answer = app.post("/portal/admin/audit/targets", &json!({"session": session})).await.expect(200);
    answer.body["targets"][0].clone()
}

/// Waits until a target's row is as wanted.
async fn until(app: &TestApp, session: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let row = target(app, session).await;
        if wanted(&row) {
            return row;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never as wanted: {}", target(app, session).await);
}

async fn try_it(app: &TestApp, session: &str, name: &str) -> Answer {
    let body = json!({"session": session, "target": name, "client_addr": "192.0.2.7"});
    app.post("/portal/admin/audit/test", &body).await
}

/// The status that it answers with, and head and body of each delivery that it took.
type Taken = (StatusCode, Vec<(HeaderMap, String)>);

/// A webhook that keeps what it took, and answers as it is told.
#[derive(Clone)]
struct Receiver {
    url: String,
    inner: Arc<Mutex<Taken>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook?key=in-the-address", listener.local_addr().expect("an address"));
        let receiver = Self { url, inner: Arc::new(Mutex::new((StatusCode::OK, Vec::new()))) };
        let routes = Router::new().route("/hook", post(take)).with_state(receiver.clone());
        tokio::spawn(async move {
            let lifecycle = Lifecycle::new();
            service_kit::server::serve(&lifecycle, "receiver", listener, routes);
            std::future::pending::<()>().await;
        });
        receiver
    }

    fn answer(&self, status: StatusCode) {
        self.inner.lock().expect("a lock").0 = status;
    }

    /// Every entry that was taken, in the order of arrival. Each delivery's signature is looked at.
    fn entries(&self) -> Vec<Value> {
        let taken = self.inner.lock().expect("a lock").1.clone();
        let mut entries = Vec::new();
        for (headers, body) in taken {
            let signature = headers["x-beaver-signature"].to_str().expect("text");
            let (time, mac) = signature.split_once(",v1=").expect("two parts");
            let time = time.strip_prefix("t=").expect("a time");
            let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
            let mac: Vec<u8> = (0..mac.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&mac[at..at + 2], 16).expect("hexadecimal"))
                .collect();
            hmac::verify(&key, format!("{time}.{body}").as_bytes(), &mac).expect("signed");
            let body: Value = serde_json::from_str(&body).expect("JSON");
            entries.extend(body["entries"].as_array().expect("entries").clone());
        }
        entries
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    let mut inner = receiver.inner.lock().expect("a lock");
    let status = inner.0;
    if status.is_success() {
        inner.1.push((headers, body));
    }
    status
}

fn webhook(receiver: &Receiver) -> impl FnOnce(&mut Config) {
    let pairs =
        [("BEAVER_AUDIT_WEBHOOK", receiver.url.clone()), ("BEAVER_AUDIT_WEBHOOK_SECRET", SECRET.to_owned())];
    move |config| set(config, &pairs)
}

#[tokio::test]
async fn a_webhook_gets_every_entry_once_in_order_and_signed() {
    let receiver = Receiver::start().await;
    let app = TestApp::start_with(webhook(&receiver)).await;
    let session = administrator(&app).await;
    app.login("<nobody>", "wrong").await.expect(401);
    let answer = try_it(&app, &session, "webhook").await.expect(200);
    assert_eq!(answer.body, json!({"delivered": true}));
    let entries = receiver.entries();
    let actions: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().expect("text")).collect();
    assert_eq!(actions, ["register", "make-admin", "login-failed", "audit-test"]);
    assert!(entries.windows(2).all(|pair| pair[0]["id"].as_i64() < pair[1]["id"].as_i64()));
    let last = &entries[3];
    assert_eq!((&last["actor_name"], &last["target"]), (&json!("carol"), &json!("webhook")));
    assert_eq!(last["address"], "192.0.2.7");
    let row = target(&app, &session).await;
    assert_eq!((&row["delivered"], &row["waiting"], &row["failures"]), (&json!(4), &json!(0), &json!(0)));
    let shown = row["address"].as_str().expect("an address");
    assert!(receiver.url.starts_with(shown) && !shown.contains("key"), "{shown}");
}

#[tokio::test]
async fn what_a_receiver_refuses_waits_for_it_through_a_restart() {
    let receiver = Receiver::start().await;
    let app = TestApp::start_with(webhook(&receiver)).await;
    let session = administrator(&app).await;
    until(&app, &session, |row| row["delivered"] == 2).await;
    receiver.answer(StatusCode::INTERNAL_SERVER_ERROR);
    let answer = try_it(&app, &session, "webhook").await.expect(200);
    assert_eq!(answer.body, json!({"delivered": false, "reason": "the receiver answered 500"}));
    let row = target(&app, &session).await;
    assert_eq!((&row["waiting"], &row["last_error"]), (&json!(1), &json!("the receiver answered 500")));
    assert!(row["next_try_at"].is_string() && row["last_failed_at"].is_string());
    let health = send(app.request(http::Method::GET, "/health")).await;
    assert_eq!(health.body["checks"]["audit-webhook"]["state"], "warning", "{health:?}");
    // A redirect is no success: it could point anywhere.
    receiver.answer(StatusCode::FOUND);
    let answer = try_it(&app, &session, "webhook").await.expect(200);
    assert_eq!(answer.body["reason"], "the receiver answered 302");

    let app = app.restart().await;
    receiver.answer(StatusCode::OK);
    app.clock.advance(Duration::from_mins(6));
    let row = until(&app, &session, |row| row["waiting"] == 0).await;
    assert_eq!((&row["delivered"], &row["failures"]), (&json!(4), &json!(2)));
    assert!(row["next_try_at"].is_null());
    let ids: Vec<_> = receiver.entries().iter().map(|entry| entry["id"].as_i64().expect("an id")).collect();
    assert_eq!(ids, [1, 2, 3, 4], "each once");
}

#[tokio::test]
async fn a_backlog_goes_in_batches() {
    let receiver = Receiver::start().await;
    receiver.answer(StatusCode::SERVICE_UNAVAILABLE);
    let app = TestApp::start_with(webhook(&receiver)).await;
    let session = administrator(&app).await;
    for number in 0..250 {
        // The throttle is not asked about: each is another name.
        app.login(&format!("nobody-{number}"), "wrong").await.expect(401);
    }
    receiver.answer(StatusCode::NO_CONTENT);
    app.clock.advance(Duration::from_mins(6));
    assert_eq!(try_it(&app, &session, "webhook").await.expect(200).body["delivered"], true);
    let ids: Vec<_> = receiver.entries().iter().map(|entry| entry["id"].as_i64().expect("an id")).collect();
    assert_eq!(ids, (1..=253).collect::<Vec<_>>());
    assert_eq!(receiver.inner.lock().expect("a lock").1.len(), 3);
}

#[tokio::test]
async fn a_syslog_server_gets_messages_over_tcp_counted_in_octets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = TestApp::start_with(|config| {
        set(config, &[("BEAVER_AUDIT_SYSLOG", format!("tcp://{address}"))]);
    })
    .await;
    // Whoever cuts the connection before the end has not read it: the same comes again.
    let (mut cut, _) = listener.accept_when(app.register("alice")).await;
    let _ = cut.read(&mut [0_u8; 4]).await.expect("some");
    drop(cut);
    let session = administrator(&app).await;
    until(&app, &session, |row| row["failures"] == 1).await;
    app.clock.advance(Duration::from_secs(2));
    let mut all = String::new();
    let (mut stream, _) = listener.accept().await.expect("a connection");
    stream.read_to_string(&mut all).await.expect("all of it");
    drop(stream);
    let messages = split_counted(&all);
    assert_eq!(messages.len(), 3, "{all}");
    assert!(messages[0].starts_with("<110>1 ") && messages[0].contains(" register [audit@32473 id=\"1\" "));
    assert!(messages[2].contains(" make-admin [audit@32473 id=\"3\" actor=\"operator\""), "{}", messages[2]);
    let row = until(&app, &session, |row| row["waiting"] == 0).await;
    assert_eq!((&row["address"], &row["delivered"]), (&json!(format!("tcp://{address}")), &json!(3)));
}

trait AcceptWhen {
    async fn accept_when(&self, work: impl Future<Output = Answer>) -> (tokio::net::TcpStream, Answer);
}

impl AcceptWhen for TcpListener {
    async fn accept_when(&self, work: impl Future<Output = Answer>) -> (tokio::net::TcpStream, Answer) {
        let (accepted, answer) = tokio::join!(self.accept(), work);
        (accepted.expect("a connection").0, answer)
    }
}

/// RFC 6587, section 3.4.1.
fn split_counted(mut text: &str) -> Vec<&str> {
    let mut messages = Vec::new();
    while !text.is_empty() {
        let (length, rest) = text.split_once(' ').expect("a length");
        let (message, rest) = rest.split_at(length.parse().expect("a number"));
        messages.push(message);
        text = rest;
    }
    messages
}

#[tokio::test]
async fn a_syslog_server_gets_a_datagram_a_message() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    let app = TestApp::start_with(|config| {
        set(config, &[("BEAVER_AUDIT_SYSLOG", format!("udp://{address}"))]);
    })
    .await;
    let session = administrator(&app).await;
    assert_eq!(try_it(&app, &session, "syslog").await.expect(200).body["delivered"], true);
    let mut buffer = [0_u8; 2048];
    for action in ["register", "make-admin", "audit-test"] {
        let length = socket.recv(&mut buffer).await.expect("a datagram");
        let text = std::str::from_utf8(&buffer[..length]).expect("UTF-8");
        assert!(text.starts_with("<110>1 ") && text.contains(&format!(" beaver - {action} [")), "{text}");
    }
}

#[tokio::test]
async fn nobody_else_sees_or_tests_the_targets_and_what_is_not_set_is_not_there() {
    let app = TestApp::start().await;
    let session = administrator(&app).await;
    assert!(target(&app, &session).await.is_null());
    try_it(&app, &session, "webhook").await.expect(404);
    try_it(&app, &session, "pigeon").await.expect(400);
    let alice = app.register("alice").await.expect(201).text("session");
    assert_eq!(try_it(&app, &alice, "webhook").await.expect(403).code(), "urn:beaver:not-yours");
    app.post("/portal/admin/audit/targets", &json!({"session": alice})).await.expect(403);
}
