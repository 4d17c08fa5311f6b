//! A model provider that remembers what it was sent and answers by script: the last script stays in force.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

/// What it does with the next request.
#[derive(Clone)]
pub(crate) enum Script {
    /// Streams these events, with a pause between two.
    Stream { events: Vec<String>, pause: Duration },
    /// Streams these events and then cuts the connection.
    BreakOff(Vec<String>),
    /// Streams these events and then says nothing more.
    Stall(Vec<String>),
    /// Says nothing at all.
    Hang,
    /// Answers this status, type and body.
    Answer(u16, &'static str, String),
}

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

#[derive(Clone)]
pub(crate) struct FakeProvider(Arc<Inner>);

struct Inner {
    url: String,
    scripts: Mutex<VecDeque<Script>>,
    received: Mutex<Vec<Received>>,
}

impl FakeProvider {
    pub(crate) async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let this = Self(Arc::new(Inner {
            url: format!("http://{}", listener.local_addr().expect("an address")),
            scripts: Mutex::new(scripts.into_iter().collect()),
            received: Mutex::default(),
        }));
        let routes = Router::new().fallback(answer).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.expect("serving") });
        this
    }

    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.0.received.lock().expect("a lock").clone()
    }

    /// `config.json` for it.
    pub(crate) fn config(&self, kind: &str, base_path: &str, key: &str) -> String {
        let base_url = format!("{}{base_path}", self.url());
        json!({"version": 1, "provider": {
            "kind": kind, "base_url": base_url, "model": "model-7", "api_key": key,
        }})
        .to_string()
    }
}

async fn answer(State(provider): State<FakeProvider>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let received = Received {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).expect("json"),
    };
    provider.0.received.lock().expect("a lock").push(received);
    let script = {
        let mut scripts = provider.0.scripts.lock().expect("a lock");
        if scripts.len() > 1 { scripts.pop_front() } else { scripts.front().cloned() }
    };
    match script.expect("a script") {
        Script::Stream { events, pause } => {
            let paced = futures_util::stream::iter(events).then(move |event| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, std::io::Error>(Bytes::from(event))
            });
            stream(Body::from_stream(paced))
        }
        Script::BreakOff(events) => {
            let cut = futures_util::stream::once(async {
                // What was sent before must not be lost with the connection.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::other("cut"))
            });
            stream(Body::from_stream(ok(events).chain(cut)))
        }
        Script::Stall(events) => stream(Body::from_stream(ok(events).chain(futures_util::stream::pending()))),
        Script::Hang => std::future::pending().await,
        Script::Answer(status, kind, body) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [(header::CONTENT_TYPE, kind)], body).into_response()
        }
    }
}

fn ok(events: Vec<String>) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::iter(events).map(|event| Ok(Bytes::from(event)))
}

fn stream(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], body).into_response()
}

/// The events of a whole answer as `OpenAI` sends them.
pub(crate) fn openai_events(words: &[&str]) -> Vec<String> {
    let chunk = |delta: Value, reason: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        format!("data: {}\n\n", json!({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}))
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    events.extend(words.iter().map(|word| chunk(json!({"content": word}), Value::Null)));
    events.push(chunk(json!({}), json!("stop")));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// The events of a whole answer as Anthropic sends them.
pub(crate) fn anthropic_events(words: &[&str]) -> Vec<String> {
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().expect("a type"));
    let mut events = vec![
        event(json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "content": []}})),
        event(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        event(json!({"type": "ping"})),
    ];
    events.extend(words.iter().map(|word| {
        event(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}),
        )
    }));
    events.push(event(json!({"type": "content_block_stop", "index": 0})));
    events.push(event(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}})));
    events.push(event(json!({"type": "message_stop"})));
    events
}
