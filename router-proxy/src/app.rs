//! Puts the router together and starts its tasks.

use std::sync::Arc;
use std::time::Duration;

use axum::Router as AdminRouter;
use control_api::authz_client::AuthzClient;
use control_api::deploy_client::DeployClient;
use service_kit::clock::Clock;
use service_kit::health::Health;
use service_kit::http_client;
use service_kit::lifecycle::{Lifecycle, StartError};
use service_kit::metrics::Metrics;
use service_kit::server;
use tokio_util::sync::CancellationToken;

use crate::activity;
use crate::config::Config;
use crate::gate::Gate;
use crate::handover::{self, Sockets};
use crate::listeners::Listeners;
use crate::metrics::RouterMetrics;
use crate::pages::Pages;
use crate::proxy::{Drain, Router, Workers, accept};
use crate::routes::{RouteFiles, RouteTable, follow, watch};
use crate::tls::{self, CertificateFiles, TlsFront};

const ADMIN_BODY_LIMIT: usize = 16 * 1024;
/// Caches and idle connections are looked through this often.
const SWEEP_CONNECTIONS: Duration = Duration::from_secs(5);
const SWEEPS_PER_CACHE_SWEEP: u32 = 12;

/// The service.
pub struct App;

impl App {
    /// Starts the router on its listeners. Routes that are on disk are served from the first request on. Where another
    /// router has lent its sockets, this one waits until it is ready, serves, and sends the other one away.
    pub async fn start(
        config: Config,
        clock: Clock,
        listeners: Listeners,
        lifecycle: &Lifecycle,
    ) -> Result<(), StartError> {
        if !config.is_https() {
            tracing::warn!(
                "DEPLOY_PUBLIC_SCHEME is http: cookies have neither Secure nor the __Host- prefix; \
                 put TLS in front for anything but a trial"
            );
        }
        let sockets = Sockets::of(listeners.all())
            .map_err(|error| StartError::Other(format!("the listening sockets cannot be kept: {error}")))?;
        let (health, metrics) = (Health::new(), Metrics::new());
        let router_metrics = RouterMetrics::new(&metrics);
        let router = build(config, clock, (&health, &router_metrics), lifecycle)?;
        start_routes(&router, &health, lifecycle).await?;
        router.gate.start(lifecycle);
        start_tasks(&router, lifecycle);
        let front = start_tls(&router, &health, lifecycle).await?;
        if let Some(predecessor) = &listeners.predecessor {
            let limit = router.config.timeouts.take_over;
            predecessor.wait_until_ready(&health, limit, lifecycle.stopping()).await?;
        }
        let pages = AdminRouter::new().merge(health.router()).merge(metrics.router());
        server::serve(lifecycle, "admin", listeners.admin, server::layers(pages, &metrics, ADMIN_BODY_LIMIT));
        let workers = Arc::new(
            Workers::start(&router)
                .map_err(|error| StartError::Other(format!("no thread to serve clients: {error}")))?,
        );
        if let (Some(listener), Some(front)) = (listeners.tls, front) {
            let accepting = accept(Arc::clone(&router), Arc::clone(&workers), listener, Some(front));
            lifecycle.spawn_critical("tls", accepting);
        }
        let accepting = accept(Arc::clone(&router), Arc::clone(&workers), listeners.public, None);
        lifecycle.spawn_critical("router", accepting);
        let (drained, stopping) = (Arc::clone(&router), lifecycle.stopping());
        lifecycle.spawn_critical("workers", async move {
            stopping.cancelled().await;
            drained.drain.note_stop();
            drained.drain.all_closed().await;
            workers.finish().await
        });
        if let Some(predecessor) = listeners.predecessor {
            predecessor.dismiss().await;
        }
        lifecycle.spawn_critical("handover", handover::offer(router, sockets));
        Ok(())
    }
}

