//! When sessions were used last. A question whose session it is must not wait for the disk, so uses are written down
//! by a worker, many in one transaction; what waits counts already. A crash loses the uses of a moment: a session of
//! which one is lost ends by as much earlier, if it is not used again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control_api::ids::SessionId;
use tokio::sync::Notify;

use crate::authz::{Authz, Shared};

/// Uses in one transaction: other writes wait behind it.
const BATCH: usize = 500;
/// More do not wait while nothing can be written; the sessions are good all the same.
const MOST_WAITING: usize = 100_000;
/// Until the next try, where the disk is full or gone.
const PAUSE: Duration = Duration::from_secs(1);

/// A use of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(crate) used_at: i64,
    /// When the session ends without another.
    pub(crate) idle_ends_at: i64,
}

/// Uses that are not written down yet.
#[derive(Default)]
pub(crate) struct Touches {
    waiting: Mutex<HashMap<SessionId, Touch>>,
    added: Notify,
}

impl Touches {
    /// The use of a session that waits.
    pub(crate) fn of(&self, sid: SessionId) -> Option<Touch> {
        self.lock().get(&sid).copied()
    }

    pub(crate) fn add(&self, sid: SessionId, touch: Touch) {
        let mut waiting = self.lock();
        if waiting.len() < MOST_WAITING || waiting.contains_key(&sid) {
            waiting.insert(sid, touch);
        }
        drop(waiting);
        self.added.notify_one();
    }

    fn batch(&self) -> Vec<(SessionId, Touch)> {
        self.lock().iter().take(BATCH).map(|(sid, touch)| (*sid, *touch)).collect()
    }

    /// Those that were not added anew meanwhile.
    fn forget(&self, written: &[(SessionId, Touch)]) {
        let mut waiting = self.lock();
        for (sid, touch) in written {
            if waiting.get(sid) == Some(touch) {
                waiting.remove(sid);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Touch>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authz {
    /// Writes down all uses that wait.
    pub(crate) async fn write_touches(&self) -> Result<(), sqlx::Error> {
        loop {
            let batch = self.touches.batch();
            if batch.is_empty() {
                return Ok(());
            }
            self.store.touch_sessions(&batch).await?;
            self.touches.forget(&batch);
        }
    }
}

/// Runs until the process stops. What comes after that is written when the store closes.
pub(crate) async fn run(authz: Shared) -> Result<(), String> {
    loop {
        tokio::select! {
            () = authz.touches.added.notified() => {}
            () = authz.stopping.cancelled() => return Ok(()),
        }
        if let Err(error) = authz.write_touches().await {
            tracing::warn!(%error, "the use of sessions could not be written down");
            authz.touches.added.notify_one();
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = authz.stopping.cancelled() => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_counts_until_it_is_written_and_what_came_meanwhile_stays() {
        let (touches, sid, other) = (Touches::default(), SessionId::generate(), SessionId::generate());
        let at = |used_at| Touch { used_at, idle_ends_at: used_at + 10 };
        touches.add(sid, at(1));
        touches.add(other, at(2));
        let batch = touches.batch();
        assert_eq!(batch.len(), 2);
        touches.add(sid, at(3));
        touches.forget(&batch);
        assert_eq!((touches.of(sid), touches.of(other)), (Some(at(3)), None));
    }

    #[test]
    fn no_more_wait_than_memory_is_meant_for_it() {
        let (touches, sid) = (Touches::default(), SessionId::generate());
        let touch = Touch { used_at: 1, idle_ends_at: 2 };
        touches.add(sid, touch);
        for _ in 0..MOST_WAITING {
            touches.add(SessionId::generate(), touch);
        }
        assert_eq!(touches.lock().len(), MOST_WAITING);
        touches.add(sid, Touch { used_at: 5, ..touch });
        assert_eq!(touches.of(sid).map(|touch| touch.used_at), Some(5), "one that waits can be renewed");
    }
}
