//! A world around the service: Docker and authz-service in memory, a folder of its own, and the service
//! itself, which can be killed and started again in the same world.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use control_api::authz::RegistrationTokenRequest;
use control_api::authz_client::AuthzClient;
use control_api::deploy::{InstanceState, InstanceView, OperationView, RegisterAnswer};
use control_api::deploy_client::DeployClient;
use control_api::ids::{InstanceId, OperationId, UserId};
use deploy_control::app::{App, Listeners};
use deploy_control::config::Config;
use deploy_control::deps::{Deps, Timings};
use deploy_control::fault::FaultPoints;
use http::StatusCode;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::http_client;
use service_kit::lifecycle::{Lifecycle, StartError};
use service_kit::secret::Secret;
use tokio::net::TcpListener;

use crate::fake_engine::FakeEngine;

pub(crate) const DEPLOY_TOKEN: &str = "deploy-deploy-deploy-deploy-deploy";
pub(crate) const ROUTER_TOKEN: &str = "router-router-router-router-router";
const INTERNAL_TOKEN: &str = "internal-internal-internal-internal";

/// Nothing in these tests may take longer.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct World {
    pub(crate) engine: FakeEngine,
    pub(crate) authz: FakeAuthz,
    pub(crate) clock: Clock,
    pub(crate) faults: FaultPoints,
    pub(crate) free_bytes: Arc<AtomicU64>,
    pub(crate) env: Vec<(&'static str, String)>,
    pub(crate) timings: Timings,
    pub(crate) routes: String,
    folder: tempfile::TempDir,
    authz_url: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (authz, authz_url) = FakeAuthz::start().await;
        Self {
            engine: FakeEngine::new(),
            authz,
            clock: Clock::system(),
            faults: FaultPoints::default(),
            free_bytes: Arc::new(AtomicU64::new(100 << 30)),
            env: Vec::new(),
            timings: Timings {
                sweep: Duration::from_millis(150),
                ping: Duration::from_millis(20),
                // Long: the machine may be busy. Tests of apps that never answer set a short one.
                ready: Duration::from_secs(10),
                stop_grace: Duration::ZERO,
                retry: Duration::from_millis(20),
                back_off: Duration::from_millis(5),
                housekeeping: Duration::from_millis(30),
                probe_retry: Duration::from_millis(30),
                operation: Duration::from_secs(10),
                pull: Duration::from_secs(10),
                request: Duration::from_secs(10),
            },
            routes: String::new(),
            folder: tempfile::tempdir().expect("a folder"),
            authz_url,
        }
    }

    pub(crate) fn config(&self) -> Config {
        let root = self.folder.path().display().to_string();
        let pairs = [
            ("PROJECT_ROOT", root),
            ("DEPLOY_CONTROL_API_TOKEN", DEPLOY_TOKEN.to_owned()),
            ("BEAVER_ROUTER_TOKEN", ROUTER_TOKEN.to_owned()),
            ("AUTHZ_INTERNAL_TOKEN", INTERNAL_TOKEN.to_owned()),
            ("BEAVER_AUTHZ_URL", self.authz_url.clone()),
            ("BEAVER_INSTANCE_IMAGE", "app".to_owned()),
            ("BEAVER_PROBE_IMAGE", "probe".to_owned()),
        ];
        let pairs = pairs.into_iter().chain(self.env.iter().cloned());
        Config::from_env(EnvReader::from_pairs(pairs)).expect("a configuration")
    }

    pub(crate) async fn try_start(&self) -> Result<Running, StartError> {
        let config = self.config();
        let http = http_client::build(http_client::internal()).expect("a client");
        let engine = self.engine.clone();
        let free = Arc::clone(&self.free_bytes);
        let routes = self.routes.clone();
        let deps = Deps {
            engine: Arc::new(self.engine.clone()),
            authz: AuthzClient::new(http.clone(), config.authz_url.clone(), Secret::from(INTERNAL_TOKEN)),
            http: http.clone(),
            dial: Arc::new(move |address| engine.dial(address)),
            clock: self.clock.clone(),
            timings: self.timings,
            free_bytes: Some(Arc::new(move || Ok(free.load(Ordering::SeqCst)))),
            routes: Arc::new(move || routes.clone()),
            faults: self.faults.clone(),
        };
        let main = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let admin = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", main.local_addr().expect("an address"));
        let lifecycle = Lifecycle::new();
        let app = App::start(config, deps, Listeners { main, admin }, &lifecycle).await?;
        let url = base.parse().expect("a URL");
        let api = DeployClient::new(http.clone(), url, Secret::from(DEPLOY_TOKEN));
        Ok(Running { base, http, api, app, lifecycle })
    }

    /// Starts the service and waits until its isolation is proven.
    pub(crate) async fn start(&self) -> Running {
        let running = self.try_start().await.expect("it starts");
        until("the isolation is proven", async || running.app.requests.context.isolation.is_proven()).await;
        running
    }

    pub(crate) fn runtime(&self) -> PathBuf {
        self.folder.path().join("runtime")
    }

    /// The route file of a slug.
    pub(crate) fn route(&self, slug: &str) -> Option<Value> {
        let text = std::fs::read(self.runtime().join(format!("router/conf.d/{slug}.json"))).ok()?;
        Some(serde_json::from_slice(&text).expect("a whole file"))
    }

    /// Names in the folder of an instance.
    pub(crate) fn files(&self, id: InstanceId) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.runtime().join(format!("instances/{id}"))) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Numbers of an instance's snapshots on disk; anything else there shows as 0.
    pub(crate) fn snapshots(&self, id: InstanceId) -> Vec<u64> {
        let Ok(entries) = std::fs::read_dir(self.runtime().join(format!("snapshots/{id}"))) else {
            return Vec::new();
        };
        let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().parse().unwrap_or(0);
        let mut numbers: Vec<u64> = entries.map(|entry| name(entry.expect("an entry"))).collect();
        numbers.sort_unstable();
        numbers
    }

    pub(crate) fn config_json(&self, id: InstanceId) -> Value {
        let path = self.runtime().join(format!("instances/{id}/config.json"));
        serde_json::from_slice(&std::fs::read(path).expect("a configuration")).expect("JSON")
    }
}

