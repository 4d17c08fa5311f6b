//! Requests that two parsers could read differently: the status that the client gets, and exactly what the
//! instance saw.

use serde_json::json;

use crate::raw::{Recorder, statuses, talk};
use crate::world::World;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn open() -> (World, Recorder) {
    let (world, recorder) = (World::start().await, Recorder::start(OK).await);
    let mut route = world.alice_route(recorder.address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    (world, recorder)
}

const HOST: &str = "Host: alice.localhost";

#[tokio::test]
async fn what_is_ambiguous_is_refused_and_never_reaches_the_instance() {
    let (world, recorder) = open().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: alice.localhost\r\n\r\n";
    let cases: Vec<(String, u16)> = vec![
        (
            format!(
                "POST / HTTP/1.1\r\n{HOST}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
            ),
            400,
        ),
        (
            format!(
                "POST / HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"
            ),
            400,
        ),
        (
            format!(
                "POST / HTTP/1.1\r\n{HOST}\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab{smuggled}"
            ),
            400,
        ),
        (
            format!(
                "POST / HTTP/1.1\r\n{HOST}\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nab{smuggled}"
            ),
            400,
        ),
        (format!("POST / HTTP/1.1\r\n{HOST}\r\nContent-Length: +2\r\n\r\nab{smuggled}"), 400),
        (
            format!(
                "POST / HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{smuggled}"
            ),
            400,
        ),
        (format!("POST / HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"), 400),
        (format!("POST / HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"), 400),
        (
            format!(
                "POST / HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{smuggled}"
            ),
            400,
        ),
        (format!("POST / HTTP/1.0\r\n{HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"), 400),
        (format!("GET / HTTP/1.1\n{HOST}\n\n{smuggled}"), 400),
        (format!("GET / HTTP/1.1\r\n{HOST}\r\nX: a\r\n b\r\n\r\n{smuggled}"), 400),
        (format!("GET / HTTP/1.1\r\n{HOST}\r\nX: a\rY: b\r\n\r\n{smuggled}"), 400),
        (format!("GET / HTTP/1.1\r\n{HOST}\r\nX: a\0b\r\n\r\n{smuggled}"), 400),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        (format!("GET / HTTP/1.1\r\n{HOST}\r\n{HOST}\r\n\r\n"), 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: me@alice.localhost\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: alice.localhost, bob.localhost\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: alice.localhost:99999\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: alice.localhost/x\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: alice localhost\r\n\r\n".into(), 400),
        (format!("GET http://bob.localhost/ HTTP/1.1\r\n{HOST}\r\n\r\n"), 400),
        (format!("GET alice.localhost:80 HTTP/1.1\r\n{HOST}\r\n\r\n"), 400),
        (format!("GET foo HTTP/1.1\r\n{HOST}\r\n\r\n"), 400),
        (format!("GET * HTTP/1.1\r\n{HOST}\r\n\r\n"), 400),
        (format!("GET /a#b HTTP/1.1\r\n{HOST}\r\n\r\n"), 400),
        (format!("\r\nPRI * HTTP/2.0\r\n\r\n{smuggled}"), 400),
        (format!("{} / HTTP/1.1\r\n{HOST}\r\n\r\n", "G".repeat(9_000)), 414),
        (format!("GET / HTTP/3.0\r\n{HOST}\r\n\r\n"), 400),
        (format!("GET  / HTTP/1.1\r\n{HOST}\r\n\r\n"), 400),
        (format!("CONNECT alice.localhost:80 HTTP/1.1\r\n{HOST}\r\n\r\n"), 405),
        (format!("TRACE / HTTP/1.1\r\n{HOST}\r\n\r\n"), 405),
        (format!("POST / HTTP/1.1\r\n{HOST}\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\na"), 417),
        (format!("GET /{} HTTP/1.1\r\n{HOST}\r\n\r\n", "x".repeat(9_000)), 414),
        (format!("GET /{}", "x".repeat(20_000)), 414),
        (format!("GET / HTTP/1.1\r\n{HOST}\r\nX: {}\r\n\r\n", "x".repeat(40_000)), 431),
        (format!("GET / HTTP/1.1\r\n{HOST}\r\n{}\r\n", "X: y\r\n".repeat(101)), 431),
    ];
    for (bytes, status) in cases {
        let answer = talk(world.router, bytes.as_bytes()).await;
        let shown = &bytes[..bytes.len().min(120)];
        assert_eq!(statuses(&answer).first(), Some(&status), "{shown:?} gave {answer:?}");
        assert!(!statuses(&answer).contains(&200), "{shown:?} gave {answer:?}");
        assert!(answer.contains("x-request-id: "), "{shown:?} gave {answer:?}");
    }
    assert_eq!(recorder.requests(), Vec::<String>::new(), "the instance saw nothing of it");
}

#[tokio::test]
async fn what_is_clear_reaches_the_instance_as_one_clean_request() {
    let (world, recorder) = open().await;
    let pipelined = format!(
        "POST /one HTTP/1.1\r\n{HOST}\r\nContent-Length: 3\r\n\r\nabc\
         POST /two HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n\
         GET /three HTTP/1.1\r\n{HOST}\r\nConnection: close\r\n\r\n"
    );
    let answer = talk(world.router, pipelined.as_bytes()).await;
    assert_eq!(statuses(&answer), [200, 200, 200]);
    let seen = recorder.requests();
    let lines: Vec<_> = seen.iter().map(|r| r.split("\r\n").next().expect("a line")).collect();
    assert_eq!(lines, ["POST /one HTTP/1.1", "POST /two HTTP/1.1", "GET /three HTTP/1.1"]);
    assert!(seen[0].ends_with("\r\n\r\nabc") && seen[0].contains("content-length: 3"));
    assert!(seen[1].contains("transfer-encoding: chunked") && seen[1].ends_with("3\r\nxyz\r\n0\r\n\r\n"));
    for request in &seen {
        assert_eq!(request.matches("\r\nhost: ").count(), 1, "{request}");
        assert!(request.contains("host: alice.localhost\r\n"), "{request}");
    }
}

#[tokio::test]
async fn a_fault_in_the_second_request_leaves_the_first_alone() {
    let (world, recorder) = open().await;
    let bytes = format!("GET /good HTTP/1.1\r\n{HOST}\r\n\r\nGET /bad HTTP/1.1\n{HOST}\n\n");
    let answer = talk(world.router, bytes.as_bytes()).await;
    assert_eq!(statuses(&answer), [200, 400]);
    assert_eq!(recorder.requests().len(), 1);
}

#[tokio::test]
async fn hop_by_hop_tricks_change_nothing_that_matters() {
    let (world, recorder) = open().await;
    let bytes = format!(
        "GET http://ALICE.localhost/path HTTP/1.1\r\n{HOST}\r\n\
         Connection: keep-alive, X-Secret, Host, X-Forwarded-For, Upgrade\r\n\
         X-Secret: 1\r\nX_Under: 1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nTE: gzip\r\n\
         Trailer: X-Beaver-User-Id\r\nX-Forwarded-For: 6.6.6.6\r\nX-Kept: 1\r\n\r\n"
    );
    let answer = talk(world.router, bytes.as_bytes()).await;
    assert_eq!(statuses(&answer), [200]);
    let seen = recorder.requests().remove(0);
    let mut lines: Vec<_> =
        seen.trim_end().split("\r\n").skip(1).filter_map(|l| l.split_once(": ")).map(|(n, _)| n).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-proto",
            "x-kept",
            "x-request-id"
        ]
    );
    assert!(seen.starts_with("GET /path HTTP/1.1\r\n"));
    assert!(seen.contains("x-forwarded-for: 127.0.0.1\r\n"));
}

