//! What is under way when its session is revoked ends within two seconds, whatever it is, and nothing else does.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use control_api::authz::Revoked;
use control_api::ids::SessionId;
use futures_util::StreamExt as _;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};

use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;

use crate::fake_authz::Person;
use crate::instances::{Instance, LONG};
use crate::websocket::{connect, echo_server, is_closed_soon};
use crate::world::{World, eventually};

const SOON: Duration = Duration::from_secs(2);

async fn open_world() -> (World, Instance) {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    (world, app)
}

/// Another session of alice's, and its cookie.
fn session(world: &World) -> (SessionId, String) {
    let person = Person { sid: SessionId::generate(), ..world.alice };
    (person.sid, format!("beaver_app={}", world.authz.app_token(person, world.instance)))
}

/// A WebSocket of a new session, as soon as one is let in.
async fn open_socket(world: &World) -> WebSocketStream<TcpStream> {
    let (opened, origin) = (Mutex::new(None), world.origin("alice"));
    eventually("a new session is let in", || async {
        let (_, cookie) = session(world);
        let socket = connect(world, &[("cookie", &cookie), ("origin", &origin)]).await.ok();
        let is_open = socket.is_some();
        *opened.lock().unwrap() = socket;
        is_open
    })
    .await;
    opened.into_inner().unwrap().expect("open")
}

#[tokio::test]
async fn a_long_download_breaks_off() {
    let (world, _app) = open_world().await;
    for path in ["/long", "/endless"] {
        let (sid, cookie) = session(&world);
        let answer = world.get("alice", path, &[("cookie", &cookie)]).await;
        assert_eq!(answer.content_length(), (path == "/long").then_some(LONG));
        let mut pieces = answer.bytes_stream();
        assert!(matches!(pieces.next().await, Some(Ok(_))), "it began");
        world.authz.revoke(Revoked::Session(sid));
        let to_the_end = async {
            loop {
                match pieces.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => break true,
                    None => break false,
                }
            }
        };
        let broke_off = tokio::time::timeout(SOON, to_the_end).await.expect("within two seconds");
        assert!(broke_off, "{path} looked whole");
    }
}

#[tokio::test]
async fn a_long_upload_is_not_taken_any_further() {
    let (world, app) = open_world().await;
    let (sid, cookie) = session(&world);
    let (sender, pieces) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(pieces));
    let request = world.request(Method::POST, "alice", "/upload").header("cookie", &cookie);
    let upload = tokio::spawn(request.body(body).send());
    sender.send(Ok(Bytes::from_static(b"part"))).await.expect("sent");
    eventually("the instance has it", || async { app.state.uploaded.load(Ordering::SeqCst) == 4 }).await;
    world.authz.revoke(Revoked::Session(sid));
    let answer = tokio::time::timeout(SOON, upload).await.expect("within two seconds").expect("no panic");
    // The router answers before all is sent and closes: a client may see the one or the other.
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 401));
    let _ = sender.send(Ok(Bytes::from_static(b"more"))).await;
    eventually("nobody takes more", || async { sender.is_closed() }).await;
    assert_eq!(app.state.uploaded.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_not_shown() {
    let (world, app) = open_world().await;
    let ((sid, cookie), (witness, witness_cookie)) = (session(&world), session(&world));
    assert_eq!(world.get("alice", "/", &[("cookie", &witness_cookie)]).await.status(), 200);
    let request = world.request(Method::GET, "alice", "/slow").header("cookie", &cookie);
    let slow = tokio::spawn(request.send());
    eventually("it is under way", || async { app.state.slow_began.load(Ordering::SeqCst) }).await;
    world.authz.revoke(Revoked::Session(sid));
    world.authz.revoke(Revoked::Session(witness));
    eventually("the news", || async {
        world.get("alice", "/", &[("cookie", &witness_cookie)]).await.status() == 401
    })
    .await;
    app.state.go.notify_waiters();
    let answer = slow.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status(), 401);
    assert!(!answer.text().await.expect("text").contains("slow answer"));
}

/// Two hosts of alice's: at the first an instance that talks over `WebSockets`, at the second one that streams.
async fn two_places(world: &World) -> Instance {
    let (socket_address, _) = echo_server().await;
    world.put_route(&world.alice_route(socket_address)).await;
    let app = Instance::start("app").await;
    let mut route = world.alice_route(app.address);
    route["slug"] = "second".into();
    world.put_route(&route).await;
    app
}

