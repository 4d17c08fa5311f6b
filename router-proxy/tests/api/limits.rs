//! Every time and count that the router keeps, with shortened times: what a client or an instance that is over it gets,
//! and that one within it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use router_proxy::limits::{MAX_IN_FLIGHT, MAX_QUEUED, Timeouts};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::instances::{Instance, listen};
use crate::raw::{read_until, statuses, talk_until};
use crate::world::{World, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n";
const SHORT: Duration = Duration::from_millis(300);
/// For what must stay within a limit: steps that are much shorter, and of which ten are longer.
const LIMIT: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(150);
const PATIENCE: Duration = Duration::from_secs(10);

async fn open(address: std::net::SocketAddrV4, adjust: impl FnOnce(&mut Timeouts)) -> World {
    let world = World::start_with(|config| adjust(&mut config.timeouts)).await;
    let mut route = world.alice_route(address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    world
}

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.router).await.expect("a connection")
}

async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _ = end.expect("the router closes it");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An instance that gives the same bytes for every read and then stays silent, and how often it was connected to.
async fn says(answer: &'static str) -> (std::net::SocketAddrV4, Arc<AtomicUsize>) {
    let (listener, address) = listen().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                while matches!(stream.read(&mut [0; 16 * 1024]).await, Ok(n) if n > 0) {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (address, connections)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn the_defaults_are_those_of_the_page() {
    let times = Timeouts::default();
    let seconds = |time: Duration| time.as_secs();
    assert_eq!((seconds(times.head), seconds(times.body_idle), seconds(times.connect)), (10, 60, 3));
    assert_eq!((seconds(times.first_byte), seconds(times.stream_idle)), (60, 3600));
    assert_eq!((seconds(times.keep_alive), seconds(times.upstream_idle)), (75, 15));
    assert_eq!((seconds(times.hold), seconds(times.waiting_page)), (30, 2));
    assert_eq!((MAX_IN_FLIGHT, MAX_QUEUED), (256, 64));
    assert_eq!(router_proxy::limits::DRAIN.as_secs(), 30);
}

#[tokio::test]
async fn a_head_has_its_time_however_many_bytes_of_it_come() {
    let (address, _) = says(OK).await;
    let world = open(address, |times| times.head = SHORT).await;
    let mut stream = connect(&world).await;
    let (mut read, mut write) = stream.split();
    let drip = async {
        write.write_all(b"GET / HTTP/1.1\r\nHost: alice.localhost\r\nX: ").await?;
        loop {
            write.write_all(b"x").await?;
            tokio::time::sleep(SHORT / 10).await;
        }
        #[expect(unreachable_code, reason = "says what the block gives")]
        Ok::<(), std::io::Error>(())
    };
    let mut answer = [0; 12];
    tokio::select! {
        got = tokio::time::timeout(PATIENCE, read.read_exact(&mut answer)) => drop(got.expect("in time").expect("an answer")),
        gone = drip => panic!("no answer: {gone:?}"),
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert_eq!(rest(connect(&world).await).await, "", "who says nothing gets nothing");
}

#[tokio::test]
async fn a_body_has_its_time_between_two_pieces_and_not_in_all() {
    let app = Instance::start("app").await;
    let world = open(app.address, |times| times.body_idle = LIMIT).await;
    let mut stream = connect(&world).await;
    let head =
        "POST /upload HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 10\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let began = Instant::now();
    for byte in b"abcdefghij" {
        stream.write_all(&[*byte]).await.expect("sent");
        tokio::time::sleep(STEP).await;
    }
    assert!(began.elapsed() > LIMIT);
    assert!(rest(stream).await.ends_with("\r\n\r\n10"));
    let mut stalled = connect(&world).await;
    stalled.write_all(head.as_bytes()).await.expect("sent");
    stalled.write_all(b"abc").await.expect("sent");
    assert_eq!(statuses(&rest(stalled).await), [408]);
}

#[tokio::test]
async fn the_first_byte_has_its_time_from_the_end_of_the_body() {
    let (address, _) = says("").await;
    let world = open(address, |times| times.first_byte = LIMIT).await;
    let mut stream = connect(&world).await;
    let head = "POST / HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 10\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let began = Instant::now();
    for byte in b"abcdefghij" {
        stream.write_all(&[*byte]).await.expect("sent");
        tokio::time::sleep(STEP).await;
    }
    assert_eq!(statuses(&rest(stream).await), [504]);
    assert!(began.elapsed() > LIMIT + STEP * 9, "a long upload is no late answer");
}

#[tokio::test]
async fn an_answer_that_stalls_is_broken_off_and_one_without_an_end_is_not() {
    let (address, _) = says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    let world = open(address, |times| times.answer_idle = SHORT).await;
    let mut stream = connect(&world).await;
    stream.write_all(GET.as_bytes()).await.expect("sent");
    assert!(rest(stream).await.ends_with("\r\n\r\nhalf"));

    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (address, _) = says(chunked).await;
    let world = open(address, |times| (times.answer_idle, times.stream_idle) = (SHORT / 10, SHORT * 3)).await;
    let mut stream = connect(&world).await;
    stream.write_all(GET.as_bytes()).await.expect("sent");
    let began = Instant::now();
    assert_eq!(statuses(&rest(stream).await), [200]);
    assert!(began.elapsed() >= SHORT * 3, "a stream has the longer time");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_let_go() {
    let app = Instance::start("app").await;
    let world = open(app.address, |times| times.body_idle = SHORT).await;
    let mut stream = connect(&world).await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: alice.localhost\r\n\r\n").await.expect("sent");
    eventually("the instance stops", || async {
        let before = app.state.produced.load(Ordering::SeqCst);
        tokio::time::sleep(SHORT / 3).await;
        before > 0 && before == app.state.produced.load(Ordering::SeqCst)
    })
    .await;
    // What is in the sockets comes still; then the connection is gone, in the middle of the answer.
    let mut buffer = vec![0; 64 * 1024];
    let end = tokio::time::timeout(PATIENCE, async {
        tokio::time::sleep(SHORT * 2).await;
        loop {
            match stream.read(&mut buffer).await {
                Ok(n) if n > 0 => {}
                end => return end,
            }
        }
    });
    assert!(matches!(end.await.expect("in time"), Ok(0) | Err(_)));
}

/// One request on a connection that stays open, and its answer.
async fn ask(stream: &mut TcpStream) {
    stream.write_all(GET.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok") {
        assert!(stream.read_buf(&mut answer).await.expect("an answer") > 0, "it stays open");
    }
}

#[tokio::test]
async fn an_idle_connection_to_an_instance_is_used_again_only_for_a_while() {
    let (address, connections) = says(OK).await;
    let world = open(address, |times| times.upstream_idle = LIMIT).await;
    // One client, so one thread of the router: each has connections of its own.
    let mut stream = connect(&world).await;
    ask(&mut stream).await;
    ask(&mut stream).await;
    let before = connections.load(Ordering::SeqCst);
    tokio::time::sleep(LIMIT + SHORT).await;
    ask(&mut stream).await;
    assert_eq!((before, connections.load(Ordering::SeqCst)), (1, 2));
}

/// An instance that answers as often as it is allowed to.
struct Slow {
    address: std::net::SocketAddrV4,
    /// Allows answers.
    go: Arc<tokio::sync::Semaphore>,
    /// Requests that came.
    arrived: Arc<AtomicUsize>,
}

async fn slow() -> Slow {
    let (listener, address) = listen().await;
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let arrived = Arc::new(AtomicUsize::new(0));
    let (gate, count) = (Arc::clone(&go), Arc::clone(&arrived));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (gate, count) = (Arc::clone(&gate), Arc::clone(&count));
            tokio::spawn(async move {
                while matches!(stream.read(&mut [0; 4096]).await, Ok(n) if n > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.expect("open").forget();
                    let _ = stream.write_all(OK.as_bytes()).await;
                }
            });
        }
    });
    Slow { address, go, arrived }
}

/// Connections whose requests take every place of the instance.
async fn take_all_places(world: &World, slow: &Slow) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..MAX_IN_FLIGHT {
        let mut stream = connect(world).await;
        stream.write_all(GET.as_bytes()).await.expect("sent");
        streams.push(stream);
    }
    eventually("all places are taken", || async { slow.arrived.load(Ordering::SeqCst) == MAX_IN_FLIGHT })
        .await;
    streams
}

