//! Time limits of many connections for the price of one timer. A connection writes down until when it waits; one task
//! of its thread looks through all of them a few times a second and wakes those whose time is over. So a limit holds
//! to within [`TICK`], and setting one costs neither a lock nor a timer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How exact a limit is.
const TICK: Duration = Duration::from_millis(100);
const NEVER: u64 = u64::MAX;

/// All deadlines of one thread.
#[derive(Debug)]
pub(crate) struct Deadlines {
    start: Instant,
    all: Mutex<Vec<Weak<Slot>>>,
    first: Notify,
}

#[derive(Debug)]
struct Slot {
    /// Milliseconds since the start.
    at: AtomicU64,
    waker: AtomicWaker,
}

/// The one deadline of a connection.
#[derive(Debug)]
pub(crate) struct Deadline {
    start: Instant,
    slot: Arc<Slot>,
}

impl Deadlines {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), all: Mutex::default(), first: Notify::new() }
    }

    /// A new one, not set.
    pub(crate) fn add(&self) -> Deadline {
        let slot = Arc::new(Slot { at: AtomicU64::new(NEVER), waker: AtomicWaker::new() });
        let mut all = self.all();
        all.push(Arc::downgrade(&slot));
        if all.len() == 1 {
            self.first.notify_one();
        }
        Deadline { start: self.start, slot }
    }

    /// Wakes whoever is late, for as long as it is polled. Sleeps where there is nobody.
    pub(crate) async fn watch(&self) {
        loop {
            if self.all().is_empty() {
                self.first.notified().await;
            }
            tokio::time::sleep(TICK).await;
            self.look();
        }
    }

    fn look(&self) {
        let now = millis_since(self.start);
        self.all().retain(|slot| {
            let Some(slot) = slot.upgrade() else { return false };
            if slot.at.load(Ordering::Relaxed) <= now {
                slot.waker.wake();
            }
            true
        });
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<Slot>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deadline {
    /// From now on, `limit` counts.
    pub(crate) fn set(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(NEVER);
        self.slot.at.store(millis_since(self.start).saturating_add(limit), Ordering::Relaxed);
    }

    /// Ready once the time is over.
    pub(crate) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.slot.waker.register(cx.waker());
        let at = self.slot.at.load(Ordering::Relaxed);
        // Woken for other reasons most of the time: the clock is asked only where there is a limit at all.
        if at != NEVER && millis_since(self.start) >= at { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn millis_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn who_is_late_is_woken_and_who_moved_the_limit_is_not() {
        let deadlines = Arc::new(Deadlines::new());
        let watching = Arc::clone(&deadlines);
        let watch = tokio::spawn(async move { watching.watch().await });
        let (late, moved) = (deadlines.add(), deadlines.add());
        let limit = Duration::from_millis(150);
        late.set(limit);
        moved.set(Duration::from_millis(1));
        moved.set(Duration::from_hours(1));
        let began = Instant::now();
        tokio::select! {
            () = poll_fn(|cx| late.poll_over(cx)) => (),
            () = poll_fn(|cx| moved.poll_over(cx)) => panic!("it was moved"),
        }
        // Counted in whole milliseconds.
        assert!(began.elapsed() + Duration::from_millis(1) >= limit, "{:?}", began.elapsed());
        drop((late, moved));
        deadlines.look();
        assert!(deadlines.all().is_empty(), "what has ended is forgotten");
        watch.abort();
    }
}