/// The service at work.
pub(crate) struct Running {
    pub(crate) base: String,
    pub(crate) http: Client,
    pub(crate) api: DeployClient,
    pub(crate) app: App,
    lifecycle: Lifecycle,
}

impl Running {
    /// Ends it as `kill -9` would: nothing under way comes to its end.
    pub(crate) async fn kill(self) {
        self.lifecycle.stop();
        self.lifecycle.run_until_stopped(Duration::ZERO).await;
    }

    /// Ends it as SIGTERM would. Answers whether every task ended well.
    pub(crate) async fn stop(self) -> bool {
        self.lifecycle.stop();
        self.lifecycle.run_until_stopped(PATIENCE).await
    }

    /// Waits until it ends by itself. Answers whether every task ended well.
    pub(crate) async fn until_stopped(self) -> bool {
        self.lifecycle.run_until_stopped(PATIENCE).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(DEPLOY_TOKEN);
        request.json(body).timeout(PATIENCE).send().await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(DEPLOY_TOKEN);
        request.timeout(PATIENCE).send().await.expect("an answer")
    }

    pub(crate) async fn register(&self, name: &str) -> RegisterAnswer {
        self.register_as(UserId::generate(), name).await
    }

    pub(crate) async fn register_as(&self, user: UserId, name: &str) -> RegisterAnswer {
        let answer = self.post("/api/instances/register", &order(user, name)).await;
        let status = answer.status();
        let text = answer.text().await.expect("text");
        assert_eq!(status, StatusCode::CREATED, "{text}");
        serde_json::from_str(&text).expect("an answer")
    }

    /// Orders without waiting.
    pub(crate) async fn register_async(&self, name: &str) -> InstanceId {
        let order = serde_json::from_value(order(UserId::generate(), name)).expect("an order");
        self.api.register(&order).await.expect("accepted").instance_id
    }

    pub(crate) async fn view(&self, id: InstanceId) -> InstanceView {
        self.api.instance(id).await.expect("an instance")
    }

    pub(crate) async fn until_state(&self, id: InstanceId, state: InstanceState) -> InstanceView {
        let what = format!("{id} is {}", state.as_str());
        until(&what, async || self.api.instance(id).await.is_ok_and(|view| view.state == state)).await;
        self.view(id).await
    }

    pub(crate) async fn until_final(&self, id: OperationId) -> OperationView {
        until("the operation ends", async || {
            self.api.operation(id).await.is_ok_and(|operation| operation.state.is_final())
        })
        .await;
        self.api.operation(id).await.expect("an operation")
    }

    /// Does something and waits for its end.
    pub(crate) async fn act(&self, id: InstanceId, action: &str) -> OperationView {
        let answer = self.api.act(id, action).await.expect("accepted");
        self.until_final(answer.operation_id).await
    }

    pub(crate) async fn ledger(&self, id: InstanceId) -> Vec<(String, String)> {
        let events = self.api.events(id).await.expect("events").events;
        events.into_iter().rev().map(|event| (event.what, event.cause)).collect()
    }
}

pub(crate) fn order(user: UserId, name: &str) -> Value {
    json!({ "user_id": user, "username": name, "email": format!("{name}@example.com") })
}

/// `type` of a problem, and its whole.
pub(crate) async fn problem(response: Response, status: u16) -> Value {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.status().as_u16(), status);
    assert!(response.headers().contains_key("x-request-id"));
    response.json().await.expect("a problem")
}

/// Polls until it holds, or fails the test.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// authz-service as far as deploy-control speaks with it.
#[derive(Clone, Default)]
pub(crate) struct FakeAuthz {
    down: Arc<AtomicBool>,
    forgotten: Arc<Mutex<Vec<InstanceId>>>,
}

impl FakeAuthz {
    async fn start() -> (Self, String) {
        let this = Self::default();
        let routes = Router::new()
            .route("/internal/registration-tokens", post(token))
            .route("/internal/instances/{id}", delete(forget))
            .route("/portal/settings", get(settings))
            .route("/health/live", get(async || StatusCode::OK))
            .with_state(this.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (this, url)
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn forgotten(&self) -> Vec<InstanceId> {
        self.forgotten.lock().expect("not poisoned").clone()
    }
}

async fn token(
    State(authz): State<FakeAuthz>,
    Json(body): Json<RegistrationTokenRequest>,
) -> (StatusCode, Json<Value>) {
    if authz.down.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Value::Null));
    }
    let token = format!("token-of-{}", body.instance_id);
    (StatusCode::CREATED, Json(json!({ "registration_token": token, "expires_in": 600 })))
}

async fn settings(State(authz): State<FakeAuthz>) -> (StatusCode, Json<Value>) {
    if authz.down.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Value::Null));
    }
    (StatusCode::OK, Json(json!({ "registration": "open", "password_min": 15, "password_max": 128 })))
}

async fn forget(State(authz): State<FakeAuthz>, Path(id): Path<InstanceId>) -> StatusCode {
    if authz.down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    authz.forgotten.lock().expect("not poisoned").push(id);
    StatusCode::NO_CONTENT
}
