//! The one source of time. Services take a [`Clock`] so that tests can move it; `clippy.toml` bans the
//! direct calls elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Wall-clock time: the system's, or one that a test sets.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual_ms: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { manual_ms: None }
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it. Clones share the time.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self { manual_ms: Some(Arc::new(AtomicI64::new(start.as_millisecond()))) }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.manual_ms {
            Some(ms) => from_millis(ms.load(Ordering::SeqCst)),
            #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
            None => Timestamp::now(),
        }
    }

    /// The time now in milliseconds since 1970-01-01 UTC: the unit of every time column in `SQLite`.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// The time now in whole seconds since 1970-01-01 UTC: the unit of JWT claims.
    #[must_use]
    pub fn now_secs(&self) -> i64 {
        self.now().as_second()
    }

    /// Moves a manual clock forward; the system's clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Some(ms) = &self.manual_ms {
            ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

/// A timestamp from milliseconds since 1970-01-01 UTC; values out of range become the epoch.
#[must_use]
pub fn from_millis(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_clones_share_it() {
        let clock = Clock::manual(from_millis(1_000));
        let other = clock.clone();
        assert_eq!(clock.now_ms(), 1_000);
        other.advance(Duration::from_secs(2));
        assert_eq!(clock.now_ms(), 3_000);
        assert_eq!(clock.now_secs(), 3);
    }
}
