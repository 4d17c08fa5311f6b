//! Bytes both ways after an upstream's 101, until either side ends, the session is revoked, the container is
//! replaced, the router stops, or nothing passed for an hour.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::answer_body::Held;
use super::frames::{Frames, RESTART};
use crate::activity::Meter;
use crate::gate::StreamGuard;
use crate::metrics::TunnelCount;
use crate::upstream::Lease;

const BUFFER: usize = 16 * 1024;
/// What one side may still say after the other has ended, or the router has said that it leaves.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Time for the frame under way to end, for ours, and for the last words.
const TOLD: Duration = Duration::from_secs(4);

/// One tunnel with all that it holds.
pub(super) struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) server: OnUpgrade,
    pub(super) lease: Lease,
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) held: Held,
    pub(super) count: TunnelCount,
    pub(super) meter: Meter,
    pub(super) retired: CancellationToken,
    pub(super) guard: Option<StreamGuard>,
    pub(super) stopping: CancellationToken,
    pub(super) idle: Duration,
}

impl Tunnel {
    /// Runs it to its end.
    pub(super) async fn run(mut self) {
        let closed = self.guard.as_ref().map(StreamGuard::closed).unwrap_or_default();
        let (retired, stopping) = (self.retired.clone(), self.stopping.clone());
        let outcome = tokio::select! {
            outcome = self.pump() => match outcome {
                Ok(()) if stopping.is_cancelled() => "router stops",
                Ok(()) => "ok",
                Err(_) => "broke off",
            },
            () = closed.cancelled() => "signed out",
            () = retired.cancelled() => "container replaced",
            () = async { stopping.cancelled().await; tokio::time::sleep(TOLD).await } => "router stops",
        };
        self.held.log.outcome = outcome;
        // Explicit, because each of them is held for exactly as long as the tunnel.
        drop((self.lease, self.permit, self.count, self.guard));
    }

    async fn pump(&mut self) -> io::Result<()> {
        let (client, server) =
            tokio::try_join!(&mut self.client, &mut self.server).map_err(io::Error::other)?;
        let (client_read, client_write) = tokio::io::split(TokioIo::new(client));
        let (server_read, server_write) = tokio::io::split(TokioIo::new(server));
        let beat = watch::Sender::new(());
        let mut beats = beat.subscribe();
        let meter = &self.meter;
        let touch = || {
            meter.touch();
            beat.send_replace(());
        };
        let (up, down) = (AtomicU64::new(0), AtomicU64::new(0));
        let both = async {
            let upward = copy(client_read, server_write, &up, touch);
            let downward = copy_to_client(server_read, client_write, &down, touch, &self.stopping);
            tokio::pin!(upward, downward);
            // A WebSocket has no half-closed state: when one side has ended, the other gets a moment.
            tokio::select! {
                outcome = &mut upward => (outcome, tokio::time::timeout(LAST_WORDS, downward).await).0,
                outcome = &mut downward => (outcome, tokio::time::timeout(LAST_WORDS, upward).await).0,
            }
        };
        let idle = async {
            // Bytes in either direction keep it.
            while tokio::time::timeout(self.idle, beats.changed()).await.is_ok() {}
        };
        let outcome = tokio::select! {
            outcome = both => outcome,
            () = idle => Err(io::ErrorKind::TimedOut.into()),
        };
        self.held.log.bytes_in = up.into_inner();
        self.held.log.bytes_out = down.into_inner();
        outcome
    }
}

/// The same to the client, which is told in between two frames when the router leaves.
async fn copy_to_client(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    total: &AtomicU64,
    touch: impl Fn(),
    leaving: &CancellationToken,
) -> io::Result<()> {
    let (mut buffer, mut frames) = (vec![0_u8; BUFFER], Frames::default());
    loop {
        let n = tokio::select! {
            n = from.read(&mut buffer) => n?,
            () = leaving.cancelled(), if frames.takes_another() => {
                to.write_all(&RESTART).await?;
                0
            }
        };
        if n == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        touch();
        frames.pass(&buffer[..n]);
        to.write_all(&buffer[..n]).await?;
        to.flush().await?;
        total.fetch_add(n as u64, Ordering::Relaxed);
    }
}

/// Copies until the end of `from`, then says so to `to`.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    total: &AtomicU64,
    touch: impl Fn(),
) -> io::Result<()> {
    let mut buffer = vec![0_u8; BUFFER];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        touch();
        to.write_all(&buffer[..n]).await?;
        to.flush().await?;
        total.fetch_add(n as u64, Ordering::Relaxed);
    }
}