fn build(
    config: Config,
    clock: Clock,
    shared: (&Health, &RouterMetrics),
    lifecycle: &Lifecycle,
) -> Result<Arc<Router>, StartError> {
    let http = http_client::build(http_client::internal())?;
    let authz = AuthzClient::new(http.clone(), config.authz.clone(), config.token.clone());
    let deploy = DeployClient::new(http, config.deploy.clone(), config.token.clone());
    let gate = Gate::new(&config, authz, clock.clone(), shared, lifecycle)?;
    Ok(Arc::new(Router {
        table: Arc::new(RouteTable::new()),
        gate,
        deploy,
        pages: Pages::new(&config.portal),
        metrics: shared.1.clone(),
        clock,
        lifecycle: lifecycle.clone(),
        drain: Drain::new(lifecycle.stopping()),
        stop_streams: CancellationToken::new(),
        config,
    }))
}

/// Reads the routes that are there, then follows the folder.
async fn start_routes(
    router: &Arc<Router>,
    health: &Health,
    lifecycle: &Lifecycle,
) -> Result<(), StartError> {
    let folder = router.config.routes_dir.clone();
    let at_fault = |folder: &std::path::Path, error: &dyn std::fmt::Display| {
        StartError::Other(format!("ROUTER_ROUTES_DIR {} cannot be used: {error}", folder.display()))
    };
    let named = folder.clone();
    let work = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let watch = watch(&folder);
        let mut files = RouteFiles::new(folder);
        let changes = files.scan()?;
        Ok::<_, std::io::Error>((watch, files, changes))
    });
    let (watch, files, changes) =
        work.await.map_err(|e| at_fault(&named, &e))?.map_err(|e| at_fault(&named, &e))?;
    router.table.apply(changes);
    router.metrics.set_routes(router.table.len(), files.bad_count());
    tracing::info!(routes = router.table.len(), folder = %named.display(), "route files read");
    let report = (health.clone(), router.metrics.clone());
    let rescan = router.config.timeouts.rescan;
    let table = Arc::clone(&router.table);
    lifecycle.spawn_critical("routes", follow(files, watch, table, report, rescan, lifecycle.stopping()));
    Ok(())
}

/// Reads the certificates that are there, then follows their folder.
async fn start_tls(
    router: &Arc<Router>,
    health: &Health,
    lifecycle: &Lifecycle,
) -> Result<Option<Arc<TlsFront>>, StartError> {
    let Some(config) = &router.config.tls else { return Ok(None) };
    let front = Arc::new(TlsFront::new(router.metrics.clone()));
    let news = tls::News {
        front: Arc::clone(&front),
        health: health.clone(),
        metrics: router.metrics.clone(),
        clock: router.clock.clone(),
    };
    let (told, mut files) = (news.clone(), CertificateFiles::new(config.dir.clone()));
    let work = tokio::task::spawn_blocking(move || {
        tls::read_now(&mut files, &told);
        files
    });
    let files = work.await.map_err(|error| StartError::Other(error.to_string()))?;
    let rescan = router.config.timeouts.rescan;
    lifecycle.spawn_critical("certificates", tls::follow(files, news, rescan, lifecycle.stopping()));
    Ok(Some(front))
}

fn start_tasks(router: &Arc<Router>, lifecycle: &Lifecycle) {
    let times = router.config.timeouts.clone();
    let (table, deploy) = (Arc::clone(&router.table), router.deploy.clone());
    let report = activity::report(table, deploy, times.activity, lifecycle.stopping());
    lifecycle.spawn_critical("activity", report);

    let (sweeper, stopping) = (Arc::clone(router), lifecycle.stopping());
    lifecycle.spawn_critical("sweep", async move {
        let mut ticks = tokio::time::interval(SWEEP_CONNECTIONS);
        let mut round: u32 = 0;
        loop {
            tokio::select! {
                _ = ticks.tick() => (),
                () = stopping.cancelled() => return Ok(()),
            }
            sweeper.sweep_connections(sweeper.config.timeouts.upstream_idle);
            round = round.wrapping_add(1);
            if round.is_multiple_of(SWEEPS_PER_CACHE_SWEEP) {
                sweeper.gate.sweep();
            }
        }
    });

    // Not tracked by the drain: it must not make a stop last as long as its pause.
    let (stop_streams, stopping) = (router.stop_streams.clone(), lifecycle.stopping());
    tokio::spawn(async move {
        stopping.cancelled().await;
        tokio::time::sleep(times.stream_drain).await;
        stop_streams.cancel();
    });
}