#[tokio::test]
async fn a_revocation_of_the_user_or_the_instance_ends_streams_and_websockets() {
    let world = World::start().await;
    let app = two_places(&world).await;
    for revoked in [Revoked::User(world.alice.user), Revoked::Instance(world.instance)] {
        // Whoever signs in a second after a revocation is not concerned by it.
        let mut socket = open_socket(&world).await;
        let (_, cookie) = session(&world);
        let mut events = world.get("second", "/sse", &[("cookie", &cookie)]).await.bytes_stream();
        eventually("it listens", || async { app.state.chunks.receiver_count() == 1 }).await;
        world.authz.revoke(revoked);
        let end = tokio::time::timeout(SOON, events.next()).await.expect("within two seconds");
        assert!(!matches!(end, Some(Ok(_))), "{revoked:?}");
        assert!(is_closed_soon(&mut socket).await, "{revoked:?}");
        eventually("the instance hears of it", || async { app.state.chunks.receiver_count() == 0 }).await;
    }
}

async fn http2(world: &World) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(world.router).await.expect("a connection");
    let io = TokioIo::new(stream);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

async fn begin(
    sender: &mut SendRequest<Empty<Bytes>>,
    world: &World,
    path: &str,
    cookie: &str,
) -> http::Response<Incoming> {
    let request = Request::get(format!("http://{}{path}", world.host("alice"))).header("cookie", cookie);
    sender.send_request(request.body(Empty::new()).expect("a request")).await.expect("an answer")
}

#[tokio::test]
async fn over_http_2_one_stream_ends_and_the_others_of_the_connection_go_on() {
    let (world, app) = open_world().await;
    let ((sid, revoked), (_, kept)) = (session(&world), session(&world));
    let mut sender = http2(&world).await;
    let mut one = begin(&mut sender, &world, "/sse", &revoked).await.into_body();
    let mut other = begin(&mut sender, &world, "/sse", &kept).await.into_body();
    eventually("both listen", || async { app.state.chunks.receiver_count() == 2 }).await;
    world.authz.revoke(Revoked::Session(sid));
    let end = tokio::time::timeout(SOON, one.frame()).await.expect("within two seconds");
    assert!(matches!(end, Some(Err(_))), "reset, not ended as if it were whole");
    app.state.chunks.send("still here").expect("a listener");
    let frame = tokio::time::timeout(SOON, other.frame()).await.expect("in time");
    let data = frame.expect("a frame").expect("whole").into_data().expect("data");
    assert_eq!(data, "still here");
    let refused = begin(&mut sender, &world, "/", &revoked).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(begin(&mut sender, &world, "/", &kept).await.status(), 200, "the connection serves on");
}

#[tokio::test]
async fn without_news_for_too_long_what_is_open_ends_too() {
    let world = World::start_with(|config| {
        config.timeouts.stale_news = Duration::from_secs(2);
        config.timeouts.news_wait = Duration::ZERO;
    })
    .await;
    let app = two_places(&world).await;
    let mut socket = open_socket(&world).await;
    let cookie = world.alice_cookie();
    let mut events = world.get("second", "/sse", &[("cookie", &cookie)]).await.bytes_stream();
    eventually("it listens", || async { app.state.chunks.receiver_count() == 1 }).await;
    world.authz.down.store(true, Ordering::SeqCst);
    let end = tokio::time::timeout(Duration::from_secs(10), events.next()).await.expect("it ends");
    assert!(!matches!(end, Some(Ok(_))));
    assert!(is_closed_soon(&mut socket).await);
}

#[tokio::test]
async fn a_token_that_was_believed_is_believed_as_a_whole() {
    let (world, app) = open_world().await;
    let (_, cookie) = session(&world);
    assert_eq!(world.get("alice", "/", &[("cookie", &cookie)]).await.status(), 200);
    let served = app.requests();
    let token = cookie.split_once('=').expect("a pair").1;
    for at in [token.len() / 4, token.len() / 2, token.len() - 5] {
        let mut other = token.to_owned();
        let letter = if &token[at..=at] == "A" { "B" } else { "A" };
        other.replace_range(at..=at, letter);
        let answer = world.get("alice", "/", &[("cookie", &format!("beaver_app={other}"))]).await;
        assert_eq!(answer.status(), 401, "at {at}");
    }
    assert_eq!(app.requests(), served);
}
