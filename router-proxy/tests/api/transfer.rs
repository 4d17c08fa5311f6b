//! Bodies of any size in constant memory: an instance that makes and takes as many bytes as it is told, and clients.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PIECE: usize = 256 * 1024;

/// `GET /N` gives N bytes; a body of any length is read to its end and its length said back.
pub(crate) async fn source_and_sink(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream));
    }
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let (head, mut got) = read_head(&mut stream).await?;
        if let Some(length) = length_of(&head) {
            let mut buffer = vec![0; PIECE];
            while got < length {
                got += some(stream.read(&mut buffer).await?)?;
            }
            let text = got.to_string();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            stream.write_all(answer.as_bytes()).await?;
        } else {
            let target = head.split(' ').nth(1).unwrap_or_default();
            let length = target.trim_start_matches('/').parse().unwrap_or(0);
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(answer.as_bytes()).await?;
            write_zeros(&mut stream, length).await?;
        }
    }
}

/// Sends so many bytes up; answers how many arrived.
pub(crate) async fn up(router: SocketAddr, length: u64) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(router).await?;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    write_zeros(&mut stream, length).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.rsplit("\r\n\r\n").next().unwrap_or_default();
    body.parse().map_err(|_| std::io::Error::other(answer))
}

/// Asks for so many bytes; answers how many arrived.
pub(crate) async fn down(router: SocketAddr, length: u64) -> std::io::Result<u64> {
    down_from("alice", router, length).await
}

/// The same from another instance.
pub(crate) async fn down_from(slug: &str, router: SocketAddr, length: u64) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(router).await?;
    let head = format!("GET /{length} HTTP/1.1\r\nHost: {slug}.localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let (_, mut got) = read_head(&mut stream).await?;
    let mut buffer = vec![0; PIECE];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(got),
            n => got += n as u64,
        }
    }
}

async fn write_zeros(stream: &mut TcpStream, mut length: u64) -> std::io::Result<()> {
    let piece = vec![0; PIECE];
    while length > 0 {
        let now = usize::try_from(length).unwrap_or(PIECE).min(PIECE);
        stream.write_all(&piece[..now]).await?;
        length -= now as u64;
    }
    Ok(())
}

/// A head, and how many bytes came behind it already.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<(String, u64)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let n = usize::try_from(some(stream.read(&mut buffer).await?)?).unwrap_or_default();
        bytes.extend_from_slice(&buffer[..n]);
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            return Ok((head, (bytes.len() - end - 4) as u64));
        }
    }
}

fn some(read: usize) -> std::io::Result<u64> {
    if read == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(read as u64) }
}

fn length_of(head: &str) -> Option<u64> {
    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
}
