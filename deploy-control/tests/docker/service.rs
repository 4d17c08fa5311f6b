//! deploy-control and docker-guard in this process, with a proxy between the guard and Docker: for the tests
//! that need shorter times than production has. What is Docker's is real.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use control_api::authz_client::AuthzClient;
use control_api::deploy::{InstanceState, InstanceView, OperationView, RegisterAnswer};
use control_api::deploy_client::DeployClient;
use control_api::ids::{InstanceId, OperationId, UserId};
use deploy_control::app::{App, Listeners};
use deploy_control::config::Config;
use deploy_control::deps::{Deps, Timings};
use deploy_control::docker::DockerEngine;
use deploy_control::fault::FaultPoints;
use deploy_control::guard::{self, GuardConfig};
use deploy_control::instance_app;
use serde_json::Value;
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::http_client;
use service_kit::lifecycle::Lifecycle;
use service_kit::secret::Secret;
use tokio::net::TcpListener;

use super::plane::{DEPLOY_TOKEN, FakeAuthz, INTERNAL_TOKEN, common, of_deploy, order, until, unused_subnet};
use super::proxy::Proxy;
use super::rig::{DOCKER_SOCKET, Rig};

/// The longest that a call to Docker may take here: a busy machine's calls take a second or two.
pub(crate) const LONGEST_CALL: Duration = Duration::from_secs(8);

pub(crate) struct Service {
    pub(crate) api: DeployClient,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    pub(crate) app: App,
    pub(crate) proxy: Proxy,
    root: PathBuf,
    lifecycle: Lifecycle,
    /// Cleans up when all else has ended.
    pub(crate) rig: Rig,
}

impl Service {
    pub(crate) async fn new() -> Self {
        let rig = Rig::new().await;
        Self::on(rig, Path::new(DOCKER_SOCKET)).await
    }

    /// Before the Docker at `docker`.
    pub(crate) async fn on(rig: Rig, docker: &Path) -> Self {
        let root = rig.folder.path().join("service");
        std::fs::create_dir_all(&root).expect("a folder");
        let socket = rig.folder.path().join("proxy.sock");
        let proxy = Proxy::start(&socket, docker);
        let lifecycle = Lifecycle::new();
        let both = common(&rig, &root, &unused_subnet());
        let host = ("DOCKER_HOST", format!("unix://{}", socket.display()));
        let pairs = both.iter().cloned().chain([host]);
        let config = GuardConfig::from_env(EnvReader::from_pairs(pairs)).expect("a configuration");
        guard::start(&lifecycle, config).await.expect("a guard");
        let (_, authz_url) = FakeAuthz::start().await;
        let pairs = both.into_iter().chain(of_deploy(&authz_url));
        let config = Config::from_env(EnvReader::from_pairs(pairs)).expect("a configuration");
        let http = http_client::build(http_client::internal()).expect("a client");
        let engine = DockerEngine::new(&config.guard_socket, &rig.installation);
        let deps = Deps {
            engine: Arc::new(engine.with_longest_call(LONGEST_CALL)),
            authz: AuthzClient::new(http.clone(), config.authz_url.clone(), Secret::from(INTERNAL_TOKEN)),
            http: http.clone(),
            dial: instance_app::direct(),
            clock: Clock::system(),
            timings: Timings {
                sweep: Duration::from_millis(500),
                ping: Duration::from_millis(100),
                stop_grace: Duration::from_secs(1),
                retry: Duration::from_millis(100),
                back_off: Duration::from_millis(50),
                ..Timings::default()
            },
            free_bytes: None,
            routes: std::sync::Arc::new(String::new),
            faults: FaultPoints::default(),
        };
        let main = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let admin = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", main.local_addr().expect("an address"));
        let app = App::start(config, deps, Listeners { main, admin }, &lifecycle).await.expect("it starts");
        let url = base.parse().expect("a URL");
        let api = DeployClient::new(http.clone(), url, Secret::from(DEPLOY_TOKEN));
        let this = Self { api, base, http, app, proxy, root, lifecycle, rig };
        until("it is ready", async || this.app.health.is_ready()).await;
        this
    }

    /// Orders without waiting.
    pub(crate) async fn order(&self, name: &str) -> RegisterAnswer {
        self.order_as(UserId::generate(), name).await
    }

    pub(crate) async fn order_as(&self, user: UserId, name: &str) -> RegisterAnswer {
        let order = serde_json::from_value(order(user, name)).expect("an order");
        self.api.register(&order).await.expect("accepted")
    }

    /// Orders and waits until it is ready.
    pub(crate) async fn register(&self, name: &str) -> InstanceId {
        let answer = self.order(name).await;
        let ended = self.until_final(answer.operation_id).await;
        assert_eq!(ended.error, None, "{ended:?}");
        answer.instance_id
    }

    pub(crate) async fn until_final(&self, id: OperationId) -> OperationView {
        until("the operation ends", async || self.operation(id).await.state.is_final()).await;
        self.operation(id).await
    }

    pub(crate) async fn operation(&self, id: OperationId) -> OperationView {
        self.api.operation(id).await.expect("an operation")
    }

    /// Waits until the operation says that it waits, or why it failed, in such words.
    pub(crate) async fn until_said(&self, id: OperationId, words: &str) {
        let what = format!("the operation says {words:?}");
        until(&what, async || self.operation(id).await.error.is_some_and(|error| error.contains(words)))
            .await;
    }

    pub(crate) async fn view(&self, id: InstanceId) -> InstanceView {
        self.api.instance(id).await.expect("an instance")
    }

    pub(crate) async fn until_state(&self, id: InstanceId, state: InstanceState) -> InstanceView {
        let what = format!("{id} is {}", state.as_str());
        until(&what, async || self.view(id).await.state == state).await;
        self.view(id).await
    }

    /// Waits until the ledger has an entry of this kind whose cause has these words.
    pub(crate) async fn until_in_ledger(&self, id: InstanceId, what: &str, cause: &str) {
        let told = format!("the ledger says {what}: {cause}");
        until(&told, async || {
            let events = self.api.events(id).await.expect("events").events;
            events.iter().any(|event| event.what == what && event.cause.contains(cause))
        })
        .await;
    }

    /// Docker's name for the container of a slug's generation.
    pub(crate) fn container(&self, slug: &str, generation: u64) -> String {
        format!("{}-{slug}-{generation}", self.rig.installation)
    }

    pub(crate) fn runtime(&self) -> PathBuf {
        self.root.join("runtime")
    }

    /// Status and body of the health page.
    pub(crate) async fn health(&self) -> (u16, Value) {
        let answer = self.http.get(format!("{}/health/ready", self.base)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Whatever hangs is dropped with the runtime; what it may still ask of Docker finds nobody.
        self.lifecycle.stop();
        self.proxy.refuse();
    }
}
