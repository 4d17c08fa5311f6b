//! Raw sockets on both sides: what exactly is sent to the router, and what exactly an instance gets.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::instances::listen;

const PATIENCE: Duration = Duration::from_secs(10);

/// Sends bytes and reads until the router closes the connection, or `quiet` passes without a byte.
pub(crate) async fn talk(router: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(router).await.expect("a connection");
    // The router may answer and close before everything is sent.
    let _ = stream.write_all(bytes).await;
    let mut out = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let wait = if out.is_empty() { PATIENCE } else { Duration::from_millis(300) };
        match tokio::time::timeout(wait, stream.read(&mut buffer)).await {
            Ok(Ok(n)) if n > 0 => out.extend_from_slice(&buffer[..n]),
            _ => return String::from_utf8_lossy(&out).into_owned(),
        }
    }
}

/// Sends bytes and reads until what came ends in `end`.
pub(crate) async fn talk_until(router: SocketAddr, bytes: &[u8], end: &str) -> String {
    let mut stream = TcpStream::connect(router).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    read_until(&mut stream, end).await
}

/// Reads until what came ends in `end`, or the connection does.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut out, mut buffer) = (Vec::new(), [0_u8; 4096]);
    while !out.ends_with(end.as_bytes()) {
        match tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await {
            Ok(Ok(n)) if n > 0 => out.extend_from_slice(&buffer[..n]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The statuses of the answers in a connection's bytes.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    // An answer may begin right after the body of another; words in a body are followed by no number.
    let versions = ["HTTP/1.1 ", "HTTP/1.0 "];
    let starts =
        text.char_indices().filter(|(i, _)| versions.iter().any(|version| text[*i..].starts_with(version)));
    let numbers = starts.map(|(i, _)| text[i + versions[0].len()..].get(..3));
    numbers.filter_map(|number| number?.parse().ok()).collect()
}

/// An instance that writes down every byte and gives the same answer to each request, told apart by a strict
/// reader of its own.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddrV4,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub(crate) async fn start(answer: &'static str) -> Self {
        let (listener, address) = listen().await;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(record(stream, Arc::clone(&seen), answer));
            }
        });
        Self { address, requests }
    }

    /// Whole requests so far, head and body as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn record(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>, answer: &'static str) {
    let mut pending = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        while let Some(length) = request_length(&pending) {
            let request: Vec<u8> = pending.drain(..length).collect();
            seen.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => pending.extend_from_slice(&buffer[..n]),
            _ => break,
        }
    }
    if !pending.is_empty() {
        seen.lock().unwrap().push(format!("UNFINISHED {}", String::from_utf8_lossy(&pending)));
    }
}

/// The length of the first whole request, head and body.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).expect("the router sends ASCII heads");
    let header = |wanted: &str| {
        let mut found = text
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .filter_map(|(n, v)| (n.eq_ignore_ascii_case(wanted)).then_some(v));
        let first = found.next();
        assert!(found.next().is_none(), "{wanted} came twice");
        first
    };
    let (length, chunked) = (header("content-length"), header("transfer-encoding"));
    assert!(length.is_none() || chunked.is_none(), "both framings reached the instance: {text}");
    if chunked.is_some() {
        // The last chunk, then trailers up to an empty line.
        let last = bytes[head - 2..].windows(5).position(|w| w == b"\r\n0\r\n")? + head;
        let end = bytes[last..].windows(4).position(|w| w == b"\r\n\r\n")?;
        return Some(last + end + 4);
    }
    let total = head + length.map_or(0, |l| l.parse::<usize>().expect("a length"));
    (bytes.len() >= total).then_some(total)
}
