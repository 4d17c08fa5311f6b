//! The router's metrics. No label comes from outside: the slug is in the access log, not here.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use service_kit::metrics::Metrics;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

const BUCKETS_SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Clones share the counters, and cost one addition: every request has one.
#[derive(Clone, Debug)]
pub(crate) struct RouterMetrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    /// By the first digit of the status, from 1xx to 5xx: made once, so that counting is one addition.
    requests: [Counter; 5],
    upstream_errors: Family<KindLabel, Counter>,
    upstream_seconds: Histogram,
    gate: Family<KindLabel, Counter>,
    tunnels: Gauge<i64, AtomicI64>,
    routes: Gauge<i64, AtomicI64>,
    bad_files: Gauge<i64, AtomicI64>,
    tls: TlsMetrics,
}

/// Those of the TLS listener.
#[derive(Clone, Debug, Default)]
struct TlsMetrics {
    handshakes: Family<OutcomeLabel, Counter>,
    certificates: Gauge<i64, AtomicI64>,
    faults: Counter,
    earliest_end: Gauge<i64, AtomicI64>,
}

impl TlsMetrics {
    fn register(self, metrics: &Metrics) {
        metrics.register(|registry| {
            registry.register("router_tls_handshakes", "TLS handshakes by outcome", self.handshakes);
            registry.register("router_tls_certificates", "Certificates in force", self.certificates);
            registry.register(
                "router_tls_certificate_faults",
                "Certificates or keys that could not be used when they were read",
                self.faults,
            );
            registry.register(
                "router_tls_earliest_expiry_timestamp_seconds",
                "When the first of the certificates in force ends, in seconds since 1970; 0 without one",
                self.earliest_end,
            );
        });
    }
}

impl RouterMetrics {
    /// Makes the metrics and registers them.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let requests = Family::<ClassLabel, Counter>::default();
        let of = |class| requests.get_or_create_owned(&ClassLabel { class });
        let this = Counters {
            requests: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(of),
            upstream_errors: Family::default(),
            upstream_seconds: Histogram::new(BUCKETS_SECONDS),
            gate: Family::default(),
            tunnels: Gauge::default(),
            routes: Gauge::default(),
            bad_files: Gauge::default(),
            tls: TlsMetrics::default(),
        };
        this.tls.clone().register(metrics);
        metrics.register(|registry| {
            registry.register("router_requests", "Requests by status class", requests);
            registry.register(
                "router_upstream_errors",
                "Failed exchanges with instances",
                this.upstream_errors.clone(),
            );
            registry.register(
                "router_upstream_duration_seconds",
                "Time until the head of an instance's answer",
                this.upstream_seconds.clone(),
            );
            registry.register(
                "router_gate_refusals",
                "Requests that the gate did not let through",
                this.gate.clone(),
            );
            registry.register("router_active_tunnels", "Open WebSockets", this.tunnels.clone());
            registry.register("router_routes", "Routes in force", this.routes.clone());
            registry.register(
                "router_bad_route_files",
                "Route files that cannot be used",
                this.bad_files.clone(),
            );
        });
        Self(Arc::new(this))
    }

    pub(crate) fn request(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, self.0.requests.len());
        self.0.requests[class - 1].inc();
    }

    pub(crate) fn upstream_error(&self, kind: &'static str) {
        self.0.upstream_errors.get_or_create(&KindLabel { kind }).inc();
    }

    pub(crate) fn upstream_time(&self, seconds: f64) {
        self.0.upstream_seconds.observe(seconds);
    }

    pub(crate) fn gate_refusal(&self, kind: &'static str) {
        self.0.gate.get_or_create(&KindLabel { kind }).inc();
    }

    pub(crate) fn set_routes(&self, routes: usize, bad_files: usize) {
        self.0.routes.set(i64::try_from(routes).unwrap_or(i64::MAX));
        self.0.bad_files.set(i64::try_from(bad_files).unwrap_or(i64::MAX));
    }

    pub(crate) fn tls_handshake(&self, outcome: &'static str) {
        self.0.tls.handshakes.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn certificate_faults(&self, new: u64) {
        self.0.tls.faults.inc_by(new);
    }

    pub(crate) fn set_certificates(&self, in_force: usize, earliest_end: Option<i64>) {
        self.0.tls.certificates.set(i64::try_from(in_force).unwrap_or(i64::MAX));
        self.0.tls.earliest_end.set(earliest_end.unwrap_or(0));
    }

    /// Counts a tunnel for as long as the answer lives.
    pub(crate) fn tunnel(&self) -> TunnelCount {
        self.0.tunnels.inc();
        TunnelCount(self.0.tunnels.clone())
    }
}

/// One open tunnel.
pub(crate) struct TunnelCount(Gauge<i64, AtomicI64>);

impl Drop for TunnelCount {
    fn drop(&mut self) {
        self.0.dec();
    }
}
