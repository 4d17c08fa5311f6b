//! Puts the service together: store, keys, tasks, listeners. The instance-facing listener has an address that
//! a Docker bridge brings with it, so it is tried until the address exists; everything else serves meanwhile.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use control_api::deploy_client::DeployClient;
use service_kit::clock::Clock;
use service_kit::health::{Check, Health};
use service_kit::lifecycle::{Lifecycle, StartError};
use service_kit::metrics::Metrics;
use service_kit::{http_client, server};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::authz::{Authz, Shared};
use crate::config::Config;
use crate::forwarding::settings::AuditTargetSettings;
use crate::forwarding::{self, DELIVERY_TIME, Target};
use crate::keys::Keys;
use crate::password::hashing::Hasher;
use crate::store::Store;
use crate::touches::{self, Touches};
use crate::upstream::Upstream;
use crate::{cleanup, departures, http, keys, mail, outbox};

const DATABASE_FILE: &str = "authz.db";
/// No body that this service takes is larger.
const BODY_LIMIT: usize = 64 * 1024;
/// How often a missing address is tried.
const BIND_PAUSE: Duration = Duration::from_millis(500);
const INSTANCE_CHECK: &str = "instance-listener";
const INSTANCE_VARIABLE: &str = "AUTHZ_INSTANCE_LISTEN";

/// Sockets of the service. Tests bring their own on port 0.
#[derive(Debug)]
pub struct Listeners {
    /// All routes.
    pub main: TcpListener,
    /// Health and metrics.
    pub admin: TcpListener,
    /// Instance-facing routes.
    pub instance: InstanceListener,
}

/// The instance-facing socket, or where it will be.
#[derive(Debug)]
pub enum InstanceListener {
    /// Bound already.
    Bound(TcpListener),
    /// To be bound as soon as the address exists.
    At(SocketAddr),
}

impl Listeners {
    /// Binds what can be bound now.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            main: server::bind(config.listen, "AUTHZ_LISTEN").await?,
            admin: server::bind(config.admin_listen, "AUTHZ_ADMIN_LISTEN").await?,
            instance: InstanceListener::At(config.instance_listen),
        })
    }
}

/// The service.
#[derive(Debug)]
pub struct App;

impl App {
    /// Opens the store and starts tasks and listeners; they end with `lifecycle`.
    pub async fn start(
        config: Config,
        clock: Clock,
        listeners: Listeners,
        lifecycle: &Lifecycle,
    ) -> Result<(), StartError> {
        let http = http_client::build(http_client::internal())?;
        let deploy = DeployClient::new(http, config.deploy_url.clone(), config.deploy_token.clone());
        let health = Health::new();
        let authz = open(config, clock, health.clone(), lifecycle.stopping()).await?;
        lifecycle.spawn_critical("outbox", outbox::run(Arc::clone(&authz), deploy.clone()));
        lifecycle.spawn_critical("departures", departures::run(Arc::clone(&authz), deploy));
        lifecycle.spawn_critical("mail", mail::run(Arc::clone(&authz)));
        lifecycle.spawn_critical("session-uses", touches::run(Arc::clone(&authz)));
        lifecycle.spawn_critical("cleanup", cleanup::run(Arc::clone(&authz)));
        lifecycle.spawn_critical("key-rotation", keys::run(Arc::clone(&authz)));
        forward_audit(&authz, lifecycle).await?;

        let metrics = Metrics::new();
        let main = http::main_routes(&authz).merge(health.router());
        server::serve(lifecycle, "main", listeners.main, http::layers(main, &metrics, BODY_LIMIT));
        let admin = health.router().merge(metrics.router());
        server::serve(lifecycle, "admin", listeners.admin, server::layers(admin, &metrics, 1024));
        let instance = http::layers(http::instance_routes(&authz), &metrics, BODY_LIMIT);
        serve_instances(lifecycle, &health, listeners.instance, instance).await?;
        close_at_the_end(lifecycle, authz);
        Ok(())
    }
}

pub(crate) async fn open(
    config: Config,
    clock: Clock,
    health: Health,
    stopping: CancellationToken,
) -> Result<Shared, StartError> {
    private_folder(&config.data_dir)?;
    let other = |error: String| StartError::Other(error);
    let store = Store::open(&config.data_dir.join(DATABASE_FILE)).await.map_err(|e| other(e.to_string()))?;
    let keys =
        Keys::load(&store, &config.data_dir, config.issuer.clone(), clock.now_ms()).await.map_err(other)?;
    let settings = store.settings().await.map_err(|e| other(e.to_string()))?;
    let last = store.last_revocation().await.map_err(|e| other(e.to_string()))?;
    let upstream = match config.upstream.clone() {
        Some(settings) => {
            Some(Upstream::new(settings, http_client::build(http_client::internet().no_proxy())?))
        }
        None => None,
    };
    Ok(Arc::new(Authz {
        upstream,
        hasher: Hasher::new(config.hashing).map_err(other)?,
        keys,
        settings: watch::Sender::new(settings),
        store,
        clock,
        health,
        revoked: watch::Sender::new(last),
        ordered: Notify::new(),
        audit_test: Notify::new(),
        left: Notify::new(),
        posted: Notify::new(),
        touches: Touches::default(),
        stopping,
        config,
    }))
}

