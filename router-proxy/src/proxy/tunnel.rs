//! Bytes both ways after an upstream's 101, until either side ends, the session is revoked, the container is
//! replaced, the router stops, or nothing passed for an hour.

use std::io;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::answer_body::Held;
use crate::activity::Meter;
use crate::gate::StreamGuard;
use crate::metrics::TunnelCount;
use crate::upstream::Lease;

const BUFFER: usize = 16 * 1024;

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
                Ok(()) => "ok",
                Err(_) => "broke off",
            },
            () = closed.cancelled() => "signed out",
            () = retired.cancelled() => "container replaced",
            () = stopping.cancelled() => "router stops",
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
        let both = async {
            tokio::try_join!(copy(client_read, server_write, touch), copy(server_read, client_write, touch),)
        };
        let idle = async {
            // Bytes in either direction keep it.
            while tokio::time::timeout(self.idle, beats.changed()).await.is_ok() {}
        };
        let (bytes_in, bytes_out) = tokio::select! {
            outcome = both => outcome?,
            () = idle => return Err(io::ErrorKind::TimedOut.into()),
        };
        self.held.log.bytes_in = bytes_in;
        self.held.log.bytes_out = bytes_out;
        Ok(())
    }
}

/// Copies until the end of `from`, then says so to `to`.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    touch: impl Fn(),
) -> io::Result<u64> {
    let mut buffer = vec![0_u8; BUFFER];
    let mut total = 0;
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            to.shutdown().await?;
            return Ok(total);
        }
        touch();
        to.write_all(&buffer[..n]).await?;
        to.flush().await?;
        total += n as u64;
    }
}
