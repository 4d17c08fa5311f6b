//! Clients of HTTP/2 by prior knowledge: hyper's, and one that writes its own frames, for what hyper would not send.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::World;

pub(crate) type H2Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// hyper's client on a connection of its own.
pub(crate) async fn connect(world: &World) -> SendRequest<H2Body> {
    let stream = TcpStream::connect(world.router).await.expect("a connection");
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

/// What the router did with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The first byte of the answer's head: an index into HPACK's static table (RFC 7541, appendix A).
    Answered(u8),
    /// `RST_STREAM` or `GOAWAY` with its error code.
    Reset(u32),
    Closed,
}

/// `:status: 200`, `400` and `404` in HPACK's static table.
pub(crate) const STATUS_200: u8 = 0x88;
pub(crate) const STATUS_400: u8 = 0x8c;
pub(crate) const STATUS_404: u8 = 0x8d;
pub(crate) const PROTOCOL_ERROR: u32 = 1;

/// One request without a body, of exactly these header fields.
pub(crate) async fn ask_raw(world: &World, fields: &[(&str, &str)]) -> Outcome {
    let mut stream = TcpStream::connect(world.router).await.expect("a connection");
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal that is not indexed, without Huffman coding (RFC 7541, section 6.2.2).
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|n| *n < 127).expect("a short text"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    let length = u32::try_from(block.len()).expect("a short block").to_be_bytes();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(&length[1..]);
    // HEADERS with END_STREAM and END_HEADERS on stream 1.
    bytes.extend_from_slice(&[1, 5, 0, 0, 0, 1]);
    bytes.extend_from_slice(&block);
    stream.write_all(&bytes).await.expect("sent");
    let outcome = tokio::time::timeout(std::time::Duration::from_secs(10), outcome(&mut stream));
    outcome.await.expect("an outcome in time")
}

async fn outcome(stream: &mut TcpStream) -> Outcome {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return Outcome::Closed;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if stream.read_exact(&mut payload).await.is_err() {
            return Outcome::Closed;
        }
        let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
        match head[3] {
            1 => return Outcome::Answered(payload[0]),
            3 => return Outcome::Reset(code(0)),
            7 => return Outcome::Reset(code(4)),
            _ => {}
        }
    }
}
