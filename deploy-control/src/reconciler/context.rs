//! What every step works with, and the ways in which a step does not come to its end.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use control_api::authz_client::AuthzClient;
use service_kit::clock::Clock;
use tokio::sync::watch;

use crate::availability::Availability;
use crate::config::Config;
use crate::deps::{Deps, FreeBytes, HostRoutes, Timings};
use crate::disk_use;
use crate::engine::{Engine, EngineError};
use crate::fault::FaultPoints;
use crate::instance_app::InstanceApp;
use crate::instance_files::{InstanceFiles, WATERMARK_BYTES};
use crate::isolation::Isolation;
use crate::model::Instance;
use crate::route_files::RouteFiles;
use crate::settings::{InForce, Settings};
use crate::store::{Store, StoreError};

/// What every step works with.
pub struct Context {
    /// Settings.
    pub config: Config,
    /// Docker.
    pub engine: std::sync::Arc<dyn Engine>,
    /// The database.
    pub store: Store,
    /// Folders of instances.
    pub files: InstanceFiles,
    /// The router's folder.
    pub routes: RouteFiles,
    /// authz-service.
    pub authz: AuthzClient,
    /// The apps in the containers.
    pub app: InstanceApp,
    /// The time.
    pub clock: Clock,
    /// How long things take.
    pub timings: Timings,
    /// Whether Docker answers.
    pub availability: Availability,
    /// Whether new instances may be made.
    pub isolation: Isolation,
    /// Where a test stops the process.
    pub faults: FaultPoints,
    free_bytes: Option<FreeBytes>,
    routes_of_host: HostRoutes,
    networks: Mutex<HashSet<u16>>,
    /// What administrators set; `store` has the same.
    settings: watch::Sender<Settings>,
}

impl Context {
    /// Puts the parts together.
    pub fn new(
        config: Config,
        deps: Deps,
        store: Store,
        availability: Availability,
        isolation: Isolation,
        settings: Settings,
    ) -> io::Result<Self> {
        let runtime = config.runtime();
        Ok(Self {
            files: InstanceFiles::open(&runtime)?,
            routes: RouteFiles::open(&runtime)?,
            app: InstanceApp::new(deps.http, deps.dial),
            config,
            engine: deps.engine,
            store,
            authz: deps.authz,
            clock: deps.clock,
            timings: deps.timings,
            availability,
            isolation,
            faults: deps.faults,
            free_bytes: deps.free_bytes,
            routes_of_host: deps.routes,
            networks: Mutex::default(),
            settings: watch::Sender::new(settings),
        })
    }

    /// Free bytes where instances are kept.
    pub fn free_bytes(&self) -> io::Result<u64> {
        match &self.free_bytes {
            Some(ask) => ask(),
            None => self.files.free_bytes(),
        }
    }

    /// Text of `/proc/net/route`; blocking, and short.
    pub fn host_routes(&self) -> String {
        (self.routes_of_host)()
    }

    /// Why nothing new may be made for want of space.
    pub fn disk_full(&self) -> Option<String> {
        let free = self.free_bytes().ok()?;
        (free < WATERMARK_BYTES).then(|| {
            format!("only {} MiB are free on the disk; {} MiB are needed", free >> 20, WATERMARK_BYTES >> 20)
        })
    }

    /// Bytes that an instance may have below `data/`: a limit that was raised since holds for it too.
    pub fn disk_limit(&self, instance: &Instance) -> u64 {
        instance.limits.disk_bytes.max(self.in_force().limits.disk_bytes)
    }

    /// What administrators set.
    pub fn settings(&self) -> Settings {
        self.settings.borrow().clone()
    }

    /// What holds for instances now: what administrators set, and the environment's for the rest.
    pub fn in_force(&self) -> InForce {
        InForce::of(&self.config, &self.settings.borrow().chosen)
    }

    /// A change is in force. Two may come here in another order than that of their transactions.
    pub(crate) fn settle(&self, settings: Settings) {
        self.settings.send_if_modified(|current| {
            let is_newer = settings.version > current.version;
            if is_newer {
                *current = settings;
            }
            is_newer
        });
    }

    /// Why an instance may not wake by itself for want of space; as of the last measurement.
    pub fn full_disk(&self, instance: &Instance) -> Option<String> {
        disk_use::full(instance.disk?.bytes, self.disk_limit(instance))
    }

    /// Makes the network of a shard, once as long as Docker runs.
    pub(super) async fn ensure_network(&self, shard: u16) -> Result<(), EngineError> {
        if self.networks.lock().unwrap_or_else(PoisonError::into_inner).contains(&shard) {
            return Ok(());
        }
        self.engine.ensure_network(&self.config.plan.network(shard)).await?;
        self.networks.lock().unwrap_or_else(PoisonError::into_inner).insert(shard);
        Ok(())
    }

    /// Docker answers. Where it was away, the losses that it caused on its way out are held against nobody.
    pub(super) async fn docker_answers(&self) {
        if self.availability.up()
            && let Err(error) = self.store.forgive_losses(self.availability.began_to_leave_at()).await
        {
            tracing::error!(%error, "what went with Docker could not be forgiven");
        }
    }

    /// Docker was away: what is known of its networks may be wrong.
    pub(super) fn forget_networks(&self) {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Brings the route of an instance up to date.
    pub(super) async fn sync_route(&self, instance: &Instance) -> Result<(), Trouble> {
        let (routes, instance) = (self.routes.clone(), instance.clone());
        let written = blocking(move || routes.sync(&instance)).await;
        written.map(drop).map_err(|error| self.later(format!("the route cannot be written: {error}")))
    }

    /// To be tried again soon.
    pub(super) fn later(&self, reason: impl Into<String>) -> Trouble {
        Trouble::Later(reason.into(), self.timings.retry)
    }

    /// What a failed call to the file system means.
    pub(super) fn disk_trouble(&self, what: &str, error: &io::Error) -> Trouble {
        // A full disk and an I/O error may pass; the operation's deadline ends the trying.
        self.later(format!("{what}: {error}"))
    }
}

/// Why a step did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Docker cannot be reached.
    Docker(String),
    /// Something else is missing for now: the reason, and when to try again.
    Later(String, Duration),
    /// Trying again will not help.
    Failed(String),
    /// The app did not come up.
    Broken(String),
    /// Somebody wants something else.
    Interrupted,
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unreachable(_) => Self::Docker(error.to_string()),
            EngineError::TimedOut(_) | EngineError::Closing(_) => {
                Self::Later(error.to_string(), Duration::from_secs(2))
            }
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Runs blocking work on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
