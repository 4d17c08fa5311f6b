//! One request and the head of its answer on a connection to the instance, and the connection's way back
//! into the pool once both bodies are through.

use std::future::Future;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, Uri};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::TrySendError;

use super::body::{Progress, UploadBody};
use super::pool::{Connection, Upstream};
use crate::limits::Timeouts;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// No connection could be made.
    #[error("no connection: {0}")]
    Connect(#[source] std::io::Error),
    /// The connection broke off or the answer is no HTTP.
    #[error("the exchange failed: {0}")]
    Exchange(#[source] hyper::Error),
    /// It broke off, or turned out to be no HTTP, after the instance had begun to answer.
    #[error("the answer broke off: {0}")]
    Within(#[source] hyper::Error),
    /// The first byte did not come in time.
    #[error("no answer in time")]
    Timeout,
    /// The slug stands for another container now.
    #[error("the container was replaced")]
    Retired,
}

/// A connection in use. [`Lease::release`] gives it back; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Lease {
    upstream: Arc<Upstream>,
    connection: Connection,
    progress: Arc<Progress>,
}

impl Lease {
    /// Gives the connection back after the whole answer was read. An instance that answered before it had
    /// the whole request loses its connection: what is left of the body would be read as a request.
    pub(crate) fn release(self) {
        if self.progress.sent_all() {
            self.upstream.put_back(self.connection);
        }
    }
}

/// What is needed to say the same again.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

/// No answer, and what could be said again elsewhere: present where no byte of an answer came, and saying it twice
/// has no effect.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) error: UpstreamError,
    pub(crate) replay: Option<Replay>,
}

