//! Fault points: named places between two steps at which a test makes the process stop dead, as `kill -9`
//! would. Without the feature `fault-points` they are nothing at all.

/// The places of one process; clones share them.
#[derive(Clone, Default)]
pub struct FaultPoints {
    #[cfg(feature = "fault-points")]
    armed: std::sync::Arc<std::sync::Mutex<Armed>>,
}

#[cfg(feature = "fault-points")]
#[derive(Default)]
struct Armed {
    name: Option<&'static str>,
    reached: tokio_util::sync::CancellationToken,
}

/// Every fault point, in the order in which a walk meets them.
pub const ALL: &[&str] = &[
    "register.accepted",
    "make.prepared",
    "make.created",
    "make.recorded",
    "start.started",
    "register.answered",
    "register.recorded",
    "commit.recorded",
    "commit.routed",
    "halt.published",
    "halt.stopped",
    "rest.recorded",
    "configure.file-written",
    "configure.accepted",
    "configure.kept",
    "configure.swapped",
    "configure.recorded",
    "put-back.file",
    "put-back.recorded",
    "snapshot.copied",
    "snapshot.recorded",
    "upgrade-back.removed",
    "upgrade-back.restored",
    "delete.accepted",
    "remove.removed",
    "erase.route",
    "erase.data",
    "erase.recorded",
    "take-back.files",
    "take-back.recorded",
];

impl FaultPoints {
    /// Stops here for ever where a test has armed this place.
    #[cfg(feature = "fault-points")]
    pub async fn hit(&self, name: &'static str) {
        debug_assert!(ALL.contains(&name), "{name} is not in the list of fault points");
        let reached = {
            let armed = self.armed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            (armed.name == Some(name)).then(|| armed.reached.clone())
        };
        if let Some(reached) = reached {
            reached.cancel();
            std::future::pending::<()>().await;
        }
    }

    /// Nothing.
    #[cfg(not(feature = "fault-points"))]
    #[expect(clippy::unused_async, reason = "the same form as with the feature")]
    pub async fn hit(&self, _name: &'static str) {}

    /// Makes the next walk stop at `name`; the token is cancelled once it has.
    #[cfg(feature = "fault-points")]
    pub fn arm(&self, name: &'static str) -> tokio_util::sync::CancellationToken {
        let mut armed = self.armed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *armed = Armed { name: Some(name), reached: tokio_util::sync::CancellationToken::new() };
        armed.reached.clone()
    }
}
