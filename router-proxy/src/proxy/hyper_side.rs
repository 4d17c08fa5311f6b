//! What the fast path leaves to hyper, behind the guard: HTTP/1.1 with all that it can say, HTTP/1.0, and HTTP/2 (agreed
//! on in the handshake or, by an outer proxy, known before).

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};

use super::handle::Router;
use super::peer::Peer;
use crate::fast_path::Downstream;
use crate::guard::{ConnectionState, Fault, GuardedIo};
use crate::limits::{MAX_HEADERS_BYTES, MAX_TARGET};

const H2_PING_EVERY: Duration = Duration::from_secs(30);
const H2_STREAMS: u32 = 128;
/// The guard keeps the size of a head; hyper only has to have room for it.
const MAX_BUFFER: usize = MAX_TARGET + MAX_HEADERS_BYTES + 16 * 1024;

/// Serves the request that begins here and gives the connection back, unless it has ended.
pub(super) async fn serve_one<S>(
    router: &Arc<Router>,
    downstream: Downstream<S>,
    peer: &Peer,
) -> Option<Downstream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = Arc::new(ConnectionState::default());
    let Downstream { stream, read, .. } = downstream;
    let io = GuardedIo::for_one_message(stream, read, Arc::clone(&state), &router.config.timeouts);
    let (of_service, router_of_service, peer) = (Arc::clone(&state), Arc::clone(router), peer.clone());
    let service = service_fn(move |request| {
        let fault = of_service.fault();
        // hyper gives a connection back only where it can move what it holds.
        Box::pin(Arc::clone(&router_of_service).serve(
            (Arc::clone(&of_service), fault),
            peer.clone(),
            request,
        ))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(io), service);
    let stopping = router.lifecycle.stopping();
    let mut stopped = pin!(stopping.cancelled());
    let mut is_stopping = false;
    let outcome = poll_fn(|cx| {
        if !is_stopping && stopped.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if state.is_at_rest() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    if let Some(ended) = outcome {
        log_end(ended);
        return None;
    }
    let parts = connection.into_parts();
    let (stream, read) = parts.io.into_inner().into_parts();
    // What hyper has not read of the one message that it got is the rest of a body, and no request.
    parts.read_buf.is_empty().then(|| Downstream::later(stream, read))
}

/// Serves the connection to its end. `fault`: what is wrong with the request that begins here.
pub(super) async fn serve_rest<S>(
    router: &Arc<Router>,
    downstream: Downstream<S>,
    peer: Peer,
    fault: Option<Fault>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = Arc::new(ConnectionState::default());
    let Downstream { stream, read, is_first } = downstream;
    let mut io = GuardedIo::new(stream, read, Arc::clone(&state), &router.config.timeouts);
    if !is_first {
        io.is_later();
    }
    if let Some(fault) = fault {
        io.refuse(fault);
    }
    let is_http2 = Arc::new(AtomicBool::new(false));
    let (serving, version) = (Arc::clone(router), Arc::clone(&is_http2));
    let service = service_fn(move |request: Request<Incoming>| {
        if request.version() == Version::HTTP_2 {
            version.store(true, Ordering::Relaxed);
        }
        // Asked now and not when the future runs: by then hyper may have read ahead to the next request.
        let fault = state.fault();
        Arc::clone(&serving).serve((Arc::clone(&state), fault), peer.clone(), request)
    });
    let connection = builder().serve_connection_with_upgrades(TokioIo::new(io), service).into_owned();
    let outcome = router.drain.drive(connection, &is_http2).await;
    log_end(outcome);
}

fn log_end<E: std::fmt::Display>(outcome: Result<(), E>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "a client's connection ended early");
    }
}

/// hyper behind the guard: the guard keeps the times of a head and its size.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(MAX_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(H2_PING_EVERY))
        .max_concurrent_streams(H2_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEADERS_BYTES + MAX_TARGET).unwrap_or(u32::MAX));
    builder
}
