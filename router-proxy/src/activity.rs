//! Use of instances, counted where bytes pass and reported to deploy-control every 10 s, so that an idle
//! instance can be put to sleep and one in use is not. A report without any use is sent too: it says that the
//! router watches, without which nobody is put to sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use control_api::deploy::{ActivityReport, RouteActivity};
use control_api::deploy_client::DeployClient;
use control_api::ids::InstanceId;
use control_api::names::Slug;
use service_kit::clock::{Clock, from_millis};
use tokio_util::sync::CancellationToken;

use crate::routes::RouteTable;

/// Counters of one instance.
#[derive(Debug)]
pub(crate) struct Activity {
    slug: Slug,
    instance_id: InstanceId,
    requests: AtomicU64,
    last_ms: AtomicI64,
    /// Counts reports: a stream that carries a byte is counted once a round.
    round: AtomicU64,
    active: AtomicU32,
}

impl Activity {
    pub(crate) fn new(slug: Slug, instance_id: InstanceId) -> Self {
        Self {
            slug,
            instance_id,
            requests: AtomicU64::new(0),
            last_ms: AtomicI64::new(0),
            round: AtomicU64::new(1),
            active: AtomicU32::new(0),
        }
    }

    /// A request came.
    pub(crate) fn request(&self, now_ms: i64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.last_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// What was used since the last report; `None` where nothing was.
    fn take(&self) -> Option<RouteActivity> {
        self.round.fetch_add(1, Ordering::Relaxed);
        let requests = self.requests.swap(0, Ordering::Relaxed);
        let active_connections = self.active.swap(0, Ordering::Relaxed);
        (requests > 0 || active_connections > 0).then(|| RouteActivity {
            slug: self.slug.clone(),
            instance_id: self.instance_id,
            requests,
            active_connections,
            last_activity_at: from_millis(self.last_ms.load(Ordering::Relaxed)),
        })
    }

    /// Puts back what could not be reported.
    fn put_back(&self, report: &RouteActivity) {
        self.requests.fetch_add(report.requests, Ordering::Relaxed);
        self.active.fetch_max(report.active_connections, Ordering::Relaxed);
    }
}

/// One open stream or tunnel.
#[derive(Debug)]
pub(crate) struct Meter {
    activity: Arc<Activity>,
    clock: Clock,
    seen: AtomicU64,
}

impl Meter {
    pub(crate) fn new(activity: Arc<Activity>, clock: Clock) -> Self {
        Self { activity, clock, seen: AtomicU64::new(0) }
    }

    /// Bytes passed.
    pub(crate) fn touch(&self) {
        self.activity.last_ms.fetch_max(self.clock.now_ms(), Ordering::Relaxed);
        let round = self.activity.round.load(Ordering::Relaxed);
        if self.seen.swap(round, Ordering::Relaxed) != round {
            self.activity.active.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Reports until `stopping`, and once more then. A report that fails is added to the next.
pub(crate) async fn report(
    table: Arc<RouteTable>,
    deploy: DeployClient,
    every: Duration,
    stopping: CancellationToken,
) -> Result<(), String> {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_failing = false;
    loop {
        let is_last = tokio::select! {
            () = stopping.cancelled() => true,
            _ = ticks.tick() => false,
        };
        let used: Vec<_> = table
            .all()
            .into_iter()
            .filter_map(|route| route.activity.take().map(|report| (Arc::clone(&route.activity), report)))
            .collect();
        let report = ActivityReport { routes: used.iter().map(|(_, report)| report.clone()).collect() };
        let outcome = deploy.report_activity(&report).await;
        if let Err(error) = &outcome {
            for (activity, report) in &used {
                activity.put_back(report);
            }
            if !was_failing {
                tracing::warn!(%error, "activity could not be reported; it is kept for the next time");
            }
        }
        was_failing = outcome.is_err();
        if is_last {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_counts_once_a_round_and_only_when_bytes_pass() {
        let slug = "alice".parse().expect("a slug");
        let activity = Arc::new(Activity::new(slug, InstanceId::generate()));
        assert!(activity.take().is_none());
        let clock = Clock::manual(from_millis(5_000));
        let (one, two) =
            (Meter::new(Arc::clone(&activity), clock.clone()), Meter::new(Arc::clone(&activity), clock));
        one.touch();
        one.touch();
        two.touch();
        activity.request(4_000);
        let report = activity.take().expect("a report");
        assert_eq!((report.active_connections, report.requests), (2, 1));
        assert_eq!(report.last_activity_at.as_millisecond(), 5_000);
        assert!(activity.take().is_none(), "idle streams do not count");
        one.touch();
        assert_eq!(activity.take().expect("a report").active_connections, 1);
        activity.put_back(&report);
        let again = activity.take().expect("a report");
        assert_eq!(
            (again.requests, again.active_connections),
            (1, 2),
            "a stream that ended meanwhile counts"
        );
        assert!(activity.take().is_none());
    }
}
