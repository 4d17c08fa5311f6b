//! Who asks: one connection to the router that is kept alive, and tunnels. Every answer is judged by the ledger.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::ledger::{Identity, Ledger, Place, count};
use super::wire::{Head, PATIENCE, Wire, line};

/// Between two words in a tunnel.
const BETWEEN_WORDS: Duration = Duration::from_millis(20);

/// What is asked.
#[derive(Clone, Copy, Default)]
pub(super) struct Ask<'a> {
    pub(super) target: &'a str,
    /// A person gets an answer at once; a program is held while the instance wakes.
    pub(super) is_person: bool,
    /// Sent as an upload where there is one.
    pub(super) body: &'a [u8],
}

/// What came of it: an answer of the router's own, or a container's.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) who: Option<Identity>,
}

/// One who asks, one request after the other.
pub(super) struct Client {
    ledger: Arc<Ledger>,
    router: SocketAddr,
    wire: Option<Wire>,
}

impl Client {
    pub(super) fn new(ledger: &Arc<Ledger>, router: SocketAddr) -> Self {
        Self { ledger: Arc::clone(ledger), router, wire: None }
    }

    /// Asks once and judges the answer; `None` where the connection ended without one.
    pub(super) async fn ask(&mut self, place: &Place, ask: Ask<'_>) -> Option<Answer> {
        let ledger = Arc::clone(&self.ledger);
        // Before it is sent: what the router has taken over by now must count for this request.
        let floor = place.floor();
        count(&ledger.tally.requests);
        let Ok(outcome) = tokio::time::timeout(PATIENCE, self.exchange(place, floor, ask)).await else {
            self.wire = None;
            ledger.unexpected(&format!("no answer to {} of {} in {PATIENCE:?}", ask.target, place.slug));
            return None;
        };
        let Ok((status, text)) = outcome else {
            self.wire = None;
            count(&ledger.tally.broken);
            return None;
        };
        ledger.answered(status);
        let is_known = matches!(status, 200 | 303 | 401 | 404 | 502 | 503);
        if !is_known {
            ledger.unexpected(&format!("{status} to {} of {}: {text}", ask.target, place.slug));
        }
        let who = (status == 200).then(|| judged(&ledger, place, floor, ask, &text)).flatten();
        Some(Answer { status, who })
    }

