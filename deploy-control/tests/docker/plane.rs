//! A control plane of real processes: docker-guard and deploy-control as binaries before a real Docker Engine,
//! with an authz-service in this process. Its installation, subnet, folder and address on the loopback are its
//! own; the processes end with it, and its rig removes what they made.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::routing::{delete, post};
use axum::{Json, Router};
use bollard::query_parameters::{ListContainersOptionsBuilder, TagImageOptionsBuilder};
use control_api::authz::RegistrationTokenRequest;
use control_api::deploy_client::DeployClient;
use control_api::ids::{InstanceId, OperationId, UserId};
use deploy_control::docker::DockerEngine;
use deploy_control::engine::Engine as _;
use http::StatusCode;
use serde_json::{Value, json};
use service_kit::http_client;
use service_kit::secret::{Secret, random_bytes};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::process::{Process, guard};
use super::rig::Rig;

pub(crate) const DEPLOY_TOKEN: &str = "deploy-deploy-deploy-deploy-deploy";
pub(crate) const ROUTER_TOKEN: &str = "router-router-router-router-router";
pub(crate) const INTERNAL_TOKEN: &str = "internal-internal-internal-internal";
/// Nothing in these tests may take longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Plane {
    /// Ends before the rig cleans up.
    _guard: Process,
    pub(crate) rig: Rig,
    pub(crate) http: reqwest::Client,
    root: PathBuf,
    authz_url: String,
    listen: Ipv4Addr,
    subnet: String,
    started: AtomicUsize,
}

/// deploy-control at work.
pub(crate) struct Deploy {
    pub(crate) process: Process,
    pub(crate) api: DeployClient,
    pub(crate) base: String,
    log: PathBuf,
}

/// What of Docker's containers must not change while nothing is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) image_id: String,
    pub(crate) running: bool,
    pub(crate) started_at: String,
}

impl Plane {
    pub(crate) async fn new() -> Self {
        Self::on(Rig::new().await).await
    }

    /// Before the Docker Engine of `rig`.
    pub(crate) async fn on(rig: Rig) -> Self {
        let root = rig.folder.path().join("plane");
        std::fs::create_dir_all(root.join("runtime/guard")).expect("a folder");
        let (subnet, listen) = (unused_subnet(), unused_loopback());
        let mut command = guard();
        let host = format!("unix://{}", rig.docker_socket.display());
        command.envs(common(&rig, &root, &subnet)).env("DOCKER_HOST", host).stderr(Stdio::null());
        let guard = Process(command.spawn().expect("docker-guard starts"));
        let engine = DockerEngine::new(&root.join("runtime/guard/docker.sock"), &rig.installation);
        until("docker-guard answers", async || engine.ping().await.is_ok()).await;
        Self {
            _guard: guard,
            rig,
            http: http_client::build(http_client::internal()).expect("a client"),
            root,
            authz_url: FakeAuthz::start().await.1,
            listen,
            subnet,
            started: AtomicUsize::new(0),
        }
    }

    /// Starts deploy-control, with more variables, and waits until it is ready.
    pub(crate) async fn start(&self, more: &[(&str, &str)]) -> Deploy {
        let number = self.started.fetch_add(1, Ordering::SeqCst);
        let log = self.root.join(format!("deploy-{number}.log"));
        let base = format!("http://{}", SocketAddr::from((self.listen, 8090)));
        let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-control"));
        command
            .env_clear()
            .envs(common(&self.rig, &self.root, &self.subnet))
            .envs(of_deploy(&self.authz_url))
            .env("DEPLOY_LISTEN", format!("{}:8090", self.listen))
            .env("DEPLOY_ADMIN_LISTEN", format!("{}:8091", self.listen))
            .env("RUST_LOG", "info,deploy_control=debug")
            .env("BEAVER_LOG_FORMAT", "json")
            .envs(more.iter().copied())
            .stderr(std::fs::File::create(&log).expect("a log"));
        let mut process = Process(command.spawn().expect("deploy-control starts"));
        let url = base.parse().expect("a URL");
        let api = DeployClient::new(self.http.clone(), url, Secret::from(DEPLOY_TOKEN));
        until("deploy-control is ready", async || {
            let ended = process.0.try_wait().expect("a status");
            assert!(ended.is_none(), "it ended at its start: {}", tail(&log));
            api.ready().await.is_ok()
        })
        .await;
        Deploy { process, api, base, log }
    }

