//! What is done every few seconds: idle instances go down the sleep ladder, authz-service is told of deleted
//! ones, the disk is watched.

use std::sync::Arc;
use std::time::Duration;

use service_kit::health::{Check, Health};
use service_kit::lifecycle::Lifecycle;
use tokio_util::sync::CancellationToken;

use crate::disk_watch;
use crate::instance_files::WATERMARK_BYTES;
use crate::isolation::{self, Verdict};
use crate::reconciler::Context;
use crate::requests::Requests;
use crate::sleep_ladder;

/// Name of the disk's check on the health page.
const DISK_CHECK: &str = "disk";
/// While the isolation cannot be proven.
const LONGEST_PROBE_PAUSE: Duration = Duration::from_mins(5);
/// Starts the rounds, and the proof of the isolation.
pub(crate) fn start(lifecycle: &Lifecycle, requests: Requests, health: Health) {
    let stopping = lifecycle.stopping();
    let context = Arc::clone(&requests.context);
    let watched = requests.clone();
    lifecycle.spawn_critical("housekeeping", async move {
        let since = requests.context.clock.now_ms();
        let mut rounds = tokio::time::interval(requests.context.timings.housekeeping);
        loop {
            tokio::select! {
                _ = rounds.tick() => {}
                () = stopping.cancelled() => return Ok(()),
            }
            watch_disk(&requests.context, &health);
            tell_authz(&requests.context).await;
            if let Err(error) = sleep_ladder::go_round(&requests, since).await {
                tracing::error!(%error, "the idle instances could not be looked at");
            }
        }
    });
    disk_watch::start(lifecycle, watched);
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