#[tokio::test]
async fn a_place_for_each_of_so_many_then_a_queue_then_no_more() {
    let slow = slow().await;
    let world = open(slow.address, |_| ()).await;
    let streams = take_all_places(&world, &slow).await;
    let Slow { go, arrived, .. } = slow;
    // So many wait, and of some more each is told at once to come back.
    let over = 8;
    let mut waiting = Vec::new();
    for _ in 0..MAX_QUEUED + over {
        let mut stream = connect(&world).await;
        stream.write_all(GET.as_bytes()).await.expect("sent");
        waiting.push(stream);
    }
    let (answered, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for mut stream in waiting {
        let (answered, refused) = (Arc::clone(&answered), Arc::clone(&refused));
        tokio::spawn(async move {
            let mut answer = vec![0; 4096];
            let n = stream.read(&mut answer).await.expect("an answer");
            let text = String::from_utf8_lossy(&answer[..n]).into_owned();
            match statuses(&text)[..] {
                [200] => answered.fetch_add(1, Ordering::SeqCst),
                [503] if text.contains("\r\nretry-after: ") => refused.fetch_add(1, Ordering::SeqCst),
                _ => panic!("{text}"),
            };
        });
    }
    eventually("who is over is told so", || async { refused.load(Ordering::SeqCst) == over }).await;
    assert_eq!((answered.load(Ordering::SeqCst), arrived.load(Ordering::SeqCst)), (0, MAX_IN_FLIGHT));
    go.add_permits(MAX_IN_FLIGHT + MAX_QUEUED);
    eventually("who waited is served", || async { answered.load(Ordering::SeqCst) == MAX_QUEUED }).await;
    for mut stream in streams {
        assert_eq!(statuses(&read_until(&mut stream, "ok").await), [200]);
    }
}

#[tokio::test]
async fn who_waits_for_a_place_is_served_where_the_instance_is_now() {
    let (slow, app) = (slow().await, Instance::start("new").await);
    let world = open(slow.address, |_| ()).await;
    let _streams = take_all_places(&world, &slow).await;
    // What may not be said twice. One that is told to come back says that all others wait.
    let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..=MAX_QUEUED {
        let mut stream = connect(&world).await;
        let answers = answers.clone();
        tokio::spawn(async move {
            let post = "POST /echo HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
            stream.write_all(post.as_bytes()).await.expect("sent");
            let _ = answers.send(rest(stream).await);
        });
    }
    let full = answered.recv().await.expect("an answer");
    assert_eq!(statuses(&full), [503], "{full}");
    let mut route = world.alice_route(app.address);
    (route["access"], route["generation"]) = (json!("public"), json!(2));
    world.put_route(&route).await;
    for _ in 0..MAX_QUEUED {
        let answer = answered.recv().await.expect("an answer");
        assert!(statuses(&answer) == [200] && answer.contains(r#""instance":"new""#), "{answer}");
    }
    assert_eq!(slow.arrived.load(Ordering::SeqCst), MAX_IN_FLIGHT, "the old one heard of none");
}

#[tokio::test]
async fn an_answer_before_the_body_reaches_the_client_and_its_connections_end() {
    let (listener, address) = listen().await;
    let world = open(address, |_| ()).await;
    let closed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&closed);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await;
        while matches!(stream.read(&mut [0; 4096]).await, Ok(n) if n > 0) {}
        seen.store(true, Ordering::SeqCst);
        let _ = listener.accept().await;
    });
    // The instance answers on the head alone: the client has not sent a byte of the body.
    let head =
        "POST / HTTP/1.1\r\nHost: alice.localhost\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n";
    let answer = talk_until(world.router, head.as_bytes(), "no").await;
    let last: Vec<_> = statuses(&answer).into_iter().filter(|status| *status >= 200).collect();
    assert_eq!(last, [413], "{answer}");
    eventually("the instance's connection is closed", || async { closed.load(Ordering::SeqCst) }).await;
}

