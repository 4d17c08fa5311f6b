//! Serving an axum router: the layers that every service has, in one readable stack, and a drain on stop.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::Service as _;
use tower_http::catch_panic::CatchPanicLayer;

use crate::lifecycle::{Lifecycle, StartError};
use crate::metrics::{Metrics, count_requests};
use crate::problem::Problem;

/// A request's head must arrive within this time: a slow sender must not hold a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds a listener, or says which address is taken and by which variable it is set.
pub async fn bind(address: SocketAddr, variable: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        StartError::Other(format!("cannot listen on {address}: {error}; free the port or set {variable}"))
    })
}

/// The layers around a service's routes, outermost last: body limit, metrics, panics become a problem, the
/// access log, and the request id around them all so that each of them knows it.
pub fn layers(routes: Router, metrics: &Metrics, body_limit: usize) -> Router {
    routes
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(from_fn_with_state(metrics.clone(), count_requests))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            tracing::error!("a handler panicked");
            Problem::internal().into_response()
        }))
        .layer(from_fn(access_log))
        .layer(from_fn(crate::request_id::middleware))
}

/// One line a request. Query strings are left out: they may carry codes.
async fn access_log(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| tracing::field::display(info.0.ip()));
    let started = tokio::time::Instant::now();
    let response = next.run(request).await;
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let request_id = crate::request_id::current();
    let (status, health) = (response.status().as_u16(), is_health(&path));
    if health {
        tracing::debug!(%method, path, status, duration_ms, request_id, peer, "request");
    } else {
        tracing::info!(%method, path, status, duration_ms, request_id, peer, "request");
    }
    response
}

/// Health questions come every few seconds and would drown the log.
fn is_health(path: &str) -> bool {
    path.starts_with("/health") || path == "/api/health"
}

/// Serves `routes` on `listener` until the process stops, then lets requests under way end. Handlers find
/// the peer's address as `ConnectInfo<SocketAddr>`.
pub fn serve(lifecycle: &Lifecycle, name: &'static str, listener: TcpListener, routes: Router) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn_critical(name, async move {
        let graceful = GracefulShutdown::new();
        let mut make_service = routes.into_make_service_with_connect_info::<SocketAddr>();
        loop {
            let (stream, peer) = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(listener = name, %error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                () = stopping.cancelled() => break,
            };
            // Small answers (SSE above all) must not wait for Nagle's algorithm.
            let _ = stream.set_nodelay(true);
            let Ok(service) = make_service.call(Peer(peer)).await;
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
            let connection = builder
                .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
                .into_owned();
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
            });
        }
        drop(listener);
        graceful.shutdown().await;
        Ok(())
    });
}

/// The peer's address as axum's connect info wants it.
struct Peer(SocketAddr);

impl axum::extract::connect_info::Connected<Peer> for SocketAddr {
    fn connect_info(peer: Peer) -> Self {
        peer.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::{get, post};

    async fn start(routes: Router) -> (SocketAddr, Lifecycle) {
        let lifecycle = Lifecycle::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        serve(&lifecycle, "test", listener, layers(routes, &Metrics::new(), 16));
        (address, lifecycle)
    }

    #[tokio::test]
    async fn a_panic_becomes_a_problem_with_a_request_id() {
        async fn broken(request: Request) -> &'static str {
            request.headers().get("no-such-header").map(|_| "").expect("the panic is what is tested")
        }
        let (address, lifecycle) = start(Router::new().route("/", get(broken))).await;
        let response = reqwest::get(format!("http://{address}/")).await.expect("an answer");
        assert_eq!(response.status(), 500);
        assert!(response.headers().contains_key("x-request-id"));
        lifecycle.stop();
        assert!(lifecycle.run_until_stopped(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_and_a_stop_waits_for_requests() {
        let (address, lifecycle) =
            start(Router::new().route("/", post(|body: String| async move { body }))).await;
        let client = reqwest::Client::new();
        let answer = client.post(format!("http://{address}/")).body("x".repeat(17)).send().await;
        assert_eq!(answer.expect("an answer").status(), 413);
        let answer = client.post(format!("http://{address}/")).body("fits").send().await;
        assert_eq!(answer.expect("an answer").text().await.expect("text"), "fits");
        lifecycle.stop();
        assert!(lifecycle.run_until_stopped(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_variable_that_sets_it() {
        let first = bind("127.0.0.1:0".parse().expect("an address"), "X_LISTEN").await.expect("a port");
        let address = first.local_addr().expect("an address");
        let error = bind(address, "X_LISTEN").await.expect_err("taken").to_string();
        assert!(error.contains(&address.to_string()) && error.contains("X_LISTEN"), "{error}");
    }
}
