//! A new router takes the place of one that runs: nobody is refused, what is under way ends well, and a new one that
//! fails changes nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::instances::Instance;
use crate::raw::statuses;
use crate::world::{World, eventually};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n";
/// Enough for a busy machine to send one more request.
const LINGER: Duration = Duration::from_secs(2);

/// Alice's app, open to everybody, behind a router that offers its sockets.
async fn open_world() -> (World, Instance) {
    let world = World::start_with(|config| config.timeouts.linger = LINGER).await;
    let app = Instance::start("app").await;
    let mut route = world.alice_route(app.address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    eventually("it offers its sockets", || async { world.handover_socket().exists() }).await;
    (world, app)
}

/// One answer with a length, from a connection that stays open.
async fn one_answer(stream: &mut TcpStream) -> String {
    try_one_answer(stream).await.expect("an answer")
}

pub(crate) async fn try_one_answer(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.and_then(|length| length.parse().ok()) == Some(body.len()) {
                return Ok(text);
            }
        }
    }
}

/// What is left until the end in good order.
async fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    end.expect("it is closed").expect("in good order");
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn what_is_open_ends_in_good_order_and_the_old_one_ends_by_itself() {
    let (mut world, app) = open_world().await;
    let connect = async || TcpStream::connect(world.router).await.expect("a connection");
    let (mut kept, mut fresh, mut busy, mut idle) =
        (connect().await, connect().await, connect().await, connect().await);
    for stream in [&mut kept, &mut idle] {
        stream.write_all(GET).await.expect("sent");
        assert_eq!(statuses(&one_answer(stream).await), [200]);
    }
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: alice.localhost\r\n\r\n").await.expect("sent");
    let mut events = world.get("alice", "/sse", &[]).await.bytes_stream();
    eventually("somebody listens", || async { app.state.chunks.send("data: 1\n\n").is_ok() }).await;
    assert_eq!(events.next().await.expect("an event").expect("whole"), "data: 1\n\n");
    eventually("under way", || async { app.state.slow_began.load(Ordering::SeqCst) }).await;

    let old = world.replace().await;
    kept.write_all(GET).await.expect("sent");
    let answer = rest(&mut kept).await;
    assert!(statuses(&answer) == [200] && answer.contains("connection: close"), "{answer}");
    fresh.write_all(GET).await.expect("sent");
    let answer = rest(&mut fresh).await;
    assert!(statuses(&answer) == [200] && answer.contains("connection: close"), "{answer}");
    while let Some(event) = events.next().await {
        event.expect("the stream ends in good order");
    }
    app.state.go.notify_waiters();
    assert!(rest(&mut busy).await.ends_with("slow answer"));
    assert_eq!(rest(&mut idle).await, "", "closed once there was time enough to use it");
    assert!(old.run_until_stopped(Duration::from_secs(20)).await, "a clean end");
    assert_eq!(world.get("alice", "/", &[]).await.status(), 200);
    assert!(world.stop().await);
}

#[tokio::test]
async fn http_2_is_told_to_go_and_loses_nothing() {
    let (mut world, app) = open_world().await;
    let stream = TcpStream::connect(world.router).await.expect("a connection");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = Request::get("http://alice.localhost/slow").version(Version::HTTP_2);
    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).expect("a request"));
    let answer = tokio::spawn(answer);
    eventually("under way", || async { app.state.slow_began.load(Ordering::SeqCst) }).await;
    let old = world.replace().await;
    app.state.go.notify_waiters();
    let answer = answer.await.expect("no panic").expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("whole").to_bytes(), "slow answer");
    connection.await.expect("no panic").expect("closed in good order, although the client keeps it");
    drop(sender);
    assert!(old.run_until_stopped(Duration::from_secs(20)).await, "a clean end");
}

async fn open_socket(world: &World) -> Option<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(world.router).await.expect("a connection");
    let url = format!("ws://{}/socket", world.host("alice"));
    tokio_tungstenite::client_async(url, stream).await.ok().map(|(socket, _)| socket)
}

#[tokio::test]
async fn a_websocket_is_told_and_opens_again_at_the_new_router() {
    let (mut world, _app) = open_world().await;
    let (address, _) = crate::websocket::echo_server().await;
    let mut route = world.alice_route(address);
    (route["access"], route["generation"]) = (json!("public"), json!(2));
    world.put_route(&route).await;
    // The route of the echo app may still be on its way.
    eventually("the echo app is there", || async { open_socket(&world).await.is_some() }).await;
    let mut socket = open_socket(&world).await.expect("open");
    socket.send(Message::text("one")).await.expect("sent");
    assert_eq!(socket.next().await.expect("a message").expect("whole"), Message::text("one"));
    let old = world.replace().await;
    let told = tokio::time::timeout(Duration::from_secs(5), socket.next()).await.expect("told");
    let told = told.expect("a message").expect("whole");
    assert!(matches!(&told, Message::Close(Some(frame)) if frame.code == CloseCode::Restart), "{told:?}");
    let mut socket = open_socket(&world).await.expect("open");
    socket.send(Message::text("two")).await.expect("sent");
    assert_eq!(socket.next().await.expect("a message").expect("whole"), Message::text("two"));
    assert!(old.run_until_stopped(Duration::from_secs(20)).await, "a clean end");
}

#[tokio::test]
async fn one_that_fails_before_it_serves_changes_nothing() {
    let (mut world, _app) = open_world().await;
    let mode = world.handover_socket().metadata().expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // One that dies with the sockets in its hands; one that says something else.
    for words in ["beaver-router hand-over 1\n", "hello\n", "beaver-router hand-over 1\nnonsense\n"] {
        let mut stream = UnixStream::connect(world.handover_socket()).await.expect("a connection");
        stream.write_all(words.as_bytes()).await.expect("sent");
        let _ = stream.read_u8().await;
    }
    // One that cannot get ready.
    world.authz.down.store(true, Ordering::SeqCst);
    world.config.timeouts.take_over = Duration::from_millis(300);
    let outcome = world.try_replace().await.map(|_| "it took over").map_err(|error| error.to_string());
    assert!(outcome.as_ref().is_err_and(|error| error.contains("stays in its place")), "{outcome:?}");
    assert_eq!(world.get("alice", "/", &[]).await.status(), 200);
    world.authz.down.store(false, Ordering::SeqCst);
    world.config.timeouts.take_over = Duration::from_secs(20);
    let old = world.replace().await;
    assert!(old.run_until_stopped(Duration::from_secs(20)).await, "a clean end");
    assert_eq!(world.get("alice", "/", &[]).await.status(), 200);
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_no_obstacle() {
    let (mut world, _app) = open_world().await;
    for _ in 0..2 {
        assert!(world.stop().await);
        assert!(world.handover_socket().exists());
        assert!(TcpStream::connect(world.router).await.is_err(), "a stop closes the port");
        world.replace().await;
        assert_eq!(world.get("alice", "/", &[]).await.status(), 200);
    }
}

#[tokio::test]
async fn only_sockets_with_the_configured_addresses_are_taken() {
    let (mut world, _app) = open_world().await;
    let before = world.router;
    // Another loopback address: nobody else listens at its port.
    world.router = std::net::SocketAddr::from(([127, 0, 2, 1], before.port()));
    world.config.listen = world.router;
    let old = world.replace().await;
    assert!(old.run_until_stopped(Duration::from_secs(20)).await, "a clean end");
    assert_eq!(world.get("alice", "/", &[]).await.status(), 200);
    assert!(world.metrics().await.contains("router_routes 1"));
    assert!(TcpStream::connect(before).await.is_err(), "nobody serves the address that is not configured");
}
