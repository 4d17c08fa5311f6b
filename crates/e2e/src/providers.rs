//! Model providers of the tests' own: an OpenAI-compatible server and one with Anthropic's Messages API. They
//! record what they are sent and answer as told: well, refusing, silent, or breaking off.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use service_kit::lifecycle::Lifecycle;
use service_kit::{metrics::Metrics, server};

use crate::Outcome;

/// How the server answers the next requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Streams `Hello from the test model`.
    Well,
    /// 401 with a message.
    Refuses,
    /// Streams a word every half second for half a minute, and then `the last word`.
    Slowly,
    /// Sends nothing at all.
    Hangs,
    /// Streams `Hello ` and closes the connection.
    BreaksOff,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path.
    pub path: String,
    /// `Authorization` or `x-api-key`.
    pub key: String,
    /// The body.
    pub body: Value,
}

struct Shared {
    manner: Mutex<Manner>,
    received: Mutex<Vec<Received>>,
}

/// Both servers on one port.
#[derive(Clone)]
pub struct Providers {
    shared: Arc<Shared>,
    lifecycle: Lifecycle,
}

impl Providers {
    /// Starts them.
    pub async fn start(address: SocketAddr) -> Outcome<Self> {
        let shared = Arc::new(Shared { manner: Mutex::new(Manner::Well), received: Mutex::default() });
        let lifecycle = Lifecycle::new();
        let listener = tokio::net::TcpListener::bind(address).await?;
        let routes = Router::new()
            .route("/v1/chat/completions", post(openai))
            .route("/v1/messages", post(anthropic))
            .with_state(Arc::clone(&shared));
        server::serve(&lifecycle, "providers", listener, server::layers(routes, &Metrics::new(), 1 << 20));
        Ok(Self { shared, lifecycle })
    }

    /// Sets how the next requests are answered.
    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Takes out what was received so far.
    pub fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut *self.shared.received.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends them.
    pub async fn end(self) {
        self.lifecycle.stop();
        self.lifecycle.run_until_stopped(Duration::from_millis(200)).await;
    }
}

impl Shared {
    fn record(&self, path: &str, key: Option<&http::HeaderValue>, body: &Bytes) -> Manner {
        let key = key.and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        let received = Received { path: path.to_owned(), key, body };
        self.received.lock().unwrap_or_else(PoisonError::into_inner).push(received);
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn openai(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let manner = shared.record("/v1/chat/completions", headers.get("authorization"), &body);
    let chunk =
        |text: &str| format!("data: {}\n\n", json!({"choices":[{"index":0,"delta":{"content":text}}]}));
    let end =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let refusal =
        json!({"error":{"message":"the test key is not known here","type":"invalid_request_error"}});
    answer(manner, &[chunk("Hello "), chunk("from the "), chunk("test model")], end, &refusal).await
}

async fn anthropic(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let manner = shared.record("/v1/messages", headers.get("x-api-key"), &body);
    let event = |name: &str, data: &Value| format!("event: {name}\ndata: {data}\n\n");
    let chunk = |text: &str| {
        let delta = json!({"type":"text_delta","text":text});
        event("content_block_delta", &json!({"type":"content_block_delta","index":0,"delta":delta}))
    };
    let start = event(
        "message_start",
        &json!({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],
            "model":"test-model","stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}),
    );
    let end = event("message_stop", &json!({"type":"message_stop"}));
    let refusal = json!({"type":"error","error":{"type":"authentication_error","message":"the test key is not known here"}});
    answer(manner, &[start + &chunk("Hello "), chunk("from the "), chunk("test model")], &end, &refusal).await
}

async fn answer(manner: Manner, chunks: &[String], end: &str, refusal: &Value) -> Response {
    let build = |status: StatusCode, media_type: &str, body: Body| {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if let Ok(value) = http::HeaderValue::from_str(media_type) {
            response.headers_mut().insert("content-type", value);
        }
        response
    };
    let ok = |text: &str| Ok::<_, std::io::Error>(Bytes::from(text.to_owned()));
    match manner {
        Manner::Well => {
            let parts: Vec<_> = chunks.iter().map(|c| ok(c)).chain([ok(end)]).collect();
            build(StatusCode::OK, "text/event-stream", Body::from_stream(stream::iter(parts)))
        }
        Manner::Refuses => {
            build(StatusCode::UNAUTHORIZED, "application/json", Body::from(refusal.to_string()))
        }
        Manner::Slowly => {
            let (word, last) = (chunks[0].clone(), chunks[0].replace("Hello ", "the last word") + end);
            let words = stream::iter(0..60).then(move |_| {
                let word = word.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    Ok::<_, std::io::Error>(Bytes::from(word))
                }
            });
            build(
                StatusCode::OK,
                "text/event-stream",
                Body::from_stream(words.chain(stream::iter([ok(&last)]))),
            )
        }
        Manner::Hangs => std::future::pending().await,
        Manner::BreaksOff => {
            let first = stream::iter([ok(&chunks[0])]);
            // The first part must be on its way before the connection breaks.
            let broken = stream::once(async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Err(std::io::Error::other("broken off on purpose"))
            });
            build(StatusCode::OK, "text/event-stream", Body::from_stream(first.chain(broken)))
        }
    }
}
