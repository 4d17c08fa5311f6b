//! The way to Docker: HTTP/1.1 over its Unix socket, with connections kept for the next call. A connection is
//! used again only when it is idle, and a request that an idle connection lost before sending goes out again
//! on a fresh one; one that may have reached Docker never does. A Docker that shuts down takes no new connection,
//! yet goes on to answer on old ones while it takes itself apart: whether it stands is asked on a fresh one.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

type Sender = SendRequest<Full<Bytes>>;

/// More than this many are not kept.
const MAX_KEPT: usize = 32;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Docker did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// Nobody listens there, or the connection broke.
    #[error("Docker cannot be reached: {0}")]
    Unreachable(String),
    /// No head of an answer in time.
    #[error("Docker did not answer in time")]
    TimedOut,
}

/// Docker's socket and the connections to it.
pub(crate) struct Upstream {
    socket: PathBuf,
    kept: Mutex<Vec<Sender>>,
}

impl Upstream {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket, kept: Mutex::new(Vec::new()) }
    }

    /// Sends a request and answers once the head of the response is there; its body streams.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        head_timeout: Duration,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let answer = tokio::time::timeout(head_timeout, self.send_unlimited(request))
            .await
            .map_err(|_| UpstreamError::TimedOut)??;
        if answer.status() == StatusCode::INTERNAL_SERVER_ERROR {
            // What fails while Docker shuts down is no fault of what was asked for.
            tokio::time::timeout(CONNECT_TIMEOUT, self.assert_stands())
                .await
                .map_err(|_| UpstreamError::TimedOut)??;
        }
        Ok(answer)
    }

    /// Whether Docker takes a new connection and answers on it.
    async fn assert_stands(&self) -> Result<(), UpstreamError> {
        let ping = Request::builder().uri("/_ping").header("host", "docker").body(Full::default());
        let ping = ping.map_err(|e| UpstreamError::Unreachable(e.to_string()))?;
        let answer = self.connect().await?.send_request(ping).await;
        answer.map(drop).map_err(|e| UpstreamError::Unreachable(e.to_string()))
    }

    async fn send_unlimited(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let asks_whether_it_stands = request.uri().path().ends_with("/version");
        while let Some(mut sender) = (!asks_whether_it_stands).then(|| self.take()).flatten() {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(self.keep(sender, response)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(UpstreamError::Unreachable(error.into_error().to_string())),
                },
            }
        }
        let mut sender = self.connect().await?;
        let answer = sender.send_request(request).await;
        answer.map(|r| self.keep(sender, r)).map_err(|e| UpstreamError::Unreachable(e.to_string()))
    }

    /// An idle connection; those that have ended are dropped on the way.
    fn take(&self) -> Option<Sender> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|sender| !sender.is_closed());
        let idle = kept.iter().position(SendRequest::is_ready)?;
        Some(kept.swap_remove(idle))
    }

    /// Kept at once: it counts as idle only when the response's body has been read.
    fn keep(&self, sender: Sender, response: Response<Incoming>) -> Response<Incoming> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_KEPT {
            kept.push(sender);
        }
        response
    }

    async fn connect(&self) -> Result<Sender, UpstreamError> {
        let unreachable =
            |e: &dyn std::fmt::Display| UpstreamError::Unreachable(format!("{}: {e}", self.socket.display()));
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, UnixStream::connect(&self.socket))
            .await
            .map_err(|_| UpstreamError::TimedOut)?
            .map_err(|e| unreachable(&e))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| unreachable(&e))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to Docker ended early");
            }
        });
        Ok(sender)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// Answers `per_connection` requests on each connection and then closes it, as a Docker that restarts.
    fn fake_docker(listener: UnixListener, per_connection: usize) -> Arc<AtomicUsize> {
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    for _ in 0..per_connection {
                        let mut request = [0; 1024];
                        if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK").await;
                        }
                    }
                });
            }
        });
        connections
    }

    async fn ask(upstream: &Upstream) {
        let request = Request::builder().uri("/_ping").header("host", "docker").body(Full::default());
        let answer = upstream.send(request.expect("a request"), LIMIT).await.expect("an answer");
        assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "OK");
        // The connection's own task notes that it is idle again.
        tokio::task::yield_now().await;
    }

    #[tokio::test]
    async fn a_connection_is_used_again_and_one_that_ended_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        for (per_connection, expected) in [(usize::MAX, 1), (1, 5)] {
            let socket = folder.path().join(format!("{expected}.sock"));
            let connections = fake_docker(UnixListener::bind(&socket).expect("a socket"), per_connection);
            let upstream = Upstream::new(socket);
            for _ in 0..5 {
                ask(&upstream).await;
            }
            assert_eq!(connections.load(Ordering::SeqCst), expected);
        }
        let (socket, mut request) = (folder.path().join("version.sock"), Request::new(Full::default()));
        *request.uri_mut() = "/v1.41/version".parse().expect("a path");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let connections = fake_docker(listener, usize::MAX);
        let upstream = Upstream::new(socket);
        ask(&upstream).await;
        upstream.send(request, LIMIT).await.expect("an answer");
        assert_eq!(connections.load(Ordering::SeqCst), 2, "whether it stands is asked on a fresh one");
        let nobody = Upstream::new(folder.path().join("nobody.sock"));
        let answer = nobody.send(Request::new(Full::default()), LIMIT).await;
        assert!(matches!(answer, Err(UpstreamError::Unreachable(_))));
    }
}
