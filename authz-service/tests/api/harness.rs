//! The service under test and its neighbours. Time stands still until a test moves it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authz_service::{AdminSecondFactor, App, Config, HashParams, InstanceListener, Listeners};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Json, Router};
use control_api::authz::RegistrationMode;
use control_api::deploy::{InstanceState, OwnerRemoval, RegisterAnswer, RegisterRequest};
use control_api::ids::{InstanceId, OperationId};
use control_api::names::Slug;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use service_kit::clock::{Clock, from_millis};
use service_kit::env::EnvReader;
use service_kit::http_client;
use service_kit::lifecycle::Lifecycle;
use service_kit::problem::Problem;
use service_kit::secret::sha256_base64url;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;

pub(crate) const INTERNAL: &str = "internal-token-internal-token-0001";
pub(crate) const ROUTER: &str = "router-token-router-token-router-01";
pub(crate) const DEPLOY: &str = "deploy-token-deploy-token-deploy-01";
pub(crate) const PASSWORD: &str = "plum tray orbit lamp";
/// 43 characters, as RFC 7636 wants at least.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// An answer of the service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {self:?}")).to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// What the fake deploy-control does with an order.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    Accept,
    /// Takes the order and does not answer, as if one of the two crashed in between, until it is let go.
    TakeAndHang,
    Problem(u16, &'static str, &'static str),
}

/// A deploy-control that remembers orders. One user always gets the same instance.
#[derive(Clone)]
pub(crate) struct FakeDeploy {
    pub(crate) address: SocketAddr,
    inner: Arc<Mutex<FakeState>>,
    held: Arc<Notify>,
}

struct FakeState {
    /// Holds the port; a socket that does not listen refuses who calls, and nobody else can have its address.
    reserved: Option<TcpSocket>,
    mood: Mood,
    orders: Vec<RegisterRequest>,
    made: Vec<RegisterAnswer>,
    /// Owners whose instances were to go, in the order of the calls.
    removed: Vec<String>,
}

impl FakeDeploy {
    /// Takes an address but does not answer there yet.
    pub(crate) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let address = socket.local_addr().expect("an address");
        let state = FakeState {
            reserved: Some(socket),
            mood: Mood::Accept,
            orders: Vec::new(),
            made: Vec::new(),
            removed: Vec::new(),
        };
        Self { address, inner: Arc::new(Mutex::new(state)), held: Arc::new(Notify::new()) }
    }

    /// Begins to answer.
    pub(crate) fn come_up(&self) {
        let socket = self.inner.lock().expect("a lock").reserved.take().expect("not up yet");
        let listener = socket.listen(1024).expect("the reserved port");
        let routes = Router::new()
            .route("/api/instances/register", post(take_order))
            .route("/api/owners/{id}", delete(remove_owner))
            .with_state(self.clone());
        tokio::spawn(async move { axum_serve(listener, routes).await });
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.inner.lock().expect("a lock").mood = mood;
    }

    /// Answers the order that hangs.
    pub(crate) fn let_go(&self) {
        self.held.notify_one();
    }

    pub(crate) fn orders(&self) -> Vec<RegisterRequest> {
        self.inner.lock().expect("a lock").orders.clone()
    }

    /// How often an owner's instances were to go.
    pub(crate) fn removals(&self, owner: &str) -> usize {
        self.inner.lock().expect("a lock").removed.iter().filter(|removed| *removed == owner).count()
    }
}

async fn axum_serve(listener: TcpListener, routes: Router) {
    let lifecycle = Lifecycle::new();
    service_kit::server::serve(&lifecycle, "fake-deploy", listener, routes);
    std::future::pending::<()>().await;
}

async fn take_order(
    State(fake): State<FakeDeploy>,
    headers: HeaderMap,
    Json(order): Json<RegisterRequest>,
) -> Response {
    assert_eq!(headers["authorization"], format!("Bearer {DEPLOY}"));
    assert_eq!(headers["prefer"], "respond-async");
    let mood = {
        let mut state = fake.inner.lock().expect("a lock");
        state.orders.push(order.clone());
        state.mood.clone()
    };
    match mood {
        Mood::Accept => (StatusCode::ACCEPTED, Json(fake.make(&order))).into_response(),
        Mood::TakeAndHang => {
            let made = fake.make(&order);
            fake.held.notified().await;
            (StatusCode::ACCEPTED, Json(made)).into_response()
        }
        Mood::Problem(status, code, detail) => {
            let status = StatusCode::from_u16(status).expect("a status");
            Problem::new(status, code, "Not done").detail(detail).into_response()
        }
    }
}

