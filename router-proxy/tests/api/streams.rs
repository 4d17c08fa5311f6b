//! Bodies of any size and streams without an end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use control_api::authz::Revoked;
use futures_util::StreamExt as _;
use http::Method;

use crate::instances::Instance;
use crate::world::{World, eventually};

const HUNDRED_MB: usize = 1600 * 64 * 1024;

async fn open_world() -> (World, Instance, String) {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let cookie = world.alice_cookie();
    (world, app, cookie)
}

/// A body of the given size that counts the bytes which the client was asked for.
fn counted(size: usize) -> (reqwest::Body, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let piece = Bytes::from(vec![7_u8; 64 * 1024]);
    let counter = std::sync::Arc::clone(&sent);
    let stream = futures_util::stream::iter(0..size / piece.len()).map(move |_| {
        counter.fetch_add(piece.len(), Ordering::SeqCst);
        Ok::<_, std::io::Error>(piece.clone())
    });
    (reqwest::Body::wrap_stream(stream), sent)
}

#[tokio::test]
async fn a_hundred_megabytes_go_up_and_down_whole() {
    let (world, app, cookie) = open_world().await;
    let (body, _) = counted(HUNDRED_MB);
    let request = world.request(Method::POST, "alice", "/upload").header("cookie", &cookie).body(body);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.text().await.expect("text"), HUNDRED_MB.to_string());
    assert_eq!(app.state.uploaded.load(Ordering::SeqCst), HUNDRED_MB as u64);
    let mut pieces = world.get("alice", "/download", &[("cookie", &cookie)]).await.bytes_stream();
    let mut total = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.expect("a piece");
        assert!(piece.iter().all(|b| *b == 7));
        total += piece.len();
    }
    assert_eq!(total, HUNDRED_MB);
}

/// Constant memory, counted: an instance that does not read stops the client after what the buffers and the
/// kernel's sockets hold, whatever the size of the upload.
#[tokio::test]
async fn an_instance_that_does_not_read_stops_the_upload() {
    let (world, app, cookie) = open_world().await;
    let (body, sent) = counted(10 * HUNDRED_MB);
    let request = world.request(Method::POST, "alice", "/slow").header("cookie", &cookie).body(body);
    let upload = tokio::spawn(request.send());
    eventually("the upload began", || async { app.state.slow_began.load(Ordering::SeqCst) }).await;
    let mut last = usize::MAX;
    eventually("the upload stands still", || {
        let now = sent.load(Ordering::SeqCst);
        let stands = now == std::mem::replace(&mut last, now);
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stands
        }
    })
    .await;
    assert!(last < HUNDRED_MB / 4, "{last} bytes were taken while nobody read");
    app.state.go.notify_waiters();
    upload.abort();
}

/// Waits until the instance is asked for no more; how much it was asked for.
async fn until_it_stands_still(app: &Instance) -> u64 {
    let mut last = u64::MAX;
    eventually("the download stands still", || {
        let now = app.state.produced.load(Ordering::SeqCst);
        let stands = now > 0 && now == std::mem::replace(&mut last, now);
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stands
        }
    })
    .await;
    last
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_download() {
    let (world, app, cookie) = open_world().await;
    let answer = world.get("alice", "/endless", &[("cookie", &cookie)]).await;
    let last = until_it_stands_still(&app).await;
    assert!(last < HUNDRED_MB as u64 / 4, "{last} bytes were made while nobody read");
    drop(answer);
}

#[tokio::test]
async fn events_arrive_one_by_one_as_they_are_sent() {
    let (world, app, cookie) = open_world().await;
    let mut events = world.get("alice", "/sse", &[("cookie", &cookie)]).await.bytes_stream();
    for text in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
        eventually("somebody listens", || async { app.state.chunks.receiver_count() > 0 }).await;
        app.state.chunks.send(text).expect("a listener");
        // The next is sent only after this one has come: a buffer would wait for ever.
        let got = tokio::time::timeout(Duration::from_secs(5), events.next()).await.expect("in time");
        assert_eq!(got.expect("a piece").expect("whole"), text);
    }
    drop(events);
    eventually("the instance hears that nobody listens", || async {
        let _ = app.state.chunks.send(": ping\n\n");
        app.state.chunks.receiver_count() == 0
    })
    .await;
}

