//! The connections to one container.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::body::UploadBody;
use super::heard::{Heard, Listening};
use crate::limits::MAX_IDLE_UPSTREAM;

/// Largest head of an answer.
const MAX_ANSWER_HEAD: usize = 64 * 1024;
/// Pauses between attempts to connect while the instance starts.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(250);
/// A connection that was just given back needs a moment to say that it is free.
const READY_WITHIN: Duration = Duration::from_millis(50);

/// One connection and the task that drives it; dropping it closes both.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: http1::SendRequest<UploadBody>,
    pub(super) heard: Heard,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Instant,
}

/// A bare connection and the thread whose reactor it is registered with.
#[derive(Debug)]
struct Raw {
    stream: TcpStream,
    worker: usize,
}

/// Connections that wait for their next request, the newest last.
#[derive(Debug, Default)]
struct Pool {
    /// Driven by hyper.
    driven: Vec<Idle<Connection>>,
    raw: Vec<Idle<Raw>>,
}

/// One generation of one container.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddrV4,
    idle: Mutex<Pool>,
    retired: CancellationToken,
    /// The same, asked with every request: cheaper than the token.
    is_retired: AtomicBool,
}

impl Upstream {
    pub(crate) fn new(address: SocketAddrV4) -> Self {
        Self {
            address,
            idle: Mutex::default(),
            retired: CancellationToken::new(),
            is_retired: AtomicBool::new(false),
        }
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Cancelled when the slug no longer stands for this container.
    pub(crate) fn retired(&self) -> CancellationToken {
        self.retired.clone()
    }

    /// Whether the slug no longer stands for this container.
    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }

    /// Ends when the slug no longer stands for this container.
    pub(crate) fn retiring(&self) -> WaitForCancellationFuture<'_> {
        self.retired.cancelled()
    }

    /// Closes idle connections and tunnels for good.
    pub(crate) fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
        self.retired.cancel();
        self.drop_idle();
    }

    /// Closes idle connections.
    pub(crate) fn drop_idle(&self) {
        *self.lock() = Pool::default();
    }

    /// Closes connections that were idle for longer than `limit`.
    pub(crate) fn sweep(&self, limit: Duration) {
        let mut pool = self.lock();
        pool.driven.retain(|idle| idle.since.elapsed() < limit && !idle.connection.sender.is_closed());
        pool.raw.retain(|idle| idle.since.elapsed() < limit);
    }

    /// An idle connection that still seems to be good.
    pub(super) async fn checkout(&self, limit: Duration) -> Option<Connection> {
        loop {
            // The newest first: the older ones may then expire.
            let idle = self.lock().driven.pop()?;
            let mut connection = idle.connection;
            if idle.since.elapsed() >= limit || connection.sender.is_closed() {
                continue;
            }
            if connection.sender.is_ready() {
                return Some(connection);
            }
            if let Ok(Ok(())) = tokio::time::timeout(READY_WITHIN, connection.sender.ready()).await {
                return Some(connection);
            }
        }
    }

    pub(super) fn put_back(&self, connection: Connection) {
        let mut pool = self.lock();
        // Asked under the lock, which whoever retires it takes afterwards.
        if !self.is_retired() && !connection.sender.is_closed() && pool.driven.len() < MAX_IDLE_UPSTREAM {
            pool.driven.push(Idle { connection, since: Instant::now() });
        }
    }

    /// A bare connection of this thread that still seems to be good: the instance has neither ended it nor said
    /// anything unasked.
    pub(crate) fn checkout_raw(&self, worker: usize, now: Instant, limit: Duration) -> Option<TcpStream> {
        let mut pool = self.lock();
        loop {
            let at = pool.raw.iter().rposition(|idle| idle.connection.worker == worker)?;
            let idle = pool.raw.remove(at);
            let stream = idle.connection.stream;
            let is_quiet =
                || stream.try_read(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
            if now.saturating_duration_since(idle.since) < limit && is_quiet() {
                return Some(stream);
            }
        }
    }

    pub(crate) fn put_back_raw(&self, worker: usize, stream: TcpStream) {
        let mut pool = self.lock();
        if !self.is_retired() && pool.raw.len() < MAX_IDLE_UPSTREAM {
            pool.raw.push(Idle { connection: Raw { stream, worker }, since: Instant::now() });
        }
    }

    /// A new bare connection, at the first try.
    pub(crate) async fn connect_once(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(SocketAddr::V4(self.address)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A new connection. Refusals are tried again until `limit`: a container that was just started may not
    /// listen yet.
    pub(super) async fn connect(&self, limit: Duration) -> std::io::Result<Connection> {
        let stream = tokio::time::timeout(limit, self.connect_patiently())
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        let heard = Heard::default();
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_ANSWER_HEAD)
            .handshake(TokioIo::new(Listening { inner: stream, heard: heard.clone() }))
            .await
            .map_err(std::io::Error::other)?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an instance ended early");
            }
        });
        Ok(Connection { sender, heard, task })
    }

    async fn connect_patiently(&self) -> std::io::Result<TcpStream> {
        let mut pause = FIRST_PAUSE;
        loop {
            match TcpStream::connect(SocketAddr::V4(self.address)).await {
                Ok(stream) => return Ok(stream),
                Err(error) if self.retired.is_cancelled() => return Err(error),
                // Refused while the process comes up; unreachable while its network does.
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
