//! HTTP/2 by prior knowledge, as an outer proxy speaks it: the same checks as for HTTP/1, streams in both directions,
//! many at once, and none that holds up or outlives another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use tokio_stream::wrappers::ReceiverStream;

use crate::h2c::{H2Body, Outcome, PROTOCOL_ERROR, STATUS_200, STATUS_400, STATUS_404, ask_raw, connect};
use crate::instances::Instance;
use crate::raw::Recorder;
use crate::world::{Echo, World, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const PIECE: usize = 64 * 1024;

async fn open(address: std::net::SocketAddrV4) -> World {
    let world = World::start().await;
    let mut route = world.alice_route(address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    world
}

fn empty() -> H2Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Authority, path and more headers, and the line that the instance gets.
type Clear<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

fn request(world: &World, method: Method, target: &str, body: H2Body) -> Request<H2Body> {
    let uri = format!("http://{}{target}", world.host("alice"));
    Request::builder().method(method).uri(uri).body(body).expect("a request")
}

#[tokio::test]
async fn what_http_2_forbids_or_leaves_open_never_reaches_the_instance() {
    let recorder = Recorder::start(OK).await;
    let world = open(recorder.address).await;
    let answered = Outcome::Answered;
    // An answer with a status that is in no table begins with the index of `:status`.
    let other_status = answered(0x48);
    let reset = Outcome::Reset(PROTOCOL_ERROR);
    let (method, scheme, path) = ((":method", "GET"), (":scheme", "http"), (":path", "/"));
    let authority = (":authority", "alice.localhost");
    let with = |more: &[(&'static str, &'static str)]| [&[method, scheme, path, authority], more].concat();
    let cases: Vec<(Vec<(&str, &str)>, Outcome)> = vec![
        (with(&[("connection", "close")]), reset),
        (with(&[("connection", "x-a"), ("x-a", "1")]), reset),
        (with(&[("transfer-encoding", "chunked")]), reset),
        (with(&[("upgrade", "websocket")]), reset),
        (with(&[("keep-alive", "timeout=5")]), reset),
        (with(&[("proxy-connection", "close")]), reset),
        (with(&[("te", "gzip")]), reset),
        (with(&[("X-Upper", "1")]), reset),
        (with(&[("x a", "1")]), reset),
        (with(&[("x-a", "1\r\nx-b: 2")]), reset),
        (with(&[("x-a", "1\nx-b: 2")]), reset),
        (with(&[("x-a", "1\0")]), reset),
        (with(&[("content-length", "5")]), reset),
        (with(&[("content-length", "0"), ("content-length", "5")]), reset),
        (with(&[(":path", "/again")]), reset),
        (with(&[("host", "alice.localhost"), (":path", "/late")]), reset),
        (vec![method, scheme, path], answered(STATUS_400)),
        (vec![method, scheme, (":path", ""), authority], reset),
        (vec![method, scheme, (":path", "foo"), authority], reset),
        (vec![method, scheme, (":path", "/a b"), authority], reset),
        (vec![method, scheme, (":path", "/a\r\nb"), authority], reset),
        (vec![method, scheme, (":path", "*"), authority], answered(STATUS_400)),
        (vec![method, path, authority], reset),
        (vec![method, (":scheme", "ftp"), path, authority], answered(STATUS_400)),
        (vec![(":method", "G T"), scheme, path, authority], reset),
        (vec![(":method", "TRACE"), scheme, path, authority], other_status),
        (vec![(":method", "CONNECT"), authority], other_status),
        (with(&[("host", "bob.localhost")]), answered(STATUS_400)),
        (with(&[("host", "alice.localhost"), ("host", "alice.localhost")]), answered(STATUS_400)),
        (with(&[("authorization", "Basic a"), ("authorization", "Basic b")]), answered(STATUS_400)),
        (with(&[("expect", "x")]), other_status),
        (vec![method, scheme, path, (":authority", "")], reset),
        (vec![method, scheme, path, (":authority", "me@alice.localhost")], answered(STATUS_400)),
        (vec![method, scheme, path, (":authority", "alice.localhost:0")], answered(STATUS_400)),
        (vec![method, scheme, path, (":authority", "alice.localhost:99999")], answered(STATUS_400)),
        (vec![method, scheme, path, (":authority", "alice.localhost,bob.localhost")], answered(STATUS_400)),
        (vec![method, scheme, path, (":authority", "nobody.localhost")], answered(STATUS_404)),
        (vec![method, scheme, path, (":authority", "localhost")], answered(STATUS_404)),
    ];
    for (fields, wanted) in cases {
        assert_eq!(ask_raw(&world, &fields).await, wanted, "{fields:?}");
    }
    assert_eq!(recorder.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_clear_is_one_clean_request_of_http_1() {
    let recorder = Recorder::start(OK).await;
    let world = open(recorder.address).await;
    let (method, scheme) = ((":method", "GET"), (":scheme", "http"));
    let cases: [Clear<'_>; 5] = [
        ("alice.localhost", "/a?b", &[], "GET /a?b HTTP/1.1"),
        ("ALICE.localhost.", "/", &[("host", "alice.localhost")], "GET / HTTP/1.1"),
        ("alice.localhost", "/", &[("x_under", "1"), ("x-beaver-user-id", "root")], "GET / HTTP/1.1"),
        (
            "alice.localhost",
            "/",
            &[("x-forwarded-for", "6.6.6.6"), ("http2-settings", "x")],
            "GET / HTTP/1.1",
        ),
        // The codec cuts it off before anybody looks: what was checked is what is sent on.
        ("alice.localhost", "/a#/.beaver/logout", &[], "GET /a HTTP/1.1"),
    ];
    for (authority, path, more, line) in cases {
        let fields = [&[method, scheme, (":path", path), (":authority", authority)], more].concat();
        assert_eq!(ask_raw(&world, &fields).await, Outcome::Answered(STATUS_200), "{fields:?}");
        let seen = recorder.requests().pop().expect("a request");
        let mut lines: Vec<_> = seen.trim_end().split("\r\n").collect();
        assert_eq!(lines.remove(0), line);
        lines.retain(|line| !line.starts_with("x-request-id: ") && !line.starts_with("x-forwarded-port: "));
        lines.sort_unstable();
        let wanted = [
            "host: alice.localhost",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: alice.localhost",
            "x-forwarded-proto: http",
        ];
        assert_eq!(lines, wanted, "{fields:?}");
    }
}

#[tokio::test]
async fn a_hundred_streams_at_once_are_not_mixed_up() {
    let app = Instance::start("app").await;
    let world = open(app.address).await;
    let sender = connect(&world).await;
    let asks = (0..100).map(|number| {
        let mut sender = sender.clone();
        let body = http_body_util::Full::from(format!("body {number}")).map_err(|never| match never {});
        let request = request(&world, Method::POST, &format!("/{number}"), body.boxed_unsync());
        async move {
            let answer = sender.send_request(request).await.expect("an answer");
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            let echo = Echo(serde_json::from_slice(&body).expect("json"));
            assert_eq!(echo.0["target"], format!("/{number}"));
            assert_eq!(echo.0["body"], format!("body {number}"));
        }
    });
    futures_util::future::join_all(asks).await;
}

#[tokio::test]
async fn bodies_are_streamed_up_and_down_piece_by_piece() {
    let app = Instance::start("app").await;
    let world = open(app.address).await;
    let mut sender = connect(&world).await;
    let (pieces, receiver) = tokio::sync::mpsc::channel(1);
    let body = StreamBody::new(ReceiverStream::new(receiver)).boxed_unsync();
    let answer = tokio::spawn(sender.send_request(request(&world, Method::POST, "/upload", body)));
    for round in 1..=3 {
        pieces.send(Ok(Frame::data(Bytes::from_static(b"four")))).await.expect("sent");
        // The next is sent only after this one has come.
        eventually("the piece", || async { app.state.uploaded.load(Ordering::SeqCst) == round * 4 }).await;
    }
    drop(pieces);
    let answer = answer.await.expect("no panic").expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "12");
    for path in ["/stream", "/sse"] {
        let answer =
            sender.send_request(request(&world, Method::GET, path, empty())).await.expect("an answer");
        let mut body = answer.into_body().into_data_stream();
        for text in ["data: one\n\n", "data: two\n\n"] {
            eventually("somebody listens", || async { app.state.chunks.receiver_count() == 1 }).await;
            app.state.chunks.send(text).expect("a listener");
            let got = tokio::time::timeout(Duration::from_secs(5), body.next()).await.expect("in time");
            assert_eq!(got.expect("a piece").expect("whole"), text);
        }
        // A stream that the client resets is over for the instance too; the connection goes on.
        drop(body);
        eventually("nobody listens", || async {
            let _ = app.state.chunks.send("x");
            app.state.chunks.receiver_count() == 0
        })
        .await;
    }
    let answer = sender.send_request(request(&world, Method::GET, "/after", empty())).await;
    assert_eq!(answer.expect("an answer").status(), 200);
}

/// Waits until a count does not change any more.
async fn standstill(count: impl Fn() -> usize) -> usize {
    let last = Mutex::new(usize::MAX);
    eventually("it stands still", || async {
        let now = count();
        let before = std::mem::replace(&mut *last.lock().unwrap(), now);
        tokio::time::sleep(Duration::from_millis(100)).await;
        now > 0 && now == before && now == count()
    })
    .await;
    count()
}

#[tokio::test]
async fn who_does_not_read_stops_his_own_stream_and_no_other() {
    let app = Instance::start("app").await;
    let world = open(app.address).await;
    let mut sender = connect(&world).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let piece = Bytes::from(vec![7_u8; PIECE]);
    let endless = futures_util::stream::repeat_with(move || {
        counter.fetch_add(PIECE, Ordering::SeqCst);
        Ok(Frame::data(piece.clone()))
    });
    let body = StreamBody::new(endless).boxed_unsync();
    let upload = tokio::spawn(sender.send_request(request(&world, Method::POST, "/slow", body)));
    eventually("the upload began", || async { app.state.slow_began.load(Ordering::SeqCst) }).await;
    let taken = standstill(|| sent.load(Ordering::SeqCst)).await;
    assert!(taken < 32 * 1024 * 1024, "{taken} bytes were taken while the instance did not read");

    let mut other = connect(&world).await;
    let unread =
        other.send_request(request(&world, Method::GET, "/endless", empty())).await.expect("an answer");
    let made =
        standstill(|| usize::try_from(app.state.produced.load(Ordering::SeqCst)).expect("a size")).await;
    assert!(made < 32 * 1024 * 1024, "{made} bytes were made while the client did not read");
    for sender in [&mut sender, &mut other] {
        let answer = sender.send_request(request(&world, Method::GET, "/beside", empty())).await;
        assert_eq!(answer.expect("an answer").status(), 200, "on the same connection");
    }
    drop(unread);
    app.state.go.notify_waiters();
    upload.abort();
}
