//! The side of the router that runs: it waits for one that wants its place.

use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use service_kit::secret::random_bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::time::timeout;

use super::wire::{GREETING, LEAVING, Meeting, PROMPT, SERVING, is_trusted, read_line, send_sockets};
use crate::limits::DRAIN;
use crate::proxy::Router;

/// Second descriptors of the listening sockets, to be passed on.
pub(crate) struct Sockets(Vec<OwnedFd>);

impl Sockets {
    pub(crate) fn of<'a>(listeners: impl IntoIterator<Item = &'a TcpListener>) -> io::Result<Self> {
        let copies = listeners.into_iter().map(|listener| listener.as_fd().try_clone_to_owned());
        copies.collect::<Result<_, _>>().map(Self)
    }
}

/// Offers the sockets until one has taken over, or until a stop. The descriptors are closed then, because a socket on
/// which nobody accepts any more must refuse and not hang.
pub(crate) async fn offer(router: Arc<Router>, sockets: Sockets) -> Result<(), String> {
    let stopping = router.lifecycle.stopping();
    let is_taken = tokio::select! {
        outcome = wait_for_successor(&router, &sockets) => {
            if let Err(error) = &outcome {
                let folder = router.config.state_dir.display();
                tracing::error!(%folder, %error, "a new router could not take over from this one: no socket in the folder");
            }
            outcome.is_ok()
        }
        () = stopping.cancelled() => return Ok(()),
    };
    drop(sockets);
    if is_taken {
        leave(&router).await;
    }
    stopping.cancelled().await;
    Ok(())
}

/// Ends once a new router serves. A new one that fails is followed by the next.
async fn wait_for_successor(router: &Router, sockets: &Sockets) -> io::Result<()> {
    let listener = listen(router)?;
    loop {
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a new router could not be heard");
                tokio::time::sleep(PROMPT).await;
                continue;
            }
        };
        match converse(stream, sockets).await {
            Ok(true) => return Ok(()),
            Ok(false) => tracing::warn!("a new router went away before it served; this one goes on"),
            Err(error) => tracing::warn!(%error, "a new router did not take over; this one goes on"),
        }
    }
}

/// Takes the place of whichever socket is there, in one step: nobody who asks meanwhile finds none.
fn listen(router: &Router) -> io::Result<UnixListener> {
    let meeting = Meeting::new(&router.config.state_dir)?;
    let socket = meeting.socket();
    let number = u64::from_ne_bytes(random_bytes());
    let temporary = socket.with_file_name(format!(".handover-{number:016x}.sock"));
    let listener = UnixListener::bind(meeting.address_of(&temporary))?;
    std::fs::set_permissions(&temporary, Permissions::from_mode(0o600))?;
    std::fs::rename(&temporary, &socket)?;
    Ok(listener)
}

/// One new router: whether it serves.
async fn converse(mut stream: UnixStream, sockets: &Sockets) -> io::Result<bool> {
    if !is_trusted(&stream) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is another user's process"));
    }
    let greeting = timeout(PROMPT, read_line(&mut stream)).await??;
    if greeting.as_deref() != Some(GREETING) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it speaks another language"));
    }
    let borrowed: Vec<_> = sockets.0.iter().map(|socket| socket.as_fd()).collect();
    send_sockets(&stream, &borrowed).await?;
    tracing::info!("a new router has this one's sockets");
    // It has all the time that it wants: while it lives and is not ready, this one serves.
    let serves = read_line(&mut stream).await?.as_deref() == Some(SERVING);
    if serves {
        let _ = stream.write_all(format!("{LEAVING}\n").as_bytes()).await;
    }
    Ok(serves)
}

/// Leaves the place to the new router. Connections that are open are still served, with routes and revocations as they
/// change, until their clients have been told; then everything stops.
async fn leave(router: &Arc<Router>) {
    tracing::info!("a new router serves; this one drains and ends");
    let lifecycle = router.lifecycle.clone();
    let aborting = lifecycle.aborting();
    // Not tracked: it must not prolong what it limits.
    tokio::spawn(async move {
        tokio::time::sleep(DRAIN).await;
        aborting.cancel();
    });
    router.stop_streams.cancel();
    router.drain.leave();
    let _ = timeout(router.config.timeouts.linger, router.drain.all_closed()).await;
    lifecycle.stop();
}
