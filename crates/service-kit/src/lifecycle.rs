//! Start, run and stop of a process. Tasks are tracked; one that fails or panics stops the process with a
//! failing exit code, and a stop (SIGTERM, SIGINT) is first soft, so that work under way can end, and then
//! hard when the grace has run out.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::env::{ConfigError, EXIT_CONFIG};

/// Why a service could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is at fault: exit code 64.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Anything else: exit code 1. The text says what to do.
    #[error("{0}")]
    Other(String),
}

/// Handles to the process's soft stop, hard stop and tasks. Clones share them.
#[derive(Clone, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    failed: Arc<AtomicBool>,
}

impl Lifecycle {
    /// A lifecycle of its own, as tests use it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process is asked to stop: take no new work.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Cancelled when the grace has run out: drop what is left.
    #[must_use]
    pub fn aborting(&self) -> CancellationToken {
        self.hard.clone()
    }

    /// Asks the process to stop.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Runs a task whose end matters: an error or a panic stops the process with a failing exit code. It
    /// should return `Ok` soon after [`Lifecycle::stopping`] is cancelled.
    pub fn spawn_critical<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let this = self.clone();
        self.tasks.spawn(async move {
            let inner = tokio::spawn(task);
            let abort = inner.abort_handle();
            let outcome = tokio::select! {
                outcome = inner => outcome,
                () = this.hard.cancelled() => { abort.abort(); return; }
            };
            let reason = match outcome {
                Ok(Ok(())) if this.soft.is_cancelled() => return,
                Ok(Ok(())) => "ended before it was asked to".to_owned(),
                Ok(Err(reason)) => reason,
                Err(error) => error.to_string(),
            };
            tracing::error!(task = name, reason, "a task failed; the process stops");
            this.failed.store(true, Ordering::SeqCst);
            this.soft.cancel();
        });
    }

    /// Runs a short task that is tracked (a stop waits for it) but whose failure is only logged.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        self.tasks.spawn(async move {
            let inner = tokio::spawn(task);
            let abort = inner.abort_handle();
            tokio::select! {
                outcome = inner => if let Err(error) = outcome {
                    tracing::error!(task = name, %error, "a task failed");
                },
                () = hard.cancelled() => abort.abort(),
            }
        });
    }

    /// Waits for a stop, then for the tasks, at most `grace`. Answers whether every task ended well.
    pub async fn run_until_stopped(self, grace: Duration) -> bool {
        self.soft.cancelled().await;
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(grace_s = grace.as_secs(), "the grace ran out; what is left is dropped");
            self.hard.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(2), self.tasks.wait()).await;
        }
        !self.failed.load(Ordering::SeqCst)
    }

    /// Stops softly at the first SIGTERM or SIGINT and hard at the second.
    fn follow_signals(&self) -> Result<(), StartError> {
        let other = |e: std::io::Error| StartError::Other(format!("signals cannot be followed: {e}"));
        let mut term = signal(SignalKind::terminate()).map_err(other)?;
        let mut int = signal(SignalKind::interrupt()).map_err(other)?;
        let this = self.clone();
        tokio::spawn(async move {
            for token in [&this.soft, &this.hard] {
                tokio::select! { _ = term.recv() => (), _ = int.recv() => () }
                tracing::info!("asked to stop");
                token.cancel();
            }
        });
        Ok(())
    }
}

/// The body of a service's `main`: starts telemetry and a runtime, runs `start`, waits for a stop and
/// answers the exit code: 0 after a clean stop, 64 for bad configuration, 1 for anything else.
pub fn run<F, Fut>(name: &'static str, grace: Duration, start: F) -> ExitCode
where
    F: FnOnce(Lifecycle) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    run_on(&mut tokio::runtime::Builder::new_multi_thread(), name, grace, start)
}

/// The same on one thread, for processes of which there are many and that have little to do at a time.
pub fn run_current_thread<F, Fut>(name: &'static str, grace: Duration, start: F) -> ExitCode
where
    F: FnOnce(Lifecycle) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    run_on(&mut tokio::runtime::Builder::new_current_thread(), name, grace, start)
}

fn run_on<F, Fut>(
    runtime: &mut tokio::runtime::Builder,
    name: &'static str,
    grace: Duration,
    start: F,
) -> ExitCode
where
    F: FnOnce(Lifecycle) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    crate::telemetry::init();
    let code = run_to_the_end(runtime, name, grace, start);
    crate::telemetry::flush();
    code
}

fn run_to_the_end<F, Fut>(
    runtime: &mut tokio::runtime::Builder,
    name: &'static str,
    grace: Duration,
    start: F,
) -> ExitCode
where
    F: FnOnce(Lifecycle) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime could not be started");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        let lifecycle = Lifecycle::new();
        lifecycle.follow_signals()?;
        start(lifecycle.clone()).await?;
        tracing::info!(service = name, version = env!("CARGO_PKG_VERSION"), "started");
        Ok(lifecycle.run_until_stopped(grace).await)
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(StartError::Config(error)) => {
            tracing::error!(service = name, "{error}");
            ExitCode::from(EXIT_CONFIG)
        }
        Err(error) => {
            tracing::error!(service = name, "{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_task_stops_the_process_and_is_seen() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_critical("broken", async { Err("no".to_owned()) });
        assert!(!lifecycle.run_until_stopped(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn a_soft_stop_waits_for_work_under_way() {
        let lifecycle = Lifecycle::new();
        let stopping = lifecycle.stopping();
        let (done, seen) = tokio::sync::oneshot::channel();
        lifecycle.spawn_critical("worker", async move {
            stopping.cancelled().await;
            tokio::task::yield_now().await;
            let _ = done.send(());
            Ok(())
        });
        lifecycle.stop();
        assert!(lifecycle.run_until_stopped(Duration::from_secs(5)).await);
        assert!(seen.await.is_ok());
    }

    #[tokio::test]
    async fn a_task_that_hangs_is_dropped_when_the_grace_is_over() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_critical("stuck", std::future::pending());
        lifecycle.stop();
        assert!(lifecycle.run_until_stopped(Duration::from_millis(20)).await);
    }
}
