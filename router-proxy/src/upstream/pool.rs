//! The connections to one container.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::UploadBody;
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
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// One generation of one container.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddrV4,
    idle: Mutex<Vec<Idle>>,
    retired: CancellationToken,
}

impl Upstream {
    pub(crate) fn new(address: SocketAddrV4) -> Self {
        Self { address, idle: Mutex::default(), retired: CancellationToken::new() }
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
        self.retired.is_cancelled()
    }

    /// Closes idle connections and tunnels for good.
    pub(crate) fn retire(&self) {
        self.retired.cancel();
        self.drop_idle();
    }

    /// Closes idle connections.
    pub(crate) fn drop_idle(&self) {
        self.lock().clear();
    }

    /// Closes connections that were idle for longer than `limit`.
    pub(crate) fn sweep(&self, limit: Duration) {
        self.lock().retain(|idle| idle.since.elapsed() < limit && !idle.connection.sender.is_closed());
    }

    /// An idle connection that still seems to be good.
    pub(super) async fn checkout(&self, limit: Duration) -> Option<Connection> {
        loop {
            // The newest first: the older ones may then expire.
            let idle = self.lock().pop()?;
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
        if self.retired.is_cancelled() || connection.sender.is_closed() {
            return;
        }
        let mut idle = self.lock();
        if idle.len() < MAX_IDLE_UPSTREAM {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// A new connection. Refusals are tried again until `limit`: a container that was just started may not
    /// listen yet.
    pub(super) async fn connect(&self, limit: Duration) -> std::io::Result<Connection> {
        let stream = tokio::time::timeout(limit, self.connect_patiently())
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_ANSWER_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an instance ended early");
            }
        });
        Ok(Connection { sender, task })
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
