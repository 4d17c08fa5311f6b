//! Measures what instances have on the disk, one after another, on a thread for blocking work; warns the owner of
//! one that is nearly full and puts one that is full to sleep, so that it writes no more.

use service_kit::lifecycle::Lifecycle;
use tokio_util::sync::CancellationToken;

use crate::disk_use::{self, Fill};
use crate::error::Error;
use crate::model::{DiskUse, Instance};
use crate::requests::Requests;

/// Each instance is measured this often.
const EVERY_MS: i64 = 5 * 60_000;
/// So many in one round at most; the next round goes on with those that wait longest.
const A_ROUND: u32 = 50;
/// One that was started although it is full has this long to make room.
const GRACE_MS: i64 = 15 * 60_000;

/// Starts the rounds.
pub(crate) fn start(lifecycle: &Lifecycle, requests: Requests) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn_critical("disk-watch", async move {
        let mut rounds = tokio::time::interval(requests.context.timings.housekeeping);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = rounds.tick() => {}
                () = stopping.cancelled() => return Ok(()),
            }
            if let Err(error) = go_round(&requests, &stopping).await {
                tracing::error!(%error, "the use of the disk could not be looked at");
            }
        }
    });
}

async fn go_round(requests: &Requests, stopping: &CancellationToken) -> Result<(), Error> {
    let context = &requests.context;
    let before = context.clock.now_ms().saturating_sub(EVERY_MS);
    for instance in context.store.to_measure(before, A_ROUND).await? {
        if stopping.is_cancelled() {
            break;
        }
        let (files, id) = (context.files.clone(), instance.id);
        // Later than what is counted is what this time stands for.
        let at = context.clock.now_ms();
        let bytes = match tokio::task::spawn_blocking(move || files.data_bytes(id)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => {
                tracing::warn!(instance = %id, %error, "its use of the disk cannot be measured");
                // What is known stays; the others get their turn.
                instance.disk.map_or(0, |disk| disk.bytes)
            }
            Err(error) => return Err(Error::Internal(error.to_string())),
        };
        heed(requests, &instance, DiskUse { bytes, at }).await?;
    }
    Ok(())
}

async fn heed(requests: &Requests, instance: &Instance, disk: DiskUse) -> Result<(), Error> {
    let context = &requests.context;
    let limit = context.disk_limit(instance);
    let fill = Fill::of(disk.bytes, limit);
    let before = instance.disk.map_or(Fill::Fine, |disk| Fill::of(disk.bytes, limit));
    let warning = disk_use::warning(disk.bytes, limit).filter(|_| fill > before && fill == Fill::Warning);
    context.store.record_disk(instance.id, disk, fill != Fill::Full, warning.as_deref()).await?;
    if fill < Fill::Full && before == Fill::Full {
        // Its route says why it slept.
        requests.reconciler.changed(instance.id);
    }
    if let Some(cause) = disk_use::full(disk.bytes, limit).filter(|_| must_sleep(instance, before, disk.at)) {
        tracing::info!(instance = %instance.id, cause, "it is put to sleep");
        requests.stop_writing(instance, &cause).await?;
    }
    Ok(())
}

/// Whether an instance that is full is to be put to sleep: at once when it has become so, later when it was started
/// like that. One that sleeps frozen is stopped, too.
fn must_sleep(instance: &Instance, before: Fill, now: i64) -> bool {
    use control_api::deploy::InstanceState::{Asleep, Ready};
    let runs = instance.state == Ready || (instance.state == Asleep && instance.nap);
    let had_time = instance.ready_at.is_none_or(|at| now.saturating_sub(at) >= GRACE_MS);
    runs && (before < Fill::Full || had_time)
}