impl Replay {
    /// Only what has no effect when it is done twice, and only where there is no body to send again.
    fn of(parts: &Parts, body: &UploadBody) -> Option<Self> {
        let idempotent = matches!(
            parts.method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
        );
        (idempotent && body.is_end_stream()).then(|| Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
        })
    }

    /// The request's head.
    pub(crate) fn into_parts(self) -> Parts {
        let mut request = Request::new(());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request.into_parts().0
    }

    fn to_request(&self) -> Request<UploadBody> {
        let mut request = Request::new(UploadBody::empty());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// Sends a request and waits for the answer's head. Retries once, on a new connection, when a reused one
/// turned out to be closed.
pub(crate) async fn send(
    upstream: &Arc<Upstream>,
    parts: Parts,
    body: UploadBody,
    times: &Timeouts,
) -> Result<(Response<Incoming>, Lease), Unanswered> {
    let retired = upstream.retired();
    let replay = Replay::of(&parts, &body);
    let outcome = tokio::select! {
        biased;
        outcome = send_or_retry(upstream, parts, body, replay.as_ref(), times) => outcome,
        () = retired.cancelled() => Err(UpstreamError::Retired),
    };
    outcome.map_err(|error| {
        let unheard = match &error {
            UpstreamError::Connect(_) | UpstreamError::Retired => true,
            UpstreamError::Exchange(error) => is_stale(error),
            UpstreamError::Within(_) | UpstreamError::Timeout => false,
        };
        Unanswered { error, replay: replay.filter(|_| unheard) }
    })
}

async fn send_or_retry(
    upstream: &Arc<Upstream>,
    parts: Parts,
    body: UploadBody,
    replay: Option<&Replay>,
    times: &Timeouts,
) -> Result<(Response<Incoming>, Lease), UpstreamError> {
    let progress = body.progress();
    let Some(connection) = upstream.checkout(times.upstream_idle).await else {
        let request = Request::from_parts(parts, body);
        return on_new_connection(upstream, request, progress, times).await;
    };
    let request = Request::from_parts(parts, body);
    match exchange(upstream, connection, request, &progress, times).await {
        Ok(answer) => Ok(answer),
        Err(Failed::NeverSent(request)) => on_new_connection(upstream, *request, progress, times).await,
        Err(Failed::Broken(error)) => match replay.filter(|_| is_stale(&error)) {
            Some(replay) => {
                let request = replay.to_request();
                let progress = request.body().progress();
                on_new_connection(upstream, request, progress, times).await
            }
            None => Err(UpstreamError::Exchange(error)),
        },
        Err(Failed::Within(error)) => Err(UpstreamError::Within(error)),
        Err(Failed::Timeout) => Err(UpstreamError::Timeout),
    }
}

async fn on_new_connection(
    upstream: &Arc<Upstream>,
    request: Request<UploadBody>,
    progress: Arc<Progress>,
    times: &Timeouts,
) -> Result<(Response<Incoming>, Lease), UpstreamError> {
    if upstream.is_retired() {
        return Err(UpstreamError::Retired);
    }
    let connection = upstream.connect(times.connect).await.map_err(UpstreamError::Connect)?;
    // Connections that were made before are to that container and no other. Now the address may be another's.
    if upstream.is_retired() {
        return Err(UpstreamError::Retired);
    }
    exchange(upstream, connection, request, &progress, times).await.map_err(|failed| match failed {
        Failed::NeverSent(_) => UpstreamError::Connect(std::io::ErrorKind::NotConnected.into()),
        Failed::Broken(error) => UpstreamError::Exchange(error),
        Failed::Within(error) => UpstreamError::Within(error),
        Failed::Timeout => UpstreamError::Timeout,
    })
}

/// The connection was closed under the request, before any answer. A parse error or a timeout is none.
fn is_stale(error: &hyper::Error) -> bool {
    let is_reset = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|io| {
            use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
            matches!(io.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
        });
    error.is_incomplete_message() || error.is_canceled() || error.is_closed() || is_reset
}

enum Failed {
    /// Not one byte went out: it may be sent again whatever it is.
    NeverSent(Box<Request<UploadBody>>),
    /// No byte of an answer came.
    Broken(hyper::Error),
    /// Some came.
    Within(hyper::Error),
    Timeout,
}

async fn exchange(
    upstream: &Arc<Upstream>,
    mut connection: Connection,
    request: Request<UploadBody>,
    progress: &Arc<Progress>,
    times: &Timeouts,
) -> Result<(Response<Incoming>, Lease), Failed> {
    connection.heard.listen();
    let answer = connection.sender.try_send_request(request);
    let response = await_head(answer, progress, times).await.map_err(|failed| match failed {
        Failed::Broken(error) if connection.heard.anything() => Failed::Within(error),
        failed => failed,
    })?;
    let lease = Lease { upstream: Arc::clone(upstream), connection, progress: Arc::clone(progress) };
    Ok((response, lease))
}

/// The limit counts from the last time that the request's body moved: a long upload is no late answer.
async fn await_head(
    answer: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<UploadBody>>>>,
    progress: &Progress,
    times: &Timeouts,
) -> Result<Response<Incoming>, Failed> {
    tokio::pin!(answer);
    loop {
        let left = progress.time_left(times.first_byte);
        if left.is_zero() {
            return Err(Failed::Timeout);
        }
        if let Ok(outcome) = tokio::time::timeout(left, &mut answer).await {
            return outcome.map_err(|mut error| match error.take_message() {
                Some(request) => Failed::NeverSent(Box::new(request)),
                None => Failed::Broken(error.into_error()),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_address_of_a_replaced_container_is_not_dialled() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("set");
        let std::net::SocketAddr::V4(address) = listener.local_addr().expect("an address") else {
            panic!("an IPv4 address")
        };
        // A request that found the route before the change and had to wait for its place until after it.
        let upstream = Arc::new(Upstream::new(address));
        upstream.retire();
        let parts = Request::new(()).into_parts().0;
        let outcome = send(&upstream, parts, UploadBody::empty(), &Timeouts::default()).await;
        let unanswered = outcome.expect_err("nobody to answer");
        assert!(matches!(unanswered.error, UpstreamError::Retired));
        assert!(unanswered.replay.is_some(), "it may go where the instance is now");
        let dialled = listener.accept().map(drop).map_err(|error| error.kind());
        assert_eq!(
            dialled,
            Err(std::io::ErrorKind::WouldBlock),
            "whoever is there now has seen nothing of it"
        );
    }
}
