//! How many requests of one instance may be under way, so that a slow one cannot take the router's memory
//! from the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{MAX_IN_FLIGHT, MAX_QUEUED};

/// Places for requests under way and for those that wait.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    queued: AtomicUsize,
}

impl Default for Admission {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_IN_FLIGHT)), queued: AtomicUsize::new(0) }
    }
}

impl Admission {
    /// A place, where one is free.
    pub(crate) fn enter_at_once(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place, after a wait where all are taken; `None` when too many wait already.
    pub(crate) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(permit) = self.enter_at_once() {
            return Some(permit);
        }
        let waiting = Waiting::new(&self.queued)?;
        let permit = Arc::clone(&self.places).acquire_owned().await.ok();
        drop(waiting);
        permit
    }
}

/// Counts one that waits, also when the client goes away meanwhile.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(queued: &'a AtomicUsize) -> Option<Self> {
        let enter = |n: usize| (n < MAX_QUEUED).then_some(n + 1);
        queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter).ok().map(|_| Self(queued))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn places_then_a_queue_then_no_more() {
        let admission = Admission::default();
        let mut held = Vec::new();
        for _ in 0..MAX_IN_FLIGHT {
            held.push(admission.enter().await.expect("a place"));
        }
        let mut waiting: Vec<_> = (0..MAX_QUEUED).map(|_| Box::pin(admission.enter())).collect();
        for future in &mut waiting {
            assert!(future.now_or_never().is_none(), "waits");
        }
        assert!(admission.enter().await.is_none(), "the queue is full");
        held.pop();
        assert!(waiting.remove(0).await.is_some());
        waiting.clear();
        assert_eq!(admission.queued.load(Ordering::SeqCst), 0, "who went away is not counted");
    }
}