/// The error codes of all GOAWAY frames up to the end (RFC 9113, section 6.8), from a client that answers to pings.
async fn goodbyes(mut stream: TcpStream) -> Vec<u8> {
    let (mut codes, mut head) = (Vec::new(), [0; 9]);
    while stream.read_exact(&mut head).await.is_ok() {
        let mut payload = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
        stream.read_exact(&mut payload).await.expect("a whole frame");
        match (head[3], head[4]) {
            (6, 0) => {
                head[4] = 1;
                stream.write_all(&[&head[..], &payload].concat()).await.expect("sent");
            }
            (7, _) => codes.push(payload[7]),
            _ => {}
        }
    }
    codes
}

#[tokio::test]
async fn a_stop_tells_clients_of_both_protocols_to_go() {
    let app = Instance::start("app").await;
    let world = open(app.address, |_| ()).await;
    let mut idle = connect(&world).await;
    idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sent");
    // The router's own settings: it has seen the preface.
    let mut head = [0; 9];
    idle.read_exact(&mut head).await.expect("a frame");
    idle.read_exact(&mut vec![0; usize::from(head[2])]).await.expect("a whole frame");
    let mut busy = connect(&world).await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: alice.localhost\r\n\r\n").await.expect("sent");
    eventually("under way", || async { app.state.slow_began.load(Ordering::SeqCst) }).await;
    world.ask_to_stop();
    let goodbyes = tokio::time::timeout(PATIENCE, goodbyes(idle)).await.expect("in time");
    assert!(!goodbyes.is_empty() && goodbyes.iter().all(|code| *code == 0), "no error: {goodbyes:?}");
    app.state.go.notify_waiters();
    let answer = rest(busy).await;
    assert!(answer.ends_with("slow answer") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(world.stop().await);
}

#[tokio::test]
async fn a_route_may_take_its_time_for_the_first_byte() {
    let app = Instance::start("app").await;
    let world = open(app.address, |times| times.first_byte = SHORT).await;
    let mut route = world.alice_route(app.address);
    route["access"] = json!("public");
    route["first_byte"] = json!("off");
    world.write_route("alice", &route.to_string());
    let ask = b"GET /slow HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n\r\n";
    // Until the router has read the file, the limit holds.
    let stream = loop {
        let mut stream = connect(&world).await;
        stream.write_all(ask).await.expect("sent");
        let mut answer = [0; 12];
        if tokio::time::timeout(SHORT * 4, stream.read_exact(&mut answer)).await.is_err() {
            break stream;
        }
        assert_eq!(&answer, b"HTTP/1.1 504");
    };
    app.state.go.notify_waiters();
    assert!(rest(stream).await.ends_with("slow answer"));
}
