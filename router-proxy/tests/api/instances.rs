//! Instances: each on an address of its own, each answering with its own name and with exactly what it got.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use control_api::instance::LoginRequest;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast};
use tokio_stream::wrappers::BroadcastStream;

/// The next address in 127.0.1.0/24: no two instances of a test run share one.
pub(crate) async fn listen() -> (tokio::net::TcpListener, SocketAddrV4) {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let ip = Ipv4Addr::new(127, 0, 1, NEXT.fetch_add(1, Ordering::SeqCst).max(1));
    let listener = tokio::net::TcpListener::bind(SocketAddr::from((ip, 0))).await.expect("a port");
    match listener.local_addr().expect("an address") {
        SocketAddr::V4(address) => (listener, address),
        SocketAddr::V6(_) => unreachable!("bound to an IPv4 address"),
    }
}

pub(crate) struct InstanceState {
    name: &'static str,
    pub(crate) requests: AtomicUsize,
    pub(crate) uploaded: AtomicU64,
    pub(crate) assertions: Mutex<Vec<String>>,
    /// Chunks for whoever listens to `/stream` or `/sse`.
    pub(crate) chunks: broadcast::Sender<&'static str>,
    /// `/slow` answers once this is told.
    pub(crate) go: Notify,
    pub(crate) slow_began: AtomicBool,
    /// Bytes that `/endless` was asked for.
    pub(crate) produced: AtomicU64,
}

pub(crate) struct Instance {
    pub(crate) address: SocketAddrV4,
    pub(crate) state: Arc<InstanceState>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl Instance {
    pub(crate) async fn start(name: &'static str) -> Self {
        let (listener, address) = listen().await;
        let state = Arc::new(InstanceState {
            name,
            requests: AtomicUsize::new(0),
            uploaded: AtomicU64::new(0),
            assertions: Mutex::default(),
            chunks: broadcast::Sender::new(16),
            go: Notify::new(),
            slow_began: AtomicBool::new(false),
            produced: AtomicU64::new(0),
        });
        let app = Router::new()
            .route("/api/auth/login", post(login))
            .route("/upload", post(upload))
            .route("/download", get(download))
            .route("/endless", get(endless))
            .route("/flood", get(flood))
            .route("/long", get(long))
            .route("/sse", get(sse))
            .route("/stream", get(stream))
            .route("/slow", any(slow))
            .route("/evil", get(evil))
            .fallback(any(echo))
            .with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Self { address, state, task }
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
}

type Inst = State<Arc<InstanceState>>;

/// Says what came: the name of the instance, method, target and every header line.
async fn echo(State(state): Inst, request: Request) -> Json<Value> {
    state.requests.fetch_add(1, Ordering::SeqCst);
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("a body");
    Json(json!({
        "instance": state.name, "method": method, "target": target, "headers": headers,
        "body": String::from_utf8_lossy(&body),
    }))
}

async fn login(State(state): Inst, Json(body): Json<LoginRequest>) -> Json<Value> {
    state.assertions.lock().unwrap().push(body.assertion.expose().to_owned());
    Json(json!({"landing": "/welcome?first=1"}))
}

async fn upload(State(state): Inst, request: Request) -> String {
    let mut frames = request.into_body().into_data_stream();
    while let Some(Ok(frame)) = frames.next().await {
        state.uploaded.fetch_add(frame.len() as u64, Ordering::SeqCst);
    }
    state.uploaded.load(Ordering::SeqCst).to_string()
}

/// 100 MB in pieces of 64 KB, without a length.
async fn download() -> Body {
    let piece = Bytes::from(vec![7_u8; 64 * 1024]);
    Body::from_stream(futures_util::stream::iter(
        (0..1600).map(move |_| Ok::<_, std::io::Error>(piece.clone())),
    ))
}

async fn endless(State(state): Inst) -> Body {
    let piece = Bytes::from(vec![7_u8; 64 * 1024]);
    Body::from_stream(futures_util::stream::repeat_with(move || {
        state.produced.fetch_add(piece.len() as u64, Ordering::SeqCst);
        Ok::<_, std::io::Error>(piece.clone())
    }))
}

/// Events without a pause.
async fn flood(state: Inst) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], endless(state).await).into_response()
}

/// Length of `/long`.
pub(crate) const LONG: u64 = 1 << 40;

/// As endless, but it says beforehand how long it is.
async fn long(state: Inst) -> Response {
    let mut response = endless(state).await.into_response();
    response.headers_mut().insert("content-length", HeaderValue::from(LONG));
    response
}

async fn sse(State(state): Inst) -> Response {
    let mut response = stream(State(state)).await;
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
    response
}

async fn stream(State(state): Inst) -> Response {
    let chunks = BroadcastStream::new(state.chunks.subscribe()).map(|chunk| chunk.map(Bytes::from));
    Body::from_stream(chunks).into_response()
}

async fn slow(State(state): Inst) -> &'static str {
    state.slow_began.store(true, Ordering::SeqCst);
    state.go.notified().await;
    "slow answer"
}

/// Everything that an instance must not be able to say.
async fn evil() -> (StatusCode, HeaderMap, &'static str) {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("set-cookie", "mine=1; Path=/"),
        ("set-cookie", "beaver_app=stolen"),
        ("set-cookie", "__Host-beaver_tx=stolen"),
        ("set-cookie", "wide=1; Domain=localhost"),
        ("set-cookie", "=beaver_app=nameless"),
        ("clear-site-data", "\"cookies\""),
        ("alt-svc", "h3=\":443\""),
        ("keep-alive", "timeout=99"),
        ("x-request-id", "forged-request-id"),
        ("x-app", "kept"),
    ] {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    (StatusCode::OK, headers, "ok")
}