    async fn exchange(&mut self, place: &Place, floor: u64, ask: Ask<'_>) -> io::Result<(u16, String)> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => connect(self.router).await?,
        };
        let method = if ask.body.is_empty() { "GET" } else { "POST" };
        let accept = if ask.is_person { "accept: text/html\r\n" } else { "" };
        let mut bytes = format!(
            "{method} {} HTTP/1.1\r\n{}{accept}content-length: {}\r\n\r\n",
            ask.target,
            fields(place, self.router, floor),
            ask.body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(ask.body);
        // The router may have answered and closed before it had everything.
        let _ = wire.get_mut().write_all(&bytes).await;
        let head = Head::read(&mut wire).await?;
        let body = head.body(&mut wire).await?;
        if head.field("connection") != Some("close") {
            self.wire = Some(wire);
        }
        let status = head.second().parse().map_err(io::Error::other)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// Who gave a 200, after it was found to be the right one and the answer to this very request.
fn judged(ledger: &Ledger, place: &Place, floor: u64, ask: Ask<'_>, text: &str) -> Option<Identity> {
    let Some((who, rest)) = Identity::parse(text) else {
        ledger.unexpected(&format!("200 to {} of {} by nobody: {text}", ask.target, place.slug));
        return None;
    };
    ledger.judge(place, floor, &who, &format!("an answer ({})", ask.target));
    let byte = ask.body.first().copied().unwrap_or_default();
    if rest != format!("{} {} {byte}", ask.target, ask.body.len()) {
        ledger.wrong(&format!("{} with {} bytes was answered by: {text}", ask.target, ask.body.len()));
    }
    Some(who)
}

async fn connect(router: SocketAddr) -> io::Result<Wire> {
    let stream = TcpStream::connect(router).await?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

fn fields(place: &Place, router: SocketAddr, floor: u64) -> String {
    let cookie = if place.is_public {
        String::new()
    } else {
        format!("cookie: beaver_app={}\r\n", place.cookie.lock().unwrap())
    };
    format!("host: {}.localhost:{}\r\nx-floor: {floor}\r\n{cookie}", place.slug, router.port())
}

/// An open tunnel to a container.
pub(super) struct Tunnel {
    ledger: Arc<Ledger>,
    place: usize,
    wire: Wire,
    who: Identity,
}

impl Tunnel {
    /// Opens one; `None` where there is nobody to talk to.
    pub(super) async fn open(ledger: &Arc<Ledger>, router: SocketAddr, place: &Place) -> Option<Self> {
        let floor = place.floor();
        count(&ledger.tally.requests);
        let host = format!("{}.localhost:{}", place.slug, router.port());
        let head = format!(
            "GET /tunnel HTTP/1.1\r\n{}origin: http://{host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            fields(place, router, floor)
        );
        let opening = async {
            let mut wire = connect(router).await?;
            wire.get_mut().write_all(head.as_bytes()).await?;
            let status = Head::read(&mut wire).await?.second().parse().map_err(io::Error::other)?;
            ledger.answered(status);
            if status != 101 {
                return Ok(None);
            }
            count(&ledger.tally.tunnels_opened);
            Ok::<_, io::Error>(Some((word(&mut wire).await, wire)))
        };
        let (first, wire) = match tokio::time::timeout(PATIENCE, opening).await {
            Ok(Ok(Some(opened))) => opened,
            Ok(Ok(None)) => return None,
            Ok(Err(_)) => {
                count(&ledger.tally.broken);
                return None;
            }
            Err(_) => {
                ledger.unexpected(&format!("no answer to a tunnel of {} in {PATIENCE:?}", place.slug));
                return None;
            }
        };
        // Its container may have ended between the 101 and the first word.
        let Ok(who) = first else {
            count(&ledger.tally.tunnels_closed);
            return None;
        };
        ledger.judge(place, floor, &who, "a tunnel");
        Some(Self { ledger: Arc::clone(ledger), place: place.index, wire, who })
    }

    /// Talks until the other side closes it. Once its container is out of date, that must be soon.
    pub(super) async fn talk(mut self) {
        while self.ledger.places[self.place].floor.load(Ordering::SeqCst) <= self.who.serial {
            match tokio::time::timeout(PATIENCE, word(&mut self.wire)).await {
                Ok(Ok(who)) if who == self.who => tokio::time::sleep(BETWEEN_WORDS).await,
                Ok(Ok(who)) => self.ledger.wrong(&format!("a tunnel to {} got a word of {who}", self.who)),
                Ok(Err(_)) => return count(&self.ledger.tally.tunnels_closed),
                Err(_) => return self.ledger.unexpected(&format!("a tunnel to {} is silent", self.who)),
            }
        }
        self.closed().await;
    }

    /// Waits for the other side to close it.
    pub(super) async fn closed(mut self) {
        match tokio::time::timeout(PATIENCE, line(&mut self.wire)).await {
            Ok(Err(_)) => count(&self.ledger.tally.tunnels_closed),
            Ok(Ok(text)) => self.ledger.wrong(&format!("a tunnel to {} was told {text} unasked", self.who)),
            Err(_) => self.ledger.wrong(&format!("a tunnel to {} outlives its generation", self.who)),
        }
    }
}

async fn word(wire: &mut Wire) -> io::Result<Identity> {
    wire.get_mut().write_all(b"?").await?;
    let text = line(wire).await?;
    Identity::parse(&text).map(|(who, _)| who).ok_or(io::ErrorKind::InvalidData.into())
}
