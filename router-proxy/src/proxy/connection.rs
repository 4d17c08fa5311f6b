//! One client's connection from its first byte to its last: what stands before HTTP (the PROXY protocol, TLS), then
//! requests. The fast path serves what is usual; what is not goes to hyper's side, for one request or for good.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::handle::Router;
use super::hyper_side;
use super::peer::Peer;
use super::workers::Worker;
use crate::fast_path::{self, Downstream, Left};
use crate::proxy_protocol;
use crate::tls::{Replay, TlsFront};

/// A connection that was accepted.
pub(super) struct Arrival {
    pub(super) peer: SocketAddr,
    /// With TLS, where there is one.
    pub(super) front: Option<Arc<TlsFront>>,
    /// The drain waits for it.
    pub(super) token: TaskTrackerToken,
}

/// Serves a connection until its end.
pub(super) async fn serve(router: Arc<Router>, worker: Worker, mut stream: TcpStream, arrival: Arrival) {
    let Arrival { peer, front, token } = arrival;
    let (config, mut read) = (&router.config, BytesMut::new());
    let mut address = peer;
    if config.proxy_protocol && config.trusted.contains(peer.ip()) {
        match proxy_protocol::read(&mut stream, &mut read, config.timeouts.head).await {
            Ok(named) => address = named.unwrap_or(peer),
            Err(error) => {
                tracing::warn!(%peer, %error, "a connection with no PROXY header in front was closed");
                return;
            }
        }
    }
    let Some(front) = front else {
        let peer = Peer { address, certificate: None };
        serve_http(&router, &worker, Downstream::new(stream, read), peer).await;
        drop(token);
        return;
    };
    match front.handshake(Replay::new(stream, read), config.timeouts.tls_handshake).await {
        Ok((stream, certificate)) => {
            let peer = Peer { address, certificate: Some(certificate) };
            serve_http(&router, &worker, Downstream::new(stream, BytesMut::new()), peer).await;
        }
        Err(error) => tracing::debug!(%address, %error, "a TLS connection was not made"),
    }
    drop(token);
}

async fn serve_http<S>(router: &Arc<Router>, worker: &Worker, mut downstream: Downstream<S>, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let deadline = worker.deadlines.add();
    loop {
        match fast_path::run(router, worker, &deadline, &peer, &mut downstream).await {
            Left::Closed => {
                // A client that reads no more must not hold what is to be closed.
                let limit = router.config.timeouts.body_idle;
                let _ = tokio::time::timeout(limit, downstream.stream.shutdown()).await;
                return;
            }
            Left::Unusual => match hyper_side::serve_one(router, downstream, &peer).await {
                Some(back) => downstream = back,
                None => return,
            },
            Left::ForGood => return hyper_side::serve_rest(router, downstream, peer, None).await,
            Left::Refused(fault) => {
                return hyper_side::serve_rest(router, downstream, peer, Some(fault)).await;
            }
        }
    }
}