    /// Ends one process well and starts the next.
    pub(crate) async fn start_after(&self, deploy: &mut Deploy, more: &[(&str, &str)]) -> Deploy {
        deploy.stop().await;
        self.start(more).await
    }

    pub(crate) fn runtime(&self) -> PathBuf {
        self.root.join("runtime")
    }

    /// Names in a folder below `runtime/`, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.runtime().join(folder)) else { return Vec::new() };
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    pub(crate) fn route(&self, slug: &str) -> Option<Value> {
        let text = std::fs::read(self.runtime().join(format!("router/conf.d/{slug}.json"))).ok()?;
        Some(serde_json::from_slice(&text).expect("a whole file"))
    }

    /// Points the name of the instances' image at another image.
    pub(crate) async fn tag(&self, image_id: &str) {
        let (repo, tag) = self.rig.image.rsplit_once(':').expect("a tag");
        let options = TagImageOptionsBuilder::new().repo(repo).tag(tag).build();
        self.rig.docker.tag_image(image_id, Some(options)).await.expect("tagged");
    }

    /// All containers of this installation.
    pub(crate) async fn containers(&self) -> Vec<Seen> {
        let filter = [("label".to_owned(), vec![format!("beaver.installation={}", self.rig.installation)])];
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filter.into()).build();
        let list = self.rig.docker.list_containers(Some(options)).await.expect("a list");
        let mut all = Vec::new();
        for id in list.into_iter().filter_map(|container| container.id) {
            let found = self.rig.docker.inspect_container(&id, None).await.expect("there");
            let state = found.state.expect("a state");
            all.push(Seen {
                id,
                name: found.name.expect("a name").trim_start_matches('/').to_owned(),
                image_id: found.image.expect("an image"),
                running: state.running == Some(true),
                started_at: state.started_at.unwrap_or_default(),
            });
        }
        all
    }

    /// How many rows the database has for a question. It is deploy-control's: it is looked at here alone, and
    /// never written.
    pub(crate) async fn count(&self, question: &'static str) -> i64 {
        let options = SqliteConnectOptions::new()
            .filename(self.runtime().join("deploy/deploy.sqlite"))
            .read_only(true)
            .busy_timeout(Duration::from_secs(10));
        let mut connection = SqliteConnection::connect_with(&options).await.expect("the database");
        let count = sqlx::query_scalar(question).fetch_one(&mut connection).await.expect("an answer");
        connection.close().await.expect("closed");
        count
    }

    /// Waits until no operation is under way and no change either.
    pub(crate) async fn until_settled(&self, what: &str) {
        until(what, async || self.is_settled().await).await;
    }

    pub(crate) async fn is_settled(&self) -> bool {
        const OPEN: &str = "SELECT (SELECT count(*) FROM operations WHERE state IN ('queued', 'running')) + \
                            (SELECT count(*) FROM instances WHERE change <> 'none' OR state NOT IN \
                            ('ready', 'asleep', 'stopped', 'failed') AND deleted_at IS NULL) + \
                            (SELECT count(*) FROM rollouts WHERE state = 'running')";
        self.count(OPEN).await == 0
    }
}

impl Deploy {
    pub(crate) async fn register(&self, plane: &Plane, user: UserId, name: &str) -> InstanceId {
        let answer = self.post(plane, "/api/instances/register", &order(user, name)).await;
        let status = answer.status();
        let text = answer.text().await.expect("text");
        assert_eq!(status, StatusCode::CREATED, "{text}");
        let answer: Value = serde_json::from_str(&text).expect("an answer");
        answer["instance_id"].as_str().expect("an id").parse().expect("an id")
    }

    pub(crate) async fn post(&self, plane: &Plane, path: &str, body: &Value) -> reqwest::Response {
        let request = plane.http.post(format!("{}{path}", self.base)).bearer_auth(DEPLOY_TOKEN).json(body);
        request.timeout(PATIENCE).send().await.expect("an answer")
    }

    /// Does something and waits for its success.
    pub(crate) async fn act(&self, id: InstanceId, action: &str) {
        let operation = self.api.act(id, action).await.expect("accepted").operation_id;
        self.until_succeeded(operation).await;
    }

    pub(crate) async fn until_succeeded(&self, id: OperationId) {
        until("the operation ends", async || {
            self.api.operation(id).await.is_ok_and(|operation| operation.state.is_final())
        })
        .await;
        let ended = self.api.operation(id).await.expect("an operation");
        assert_eq!(ended.error, None, "{ended:?}");
    }

