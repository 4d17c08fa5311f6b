//! Follows the folder of certificates: inotify tells at once, a full scan makes sure. One task owns the files; what
//! it finds goes to the listener, to health and to the metrics.

use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use service_kit::clock::Clock;
use service_kit::health::{Check, Health};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::files::CertificateFiles;
use super::handshake::TlsFront;
use crate::metrics::RouterMetrics;

/// A certificate and its key are two files: after a change, the second one gets this time to follow.
const SETTLE: Duration = Duration::from_millis(200);
/// Less time than this until a certificate ends is worth a warning.
const EXPIRES_SOON_SECS: i64 = 14 * DAY_SECS;
const DAY_SECS: i64 = 24 * 60 * 60;

/// Where news of the certificates go.
#[derive(Clone)]
pub(crate) struct News {
    pub(crate) front: Arc<TlsFront>,
    pub(crate) health: Health,
    pub(crate) metrics: RouterMetrics,
    pub(crate) clock: Clock,
}

/// Scans once and tells. Blocking.
pub(crate) fn read_now(files: &mut CertificateFiles, news: &News) {
    let now = news.clock.now_secs();
    let outcome = files.scan(now);
    if let Ok(new_faults) = outcome {
        news.metrics.certificate_faults(new_faults);
        news.front.replace(files.table(now));
    }
    let earliest = files.in_force().map(|one| one.not_after).min();
    news.metrics.set_certificates(files.in_force().count(), earliest);
    news.health.set("tls", check(files, outcome.err().as_ref(), now));
}

/// Reads again whenever something changes, until `stopping`.
pub(crate) async fn follow(
    mut files: CertificateFiles,
    news: News,
    rescan: Duration,
    stopping: CancellationToken,
) -> Result<(), String> {
    let changed = Arc::new(Notify::new());
    let mut ticks = tokio::time::interval(rescan);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Made anew before each scan: by then the folder, or one below it, may be another one.
    let mut _watch = None;
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            _ = ticks.tick() => (),
            () = changed.notified() => tokio::time::sleep(SETTLE).await,
        }
        let (news, changed) = (news.clone(), Arc::clone(&changed));
        let work = tokio::task::spawn_blocking(move || {
            let watch = watch(&files, changed);
            read_now(&mut files, &news);
            (files, watch)
        });
        (files, _watch) = work.await.map_err(|error| error.to_string())?;
    }
}

fn watch(files: &CertificateFiles, changed: Arc<Notify>) -> Option<RecommendedWatcher> {
    let tell = move |event: notify::Result<notify::Event>| {
        // Our own reading is an event, too.
        if !event.is_ok_and(|event| event.kind.is_access() && !is_close_write(event.kind)) {
            changed.notify_one();
        }
    };
    let watcher = notify::recommended_watcher(tell).and_then(|mut watcher| {
        watcher.watch(files.folder(), RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(
            |error| tracing::warn!(%error, "certificates cannot be watched; they are read now and then"),
        )
        .ok()
}

fn is_close_write(kind: notify::EventKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    kind == notify::EventKind::Access(AccessKind::Close(AccessMode::Write))
}

fn check(files: &CertificateFiles, unreadable: Option<&std::io::Error>, now_secs: i64) -> Check {
    let mut reasons = Vec::new();
    if let Some(error) = unreadable {
        reasons.push(format!("{} cannot be read: {error}", files.folder().display()));
    }
    if files.in_force().next().is_none() {
        reasons.push(format!("there is no usable certificate in {}", files.folder().display()));
    }
    reasons.extend(files.faults().map(str::to_owned));
    for one in files.in_force() {
        match one.not_after - now_secs {
            left if left <= 0 => reasons.push(format!("the certificate {} has expired", one.name)),
            left if left < EXPIRES_SOON_SECS => {
                reasons.push(format!("the certificate {} expires in {} day(s)", one.name, left / DAY_SECS));
            }
            _ => {}
        }
    }
    reasons.extend(files.exposed().map(|name| {
        format!("the private key of {name} may be read by everybody on this machine: chmod o-r")
    }));
    if reasons.is_empty() { Check::Ok } else { Check::Warning(reasons.join("; ")) }
}
