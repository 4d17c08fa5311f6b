//! Accepts clients and gives each to one of the threads that serve. When the router leaves it takes no new connection
//! and lets those end that are busy.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::connection::Arrival;
use super::handle::Router;
use super::workers::Workers;
use crate::tls::TlsFront;

/// Pause after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a public listener, with TLS where there is a `front`, until the router leaves, then drains.
pub(crate) async fn accept(
    router: Arc<Router>,
    workers: Arc<Workers>,
    listener: TcpListener,
    front: Option<Arc<TlsFront>>,
) -> Result<(), String> {
    let (leaving, stopping) = (router.drain.leaving(), router.lifecycle.stopping());
    // While one may still be accepted, not all are closed.
    let open = router.drain.token();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = leaving.cancelled() => break,
        };
        prepare(&stream);
        let arrival = Arrival { peer, front: front.clone(), token: router.drain.token() };
        workers.give(stream, arrival).await.map_err(|error| error.to_string())?;
    }
    drop((listener, open));
    stopping.cancelled().await;
    router.drain.all_closed().await;
    Ok(())
}

/// Small answers must not wait for Nagle's algorithm, and a peer that vanished must be noticed.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    if let Err(error) = rustix::net::sockopt::set_socket_keepalive(stream, true) {
        tracing::debug!(%error, "keep-alive could not be set");
    }
}
