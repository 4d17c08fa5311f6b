//! Accepts clients and drives their connections: the PROXY protocol and TLS where they are on, the guard, then hyper
//! with HTTP/1.1 and HTTP/2 (agreed on in the handshake or, by an outer proxy, known before). On a stop it takes no new
//! connection and lets those end that are busy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::client::Client;
use super::handle::Router;
use crate::guard::{ConnectionState, GuardedIo};
use crate::limits::{MAX_HEADERS_BYTES, MAX_TARGET};
use crate::proxy_protocol;
use crate::tls::{Replay, TlsFront};

/// Pause after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const H2_PING_EVERY: Duration = Duration::from_secs(30);
const H2_STREAMS: u32 = 128;

/// Serves a public listener, with TLS where there is a `front`, until the router leaves, then drains.
pub(crate) async fn accept(
    router: Arc<Router>,
    listener: TcpListener,
    front: Option<Arc<TlsFront>>,
) -> Result<(), String> {
    let (leaving, stopping) = (router.drain.leaving(), router.lifecycle.stopping());
    let aborting = router.lifecycle.aborting();
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
            () = leaving.cancelled() => break,
        };
        prepare(&stream);
        let serving = open(Arc::clone(&router), stream, peer, front.clone(), builder.clone());
        let aborting = aborting.clone();
        // The drain below waits for every one of these.
        router.drain.spawn(async move {
            tokio::select! { () = serving => (), () = aborting.cancelled() => () }
        });
    }
    drop(listener);
    stopping.cancelled().await;
    router.drain.all_closed().await;
    Ok(())
}

/// One client's connection until its end: what stands before HTTP, then that.
async fn open(
    router: Arc<Router>,
    mut stream: TcpStream,
    peer: SocketAddr,
    front: Option<Arc<TlsFront>>,
    builder: auto::Builder<TokioExecutor>,
) {
    let (config, mut read) = (&router.config, BytesMut::new());
    let mut address = peer;
    if config.proxy_protocol && config.trusted.contains(peer.ip()) {
        match proxy_protocol::read(&mut stream, &mut read, config.timeouts.head).await {
            Ok(source) => address = source.unwrap_or(peer),
            Err(error) => {
                tracing::warn!(%peer, %error, "a connection with no PROXY header in front was closed");
                return;
            }
        }
    }
    let Some(front) = front else {
        let client = Client { address, certificate: None };
        return serve(router, (stream, read), client, builder).await;
    };
    match front.handshake(Replay::new(stream, read), config.timeouts.tls_handshake).await {
        Ok((stream, certificate)) => {
            let client = Client { address, certificate: Some(certificate) };
            serve(router, (stream, BytesMut::new()), client, builder).await;
        }
        Err(error) => tracing::debug!(%address, %error, "a TLS connection was not made"),
    }
}

/// HTTP on a connection; some of its bytes may have been read already.
async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    router: Arc<Router>,
    (stream, read): (S, BytesMut),
    client: Client,
    builder: auto::Builder<TokioExecutor>,
) {
    let state = Arc::new(ConnectionState::default());
    let io = GuardedIo::new(stream, read, Arc::clone(&state), &router.config.timeouts);
    let is_http2 = Arc::new(AtomicBool::new(false));
    let (serving, version) = (Arc::clone(&router), Arc::clone(&is_http2));
    let service = service_fn(move |request: Request<Incoming>| {
        if request.version() == Version::HTTP_2 {
            version.store(true, Ordering::Relaxed);
        }
        // Asked now and not when the future runs: by then hyper may have read ahead to the next request.
        let fault = state.fault();
        Arc::clone(&serving).serve((Arc::clone(&state), fault), client.clone(), request)
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(io), service).into_owned();
    if let Err(error) = router.drain.drive(connection, &is_http2).await {
        tracing::debug!(%error, "a client's connection ended early");
    }
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
