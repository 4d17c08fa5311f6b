//! The table of what the router makes of a request, row by row, with raw sockets on both sides: the status where it is
//! refused and that the instance saw nothing of it; where it is not, all that the instance got.

use serde_json::json;

use crate::corpus::{HOST, Refused, bad_framing, bad_hosts, bad_targets, get, post, the_rest, unknown_hosts};
use crate::raw::{Recorder, statuses, talk, talk_until};
use crate::world::{World, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// What the router says to the instance of a request for `alice.localhost` from 127.0.0.1.
const OURS: [&str; 6] = [
    "host: alice.localhost",
    "x-forwarded-for: 127.0.0.1",
    "x-forwarded-host: alice.localhost",
    "x-forwarded-port: PORT",
    "x-forwarded-proto: http",
    "x-request-id: ID",
];

async fn open() -> (World, Recorder) {
    let (world, recorder) = (World::start().await, Recorder::start(OK).await);
    let mut route = world.alice_route(recorder.address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    (world, recorder)
}

/// A request in a form that can be compared: the header lines sorted, their names in lower case, and what differs from
/// run to run masked.
fn comparable(request: &str, port: u16) -> String {
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.split("\r\n");
    let first = lines.next().expect("a line");
    let port = format!("x-forwarded-port: {port}");
    let mut headers: Vec<_> = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").expect("a header");
            let line = format!("{}: {value}", name.to_ascii_lowercase());
            match line.as_str() {
                l if l.starts_with("x-request-id: ") => "x-request-id: ID".to_owned(),
                l if l == port => "x-forwarded-port: PORT".to_owned(),
                _ => line,
            }
        })
        .collect();
    headers.sort();
    format!("{first}\n{}\n\n{body}", headers.join("\n"))
}

/// `OURS`, less the lines that `more` has in another form, and `more`.
fn wanted(line: &str, more: &[&str], body: &str) -> String {
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let mut headers: Vec<_> =
        OURS.into_iter().filter(|ours| !more.iter().any(|m| name(m) == name(ours))).collect();
    headers.extend(more);
    headers.sort_unstable();
    format!("{line}\n{}\n\n{body}", headers.join("\n"))
}

/// Sends one request and gives what the instance got of it.
async fn passed(world: &World, recorder: &Recorder, request: &str) -> String {
    let before = recorder.requests().len();
    let answer = talk_until(world.router, request.as_bytes(), "ok").await;
    assert_eq!(statuses(&answer), [200], "{request:?} gave {answer:?}");
    let seen = recorder.requests();
    assert_eq!(seen.len(), before + 1, "{request:?} gave {:?}", &seen[before..]);
    comparable(&seen[before], world.router.port())
}

/// Sends each on a connection of its own, all at once, and checks the first status.
async fn all_refused(world: &World, cases: &[Refused], behind: &str) {
    let talks = cases.iter().map(|case| async {
        let answer = talk(world.router, &[&case.bytes[..], behind.as_bytes()].concat()).await;
        let shown = case.bytes[..case.bytes.len().min(120)].escape_ascii();
        assert_eq!(statuses(&answer), [case.status], "{shown} gave {answer:?}");
        assert!(answer.contains("\r\nx-request-id: "), "{shown} gave {answer:?}");
    });
    futures_util::future::join_all(talks).await;
}

