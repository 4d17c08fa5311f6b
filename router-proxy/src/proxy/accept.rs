//! Accepts clients and drives their connections: the guard, then hyper with HTTP/1.1 and, for an outer
//! proxy, HTTP/2 by prior knowledge. On a stop it takes no new connection and lets those end that are busy.

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

use super::handle::Router;
use crate::guard::{ConnectionState, GuardedIo};
use crate::limits::{MAX_HEADERS_BYTES, MAX_TARGET};

/// Pause after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const H2_PING_EVERY: Duration = Duration::from_secs(30);
const H2_STREAMS: u32 = 128;

/// Serves the public listener until a stop, then drains.
pub(crate) async fn accept(router: Arc<Router>, listener: TcpListener) -> Result<(), String> {
    let stopping = router.lifecycle.stopping();
    let aborting = router.lifecycle.aborting();
    let graceful = GracefulShutdown::new();
    let builder = builder();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = stopping.cancelled() => break,
        };
        prepare(&stream);
        let state = Arc::new(ConnectionState::default());
        let io = GuardedIo::new(stream, Arc::clone(&state), &router.config.timeouts);
        let router = Arc::clone(&router);
        let service = service_fn(move |request| {
            // Asked now and not when the future runs: by then hyper may have read ahead to the next request.
            let fault = state.fault();
            Arc::clone(&router).serve((Arc::clone(&state), fault), peer, request)
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(io), service).into_owned();
        let connection = graceful.watch(connection);
        let aborting = aborting.clone();
        // The drain below waits for every one of these.
        tokio::spawn(async move {
            tokio::select! {
                outcome = connection => if let Err(error) = outcome {
                    tracing::debug!(%error, "a client's connection ended early");
                },
                () = aborting.cancelled() => (),
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

/// hyper behind the guard: the guard keeps the times of a head and its size.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_TARGET + MAX_HEADERS_BYTES + 16 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(H2_PING_EVERY))
        .max_concurrent_streams(H2_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEADERS_BYTES + MAX_TARGET).unwrap_or(u32::MAX));
    builder
}

/// Small answers must not wait for Nagle's algorithm, and a peer that vanished must be noticed.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    if let Err(error) = rustix::net::sockopt::set_socket_keepalive(stream, true) {
        tracing::debug!(%error, "keep-alive could not be set");
    }
}
