//! Time limits of many connections for the price of one timer. A connection writes down until when it waits; one task
//! of its thread looks through all of them a few times a second and wakes those whose time is over. That task is the
//! clock, too. So a limit is kept to within two [`TICK`]s, and setting one costs no lock, no timer and no question
//! to the system.

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
    now: Arc<Now>,
    all: Mutex<Vec<Weak<Slot>>>,
    first: Notify,
}

/// Milliseconds since the start, as of the last tick.
#[derive(Debug, Default)]
struct Now(AtomicU64);

#[derive(Debug)]
struct Slot {
    /// Milliseconds since the start.
    at: AtomicU64,
    waker: AtomicWaker,
}

/// The one deadline of a connection.
#[derive(Debug)]
pub(crate) struct Deadline {
    now: Arc<Now>,
    slot: Arc<Slot>,
}

impl Deadlines {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), now: Arc::default(), all: Mutex::default(), first: Notify::new() }
    }

    /// A new one, not set.
    pub(crate) fn add(&self) -> Deadline {
        let slot = Arc::new(Slot { at: AtomicU64::new(NEVER), waker: AtomicWaker::new() });
        let mut all = self.all();
        all.push(Arc::downgrade(&slot));
        if all.len() == 1 {
            // The clock may have stood still.
            self.tick();
            self.first.notify_one();
        }
        Deadline { now: Arc::clone(&self.now), slot }
    }

    fn tick(&self) -> u64 {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(NEVER);
        self.now.0.store(now, Ordering::Relaxed);
        now
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
        let now = self.tick();
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
        // It may be so much later than the clock says.
        let limit = u64::try_from((limit + TICK).as_millis()).unwrap_or(NEVER);
        let now = self.now.0.load(Ordering::Relaxed);
        self.slot.at.store(now.saturating_add(limit), Ordering::Relaxed);
    }

    /// Ready once the time is over.
    pub(crate) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.slot.waker.register(cx.waker());
        let is_over = self.now.0.load(Ordering::Relaxed) >= self.slot.at.load(Ordering::Relaxed);
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    }
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