#[tokio::test]
async fn what_is_refused_has_its_status_and_never_reaches_the_instance() {
    let (world, recorder) = open().await;
    for cases in [bad_hosts(), bad_targets(), bad_framing(), the_rest(), unknown_hosts()] {
        all_refused(&world, &cases, "").await;
    }
    assert_eq!(recorder.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn what_stands_behind_a_doubtful_end_is_no_request() {
    let (world, recorder) = open().await;
    all_refused(&world, &bad_framing(), &format!("GET /smuggled HTTP/1.1\r\n{HOST}\r\n")).await;
    assert_eq!(recorder.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn spellings_of_the_host_and_the_target_are_normalised() {
    let (world, recorder) = open().await;
    let host = |text: &str| get("/", &format!("Host: {text}\r\n"));
    let with_port = |text: &'static str| {
        let line = |name: &str| format!("{name}: {text}");
        let port = text.rsplit(':').next().unwrap_or_default();
        (line("host"), line("x-forwarded-host"), format!("x-forwarded-port: {port}"))
    };
    let same = wanted("GET / HTTP/1.1", &[], "");
    for text in ["alice.localhost", "ALICE.LocalHost", "alice.localhost.", "alice.localhost:"] {
        assert_eq!(passed(&world, &recorder, &host(text)).await, same, "{text}");
    }
    for (text, port) in
        [("alice.localhost:80", "alice.localhost:80"), ("Alice.localhost.:9999", "alice.localhost:9999")]
    {
        let (h, f, p) = with_port(port);
        let wanted = wanted("GET / HTTP/1.1", &[&h, &f, &p], "");
        assert_eq!(passed(&world, &recorder, &host(text)).await, wanted, "{text}");
    }
    let own = world.router.port();
    let right = passed(&world, &recorder, &host(&format!("alice.localhost:{own}"))).await;
    let (h, f) = (format!("host: alice.localhost:{own}"), format!("x-forwarded-host: alice.localhost:{own}"));
    assert_eq!(right, wanted("GET / HTTP/1.1", &[&h, &f], ""));

    for (target, line) in [
        ("http://alice.localhost/a?b", "GET /a?b HTTP/1.1"),
        ("http://ALICE.localhost./a?b", "GET /a?b HTTP/1.1"),
        ("HTTP://alice.localhost", "GET / HTTP/1.1"),
        ("https://alice.localhost:443/", "GET / HTTP/1.1"),
        ("/a//b/../c/%2e%2E/%00;x?y=/../|[z]", "GET /a//b/../c/%2e%2E/%00;x?y=/../|[z] HTTP/1.1"),
        ("//bob.localhost/", "GET //bob.localhost/ HTTP/1.1"),
    ] {
        assert_eq!(passed(&world, &recorder, &get(target, HOST)).await, wanted(line, &[], ""), "{target}");
    }
    let whole_server = format!("OPTIONS * HTTP/1.1\r\n{HOST}\r\n");
    assert_eq!(passed(&world, &recorder, &whole_server).await, wanted("OPTIONS * HTTP/1.1", &[], ""));
    let old = format!("GET / HTTP/1.0\r\n{HOST}\r\n");
    assert_eq!(passed(&world, &recorder, &old).await, same, "the instance is always spoken to in HTTP/1.1");
}

#[tokio::test]
async fn headers_between_two_hops_and_ours_are_made_anew() {
    let (world, recorder) = open().await;
    // What the client sends, and which of it the instance gets.
    let cases: &[(&str, &[&str])] = &[
        ("X-Kept: 1\r\nX-Kept: 2\r\n", &["x-kept: 1", "x-kept: 2"]),
        ("X_Under: 1\r\nx_forwarded_for: 6.6.6.6\r\nX-Beaver_User-Id: root\r\n", &[]),
        ("X-Beaver-User-Id: root\r\nX-BEAVER-Assertion: x\r\nX-Beaver-New: x\r\n", &[]),
        ("Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n", &[]),
        ("Connection: close\r\nConnection: x-a , X-B\r\nX-A: 1\r\nX-B: 1\r\nX-C: 1\r\n", &["x-c: 1"]),
        ("Connection: Host, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Request-Id\r\n", &[]),
        ("Connection: Authorization\r\nAuthorization: Basic eA==\r\n", &["authorization: Basic eA=="]),
        ("Connection: Cookie, Origin\r\nCookie: a=1\r\nOrigin: x\r\n", &["cookie: a=1", "origin: x"]),
        ("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n", &[]),
        ("Upgrade: TLS/1.0, foo/2\r\nConnection: upgrade\r\n", &[]),
        ("Upgrade: websocket, h2c\r\nConnection: upgrade\r\n", &[]),
        (
            "TE: gzip\r\nTrailer: X-Beaver-User-Id\r\nProxy-Connection: close\r\nProxy-Authorization: x\r\n",
            &[],
        ),
        (
            "Proxy: http://evil\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-Real-IP: 6.6.6.6\r\n",
            &[],
        ),
        ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: bob.localhost\r\n", &[]),
        (
            "X-Forwarded-Port: 1\r\nX-Forwarded-Server: x\r\nForwarded: for=6.6.6.6;host=bob.localhost\r\n",
            &[],
        ),
        ("Authorization: Bearer bvr_secret\r\n", &[]),
        ("Cookie: a=1; beaver_app=x\r\nCookie: b=2; __Host-beaver_tx=y\r\n", &["cookie: a=1; b=2"]),
    ];
    for (headers, kept) in cases {
        let request = get("/", &format!("{HOST}{headers}"));
        assert_eq!(
            passed(&world, &recorder, &request).await,
            wanted("GET / HTTP/1.1", kept, ""),
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn bodies_keep_their_framing() {
    let (world, recorder) = open().await;
    let chunked = &["transfer-encoding: chunked"];
    let line = "POST / HTTP/1.1";
    let cases: &[(&str, &str, &[&str], &str)] = &[
        ("Content-Length: 3\r\n", "abc", &["content-length: 3"], "abc"),
        ("Content-Length: 003\r\n", "abc", &["content-length: 003"], "abc"),
        ("Connection: Content-Length\r\nContent-Length: 3\r\n", "abc", &["content-length: 3"], "abc"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", chunked, "3\r\nabc\r\n0\r\n\r\n"),
        ("Transfer-Encoding: Chunked\r\n", "03;x=y\r\nabc\r\n00\r\n\r\n", chunked, "3\r\nabc\r\n0\r\n\r\n"),
        (
            "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
            chunked,
            "0\r\n\r\n",
        ),
    ];
    for (headers, body, kept, got) in cases {
        assert_eq!(
            passed(&world, &recorder, &post(headers, body)).await,
            wanted(line, kept, got),
            "{headers:?}"
        );
    }
    // The limits themselves are within.
    let target = format!("/{}", "x".repeat(8 * 1024 - 1));
    passed(&world, &recorder, &get(&target, HOST)).await;
    passed(&world, &recorder, &get("/", &format!("{HOST}X: {}\r\n", "x".repeat(32_000)))).await;
    passed(&world, &recorder, &get("/", &format!("{HOST}{}", "X: y\r\n".repeat(99)))).await;
}

#[tokio::test]
async fn trusted_peers_are_believed_and_routing_is_not_moved_by_them() {
    let world = World::start_with(|config| config.trusted = "127.0.0.1".parse().expect("an address")).await;
    let recorder = Recorder::start(OK).await;
    let mut route = world.alice_route(recorder.address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    let headers = "X-Forwarded-For: 198.51.100.1, nonsense, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\
                   X-Forwarded-Host: bob.localhost\r\nX-Forwarded-Port: 1\r\nForwarded: host=bob.localhost\r\n";
    let more = ["x-forwarded-for: 198.51.100.1, 203.0.113.7, 127.0.0.1", "x-forwarded-proto: https"];
    let got = passed(&world, &recorder, &get("/", &format!("{HOST}{headers}"))).await;
    assert_eq!(got, wanted("GET / HTTP/1.1", &more, ""));
}

#[tokio::test]
async fn who_is_not_ready_is_said_with_the_time_to_come_back() {
    let (world, recorder) = open().await;
    let mut route = world.alice_route(recorder.address);
    route["access"] = json!("public");
    route["state"] = json!("unknown");
    world.write_route("alice", &route.to_string());
    let request = get("/", HOST);
    eventually("the state", || async { statuses(&talk(world.router, request.as_bytes()).await) == [503] })
        .await;
    let before = recorder.requests().len();
    let answer = talk(world.router, request.as_bytes()).await;
    assert_eq!(statuses(&answer), [503]);
    assert!(answer.contains("\r\nretry-after: "), "{answer}");
    assert_eq!(recorder.requests().len(), before);
}

#[tokio::test]
async fn a_request_behind_a_refused_one_is_served_where_its_start_is_known() {
    let (world, recorder) = open().await;
    let next = format!("GET /next HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n");
    let first = get("/", "Host: nobody.localhost\r\n");
    assert_eq!(statuses(&talk(world.router, format!("{first}{next}").as_bytes()).await), [404, 200]);
    assert_eq!(recorder.requests().len(), 1);
}

#[tokio::test]
async fn a_body_that_is_no_body_is_the_clients_fault_and_no_request() {
    let (world, recorder) = open().await;
    let smuggled = get("/smuggled", HOST);
    for body in [
        "3\nabc\n0\n\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3;\n\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nX : y\r\n\r\n",
    ] {
        let request = post("Transfer-Encoding: chunked\r\n", &format!("{body}{smuggled}"));
        let answer = talk(world.router, request.as_bytes()).await;
        assert_eq!(statuses(&answer), [400], "{body:?} gave {answer:?}");
    }
    let whole = recorder.requests().into_iter().filter(|request| !request.starts_with("UNFINISHED"));
    assert_eq!(whole.collect::<Vec<_>>(), Vec::<String>::new());
    assert!(
        !world.metrics().await.contains("beaver_router_upstream_errors_total{"),
        "and not the instance's"
    );
}