/// There is something left at the first call, and nothing at the second.
async fn remove_owner(State(fake): State<FakeDeploy>, Path(owner): Path<String>) -> Response {
    let (calls, mood) = {
        let mut state = fake.inner.lock().expect("a lock");
        state.removed.push(owner.clone());
        (state.removed.iter().filter(|removed| **removed == owner).count(), state.mood.clone())
    };
    match mood {
        Mood::Problem(status, code, detail) => {
            let status = StatusCode::from_u16(status).expect("a status");
            Problem::new(status, code, "Not done").detail(detail).into_response()
        }
        _ => Json(OwnerRemoval { left: calls < 2 }).into_response(),
    }
}

impl FakeDeploy {
    fn make(&self, order: &RegisterRequest) -> RegisterAnswer {
        let slug = order.slug.clone().unwrap_or_else(|| Slug::from(order.username.clone()));
        let mut state = self.inner.lock().expect("a lock");
        if let Some(made) = state.made.iter().find(|made| made.slug == slug) {
            return made.clone();
        }
        let made = RegisterAnswer {
            instance_id: InstanceId::generate(),
            url: format!("http://{slug}.localhost:8088"),
            slug,
            state: InstanceState::Pending,
            operation_id: OperationId::generate(),
        };
        state.made.push(made.clone());
        made
    }
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

/// The real time, rounded down: tokens made here are in order for any verifier.
fn standing_clock() -> Clock {
    Clock::manual(from_millis(Clock::system().now_secs() * 1000))
}

/// The service under test.
pub(crate) struct TestApp {
    pub(crate) base: String,
    pub(crate) instance_base: String,
    pub(crate) admin_base: String,
    pub(crate) clock: Clock,
    pub(crate) deploy: FakeDeploy,
    pub(crate) dir: Arc<TempDir>,
    config: Config,
    lifecycle: Lifecycle,
    http: reqwest::Client,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let deploy = FakeDeploy::reserve();
        deploy.come_up();
        Self::start_beside(deploy, change).await
    }

