//! What goes through a tunnel behind a WebSocket's handshake: bytes as they are, no faster than they are read, and the
//! end of either side. With raw sockets on both sides.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::instances::listen;
use crate::world::{World, eventually};

const PATIENCE: Duration = Duration::from_secs(10);
/// What all buffers and sockets between two ends may hold.
const BUFFERS: usize = 32 * 1024 * 1024;

/// Both ends of one tunnel.
struct Ends {
    client: TcpStream,
    instance: TcpStream,
}

async fn open(adjust: impl FnOnce(&mut router_proxy::config::Config)) -> (World, Ends) {
    let (listener, address) = listen().await;
    let world = World::start_with(adjust).await;
    let mut route = world.alice_route(address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    let mut client = TcpStream::connect(world.router).await.expect("a connection");
    let handshake = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        world.host("alice"),
        world.origin("alice")
    );
    client.write_all(handshake.as_bytes()).await.expect("sent");
    let instance = accept(&listener).await;
    let head = head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("\r\nsec-websocket-accept: x\r\n"), "{head}");
    assert!(
        head.contains("\r\nupgrade: websocket\r\n") && head.contains("\r\nconnection: Upgrade\r\n"),
        "{head}"
    );
    eventually("the tunnel is open", || async { tunnels(&world).await == 1 }).await;
    (world, Ends { client, instance })
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut instance, _) = listener.accept().await.expect("a connection");
    let head = head(&mut instance).await;
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13"] {
        assert!(head.to_ascii_lowercase().contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\
                  Sec-WebSocket-Accept: x\r\n\r\n";
    instance.write_all(answer.as_bytes()).await.expect("sent");
    instance
}

/// Up to the empty line and not a byte more.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.expect("a head"));
    }
    String::from_utf8(bytes).expect("text")
}

async fn tunnels(world: &World) -> usize {
    let text = world.metrics().await;
    let line = text.lines().find_map(|line| line.strip_prefix("beaver_router_active_tunnels "));
    line.expect("a count").parse().expect("a number")
}

/// Sends bytes and sees exactly them at the other end.
async fn passes(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    from.write_all(bytes).await.expect("sent");
    let mut got = vec![0; bytes.len()];
    tokio::time::timeout(PATIENCE, to.read_exact(&mut got)).await.expect("in time").expect("whole");
    assert_eq!(got, bytes);
}

/// The rest up to the end of the other side.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut got))
        .await
        .expect("in time")
        .expect("a clean end");
    got
}

/// Writes until nobody takes any more.
async fn fill(stream: &mut TcpStream) -> usize {
    let piece = vec![7; 64 * 1024];
    let mut written = 0;
    while let Ok(n) = tokio::time::timeout(Duration::from_millis(500), stream.write(&piece)).await {
        written += n.expect("the tunnel is open");
        assert!(written < BUFFERS, "{written} bytes were taken while nobody read");
    }
    written
}

#[tokio::test]
async fn frames_pass_as_they_are_up_to_the_closing_handshake() {
    let (world, Ends { mut client, mut instance }) = open(|_| ()).await;
    // A ping with its mask and its pong (RFC 6455, section 5.5); then what is no frame at all.
    passes(&mut client, &mut instance, b"\x89\x84\x01\x02\x03\x04Hhmc").await;
    passes(&mut instance, &mut client, b"\x8a\x04Ijnk").await;
    passes(&mut instance, &mut client, b"\x89\x00").await;
    passes(&mut client, &mut instance, b"\x8a\x80\0\0\0\0").await;
    passes(&mut client, &mut instance, b"GET /smuggled HTTP/1.1\r\nHost: bob.localhost\r\n\r\n").await;
    // A close with its reason, its echo, and then the server closes first (section 7.1.1).
    passes(&mut client, &mut instance, b"\x88\x82\0\0\0\0\x03\xe8").await;
    passes(&mut instance, &mut client, b"\x88\x02\x03\xe8").await;
    drop(instance);
    assert_eq!(rest(&mut client).await, b"");
    drop(client);
    eventually("the tunnel is gone", || async { tunnels(&world).await == 0 }).await;
}

#[tokio::test]
async fn who_does_not_read_stops_the_other_side_and_loses_nothing() {
    let (_world, Ends { mut client, mut instance }) = open(|_| ()).await;
    let up = fill(&mut client).await;
    let down = fill(&mut instance).await;
    let read = async |stream: &mut TcpStream, length: usize| {
        let mut got = vec![0; length];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut got)).await.expect("in time").expect("whole");
        got.iter().all(|byte| *byte == 7)
    };
    assert!(read(&mut instance, up).await && read(&mut client, down).await);
    passes(&mut client, &mut instance, b"and on").await;
    passes(&mut instance, &mut client, b"and on").await;
}

#[tokio::test]
async fn when_one_side_has_ended_the_other_may_finish_its_sentence() {
    for client_first in [true, false] {
        let (world, Ends { client, instance }) = open(|_| ()).await;
        let (mut first, mut second) = if client_first { (client, instance) } else { (instance, client) };
        first.write_all(b"bye").await.expect("sent");
        first.shutdown().await.expect("ended");
        assert_eq!(rest(&mut second).await, b"bye");
        second.write_all(b"good bye").await.expect("sent");
        second.shutdown().await.expect("ended");
        assert_eq!(rest(&mut first).await, b"good bye");
        eventually("the tunnel is gone", || async { tunnels(&world).await == 0 }).await;
    }
}

#[tokio::test]
async fn who_says_nothing_more_after_the_other_has_ended_is_let_go() {
    let (world, Ends { mut client, mut instance }) = open(|_| ()).await;
    client.shutdown().await.expect("ended");
    assert_eq!(rest(&mut instance).await, b"");
    eventually("the tunnel is gone", || async { tunnels(&world).await == 0 }).await;
    let end = tokio::time::timeout(PATIENCE, client.read(&mut [0; 8])).await.expect("in time");
    assert!(matches!(end, Ok(0) | Err(_)), "closed");
}

#[tokio::test]
async fn a_tunnel_without_a_byte_is_closed_and_one_with_some_is_not() {
    let idle = Duration::from_secs(1);
    let (world, Ends { mut client, mut instance }) = open(|config| config.timeouts.stream_idle = idle).await;
    // Several times the limit in all, never without a byte for as long.
    for _ in 0..10 {
        passes(&mut instance, &mut client, b"tick").await;
        tokio::time::sleep(idle / 7).await;
    }
    assert_eq!(tunnels(&world).await, 1);
    let (from_client, from_instance) = (rest(&mut instance), rest(&mut client));
    assert_eq!(tokio::join!(from_client, from_instance), (vec![], vec![]));
    eventually("the tunnel is gone", || async { tunnels(&world).await == 0 }).await;
}

#[tokio::test]
async fn what_a_client_says_before_the_answer_waits_for_it() {
    let (listener, address) = listen().await;
    let world = World::start().await;
    let mut route = world.alice_route(address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    let mut client = TcpStream::connect(world.router).await.expect("a connection");
    let early = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
         GET /early HTTP/1.1\r\nHost: {}\r\n\r\n",
        world.host("alice"),
        world.origin("alice"),
        world.host("alice")
    );
    client.write_all(early.as_bytes()).await.expect("sent");
    let (mut instance, _) = listener.accept().await.expect("a connection");
    head(&mut instance).await;
    // Refused: what came behind the handshake is a request like any other, and comes after the answer.
    instance.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await.expect("sent");
    let second = tokio::time::timeout(PATIENCE, head(&mut instance)).await.expect("in time");
    assert!(second.starts_with("GET /early HTTP/1.1\r\n"), "{second}");
}
