//! Connections on both sides: reuse, retries, and the times that a client has.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::instances::{Instance, listen};
use crate::raw::{statuses, talk};
use crate::world::{World, eventually};

/// An instance that answers the first request of each connection and hangs up on the second.
async fn fickle() -> (std::net::SocketAddrV4, Arc<Mutex<Vec<String>>>) {
    let (listener, address) = listen().await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let lines = Arc::clone(&lines);
            tokio::spawn(async move {
                let mut buffer = [0_u8; 4096];
                for is_first in [true, false] {
                    let Ok(n) = stream.read(&mut buffer).await else { return };
                    let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    let Some(line) = text.lines().next() else { return };
                    lines.lock().unwrap().push(line.to_owned());
                    if is_first {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                    }
                }
            });
        }
    });
    (address, seen)
}

async fn open(world: &World, address: std::net::SocketAddrV4) {
    let mut route = world.alice_route(address);
    route["access"] = json!("public");
    world.put_route(&route).await;
}

#[tokio::test]
async fn only_what_may_be_done_twice_is_tried_again() {
    let world = World::start().await;
    let (address, seen) = fickle().await;
    open(&world, address).await;
    assert_eq!(world.get("alice", "/one", &[]).await.status(), 200);
    // On the connection of the first: the instance hangs up, and a new connection answers.
    assert_eq!(world.get("alice", "/two", &[]).await.status(), 200);
    assert_eq!(*seen.lock().unwrap(), ["GET /one HTTP/1.1", "GET /two HTTP/1.1", "GET /two HTTP/1.1"]);
    seen.lock().unwrap().clear();
    let post = world.request(Method::POST, "alice", "/pay").body("amount=1").send().await.expect("an answer");
    assert_eq!(post.status(), 502, "it may have been done");
    assert_eq!(*seen.lock().unwrap(), ["POST /pay HTTP/1.1"], "once");
}

/// Answers the first request of a connection and breaks off within the answer to the second; counts requests.
async fn breaks_off() -> (std::net::SocketAddrV4, Arc<AtomicUsize>) {
    let (listener, address) = listen().await;
    let count = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let mut buffer = [0_u8; 4096];
                for answer in
                    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-"]
                {
                    if !matches!(stream.read(&mut buffer).await, Ok(n) if n > 0) {
                        return;
                    }
                    requests.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (address, count)
}

#[tokio::test]
async fn what_was_answered_in_part_is_not_asked_again() {
    let world = World::start().await;
    let (address, requests) = breaks_off().await;
    open(&world, address).await;
    // The first on the fast path, the second on hyper's side.
    for more in ["", "TE: trailers\r\n"] {
        requests.store(0, Ordering::SeqCst);
        let mut stream = TcpStream::connect(world.router).await.expect("a connection");
        let mut answers = Vec::new();
        for end in ["ok", "}"] {
            let request = format!("GET / HTTP/1.1\r\nHost: alice.localhost\r\n{more}\r\n");
            stream.write_all(request.as_bytes()).await.expect("sent");
            while !answers.ends_with(end.as_bytes()) {
                assert!(stream.read_buf(&mut answers).await.expect("an answer") > 0, "it stays open");
            }
        }
        assert_eq!(statuses(&String::from_utf8_lossy(&answers)), [200, 502], "{more}");
        assert_eq!(requests.load(Ordering::SeqCst), 2, "{more}");
    }
}

#[tokio::test]
async fn an_answer_before_the_whole_request_costs_the_connection() {
    let world = World::start().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let (listener, address) = listen().await;
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut buffer = [0_u8; 8192];
                while matches!(stream.read(&mut buffer).await, Ok(n) if n > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await;
                }
            });
        }
    });
    open(&world, address).await;
    let head = "POST / HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 1000000\r\n\r\nbegin";
    assert_eq!(statuses(&talk(world.router, head.as_bytes()).await), [413]);
    assert_eq!(world.get("alice", "/", &[]).await.status(), 413);
    assert_eq!(connections.load(Ordering::SeqCst), 2, "the first one was not used again");
}

#[tokio::test]
async fn an_idle_client_is_let_go_and_a_waiting_one_is_not() {
    let world = World::start_with(|config| config.timeouts.keep_alive = Duration::from_millis(150)).await;
    let app = Instance::start("app").await;
    open(&world, app.address).await;
    let mut stream = TcpStream::connect(world.router).await.expect("a connection");
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: alice.localhost\r\n\r\n").await.expect("sent");
    eventually("under way", || async { app.state.slow_began.load(Ordering::SeqCst) }).await;
    // Several times the limit for idle connections: this one waits for its answer.
    tokio::time::sleep(Duration::from_millis(600)).await;
    app.state.go.notify_waiters();
    let mut answer = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    end.expect("the connection is closed after a while without a request").expect("in good order");
    assert!(String::from_utf8_lossy(&answer).ends_with("slow answer"));
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_on_both_sides() {
    let world = World::start_with(|config| config.timeouts.body_idle = Duration::from_millis(200)).await;
    let (listener, address) = listen().await;
    let gone = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&gone);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut buffer = [0_u8; 4096];
                while matches!(stream.read(&mut buffer).await, Ok(n) if n > 0) {}
                seen.store(true, Ordering::SeqCst);
            });
        }
    });
    open(&world, address).await;
    let upload = |length: usize| {
        format!("POST / HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: {length}\r\n\r\nab")
    };
    // A small body is sent on as a whole or not at all.
    assert_eq!(statuses(&talk(world.router, upload(10).as_bytes()).await), [408]);
    assert!(!gone.load(Ordering::SeqCst), "the instance heard of it");
    let answer = talk(world.router, upload(100_000).as_bytes()).await;
    assert!(!statuses(&answer).contains(&200), "{answer}");
    eventually("the instance's connection is closed", || async { gone.load(Ordering::SeqCst) }).await;
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    open(&world, app.address).await;
    let mut stream = TcpStream::connect(world.router).await.expect("a connection");
    let head = "POST /x HTTP/1.1\r\nHost: alice.localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\
                Connection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut buffer = [0_u8; 64];
    let n = stream.read(&mut buffer).await.expect("an answer");
    assert!(buffer[..n].starts_with(b"HTTP/1.1 100 "), "{:?}", String::from_utf8_lossy(&buffer[..n]));
    stream.write_all(b"hi").await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert_eq!(statuses(&answer), [200]);
    assert!(answer.contains("\"body\":\"hi\"") && !answer.contains("expect"));
}

#[tokio::test]
async fn when_the_client_goes_the_instance_hears_of_it() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    open(&world, app.address).await;
    let stream = world.get("alice", "/stream", &[]).await;
    eventually("somebody listens", || async { app.state.chunks.receiver_count() == 1 }).await;
    drop(stream);
    eventually("nobody listens", || async {
        let _ = app.state.chunks.send("x");
        app.state.chunks.receiver_count() == 0
    })
    .await;
}
