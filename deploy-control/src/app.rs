//! Puts the service together and starts it on its listeners. Whatever is wrong with the machine (a subnet in
//! use, an unwritable folder) is said here, before anything is changed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use control_api::authz_client::AuthzClient;
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::health::Health;
use service_kit::lifecycle::{Lifecycle, StartError};
use service_kit::metrics::Metrics;
use service_kit::{http_client, server};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::api::{self, Api};
use crate::availability::Availability;
use crate::config::Config;
use crate::deps::{Deps, Timings};
use crate::engine::Engine;
use crate::fault::FaultPoints;
use crate::housekeeping;
use crate::image_pulls::ImagePulls;
use crate::instance_app;
use crate::isolation::Isolation;
use crate::reconciler::{Context, Reconciler};
use crate::requests::{ARCHIVES_AT_ONCE, Requests};
use crate::rollouts;
use crate::store::{Store, StoreError};

/// Setting under which the subnet of the addresses is kept.
pub(crate) const SUBNET_SETTING: &str = "instance_subnet";

/// The listeners of the service.
pub struct Listeners {
    /// For the API.
    pub main: TcpListener,
    /// For health and metrics.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds both as the configuration says.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            main: server::bind(config.listen, "DEPLOY_LISTEN").await?,
            admin: server::bind(config.admin_listen, "DEPLOY_ADMIN_LISTEN").await?,
        })
    }
}

/// The service.
pub struct App {
    /// What requests work with; for tests that look behind the API.
    pub requests: Requests,
    /// What the health page says.
    pub health: Health,
}

/// The neighbours of production.
pub fn production(config: &Config, engine: Arc<dyn Engine>) -> Result<Deps, StartError> {
    let http = http_client::build(http_client::internal())?;
    Ok(Deps {
        engine,
        authz: AuthzClient::new(http.clone(), config.authz_url.clone(), config.internal_token.clone()),
        http,
        dial: instance_app::direct(),
        clock: Clock::system(),
        timings: Timings::default(),
        free_bytes: None,
        // Where there is no such file there are no routes to overlap with.
        routes: Arc::new(|| std::fs::read_to_string("/proc/net/route").unwrap_or_default()),
        faults: FaultPoints::from_env(EnvReader::from_process())?,
    })
}

impl App {
    /// Starts everything; the tasks belong to `lifecycle`.
    pub async fn start(
        config: Config,
        deps: Deps,
        listeners: Listeners,
        lifecycle: &Lifecycle,
    ) -> Result<Self, StartError> {
        check_routes(&config, &(deps.routes)())?;
        let folder = config.runtime().join("deploy");
        make_private(&folder).map_err(|error| unusable(&folder, &error))?;
        let store = Store::open(&folder.join("deploy.sqlite"), deps.clock.clone())
            .await
            .map_err(|error| StartError::Other(error.to_string()))?;
        check_subnet(&config, &store).await?;
        let health = Health::new();
        let availability = Availability::new(health.clone(), deps.clock.clone());
        let isolation = Isolation::new(health.clone(), config.allow_unisolated);
        let runtime = config.runtime();
        let settings = store.chosen_settings().await.map_err(|error| StartError::Other(error.to_string()))?;
        let context = Context::new(config, deps, store, availability, isolation, settings)
            .map_err(|error| unusable(&runtime, &error))?;
        let context = Arc::new(context);
        remove_stale_stages(&context).await?;
        end_when_fenced(lifecycle, context.store.clone());
        let reconciler = Reconciler::start(lifecycle, Arc::clone(&context));
        let pulls = ImagePulls::start(lifecycle, Arc::clone(&context)).await;
        let pulls = pulls.map_err(|error| StartError::Other(error.to_string()))?;
        let archives = Arc::new(Semaphore::new(ARCHIVES_AT_ONCE));
        let requests = Requests { context, reconciler, pulls, stopping: lifecycle.stopping(), archives };
        rollouts::start(lifecycle, requests.clone());
        housekeeping::start(lifecycle, requests.clone(), health.clone());
        serve(lifecycle, listeners, &requests, &health);
        Ok(Self { requests, health })
    }
}

/// Two that work on one database would undo each other's work: the one that came first ends.
fn end_when_fenced(lifecycle: &Lifecycle, store: Store) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn_critical("fence", async move {
        tokio::select! {
            () = stopping.cancelled() => Ok(()),
            () = store.until_fenced() => Err(StoreError::Fenced.to_string()),
        }
    });
}

fn serve(lifecycle: &Lifecycle, listeners: Listeners, requests: &Requests, health: &Health) {
    let metrics = Metrics::new();
    let api = Api { requests: requests.clone(), lifecycle: lifecycle.clone() };
    let main = server::layers(api::routes(api, health), &metrics, api::BODY_LIMIT);
    let admin: Router = Router::new().merge(health.router()).merge(metrics.router());
    server::serve(lifecycle, "main", listeners.main, main);
    server::serve(lifecycle, "admin", listeners.admin, server::layers(admin, &metrics, api::BODY_LIMIT));
}

fn check_routes(config: &Config, routes: &str) -> Result<(), StartError> {
    match config.plan.overlapping_route(routes) {
        None => Ok(()),
        Some((variable, route)) => Err(StartError::Other(format!(
            "the network that {variable} names overlaps a route of this machine, {route}; choose another"
        ))),
    }
}

/// Addresses that were given out stay valid only as long as the subnet is the same.
async fn check_subnet(config: &Config, store: &Store) -> Result<(), StartError> {
    let error = |error: crate::store::StoreError| StartError::Other(error.to_string());
    let subnet = config.plan.instances.to_string();
    match store.setting(SUBNET_SETTING).await.map_err(error)? {
        Some(kept) if kept != subnet && !store.live().await.map_err(error)?.is_empty() => {
            Err(StartError::Other(format!(
                "BEAVER_INSTANCE_SUBNET is {subnet}, but the instances on record have addresses in {kept}; set it \
                 back, or delete the instances first"
            )))
        }
        Some(kept) if kept == subnet => Ok(()),
        _ => {
            store.forget_addresses().await.map_err(error)?;
            store.set_setting(SUBNET_SETTING, &subnet).await.map_err(error)
        }
    }
}

/// Keys that a crash left in staged files of no operation must not stay on the disk.
async fn remove_stale_stages(context: &Arc<Context>) -> Result<(), StartError> {
    let error = |error: crate::store::StoreError| StartError::Other(error.to_string());
    let rows = context.store.live().await.map_err(error)?;
    let operations = context.store.active_operations().await.map_err(error)?;
    let files = context.files.clone();
    let work = move || {
        for row in rows {
            let active = operations.iter().find(|operation| operation.instance_id == row.id);
            if let Err(error) = files.remove_stale_stages(row.id, active.map(|operation| operation.id)) {
                tracing::warn!(instance = %row.id, %error, "a staged configuration cannot be removed");
            }
        }
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| StartError::Other(error.to_string()))
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn unusable(folder: &Path, error: &io::Error) -> StartError {
    let shown = folder.display();
    StartError::Other(format!("{shown} cannot be used: {error}; see PROJECT_ROOT and who may write there"))
}
