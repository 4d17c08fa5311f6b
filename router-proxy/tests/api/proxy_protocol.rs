//! Connections that a proxy passes on as bytes: whom the PROXY protocol names is the client, for whoever is told of
//! it, and where it is expected nothing else is taken.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::raw::{Recorder, statuses, talk};
use crate::world::World;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: alice.localhost\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n";

async fn open(trusted: &str) -> (World, Recorder) {
    let world = World::start_with(|config| {
        config.trusted = trusted.parse().expect("addresses");
        config.proxy_protocol = true;
        config.timeouts.head = Duration::from_secs(2);
    });
    let (world, recorder) = (world.await, Recorder::start(OK).await);
    let mut route = world.alice_route(recorder.address);
    route["access"] = json!("public");
    world.write_route("alice", &route.to_string());
    crate::world::eventually("the route is known", || async {
        world.metrics().await.contains("router_routes 1")
    })
    .await;
    (world, recorder)
}

fn forwarded_for(request: &str) -> Option<&str> {
    request
        .lines()
        .find_map(|line| line.to_ascii_lowercase().starts_with("x-forwarded-for: ").then(|| &line[17..]))
}

#[tokio::test]
async fn the_client_is_whom_the_header_names() {
    let (world, recorder) = open("127.0.0.1").await;
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x08\x7f\0\0\x01\x1f\x90\0\x50";
    let v1 = b"PROXY TCP4 203.0.113.7 127.0.0.1 8080 80\r\n".to_vec();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec();
    // Whoever is named is no trusted proxy: what its request says of others is not believed. A proxy that speaks for
    // itself is.
    let cases = [(v1, "203.0.113.7"), (v2.to_vec(), "203.0.113.8"), (local, "198.51.100.1, 127.0.0.1")];
    for (number, (header, client)) in cases.into_iter().enumerate() {
        let answers =
            talk(world.router, &[&header[..], REQUEST.as_bytes(), REQUEST.as_bytes()].concat()).await;
        assert_eq!(statuses(&answers), [200, 200], "{answers}");
        let requests = recorder.requests();
        assert_eq!(requests.len(), 2 * (number + 1));
        for request in &requests[2 * number..] {
            assert_eq!(forwarded_for(request), Some(client), "{request}");
        }
    }
}

#[tokio::test]
async fn a_header_may_come_in_pieces() {
    let (world, recorder) = open("127.0.0.1").await;
    let mut stream = TcpStream::connect(world.router).await.expect("a connection");
    stream.set_nodelay(true).expect("set");
    for byte in b"PROXY TCP4 203.0.113.7 127.0.0.1 8080 80\r\n" {
        stream.write_all(&[*byte]).await.expect("sent");
        tokio::task::yield_now().await;
    }
    stream.write_all(REQUEST.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(forwarded_for(&recorder.requests()[0]), Some("203.0.113.7"));
}

#[tokio::test]
async fn what_has_none_or_is_too_slow_is_closed_without_an_answer() {
    let (world, recorder) = open("127.0.0.1").await;
    for bytes in [REQUEST, "PROXY TCP4 nobody 127.0.0.1 1 2\r\n", "PROXY TCP4 203.0.113.7 "] {
        assert_eq!(talk(world.router, bytes.as_bytes()).await, "", "{bytes:?}");
    }
    assert!(recorder.requests().is_empty());
}

#[tokio::test]
async fn nobody_else_may_send_it() {
    let (world, recorder) = open("192.0.2.1").await;
    let with = format!("PROXY TCP4 203.0.113.7 127.0.0.1 8080 80\r\n{REQUEST}");
    assert_eq!(statuses(&talk(world.router, with.as_bytes()).await), [400]);
    assert_eq!(statuses(&talk(world.router, REQUEST.as_bytes()).await), [200]);
    assert_eq!(forwarded_for(&recorder.requests()[0]), Some("127.0.0.1"));
}