#[tokio::test]
async fn request_trailers_do_not_become_headers() {
    let (world, recorder) = open().await;
    let bytes = format!(
        "POST / HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Beaver-User-Id\r\nConnection: close\r\n\r\n\
         2\r\nab\r\n0\r\nX-Beaver-User-Id: root\r\n\r\n"
    );
    assert_eq!(statuses(&talk(world.router, bytes.as_bytes()).await), [200]);
    assert!(!recorder.requests()[0].to_ascii_lowercase().contains("x-beaver"));
}

#[tokio::test]
async fn a_body_in_chunks_is_kept_whatever_the_method() {
    let (world, recorder) = open().await;
    for method in ["GET", "HEAD", "DELETE"] {
        let bytes = format!(
            "{method} / HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
             3\r\nabc\r\n0\r\n\r\n"
        );
        assert_eq!(statuses(&talk(world.router, bytes.as_bytes()).await), [200], "{method}");
        let seen = recorder.requests().pop().expect("a request");
        assert!(seen.starts_with(method) && seen.ends_with("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "{seen}");
        assert_eq!(seen.matches("transfer-encoding: chunked\r\n").count(), 1, "{seen}");
    }
}

#[tokio::test]
async fn a_trailer_that_is_no_header_ends_the_connection() {
    let (world, recorder) = open().await;
    for trailer in ["GET /smuggled HTTP/1.1", "X : a", " folded"] {
        let bytes = format!(
            "POST / HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n{trailer}\r\n\r\n\
             GET /smuggled HTTP/1.1\r\n{HOST}\r\n\r\n"
        );
        let answer = talk(world.router, bytes.as_bytes()).await;
        assert!(!statuses(&answer).contains(&200), "{answer}");
        assert!(recorder.requests().iter().all(|r| r.starts_with("UNFINISHED")), "{trailer:?}");
    }
}

#[tokio::test]
async fn a_broken_chunk_ends_the_connection_and_is_no_request() {
    let (world, recorder) = open().await;
    let bytes = format!(
        "POST / HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXXGET /smuggled HTTP/1.1\r\n{HOST}\r\n\r\n"
    );
    let answer = talk(world.router, bytes.as_bytes()).await;
    assert!(!statuses(&answer).contains(&200), "{answer}");
    assert!(recorder.requests().iter().all(|r| !r.contains("smuggled") || r.starts_with("UNFINISHED")));
    assert!(!recorder.requests().iter().any(|r| r.starts_with("GET /smuggled")));
}

#[tokio::test]
async fn bytes_after_an_answer_never_answer_the_next_request() {
    let world = World::start().await;
    let evil = Recorder::start(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    )
    .await;
    let mut route = world.alice_route(evil.address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    for _ in 0..20 {
        let answer = world.get("alice", "/", &[]).await;
        assert_eq!(answer.text().await.expect("text"), "ok");
    }
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for_is_an_error() {
    let world = World::start().await;
    let evil = Recorder::start(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
    .await;
    let mut route = world.alice_route(evil.address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    assert_eq!(world.get("alice", "/", &[]).await.status(), 502);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_given_up() {
    let world =
        World::start_with(|config| config.timeouts.head = std::time::Duration::from_millis(200)).await;
    let answer = talk(world.router, b"GET / HTTP/1.1\r\nHost: alice.loc").await;
    assert_eq!(statuses(&answer), [408]);
    assert_eq!(talk(world.router, b"").await, "", "a connection that says nothing is closed");
}