/// Sends the audit log to where the operator wants it.
async fn forward_audit(authz: &Shared, lifecycle: &Lifecycle) -> Result<(), StartError> {
    let AuditTargetSettings { syslog, webhook } = authz.config.audit_targets.clone();
    let webhook = match webhook {
        Some(target) => {
            let client = http_client::internet().timeout(DELIVERY_TIME).no_proxy();
            Some(Target::webhook(target, http_client::build(client)?))
        }
        None => None,
    };
    let targets = syslog.map(Target::Syslog).into_iter().chain(webhook);
    for target in targets {
        forwarding::prepare(authz, &target).await.map_err(|error| StartError::Other(error.to_string()))?;
        lifecycle.spawn_critical("audit-forwarding", forwarding::run(Arc::clone(authz), target));
    }
    Ok(())
}

/// Makes the folder, for this user alone: it holds password hashes and the master key.
fn private_folder(path: &Path) -> Result<(), StartError> {
    let failed = |error: io::Error| {
        StartError::Other(format!(
            "the folder {} cannot be used: {error}; make it for this user or set AUTHZ_DATA_DIR",
            path.display()
        ))
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let mode = path.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Serves instances now, or as soon as the address exists. A taken port is a fault at once.
async fn serve_instances(
    lifecycle: &Lifecycle,
    health: &Health,
    listener: InstanceListener,
    routes: Router,
) -> Result<(), StartError> {
    let address = match listener {
        InstanceListener::Bound(listener) => {
            server::serve(lifecycle, "instance", listener, routes);
            health.set(INSTANCE_CHECK, Check::Ok);
            return Ok(());
        }
        InstanceListener::At(address) => address,
    };
    match TcpListener::bind(address).await {
        Ok(listener) => {
            server::serve(lifecycle, "instance", listener, routes);
            health.set(INSTANCE_CHECK, Check::Ok);
            return Ok(());
        }
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            health.set(INSTANCE_CHECK, Check::Failing(missing_address(address)));
        }
        Err(error) => return Err(StartError::Other(cannot_listen(address, &error))),
    }
    let (lifecycle_inner, health) = (lifecycle.clone(), health.clone());
    lifecycle.spawn("instance-bind", async move {
        let stopping = lifecycle_inner.stopping();
        let bind = move || TcpListener::bind(address);
        match bind_when_possible(bind, BIND_PAUSE, &stopping).await {
            Ok(Some(listener)) => {
                server::serve(&lifecycle_inner, "instance", listener, routes);
                health.set(INSTANCE_CHECK, Check::Ok);
            }
            Ok(None) => {}
            // An operator has to mend this; the rest goes on, and readiness says so.
            Err(error) => health.set(INSTANCE_CHECK, Check::Failing(cannot_listen(address, &error))),
        }
    });
    Ok(())
}

/// Tries until the address exists; `None` when the process stops first.
async fn bind_when_possible<F, Fut>(
    mut bind: F,
    pause: Duration,
    stopping: &CancellationToken,
) -> io::Result<Option<TcpListener>>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = io::Result<TcpListener>>,
{
    loop {
        match bind().await {
            Ok(listener) => return Ok(Some(listener)),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopping.cancelled() => return Ok(None),
        }
    }
}

fn missing_address(address: SocketAddr) -> String {
    format!(
        "{} does not exist on this machine yet (the network beaver-control brings it); it is tried again, \
         and {INSTANCE_VARIABLE} sets another",
        address.ip()
    )
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> String {
    format!("cannot listen on {address}: {error}; free the port or set {INSTANCE_VARIABLE}")
}

/// Folds the write-ahead log into the file once the last request has ended.
fn close_at_the_end(lifecycle: &Lifecycle, authz: Shared) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn("close-store", async move {
        stopping.cancelled().await;
        // Tasks and connections hold the rest; the store closes when it is the last one standing.
        while Arc::strong_count(&authz) > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if let Err(error) = authz.write_touches().await {
            tracing::warn!(%error, "the last uses of sessions could not be written down");
        }
        authz.store.close().await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_missing_address_is_tried_again_and_a_taken_port_is_not() {
        let tries = AtomicU32::new(0);
        let bind = || async {
            match tries.fetch_add(1, Ordering::SeqCst) {
                0..3 => Err(io::Error::from(io::ErrorKind::AddrNotAvailable)),
                _ => TcpListener::bind("127.0.0.1:0").await,
            }
        };
        let (pause, stopping) = (Duration::from_millis(1), CancellationToken::new());
        assert!(bind_when_possible(bind, pause, &stopping).await.expect("no fault").is_some());
        assert_eq!(tries.load(Ordering::SeqCst), 4);

        let taken = || async { Err(io::Error::from(io::ErrorKind::AddrInUse)) };
        assert!(bind_when_possible(taken, pause, &stopping).await.is_err());

        stopping.cancel();
        let never = || async { Err(io::Error::from(io::ErrorKind::AddrNotAvailable)) };
        assert!(bind_when_possible(never, pause, &stopping).await.expect("no fault").is_none());
    }
}
