//! The threads that serve clients: one a core, each with a runtime of its own, so that a connection, its timers and
//! its connections to instances stay on one core and nothing is handed to and fro between two. A new connection goes
//! to the thread that has the fewest.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::connection::{Arrival, serve};
use super::handle::Router;
use crate::fast_path::Deadlines;

/// Connections that wait for their thread; more wait in the kernel.
const QUEUE: usize = 64;

/// What a connection needs of the thread that it is on.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// From 0.
    pub(crate) id: usize,
    pub(crate) deadlines: Arc<Deadlines>,
}

/// All of them.
pub(crate) struct Workers(Mutex<Vec<Thread>>);

struct Thread {
    arrivals: mpsc::Sender<(std::net::TcpStream, Arrival)>,
    busy: Arc<AtomicUsize>,
    handle: JoinHandle<()>,
}

impl Workers {
    /// Starts as many as there are cores that this process may use.
    pub(crate) fn start(router: &Arc<Router>) -> std::io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, NonZero::get);
        let all: std::io::Result<_> = (0..count).map(|id| start_one(id, router)).collect();
        all.map(Mutex::new).map(Self)
    }

    /// Gives a connection to the thread with the fewest.
    pub(super) async fn give(&self, stream: TcpStream, arrival: Arrival) -> std::io::Result<()> {
        let stream = stream.into_std()?;
        let gone = || std::io::Error::other("a thread that serves connections has ended");
        let arrivals = {
            let all = self.all();
            let least =
                all.iter().min_by_key(|thread| thread.busy.load(Ordering::Relaxed)).ok_or_else(gone)?;
            least.busy.fetch_add(1, Ordering::Relaxed);
            least.arrivals.clone()
        };
        arrivals.send((stream, arrival)).await.map_err(|_| gone())
    }

    /// Waits for their end; for when every connection has ended.
    pub(crate) async fn finish(&self) -> Result<(), String> {
        let handles: Vec<_> = self.all().drain(..).map(|thread| thread.handle).collect();
        let join = move || handles.into_iter().all(|handle| handle.join().is_ok());
        match tokio::task::spawn_blocking(join).await {
            Ok(true) => Ok(()),
            _ => Err("a thread that serves connections panicked".to_owned()),
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_one(id: usize, router: &Arc<Router>) -> std::io::Result<Thread> {
    let (arrivals, mut waiting) = mpsc::channel::<(std::net::TcpStream, Arrival)>(QUEUE);
    let busy = Arc::new(AtomicUsize::new(0));
    let (count, router) = (Arc::clone(&busy), Arc::clone(router));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = async move {
        let worker = Worker { id, deadlines: Arc::new(Deadlines::new()) };
        let deadlines = Arc::clone(&worker.deadlines);
        tokio::spawn(async move { deadlines.watch().await });
        // What still runs when this ends is dropped with the runtime: a connection need not look out for it.
        let aborting = router.lifecycle.aborting();
        loop {
            let next = tokio::select! {
                next = waiting.recv() => next,
                () = aborting.cancelled() => None,
            };
            let Some((stream, arrival)) = next else { return };
            let leaving = Leaving(Arc::clone(&count));
            match TcpStream::from_std(stream) {
                Ok(stream) => {
                    let (router, worker) = (Arc::clone(&router), worker.clone());
                    tokio::spawn(async move {
                        serve(router, worker, stream, arrival).await;
                        drop(leaving);
                    });
                }
                Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
            }
        }
    };
    let thread = std::thread::Builder::new().name(format!("worker-{id}"));
    // What is logged here goes where it goes for whoever starts the threads.
    let log = tracing::dispatcher::get_default(Clone::clone);
    let handle = thread.spawn(move || tracing::dispatcher::with_default(&log, || runtime.block_on(run)))?;
    Ok(Thread { arrivals, busy, handle })
}

/// Counts a connection of a thread until its end, also where it panics.
struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
