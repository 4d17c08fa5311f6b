//! What is done every few seconds: idle instances are put to sleep, authz-service is told of deleted ones,
//! the disk is watched. Nobody is put to sleep on missing data: only while the router reports, and only where
//! the container does nothing either.

use std::sync::Arc;
use std::time::Duration;

use service_kit::health::{Check, Health};
use service_kit::lifecycle::Lifecycle;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::instance_files::WATERMARK_BYTES;
use crate::isolation::{self, Verdict};
use crate::model::Instance;
use crate::reconciler::Context;
use crate::requests::Requests;

/// Name of the disk's check on the health page.
const DISK_CHECK: &str = "disk";
/// The router reports every 10 s; after this long without a word it is not believed to watch.
const ROUTER_SILENCE: Duration = Duration::from_mins(1);
/// While the isolation cannot be proven.
const LONGEST_PROBE_PAUSE: Duration = Duration::from_mins(5);
/// An instance that computes more than this is at work for its owner.
const IDLE_CPU_PERCENT: f64 = 1.0;

/// Starts the rounds, and the proof of the isolation.
pub(crate) fn start(lifecycle: &Lifecycle, requests: Requests, health: Health) {
    let stopping = lifecycle.stopping();
    let context = Arc::clone(&requests.context);
    lifecycle.spawn_critical("housekeeping", async move {
        let mut rounds = tokio::time::interval(requests.context.timings.housekeeping);
        loop {
            tokio::select! {
                _ = rounds.tick() => {}
                () = stopping.cancelled() => return Ok(()),
            }
            watch_disk(&requests.context, &health);
            tell_authz(&requests.context).await;
            if let Err(error) = put_idle_to_sleep(&requests).await {
                tracing::error!(%error, "idle instances could not be put to sleep");
            }
        }
    });
    let stopping = lifecycle.stopping();
    lifecycle.spawn_critical("isolation", async move {
        prove_isolation(&context, &stopping).await;
        stopping.cancelled().await;
        Ok(())
    });
}

/// Tries until the isolation is proven, ever less often; after that only on demand. A probe that has begun
/// comes to its end, so that its containers do not outlive it.
async fn prove_isolation(context: &Context, stopping: &CancellationToken) {
    let mut pause = context.timings.probe_retry;
    while !context.isolation.is_proven() {
        tokio::select! {
            () = context.availability.until_up() => {}
            () = stopping.cancelled() => return,
        }
        let verdict = isolation::prove(&context.config, context.engine.as_ref(), &context.isolation).await;
        if matches!(verdict, Verdict::Closed(_)) {
            pause = (pause * 2).min(LONGEST_PROBE_PAUSE);
        }
        if verdict != Verdict::Proven {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stopping.cancelled() => return,
            }
        }
    }
}

fn watch_disk(context: &Context, health: &Health) {
    let check = match context.free_bytes() {
        Err(error) => Check::Warning(format!("free space cannot be read: {error}")),
        Ok(free) if free < WATERMARK_BYTES => {
            Check::Warning(format!("only {} MiB are free: no new instance is made", free >> 20))
        }
        Ok(free) if free < 4 * WATERMARK_BYTES => Check::Warning(format!("only {} GiB are free", free >> 30)),
        Ok(_) => Check::Ok,
    };
    health.set(DISK_CHECK, check);
}

async fn tell_authz(context: &Context) {
    let waiting = match context.store.to_forget().await {
        Ok(waiting) => waiting,
        Err(error) => {
            tracing::error!(%error, "the database cannot be read");
            return;
        }
    };
    for id in waiting {
        match context.authz.forget_instance(id).await {
            Ok(()) => {}
            Err(error) if error.is_transient() => {
                tracing::warn!(instance = %id, %error, "authz-service is told of the deleted instance later");
                return;
            }
            // It will not hear of it whatever is tried.
            Err(error) => tracing::warn!(instance = %id, %error, "authz-service does not know the instance"),
        }
        if let Err(error) = context.store.forgotten(id).await {
            tracing::error!(%error, "the database cannot be written");
        }
    }
}

async fn put_idle_to_sleep(requests: &Requests) -> Result<(), Error> {
    let context = &requests.context;
    let Some(idle) = context.config.idle_sleep else { return Ok(()) };
    let now = context.clock.now_ms();
    if !router_watches(context.store.router_reported_at().await?, now) {
        return Ok(());
    }
    let since = now.saturating_sub(millis(idle));
    for instance in context.store.idle_since(since).await? {
        if is_quiet(context, &instance).await {
            tracing::info!(instance = %instance.id, "nobody uses it: it is put to sleep");
            requests.put_to_sleep(&instance).await?;
        }
    }
    Ok(())
}

fn router_watches(reported_at: Option<i64>, now: i64) -> bool {
    reported_at.is_some_and(|at| now.saturating_sub(at) <= millis(ROUTER_SILENCE))
}

async fn is_quiet(context: &Context, instance: &Instance) -> bool {
    let name = instance.container_name(&context.config.installation);
    context.engine.usage(&name).await.is_ok_and(|usage| usage.cpu_percent < IDLE_CPU_PERCENT)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_router_is_not_believed_to_watch() {
        assert!(!router_watches(None, 100_000));
        assert!(router_watches(Some(40_000), 100_000));
        assert!(!router_watches(Some(39_999), 100_000));
    }
}
