//! One line a request, written when its answer has gone out or broken off. Query strings are left out: they
//! may carry codes.

use std::net::IpAddr;

use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::metrics::RouterMetrics;

/// What is known of a request; dropping it writes the line.
pub(crate) struct RequestLog {
    pub(crate) request_id: String,
    pub(crate) slug: String,
    pub(crate) status: StatusCode,
    pub(crate) upstream_ms: Option<u64>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// How the answer ended where it did not end well.
    pub(crate) outcome: &'static str,
    method: Method,
    path: String,
    client: IpAddr,
    started: Instant,
    metrics: RouterMetrics,
}

impl RequestLog {
    pub(crate) fn new(
        request_id: &str,
        method: &Method,
        path: &str,
        client: IpAddr,
        metrics: &RouterMetrics,
    ) -> Self {
        Self {
            request_id: request_id.to_owned(),
            slug: String::new(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            upstream_ms: None,
            bytes_in: 0,
            bytes_out: 0,
            outcome: "aborted",
            method: method.clone(),
            path: path.to_owned(),
            client,
            started: Instant::now(),
            metrics: metrics.clone(),
        }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        self.metrics.request(self.status);
        tracing::info!(
            target: "access",
            method = %self.method,
            slug = self.slug,
            path = self.path,
            status = self.status.as_u16(),
            duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            upstream_ms = self.upstream_ms,
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            outcome = self.outcome,
            client = %self.client,
            request_id = self.request_id,
            "request"
        );
    }
}
