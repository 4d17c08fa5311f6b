//! What the parts of this service share: settings, store, clock, keys, and the signals between requests and
//! tasks.

use std::sync::Arc;

use service_kit::clock::Clock;
use service_kit::health::Health;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::keys::Keys;
use crate::password::hashing::Hasher;
use crate::settings::Settings;
use crate::store::Store;
use crate::touches::Touches;
use crate::upstream::Upstream;

/// Shared by all handlers and tasks.
pub(crate) struct Authz {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) keys: Keys,
    pub(crate) hasher: Hasher,
    /// What administrators set; `store` has the same.
    pub(crate) settings: watch::Sender<Settings>,
    /// Where people may sign in besides.
    pub(crate) upstream: Option<Upstream>,
    pub(crate) health: Health,
    /// The number of the newest revocation.
    pub(crate) revoked: watch::Sender<i64>,
    /// Wakes the outbox worker.
    pub(crate) ordered: Notify,
    /// Wakes those that send the audit log on.
    pub(crate) audit_test: Notify,
    /// Wakes the worker that sees to what accounts leave behind.
    pub(crate) left: Notify,
    /// Wakes the worker of mails.
    pub(crate) posted: Notify,
    /// Uses of sessions that are not written down yet.
    pub(crate) touches: Touches,
    /// Cancelled when the process stops: requests that wait must answer.
    pub(crate) stopping: CancellationToken,
}

/// How handlers hold it.
pub(crate) type Shared = Arc<Authz>;

impl Authz {
    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Tells those who wait that there is a new revocation.
    pub(crate) fn announce_revocation(&self, seq: i64) {
        self.revoked.send_if_modified(|last| {
            let newer = seq > *last;
            *last = seq.max(*last);
            newer
        });
    }
}
