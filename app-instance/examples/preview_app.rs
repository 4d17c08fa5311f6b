//! For looking at the pages while working on them: runs the app with an issuer of its own, and in front of it
//! a small proxy that adds alice's assertion as the router would.
//!
//! `cargo run -p app-instance --example preview_app -- [config.json] [port] [data folder]`

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a tool for the one who works on the pages")]

#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/api/support/issuer.rs"]
mod issuer;

use std::path::PathBuf;
use std::sync::Arc;

use app_instance::config::{Config, Timeouts};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use control_api::claims::HEADER_ASSERTION;
use control_api::ids::{InstanceId, UserId};
use http::{StatusCode, header};
use issuer::FakeIssuer;
use serde_json::json;
use service_kit::clock::Clock;
use service_kit::lifecycle::Lifecycle;
use tokio::net::TcpListener;

struct Front {
    http: reqwest::Client,
    app: String,
    issuer: FakeIssuer,
    instance: InstanceId,
    alice: UserId,
}

#[tokio::main]
async fn main() {
    service_kit::telemetry::init();
    let mut arguments = std::env::args().skip(1);
    let provider_file = PathBuf::from(arguments.next().unwrap_or_else(|| "config.json".to_owned()));
    let port: u16 = arguments.next().map_or(8787, |port| port.parse().expect("a port"));
    let folder = tempfile::tempdir().expect("a folder");
    let data = arguments.next().map_or_else(|| folder.path().to_owned(), PathBuf::from);

    let (issuer, instance, alice) = (FakeIssuer::start().await, InstanceId::generate(), UserId::generate());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let app = format!("http://{}", listener.local_addr().expect("an address"));
    let config = Config {
        listen: listener.local_addr().expect("an address"),
        data,
        provider_file,
        issuer: issuer.url().parse().expect("an origin"),
        instance_id: instance,
        public_origin: None,
        portal_origin: Some("http://localhost:3081".parse().expect("an origin")),
        timeouts: Timeouts::default(),
    };
    let lifecycle = Lifecycle::new();
    app_instance::app::start(config, Clock::system(), &lifecycle, listener).await.expect("started");
    let http = reqwest::Client::builder();
    let http = http.redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("a client");
    let owner = json!({"user_id": alice, "username": "alice", "email": "alice@example.com"});
    let body = json!({"owner": owner, "issuer": issuer.url(), "registration_token": "token"});
    let registered = http.post(format!("{app}/api/auth/register")).json(&body).send().await;
    assert_eq!(registered.expect("an answer").status(), 201);

    let front = TcpListener::bind(("127.0.0.1", port)).await.expect("the port");
    println!("http://localhost:{port}/");
    let routes =
        Router::new().fallback(forward).with_state(Arc::new(Front { http, app, issuer, instance, alice }));
    axum::serve(front, routes).await.expect("serving");
}

async fn forward(State(front): State<Arc<Front>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = parts.headers;
    headers.remove(header::CONTENT_LENGTH);
    let assertion = front.issuer.assertion(front.instance, front.alice);
    headers.insert(HEADER_ASSERTION, assertion.parse().expect("a header value"));
    let request = front.http.request(parts.method, format!("{}{path}", front.app)).headers(headers);
    match request.body(reqwest::Body::wrap_stream(body.into_data_stream())).send().await {
        Ok(answer) => {
            let (status, headers) = (answer.status(), answer.headers().clone());
            (status, headers, Body::from_stream(answer.bytes_stream())).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
