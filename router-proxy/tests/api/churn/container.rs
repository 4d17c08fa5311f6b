//! Containers: each listens at an address for as long as it runs, and says in every answer who it is. It judges what
//! comes to it by itself, because an answer may never reach the one who asked.
//!
//! A connection belongs for ever to the container that accepted it, as with containers that have a network of their
//! own: the address may be another's by then, the connection is not.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::ledger::{Identity, Ledger, count};
use super::wire::{Head, Wire};

/// How long work takes that is not cut short by a stop.
const WORK: Duration = Duration::from_millis(40);

/// How a container ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// What it is at is answered, then each connection is closed.
    InOrder,
    /// Every connection breaks off at once.
    Killed,
    /// Nothing new is accepted, and connections that are there would still be served: whoever uses one for a request
    /// of a later generation is found out.
    Lingering,
}

struct App {
    identity: Identity,
    ledger: Arc<Ledger>,
    /// Told to come to an end.
    stopping: CancellationToken,
    /// Connections close once they have nothing to do.
    closing: CancellationToken,
    /// Connections are closed by now.
    killed: CancellationToken,
}

/// A running container.
pub(super) struct Container {
    pub(super) identity: Identity,
    pub(super) address: SocketAddrV4,
    app: Arc<App>,
    listener: JoinHandle<()>,
}

/// The connections that a container left behind; they break off when this is dropped.
pub(super) struct Remains(CancellationToken);

impl Drop for Remains {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Container {
    pub(super) async fn start(ledger: &Arc<Ledger>, address: SocketAddrV4, identity: Identity) -> Self {
        let listener = TcpListener::bind(SocketAddr::V4(address)).await.expect("the address is free");
        let app = Arc::new(App {
            identity,
            ledger: Arc::clone(ledger),
            stopping: CancellationToken::new(),
            closing: CancellationToken::new(),
            killed: CancellationToken::new(),
        });
        let task = tokio::spawn(listen(listener, Arc::clone(&app)));
        Self { identity, address, app, listener: task }
    }

    /// Ends it; the address is free afterwards.
    pub(super) async fn stop(self, ending: Ending) -> Remains {
        let app = &self.app;
        match ending {
            Ending::InOrder => app.closing.cancel(),
            Ending::Killed => app.killed.cancel(),
            Ending::Lingering => (),
        }
        app.stopping.cancel();
        self.listener.await.expect("no panic in a container");
        Remains(app.killed.clone())
    }
}

async fn listen(listener: TcpListener, app: Arc<App>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = app.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        count(&app.ledger.tally.connections);
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            tokio::select! {
                () = app.killed.cancelled() => (),
                // How a connection ends is the router's affair.
                _ = serve(stream, &app) => (),
            }
        });
    }
}

async fn serve(stream: TcpStream, app: &App) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = BufReader::new(stream);
    loop {
        let head = tokio::select! {
            head = Head::read(&mut wire) => head?,
            () = app.closing.cancelled() => return Ok(()),
        };
        app.arrived(&head);
        if head.field("upgrade").is_some() {
            return tunnel(wire, app).await;
        }
        let body = head.body(&mut wire).await?;
        let target = head.second();
        if target.starts_with("/held/") {
            let _ = tokio::time::timeout(WORK, app.stopping.cancelled()).await;
        }
        // Each client has a byte of its own: a body must not be another's either.
        let is_one_byte = body.is_empty() || body[1..] == body[..body.len() - 1];
        let byte = body.first().filter(|_| is_one_byte).copied().unwrap_or_default();
        let text = format!("{} {target} {} {byte}", app.identity, body.len());
        let length = text.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}");
        wire.get_mut().write_all(answer.as_bytes()).await?;
    }
}

/// Says who it is to every byte that comes.
async fn tunnel(mut wire: Wire, app: &App) -> io::Result<()> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    wire.get_mut().write_all(head.as_bytes()).await?;
    loop {
        tokio::select! {
            byte = wire.read_u8() => byte?,
            () = app.closing.cancelled() => return Ok(()),
        };
        wire.get_mut().write_all(format!("{}\n", app.identity).as_bytes()).await?;
    }
}

impl App {
    /// Whether this request may be here at all.
    fn arrived(&self, head: &Head) {
        count(&self.ledger.tally.arrivals);
        let host = head.field("host").unwrap_or_default();
        let slug = host.split('.').next().unwrap_or_default();
        let request = format!("a request ({})", head.first);
        let Some(place) = self.ledger.places.iter().find(|place| place.slug == slug) else {
            self.ledger
                .wrong(&format!("{request} with the host {host} came to the container {}", self.identity));
            return;
        };
        let floor = head.field("x-floor").and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
        self.ledger.judge(place, floor, &self.identity, &request);
        // As the router names the owner to it.
        let told = head.field("x-beaver-username");
        let owner = self.ledger.owner(self.identity.instance).name;
        if told != (!place.is_public).then_some(owner) {
            let name = told.unwrap_or("nobody");
            self.ledger
                .wrong(&format!("{request} in the name of {name} came to {owner}'s {}", self.identity));
        }
    }
}
