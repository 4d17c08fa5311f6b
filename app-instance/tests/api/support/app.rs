//! The app under test.

use std::path::PathBuf;
use std::time::Duration;

use app_instance::config::{Config, Timeouts};
use control_api::ids::{InstanceId, UserId};
use futures_util::StreamExt as _;
use http::Method;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use service_kit::clock::Clock;
use service_kit::lifecycle::Lifecycle;
use service_kit::sse::{Event, Parser};
use tempfile::TempDir;

use super::{FakeIssuer, PATIENCE, eventually};

pub(crate) const ECHO: &str = r#"{"version":1,"provider":{"kind":"echo"}}"#;

/// A running app whose owner is alice, once she is registered.
pub(crate) struct TestApp {
    pub(crate) issuer: FakeIssuer,
    pub(crate) instance_id: InstanceId,
    pub(crate) alice: UserId,
    pub(crate) http: Client,
    pub(crate) url: String,
    pub(crate) folder: TempDir,
    lifecycle: Lifecycle,
}

/// An answer as a browser gets it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The pieces of text.
    pub(crate) deltas: Vec<String>,
    /// `done` or `error`.
    pub(crate) end: String,
    /// Its data.
    pub(crate) data: Value,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        self.deltas.concat()
    }
}

impl TestApp {
    /// With alice registered and this `config.json`.
    pub(crate) async fn start(provider_file: &str) -> Self {
        let app = Self::unregistered(Some(provider_file)).await;
        assert_eq!(app.register("token-1").await.status(), 201);
        app
    }

    pub(crate) async fn start_echo() -> Self {
        Self::start(ECHO).await
    }

    pub(crate) async fn unregistered(provider_file: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        if let Some(text) = provider_file {
            std::fs::write(folder.path().join("config.json"), text).expect("written");
        }
        std::fs::create_dir(folder.path().join("data")).expect("a folder");
        let mut app = Self {
            issuer: FakeIssuer::start().await,
            instance_id: InstanceId::generate(),
            alice: UserId::generate(),
            http: Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client"),
            url: String::new(),
            folder,
            lifecycle: Lifecycle::new(),
        };
        app.run().await;
        app
    }

    async fn run(&mut self) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        self.url = format!("http://{address}");
        self.lifecycle = Lifecycle::new();
        let config = Config {
            listen: address,
            data: self.data(),
            provider_file: self.folder.path().join("config.json"),
            issuer: self.issuer.url().parse().expect("an origin"),
            instance_id: self.instance_id,
            public_origin: Some("http://alice.localhost:8088".parse().expect("an origin")),
            portal_origin: Some("http://portal.test:3081".parse().expect("an origin")),
            timeouts: Timeouts {
                connect: Duration::from_secs(2),
                first_byte: Duration::from_millis(400),
                idle: Duration::from_millis(400),
            },
        };
        app_instance::app::start(config, Clock::system(), &self.lifecycle, listener).await.expect("started");
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Stops as on SIGTERM.
    pub(crate) async fn stop(&self) {
        self.lifecycle.stop();
        assert!(self.lifecycle.clone().run_until_stopped(PATIENCE).await, "a clean stop");
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.run().await;
    }

    /// deploy-control's call.
    pub(crate) async fn register(&self, token: &str) -> Response {
        let body = json!({
            "owner": {"user_id": self.alice, "username": "alice", "email": "alice@example.com"},
            "issuer": self.issuer.url(),
            "registration_token": token,
        });
        self.bare(Method::POST, "/api/auth/register").json(&body).send().await.expect("an answer")
    }

    /// A request without any identity.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A request as the router sends it for alice.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let assertion = self.issuer.assertion(self.instance_id, self.alice);
        self.bare(method, path).header("x-beaver-assertion", assertion)
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.expect("json")
    }

    pub(crate) async fn get_page(&self, path: &str) -> String {
        let response = self.request(Method::GET, path).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.expect("text")
    }

    pub(crate) async fn new_conversation(&self) -> String {
        let request = self.request(Method::POST, "/api/conversations").json(&json!({}));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 201);
        let body: Value = response.json().await.expect("json");
        body["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn say_raw(&self, conversation: &str, text: &str) -> Response {
        let path = format!("/api/conversations/{conversation}/messages");
        self.request(Method::POST, &path).json(&json!({"text": text})).send().await.expect("an answer")
    }

    /// Says something and waits for the end of the answer.
    pub(crate) async fn say(&self, conversation: &str, text: &str) -> Answer {
        read_answer(self.say_raw(conversation, text).await).await
    }

    pub(crate) async fn retry(&self, conversation: &str) -> Answer {
        let path = format!("/api/conversations/{conversation}/retry");
        read_answer(self.request(Method::POST, &path).send().await.expect("an answer")).await
    }

    pub(crate) async fn stop_answer(&self, conversation: &str) {
        let path = format!("/api/conversations/{conversation}/stop");
        let response = self.request(Method::POST, &path).send().await.expect("an answer");
        assert_eq!(response.status(), 204);
    }

    pub(crate) async fn messages(&self, conversation: &str) -> Vec<Value> {
        let body = self.get_json(&format!("/api/conversations/{conversation}")).await;
        body["messages"].as_array().expect("messages").clone()
    }

    /// The last message once it is settled.
    pub(crate) async fn settled(&self, conversation: &str) -> Value {
        eventually("a settled answer", || async {
            self.messages(conversation).await.pop().filter(|last| last["state"] != "streaming")
        })
        .await
    }
}

/// Reads server-sent events to their end.
pub(crate) async fn read_answer(response: Response) -> Answer {
    let status = response.status();
    assert_eq!(status, 200, "{}", response.text().await.unwrap_or_default());
    assert!(response.headers()["content-type"].to_str().expect("text").starts_with("text/event-stream"));
    let reading = async {
        let (mut parser, mut events) = (Parser::new(1 << 22), Vec::<Event>::new());
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            events.extend(parser.push(&chunk.expect("a chunk")).expect("events"));
        }
        events
    };
    let mut events = tokio::time::timeout(PATIENCE, reading).await.expect("an end").into_iter();
    assert_eq!(events.next().expect("a first event").event, "started");
    let mut answer = Answer { deltas: Vec::new(), end: String::new(), data: Value::Null };
    for event in events {
        let data: Value = serde_json::from_str(&event.data).expect("json");
        if event.event == "delta" {
            assert!(answer.end.is_empty(), "text after the end");
            answer.deltas.push(data["text"].as_str().expect("text").to_owned());
        } else {
            (answer.end, answer.data) = (event.event, data);
        }
    }
    answer
}
