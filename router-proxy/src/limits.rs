//! Sizes, counts and times of the router in one place. The times are a struct so that tests can shorten
//! them; everything that runs in production uses [`Timeouts::default`].

use std::time::Duration;

/// Grace after SIGTERM in which answers under way may end.
pub const DRAIN: Duration = Duration::from_secs(30);
/// Longest request target, in bytes: 414 above.
pub const MAX_TARGET: usize = 8 * 1024;
/// Longest set of request headers, in bytes: 431 above.
pub const MAX_HEADERS_BYTES: usize = 32 * 1024;
/// Most request headers: 431 above.
pub const MAX_HEADERS: usize = 100;
/// Requests under way for one instance.
pub const MAX_IN_FLIGHT: usize = 256;
/// Requests that wait for one of those places; 503 above.
pub const MAX_QUEUED: usize = 64;
/// Idle connections kept to one instance.
pub const MAX_IDLE_UPSTREAM: usize = 32;
/// Largest route file that is read.
pub const MAX_ROUTE_FILE: u64 = 64 * 1024;
/// Largest certificate or key file that is read.
pub const MAX_CERTIFICATE_FILE: u64 = 256 * 1024;
/// Hand-offs that one browser may have under way at one slug (several tabs).
pub const MAX_TRANSACTIONS: usize = 4;
/// A hand-off must be finished within this time.
pub const TRANSACTION_SECS: i64 = 600;
/// Longest return path that is carried through a hand-off; a longer one becomes `/`.
pub const MAX_RETURN_PATH: usize = 2_000;
/// Longest value of the sealed cookie: browsers keep at least 4,096 bytes a cookie (RFC 6265, section 6.1).
pub const MAX_TX_COOKIE: usize = 3_600;
/// Tokens with less life left than this are renewed.
pub const RENEW_BEFORE_SECS: i64 = 300;

/// Every time limit of the router.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// A request's head, from its first byte, and the first byte of a new connection.
    pub head: Duration,
    /// A TLS handshake, from the first byte that is waited for to its end.
    pub tls_handshake: Duration,
    /// An idle connection of a client between requests.
    pub keep_alive: Duration,
    /// Between two reads of a request's body, and between two writes that the client takes.
    pub body_idle: Duration,
    /// One attempt to connect to an instance, and all of them together while it starts.
    pub connect: Duration,
    /// From the end of the request to the first byte of the answer.
    pub first_byte: Duration,
    /// Between two reads of an answer of known length.
    pub answer_idle: Duration,
    /// Idle time of a tunnel or an answer without a length.
    pub stream_idle: Duration,
    /// How long an idle connection to an instance is kept.
    pub upstream_idle: Duration,
    /// How long a request is held while its instance wakes.
    pub hold: Duration,
    /// After this time of holding, a navigation gets the waiting page.
    pub waiting_page: Duration,
    /// Without revocation news for this long the gate is closed.
    pub stale_news: Duration,
    /// How long what authz-service says of an API key holds.
    pub key_cache: Duration,
    /// How long authz-service is asked to wait for revocations.
    pub news_wait: Duration,
    /// Between two full scans of the route files and of the certificates.
    pub rescan: Duration,
    /// Between two activity reports.
    pub activity: Duration,
    /// A router that takes over from another one must be ready within this time.
    pub take_over: Duration,
    /// After a hand-over, connections of clients that are idle stay open for this long.
    pub linger: Duration,
    /// After a stop, event streams may run on for this long.
    pub stream_drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            tls_handshake: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body_idle: Duration::from_mins(1),
            connect: Duration::from_secs(3),
            first_byte: Duration::from_mins(1),
            answer_idle: Duration::from_mins(1),
            stream_idle: Duration::from_hours(1),
            upstream_idle: Duration::from_secs(15),
            hold: Duration::from_secs(30),
            waiting_page: Duration::from_secs(2),
            stale_news: Duration::from_mins(5),
            key_cache: Duration::from_secs(30),
            news_wait: Duration::from_secs(25),
            rescan: Duration::from_secs(30),
            activity: Duration::from_secs(10),
            take_over: Duration::from_secs(30),
            linger: Duration::from_secs(5),
            stream_drain: Duration::from_secs(10),
        }
    }
}
