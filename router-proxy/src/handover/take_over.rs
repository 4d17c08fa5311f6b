//! The side of the router that starts: it asks whether another one runs and takes its sockets.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::time::Duration;

use service_kit::health::{Check, Health};
use service_kit::lifecycle::StartError;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, UnixStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::wire::{GREETING, LEAVING, Meeting, PROMPT, SERVING, is_trusted, read_line, receive_sockets};

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A router that runs and has lent its sockets.
pub(crate) struct Predecessor {
    stream: UnixStream,
    sockets: Vec<(SocketAddr, TcpListener)>,
}

/// Asks for the sockets of the router that runs. `None` where there is none to be asked: then they are bound.
pub(crate) async fn take_over(state_dir: &Path) -> Option<Predecessor> {
    match timeout(PROMPT, ask(state_dir)).await {
        Ok(Ok(predecessor)) => predecessor,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a router that runs could not be asked for its sockets");
            None
        }
        Err(_) => {
            tracing::warn!("a router that runs did not answer when it was asked for its sockets");
            None
        }
    }
}

async fn ask(state_dir: &Path) -> io::Result<Option<Predecessor>> {
    let Ok(meeting) = Meeting::new(state_dir) else { return Ok(None) };
    // Not there, or left by one that has ended.
    let Ok(mut stream) = UnixStream::connect(meeting.address_of(&meeting.socket())).await else {
        return Ok(None);
    };
    if !is_trusted(&stream) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user's process listens there"));
    }
    stream.write_all(format!("{GREETING}\n").as_bytes()).await?;
    let Some(received) = receive_sockets(&stream).await? else { return Ok(None) };
    let mut sockets = Vec::new();
    for socket in received {
        let listener = StdListener::from(socket);
        listener.set_nonblocking(true)?;
        sockets.push((listener.local_addr()?, TcpListener::from_std(listener)?));
    }
    Ok(Some(Predecessor { stream, sockets }))
}

impl Predecessor {
    /// Its socket with this address, if it has one.
    pub(crate) fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let index = self.sockets.iter().position(|(bound, _)| *bound == address)?;
        tracing::info!(%address, "taken over from the router that runs");
        Some(self.sockets.swap_remove(index).1)
    }

    /// Waits until this router can do what the other one does. An error leaves the other one in its place.
    pub(crate) async fn wait_until_ready(
        &self,
        health: &Health,
        limit: Duration,
        stopping: CancellationToken,
    ) -> Result<(), StartError> {
        let ready = async {
            // Without the first news of revocations, sessions that have ended would be let in again.
            while !(health.is_ready() && health.get("revocations") == Some(Check::Ok)) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::select! {
            outcome = timeout(limit, ready) => outcome.map_err(|_| {
                let reason = "this router is not ready in time (is authz-service up?); the one that runs stays in its place";
                StartError::Other(reason.to_owned())
            }),
            () = stopping.cancelled() => Err(StartError::Other("asked to stop before it was ready".to_owned())),
        }
    }

    /// Says that this router serves, whereupon the other one leaves. Should it be gone, all the better.
    pub(crate) async fn dismiss(mut self) {
        let farewell = async {
            self.stream.write_all(format!("{SERVING}\n").as_bytes()).await?;
            read_line(&mut self.stream).await
        };
        match timeout(PROMPT, farewell).await {
            Ok(Ok(Some(line))) if line == LEAVING => tracing::info!("the router before this one leaves"),
            outcome => tracing::warn!(?outcome, "the router before this one did not say that it leaves"),
        }
    }
}
