//! What the service is built from: the neighbours and the times that a test replaces or shortens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use control_api::authz_client::AuthzClient;
use service_kit::clock::Clock;

use crate::engine::Engine;
use crate::fault::FaultPoints;
use crate::instance_app::Dial;

/// Free bytes where instances are kept.
pub type FreeBytes = Arc<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// Text of `/proc/net/route`, as it is now.
pub type HostRoutes = Arc<dyn Fn() -> String + Send + Sync>;

/// Neighbours and times.
#[derive(Clone)]
pub struct Deps {
    /// Docker, or a fake.
    pub engine: Arc<dyn Engine>,
    /// authz-service.
    pub authz: AuthzClient,
    /// For calls to instances.
    pub http: reqwest::Client,
    /// How instances are reached.
    pub dial: Dial,
    /// The time.
    pub clock: Clock,
    /// How long things take.
    pub timings: Timings,
    /// Free space; `None` asks the file system.
    pub free_bytes: Option<FreeBytes>,
    /// The routes of this machine.
    pub routes: HostRoutes,
    /// Where a test stops the process.
    pub faults: FaultPoints,
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// Between two full lists.
    pub sweep: Duration,
    /// Between two questions whether Docker is back.
    pub ping: Duration,
    /// From the start of a container until it must serve.
    pub ready: Duration,
    /// From the request to stop until a container is ended.
    pub stop_grace: Duration,
    /// Until a step that waits (for authz-service, for disk space) is tried again.
    pub retry: Duration,
    /// The back-off's unit.
    pub back_off: Duration,
    /// Between two rounds of housekeeping.
    pub housekeeping: Duration,
    /// Between the first two tries to prove the isolation.
    pub probe_retry: Duration,
    /// What an operation may take.
    pub operation: Duration,
    /// What the pull of an image may take.
    pub pull: Duration,
    /// How long a request waits for an operation.
    pub request: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            sweep: Duration::from_secs(30),
            ping: Duration::from_secs(1),
            ready: Duration::from_secs(30),
            stop_grace: Duration::from_secs(10),
            retry: Duration::from_secs(1),
            back_off: Duration::from_secs(1),
            housekeeping: Duration::from_secs(10),
            probe_retry: Duration::from_secs(2),
            operation: Duration::from_mins(5),
            pull: Duration::from_mins(15),
            // Less than the clients' 90 s.
            request: Duration::from_secs(85),
        }
    }
}
