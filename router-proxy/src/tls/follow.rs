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

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    /// 1 January 2030.
    const END: i64 = 1_893_456_000;

    #[test]
    fn the_end_of_a_certificate_is_told_in_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = CertificateFiles::new(folder.path().to_owned());
        let said = |files: &mut CertificateFiles, now: i64| {
            files.scan(now).expect("scanned");
            match check(files, None, now) {
                Check::Ok => "ok".to_owned(),
                Check::Warning(reason) => reason,
                Check::Failing(reason) => panic!("plain clients are served all the same: {reason}"),
            }
        };
        assert!(said(&mut files, 0).contains("no usable certificate"));
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["alice.example.com".to_owned()]).expect("parameters");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let chain = params.self_signed(&key).expect("a certificate").pem();
        std::fs::write(folder.path().join("a.crt"), chain).expect("written");
        let key_file = folder.path().join("a.key");
        std::fs::write(&key_file, key.serialize_pem()).expect("written");
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode;
        std::fs::set_permissions(&key_file, mode(0o640)).expect("set");
        for (now, expected) in [
            (END - EXPIRES_SOON_SECS, "ok"),
            (END - EXPIRES_SOON_SECS + 1, "expires in 13 day(s)"),
            (END - DAY_SECS / 2, "expires in 0 day(s)"),
            (END, "a has expired"),
        ] {
            let said = said(&mut files, now);
            assert!(said.contains(expected), "{said} instead of {expected}");
        }
        std::fs::set_permissions(&key_file, mode(0o644)).expect("set");
        assert!(said(&mut files, END - EXPIRES_SOON_SECS).contains("key of a may be read by everybody"));
        let gone = check(&files, Some(&std::io::ErrorKind::NotFound.into()), END - EXPIRES_SOON_SECS);
        assert!(matches!(gone, Check::Warning(reason) if reason.contains("cannot be read")));
    }
}
