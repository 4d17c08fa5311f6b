//! Fault points: named places between two steps at which a test makes the process stop dead, as `kill -9`
//! would: one in this process by [`FaultPoints::arm`], one that it runs as a process by `BEAVER_FAULT_POINT`.
//! Without the feature `fault-points` they are nothing at all, and no variable is read.

use service_kit::env::{ConfigError, EnvReader};

/// The places of one process; clones share them.
#[derive(Clone, Default)]
pub struct FaultPoints {
    #[cfg(feature = "fault-points")]
    armed: std::sync::Arc<std::sync::Mutex<Armed>>,
    #[cfg(feature = "fault-points")]
    process: std::sync::Arc<OfProcess>,
}

/// What the environment asks of a whole process.
#[cfg(feature = "fault-points")]
#[derive(Default)]
struct OfProcess {
    /// Where it kills itself, and at which passing.
    dies_at: Option<(&'static str, usize)>,
    /// Where each place that is passed is written down, one name a line.
    trace: Option<std::path::PathBuf>,
    /// So often was the place passed at which it dies.
    passed: std::sync::atomic::AtomicUsize,
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
    "freeze.published",
    "freeze.frozen",
    "freeze.recorded",
    "thaw.thawed",
    "configure.file-written",
    "configure.accepted",
    "configure.kept",
    "configure.swapped",
    "configure.recorded",
    "put-back.file",
    "put-back.recorded",
    "snapshot.copied",
    "snapshot.recorded",
    "restore.replaced",
    "restore.recorded",
    "snapshots.forgotten",
    "upgrade-back.removed",
    "upgrade-back.restored",
    "rollout.accepted",
    "rollout.begun",
    "rollout.asked",
    "rollout.returning",
    "delete.accepted",
    "remove.removed",
    "erase.route",
    "erase.data",
    "erase.recorded",
    "take-back.files",
    "take-back.recorded",
];

impl FaultPoints {
    /// As the environment says: `BEAVER_FAULT_POINT` names the place at which the process kills itself with
    /// SIGKILL (`name`, or `name:2` for the second time that it gets there), `BEAVER_FAULT_TRACE` a file to
    /// which each place that is passed is appended.
    #[cfg(feature = "fault-points")]
    pub fn from_env(mut env: EnvReader) -> Result<Self, ConfigError> {
        let dies_at = env.text("BEAVER_FAULT_POINT").map(|text| parse(&text));
        if dies_at == Some(None) {
            env.fault("BEAVER_FAULT_POINT", "is not the name of a fault point");
        }
        let trace = env.text("BEAVER_FAULT_TRACE").map(std::path::PathBuf::from);
        let process = OfProcess { dies_at: dies_at.flatten(), trace, ..OfProcess::default() };
        env.finish(Self { process: std::sync::Arc::new(process), ..Self::default() })
    }

    /// Nothing.
    #[cfg(not(feature = "fault-points"))]
    pub fn from_env(env: EnvReader) -> Result<Self, ConfigError> {
        env.finish(Self {})
    }

    /// Stops here for ever where a test has armed this place.
    #[cfg(feature = "fault-points")]
    pub async fn hit(&self, name: &'static str) {
        debug_assert!(ALL.contains(&name), "{name} is not in the list of fault points");
        self.process.pass(name);
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

/// `name` or `name:2`, where there is such a place.
#[cfg(feature = "fault-points")]
fn parse(text: &str) -> Option<(&'static str, usize)> {
    let (name, time) = text.split_once(':').unwrap_or((text, "1"));
    let name = ALL.iter().find(|known| **known == name)?;
    time.parse().ok().filter(|time| *time > 0).map(|time| (*name, time))
}

#[cfg(feature = "fault-points")]
impl OfProcess {
    /// Writes the place down, and dies where it is the one.
    fn pass(&self, name: &'static str) {
        use std::io::Write as _;
        if let Some(trace) = &self.trace {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(trace);
            if let Err(error) = file.and_then(|mut file| file.write_all(format!("{name}\n").as_bytes())) {
                tracing::error!(%error, "a fault point cannot be written down");
            }
        }
        let Some((dies_at, time)) = self.dies_at else { return };
        if name == dies_at && self.passed.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == time {
            // Nothing can be done about a signal that cannot be sent: the process goes on, and the test sees it.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}

#[cfg(all(test, feature = "fault-points"))]
mod tests {
    use super::*;

    #[test]
    fn only_places_that_exist_can_be_named() {
        assert_eq!(parse("make.created"), Some(("make.created", 1)));
        assert_eq!(parse("commit.routed:2"), Some(("commit.routed", 2)));
        for bad in ["", "make", "make.created:0", "make.created:x", "make.created:"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        let env = |pairs: [(&str, &str); 1]| FaultPoints::from_env(EnvReader::from_pairs(pairs));
        assert!(env([("BEAVER_FAULT_POINT", "make.created")]).is_ok());
        assert!(env([("BEAVER_FAULT_POINT", "nowhere")]).is_err());
    }
}
