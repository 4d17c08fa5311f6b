//! Follows the folder of route files: inotify tells at once, a full scan every 30 s (and after an overflow)
//! makes sure. One task owns the files and writes the table.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use service_kit::health::{Check, Health};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::files::{Change, RouteFiles};
use super::table::RouteTable;
use crate::metrics::RouterMetrics;

/// More hints than this and the next full scan finds the rest.
const QUEUE: usize = 4096;

/// What inotify said.
enum Hint {
    Path(PathBuf),
    Rescan,
}

/// A running watch: hints come until it is dropped.
pub(crate) struct Watch {
    watcher: Option<RecommendedWatcher>,
    sender: mpsc::Sender<Hint>,
    hints: mpsc::Receiver<Hint>,
    folder_inode: u64,
}

/// Starts to watch a folder. Do it before the first scan, so that nothing falls between.
pub(crate) fn watch(folder: &std::path::Path) -> Watch {
    let (sender, hints) = mpsc::channel(QUEUE);
    let mut watch = Watch { watcher: None, sender, hints, folder_inode: 0 };
    watch.renew(folder);
    watch
}

impl Watch {
    /// Watches (again) where the folder is another one than before, or the watch could not be had.
    fn renew(&mut self, folder: &std::path::Path) {
        let inode = std::fs::metadata(folder).map_or(0, |m| m.ino());
        if self.watcher.is_some() && inode == self.folder_inode {
            return;
        }
        let sender = self.sender.clone();
        let outcome = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let hints = match event {
                Ok(event) if event.need_rescan() => vec![Hint::Rescan],
                Ok(event) if matches!(event.kind, EventKind::Access(_)) && !is_close_write(&event) => return,
                Ok(event) => event.paths.into_iter().map(Hint::Path).collect(),
                Err(_) => vec![Hint::Rescan],
            };
            for hint in hints {
                // A full queue loses hints; the periodic scan makes up for it.
                let _ = sender.try_send(hint);
            }
        })
        .and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match outcome {
            Ok(watcher) => (self.watcher, self.folder_inode) = (Some(watcher), inode),
            Err(error) => {
                tracing::error!(%error, "route files cannot be watched; they are read every 30 s");
                self.watcher = None;
            }
        }
    }
}

fn is_close_write(event: &notify::Event) -> bool {
    use notify::event::{AccessKind, AccessMode};
    event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}

/// Applies what changes until `stopping`.
pub(crate) async fn follow(
    mut files: RouteFiles,
    mut watch: Watch,
    table: Arc<RouteTable>,
    report: (Health, RouterMetrics),
    rescan: Duration,
    stopping: CancellationToken,
) -> Result<(), String> {
    let mut ticks = tokio::time::interval(rescan);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let hint = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            _ = ticks.tick() => Hint::Rescan,
            hint = watch.hints.recv() => hint.unwrap_or(Hint::Rescan),
        };
        let mut hints = vec![hint];
        while let Ok(more) = watch.hints.try_recv() {
            hints.push(more);
        }
        if hints.iter().any(|hint| matches!(hint, Hint::Rescan)) {
            watch.renew(files.folder());
        }
        let work = tokio::task::spawn_blocking(move || {
            let outcome = read(&mut files, hints);
            (files, outcome)
        });
        let (returned, outcome) = work.await.map_err(|error| error.to_string())?;
        files = returned;
        show(&report, &table, &files, outcome);
    }
}

fn read(files: &mut RouteFiles, hints: Vec<Hint>) -> std::io::Result<Vec<Change>> {
    if hints.iter().any(|hint| matches!(hint, Hint::Rescan)) {
        return files.scan();
    }
    let paths = hints.into_iter().filter_map(|hint| match hint {
        Hint::Path(path) => Some(path),
        Hint::Rescan => None,
    });
    Ok(paths.filter_map(|path| files.look(&path)).collect())
}

fn show(
    (health, metrics): &(Health, RouterMetrics),
    table: &RouteTable,
    files: &RouteFiles,
    outcome: std::io::Result<Vec<Change>>,
) {
    let check = match outcome {
        Err(error) => Check::Failing(format!(
            "{} cannot be read: {error}; the routes known so far stay in force",
            files.folder().display()
        )),
        Ok(changes) => {
            table.apply(changes);
            match files.bad_count() {
                0 => Check::Ok,
                bad => Check::Warning(format!("{bad} route file(s) are at fault; see the log")),
            }
        }
    };
    health.set("routes", check);
    metrics.set_routes(table.len(), files.bad_count());
}
