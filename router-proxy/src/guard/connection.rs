//! What the guard and the service of one client connection tell each other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::head::Fault;

/// Shared by the guard and the service of one connection.
#[derive(Debug, Default)]
pub(crate) struct ConnectionState {
    fault: OnceLock<Fault>,
    tunnel: AtomicBool,
    in_flight: AtomicUsize,
    /// Requests that are through.
    served: AtomicUsize,
    /// hyper has all of the one message that it was to get.
    has_message: AtomicBool,
    /// hyper has written and not yet flushed.
    is_unflushed: AtomicBool,
}

impl ConnectionState {
    /// Records why the next request that hyper sees must be refused.
    pub(super) fn set_fault(&self, fault: Fault) {
        let _ = self.fault.set(fault);
    }

    /// Why the request is refused, if the guard found a fault.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    /// From here on the bytes are not HTTP. Called before the 101 is sent, so before the client may answer.
    pub(crate) fn switch_to_tunnel(&self) {
        self.tunnel.store(true, Ordering::Release);
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel.load(Ordering::Acquire)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) > 0
    }

    pub(super) fn note_message(&self) {
        self.has_message.store(true, Ordering::Release);
    }

    pub(super) fn note_write(&self) {
        self.is_unflushed.store(true, Ordering::Release);
    }

    pub(super) fn note_flush(&self) {
        self.is_unflushed.store(false, Ordering::Release);
    }

    /// Whether the one message that hyper was to get is served, and nothing is left to write.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.served.load(Ordering::Acquire) > 0
            && !self.is_busy()
            && self.has_message.load(Ordering::Acquire)
            && !self.is_unflushed.load(Ordering::Acquire)
    }
}

/// A request under way: while one lives, the connection is not idle.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<ConnectionState>);

impl InFlight {
    /// Counts one request.
    pub(crate) fn new(state: &Arc<ConnectionState>) -> Self {
        state.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(state))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.served.fetch_add(1, Ordering::AcqRel);
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