    /// Ends it as an operator would, and sees that it ends well.
    pub(crate) async fn stop(&mut self) {
        self.process.signal(rustix::process::Signal::TERM);
        assert!(self.process.end().await.success(), "{}", tail(&self.log));
    }

    /// Whether it has killed itself; any other end is a fault.
    pub(crate) fn has_died(&mut self) -> bool {
        let Some(status) = self.process.0.try_wait().expect("a status") else { return false };
        assert_eq!(status.signal(), Some(9), "{status}: {}", tail(&self.log));
        true
    }

    /// How many instances its first comparison with Docker's list had to look at.
    pub(crate) async fn first_comparison(&self) -> u64 {
        let first = || {
            let log = std::fs::read_to_string(&self.log).expect("a log");
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find_map(|line| line["to_look_at"].as_u64())
        };
        until("everything has been compared", async || first().is_some()).await;
        first().expect("a number")
    }
}

pub(crate) fn order(user: UserId, name: &str) -> Value {
    json!({ "user_id": user, "username": name, "email": format!("{name}@example.com") })
}

/// Polls until it holds, or fails the test.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The variables that both processes have.
pub(crate) fn common(rig: &Rig, root: &Path, subnet: &str) -> Vec<(&'static str, String)> {
    let policy = rig.guard_config().policy;
    vec![
        ("PROJECT_ROOT", root.display().to_string()),
        ("BEAVER_INSTALLATION", rig.installation.clone()),
        ("BEAVER_INSTANCE_IMAGE", rig.image.clone()),
        // There is none: nothing is proven, and no probe's containers get into the tests' counts.
        ("BEAVER_PROBE_IMAGE", format!("beaver-test/{}-none:latest", rig.installation)),
        ("BEAVER_NET", policy.net_prefix),
        ("BEAVER_BRIDGE_PREFIX", policy.bridge_prefix),
        ("BEAVER_INSTANCE_SUBNET", subnet.to_owned()),
        ("BEAVER_CONTROL_SUBNET", policy.control_subnet.to_string()),
    ]
}

/// The variables that deploy-control has beside them.
pub(crate) fn of_deploy(authz_url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("DEPLOY_CONTROL_API_TOKEN", DEPLOY_TOKEN.to_owned()),
        ("BEAVER_ROUTER_TOKEN", ROUTER_TOKEN.to_owned()),
        ("AUTHZ_INTERNAL_TOKEN", INTERNAL_TOKEN.to_owned()),
        ("BEAVER_AUTHZ_URL", authz_url.to_owned()),
        ("BEAVER_ALLOW_UNISOLATED", "yes".to_owned()),
    ]
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// A /22 of 10.208.0.0/12: another one for each plane of this process, from a random one on for the sake of
/// other processes.
pub(crate) fn unused_subnet() -> String {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicU16::new(u16::from_le_bytes(random_bytes())));
    let index = next.fetch_add(1, Ordering::SeqCst) % 1024;
    format!("10.{}.{}.0/22", 208 + index / 64, index % 64 * 4)
}

/// An address on the loopback that nobody else has: a port that is free now may be taken a moment later.
fn unused_loopback() -> Ipv4Addr {
    let [a, b, c] = random_bytes();
    Ipv4Addr::new(127, a | 1, b, c.clamp(1, 254))
}

/// authz-service as far as deploy-control speaks with it.
#[derive(Clone, Default)]
pub(crate) struct FakeAuthz {
    forgotten: Arc<Mutex<Vec<InstanceId>>>,
}

impl FakeAuthz {
    pub(crate) async fn start() -> (Self, String) {
        let this = Self::default();
        let routes = Router::new()
            .route("/internal/registration-tokens", post(token))
            .route("/internal/instances/{id}", delete(forget))
            .with_state(this.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (this, url)
    }
}

async fn token(Json(body): Json<RegistrationTokenRequest>) -> (StatusCode, Json<Value>) {
    let token = format!("token-of-{}", body.instance_id);
    (StatusCode::CREATED, Json(json!({ "registration_token": token, "expires_in": 600 })))
}

async fn forget(
    State(authz): State<FakeAuthz>,
    axum::extract::Path(id): axum::extract::Path<InstanceId>,
) -> StatusCode {
    authz.forgotten.lock().expect("not poisoned").push(id);
    StatusCode::NO_CONTENT
}
