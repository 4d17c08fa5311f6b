//! The way to Docker: HTTP/1.1 over its Unix socket, with connections kept for the next call. A connection is
//! used again only when it is idle, and a request that an idle connection lost before sending goes out again
//! on a fresh one; one that may have reached Docker never does.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
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
        tokio::time::timeout(head_timeout, self.send_unlimited(request))
            .await
            .map_err(|_| UpstreamError::TimedOut)?
    }

    async fn send_unlimited(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        while let Some(mut sender) = self.take() {
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