#[tokio::test]
async fn a_revocation_ends_an_open_stream_within_two_seconds() {
    let (world, app, cookie) = open_world().await;
    for path in ["/stream", "/sse"] {
        let person =
            crate::fake_authz::Person { sid: control_api::ids::SessionId::generate(), ..world.alice };
        let cookie_of = format!("beaver_app={}", world.authz.app_token(person, world.instance));
        let mut pieces = world.get("alice", path, &[("cookie", &cookie_of)]).await.bytes_stream();
        let mut other = world.get("alice", path, &[("cookie", &cookie)]).await.bytes_stream();
        eventually("both listen", || async { app.state.chunks.receiver_count() == 2 }).await;
        world.authz.revoke(Revoked::Session(person.sid));
        let end =
            tokio::time::timeout(Duration::from_secs(2), pieces.next()).await.expect("within two seconds");
        assert!(!matches!(end, Some(Ok(_))), "{path} goes on");
        app.state.chunks.send("still here").expect("a listener");
        assert_eq!(other.next().await.expect("a piece").expect("whole"), "still here", "another session's");
        drop(other);
        eventually("all left", || async {
            let _ = app.state.chunks.send("x");
            app.state.chunks.receiver_count() == 0
        })
        .await;
    }
}

#[tokio::test]
async fn a_stop_lets_an_answer_finish_and_takes_no_new_connection() {
    let (world, app, cookie) = open_world().await;
    let request = world.request(Method::GET, "alice", "/slow").header("cookie", &cookie);
    let answer = tokio::spawn(request.send());
    eventually("the request is under way", || async { app.state.slow_began.load(Ordering::SeqCst) }).await;
    world.ask_to_stop();
    eventually("no new connection", || async { tokio::net::TcpStream::connect(world.router).await.is_err() })
        .await;
    app.state.go.notify_waiters();
    let answer = answer.await.expect("no panic").expect("an answer");
    assert_eq!(answer.text().await.expect("text"), "slow answer");
    assert!(world.stop().await, "a clean end");
}

#[tokio::test]
async fn a_stop_ends_event_streams_in_good_order() {
    let world = World::start_with(|config| config.timeouts.stream_drain = Duration::from_millis(50)).await;
    let app = Instance::start("app").await;
    world.put_route(&world.alice_route(app.address)).await;
    let cookie = world.alice_cookie();
    let mut events = world.get("alice", "/sse", &[("cookie", &cookie)]).await.bytes_stream();
    world.ask_to_stop();
    let end = tokio::time::timeout(Duration::from_secs(5), events.next()).await.expect("in time");
    assert!(end.is_none(), "ended, not broken off");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_stop_in_the_middle_of_an_event_ends_the_stream_after_it() {
    let world = World::start_with(|config| config.timeouts.stream_drain = Duration::from_millis(50)).await;
    let app = Instance::start("app").await;
    world.put_route(&world.alice_route(app.address)).await;
    let cookie = world.alice_cookie();
    // From now on the session is known, and the fast path serves it.
    assert_eq!(world.get("alice", "/", &[("cookie", &cookie)]).await.status(), 200);
    let mut flood = world.get("alice", "/flood", &[("cookie", &cookie)]).await.bytes_stream();
    until_it_stands_still(&app).await;
    // A stream that ends at once tells when the other was told to end.
    let mut quiet = world.get("alice", "/sse", &[("cookie", &cookie)]).await.bytes_stream();
    world.ask_to_stop();
    let end = tokio::time::timeout(Duration::from_secs(5), quiet.next()).await.expect("in time");
    assert!(end.is_none(), "ended, not broken off");
    let all = async {
        let mut length = 0;
        while let Some(part) = flood.next().await {
            length += part.expect("a chunk that is whole").len();
        }
        length
    };
    let length = tokio::time::timeout(Duration::from_secs(5), all).await.expect("an end");
    assert!(length > 0 && length as u64 <= app.state.produced.load(Ordering::SeqCst));
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_form_and_a_head_request_pass_as_they_are() {
    let (world, _app, cookie) = open_world().await;
    let request = world.request(Method::POST, "alice", "/form").header("cookie", &cookie);
    let echo = crate::world::Echo::of(request.body("a=1&b=2").send().await.expect("an answer")).await;
    assert_eq!(echo.0["body"], "a=1&b=2");
    assert_eq!(echo.header("content-length"), ["7"]);
    let head =
        world.request(Method::HEAD, "alice", "/x").header("cookie", &cookie).send().await.expect("an answer");
    assert_eq!(head.status(), 200);
    assert!(head.headers().contains_key("content-length"));
    let none = world.request(Method::DELETE, "alice", "/x").header("cookie", &cookie).send().await;
    assert_eq!(none.expect("an answer").status(), 200);
}
