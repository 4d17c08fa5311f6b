//! How client connections end when the router leaves. On a stop, those that are idle are closed and those that are
//! busy end with their answer. After a hand-over there is time to do it without a loss: a client of HTTP/1.1 may send a
//! request at the very moment when its idle connection is closed, so that such a connection stays open until its next
//! answer says `Connection: close`, or until the stop. HTTP/2 has GOAWAY, which loses nothing.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper_util::server::graceful::GracefulConnection;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::{TaskTrackerToken, TrackedFuture};

/// The way out, and all connections that must take it.
pub(crate) struct Drain {
    /// Cancelled by a hand-over, or by a stop.
    leaving: CancellationToken,
    stopping: CancellationToken,
    /// Asked with every answer: cheaper than the token. Not set by a stop, of which hyper tells the clients itself.
    has_left: AtomicBool,
    is_stopping: AtomicBool,
    /// Cancelled once that is set.
    stopped: CancellationToken,
    connections: TaskTracker,
}

impl Drain {
    pub(crate) fn new(stopping: CancellationToken) -> Self {
        Self {
            leaving: stopping.child_token(),
            stopping,
            has_left: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            stopped: CancellationToken::new(),
            connections: TaskTracker::new(),
        }
    }

    /// Another router has taken over.
    pub(crate) fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
        self.leaving.cancel();
    }

    /// Cancelled when no new connection is to be accepted and tunnels are to end.
    pub(crate) fn leaving(&self) -> CancellationToken {
        self.leaving.clone()
    }

    /// Whether the next answer is the last one of its connection.
    pub(super) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// Whether the next answer is the last one of its connection, for those whose answers are not hyper's.
    pub(crate) fn is_leaving(&self) -> bool {
        self.has_left() || self.is_stopping()
    }

    /// The router stops: told once, because asking the token costs a lock.
    pub(crate) fn note_stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.stopped.cancel();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Ends when [`Self::is_stopping`] has become true.
    pub(crate) fn stopped(&self) -> WaitForCancellationFutureOwned {
        self.stopped.clone().cancelled_owned()
    }

    /// The task of a tunnel, which is a connection, too.
    pub(super) fn track<F: Future>(&self, tunnel: F) -> TrackedFuture<F> {
        self.connections.track_future(tunnel)
    }

    /// Counts as a connection for as long as it lives.
    pub(super) fn token(&self) -> TaskTrackerToken {
        self.connections.token()
    }

    /// Waits until no connection is left; for when no new one comes.
    pub(crate) async fn all_closed(&self) {
        self.connections.close();
        self.connections.wait().await;
    }

    /// Drives a connection to its end.
    pub(super) async fn drive<C: GracefulConnection>(
        &self,
        connection: C,
        is_http2: &AtomicBool,
    ) -> Result<(), C::Error> {
        let mut connection = pin!(connection);
        // Of this connection's own, because it is looked at whenever the connection moves: no lock is shared.
        let leaving = self.leaving.child_token();
        let told = async {
            leaving.cancelled().await;
            if !is_http2.load(Ordering::Relaxed) {
                self.stopping.cancelled().await;
            }
        };
        tokio::select! {
            outcome = connection.as_mut() => return outcome,
            () = told => (),
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
}