    pub(crate) async fn start_beside(deploy: FakeDeploy, change: impl FnOnce(&mut Config)) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a folder"));
        let mut config = test_config(&dir.path().join("authz"), deploy.address);
        change(&mut config);
        Self::run(config, standing_clock(), deploy, dir, bind().await).await
    }

    /// A service whose issuer is the address where it serves clients, so that another one can be its client.
    pub(crate) async fn start_reachable() -> Self {
        let deploy = FakeDeploy::reserve();
        deploy.come_up();
        let dir = Arc::new(tempfile::tempdir().expect("a folder"));
        let mut config = test_config(&dir.path().join("authz"), deploy.address);
        let instance = bind().await;
        config.issuer = format!("http://{}", instance.local_addr().expect("an address"));
        Self::run(config, standing_clock(), deploy, dir, instance).await
    }

    async fn run(
        config: Config,
        clock: Clock,
        deploy: FakeDeploy,
        dir: Arc<TempDir>,
        instance: TcpListener,
    ) -> Self {
        let lifecycle = Lifecycle::new();
        let (main, admin) = (bind().await, bind().await);
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("an address"));
        let app = Self {
            base: url(&main),
            instance_base: url(&instance),
            admin_base: url(&admin),
            clock: clock.clone(),
            deploy,
            dir,
            config: config.clone(),
            lifecycle: lifecycle.clone(),
            http: http_client::build(http_client::internal().timeout(Duration::from_secs(40)))
                .expect("a client"),
        };
        let listeners = Listeners { main, admin, instance: InstanceListener::Bound(instance) };
        App::start(config, clock, listeners, &lifecycle).await.expect("started");
        app
    }

    /// Stops the service, with calls under way dropped, and starts it on the same files.
    pub(crate) async fn restart(self) -> Self {
        self.lifecycle.stop();
        assert!(self.lifecycle.run_until_stopped(Duration::from_secs(5)).await);
        Self::run(self.config, self.clock, self.deploy, self.dir, bind().await).await
    }

    /// Stops the service and answers whether all of it ended well and in time.
    pub(crate) async fn stop(&self) -> bool {
        self.lifecycle.stop();
        self.lifecycle.clone().run_until_stopped(Duration::from_secs(5)).await
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.config.data_dir.join("authz.db")
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) fn instance_request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.instance_base))
    }

    /// Posts JSON with the internal token, or with the router's below `/router/`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let token = if path.starts_with("/router/") { ROUTER } else { INTERNAL };
        send(self.request(Method::POST, path).bearer_auth(token).json(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let token = if path.starts_with("/router/") { ROUTER } else { INTERNAL };
        send(self.request(Method::GET, path).bearer_auth(token)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path).bearer_auth(INTERNAL)).await
    }

    pub(crate) async fn register(&self, username: &str) -> Answer {
        self.post("/portal/register", &registration(username)).await
    }

    pub(crate) async fn login(&self, login: &str, password: &str) -> Answer {
        self.post("/portal/login", &json!({"login": login, "password": password})).await
    }

    pub(crate) async fn session(&self, session: &str) -> Answer {
        self.post("/portal/session", &json!({"session": session})).await
    }

    /// Polls the session until its order is in a state.
    pub(crate) async fn until_order(&self, session: &str, state: &str) -> Value {
        for _ in 0..600 {
            let view = self.session(session).await.expect(200).body["provisioning"].clone();
            if view["state"] == state {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the order never became {state}");
    }

    /// A registered user whose instance is there.
    pub(crate) async fn resident(&self, username: &str) -> Resident {
        let answer = self.register(username).await.expect(201);
        let (session, user_id) = (answer.text("session"), answer.text("user_id"));
        let order = self.until_order(&session, "accepted").await;
        let instance_id = order["instance_id"].as_str().expect("an instance").to_owned();
        Resident { session, user_id, instance_id, slug: username.to_owned() }
    }

    pub(crate) async fn handoff(&self, resident: &Resident) -> String {
        self.post("/portal/handoff", &handoff_body(resident)).await.expect(200).text("code")
    }

    pub(crate) async fn redeem(&self, code: &str, slug: &str) -> Answer {
        self.post("/router/redeem", &json!({"code": code, "code_verifier": VERIFIER, "slug": slug})).await
    }

    /// The tokens of a hand-off that went well.
    pub(crate) async fn tokens(&self, resident: &Resident) -> Value {
        let code = self.handoff(resident).await;
        self.redeem(&code, &resident.slug).await.expect(200).body
    }

    pub(crate) async fn renew(&self, app_token: &str) -> Answer {
        self.post("/router/renew", &json!({"app_token": app_token})).await
    }

    pub(crate) async fn registration_token(&self, resident: &Resident) -> String {
        let body = json!({
            "instance_id": resident.instance_id, "owner_id": resident.user_id, "slug": resident.slug
        });
        self.post("/internal/registration-tokens", &body).await.expect(201).text("registration_token")
    }
}

/// A user and what is theirs.
#[derive(Clone)]
pub(crate) struct Resident {
    pub(crate) session: String,
    pub(crate) user_id: String,
    pub(crate) instance_id: String,
    pub(crate) slug: String,
}

pub(crate) fn registration(username: &str) -> Value {
    json!({"username": username, "email": format!("{username}@example.com"), "password": PASSWORD})
}

pub(crate) fn handoff_body(resident: &Resident) -> Value {
    json!({
        "session": resident.session, "instance_id": resident.instance_id, "slug": resident.slug,
        "code_challenge": sha256_base64url(VERIFIER.as_bytes()),
    })
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.expect("a body");
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status, headers, body }
}

fn test_config(data_dir: &std::path::Path, deploy: SocketAddr) -> Config {
    let data_dir = data_dir.to_string_lossy().into_owned();
    let deploy_url = format!("http://{deploy}");
    let mut config = Config::from_env(EnvReader::from_pairs([
        ("AUTHZ_DATA_DIR", data_dir.as_str()),
        ("AUTHZ_INTERNAL_TOKEN", INTERNAL),
        ("BEAVER_ROUTER_TOKEN", ROUTER),
        ("DEPLOY_API_TOKEN", DEPLOY),
        ("BEAVER_DEPLOY_URL", deploy_url.as_str()),
        ("BEAVER_LOGIN_BURST", "1000"),
    ]))
    .expect("a configuration");
    config.hashing = HashParams { memory_kib: 64, iterations: 1, parallelism: 1 };
    config.registration = RegistrationMode::Open;
    // Tests of what administrators do are about that; `admin_factor` is about this.
    config.admin_second_factor = AdminSecondFactor::Optional;
    config
}
