//! TLS at the router's own listener: which certificate is shown to whom, what happens when its files change, and that
//! everything that holds for plain connections holds here too.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use router_proxy::config::{Config, TlsConfig};
use rustls::AlertDescription;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::instances::Instance;
use crate::raw::statuses;
use crate::tls_client::{Issued, alert, ask, connect, connector, shake_hands, shown};
use crate::websocket::echo_server;
use crate::world::{World, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n\r\n";

/// A router with these certificates.
async fn world_with(certificates: &[(&str, &Issued)], adjust: impl FnOnce(&mut Config)) -> (World, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, issued) in certificates {
        issued.put(folder.path(), name);
    }
    let dir = folder.path().to_owned();
    let world = World::start_with(move |config| {
        config.tls = Some(TlsConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), dir });
        adjust(config);
    });
    (world.await, folder)
}

/// The same with alice's app, open to everybody.
async fn open_world(issued: &Issued, adjust: impl FnOnce(&mut Config)) -> (World, Instance, TempDir) {
    let (world, folder) = world_with(&[("alice", issued)], adjust).await;
    let app = Instance::start("app").await;
    let mut route = world.alice_route(app.address);
    route["access"] = json!("public");
    world.write_route("alice", &route.to_string());
    eventually("the route is known", || async { world.metrics().await.contains("router_routes 1") }).await;
    (world, app, folder)
}

fn tls(world: &World) -> SocketAddr {
    world.tls.expect("TLS is on")
}

#[tokio::test]
async fn the_certificate_is_that_of_the_name_and_without_one_there_is_no_connection() {
    let (exact, wild) =
        (Issued::new(&["alice.localhost"]), Issued::new(&["*.apps.example.com", "other.example"]));
    let (world, _folder) = world_with(&[("a", &exact), ("b", &wild)], |_| ()).await;
    let connector = connector(&[&exact, &wild], &[]);
    for (name, expected) in
        [("alice.localhost", &exact), ("bob.apps.example.com", &wild), ("other.example", &wild)]
    {
        let stream = connect(tls(&world), name, &connector).await.expect("a connection");
        assert!(shown(&stream) == expected.der, "{name}");
    }
    for (name, expected) in [
        ("a.bob.apps.example.com", AlertDescription::UnrecognisedName),
        ("apps.example.com", AlertDescription::UnrecognisedName),
        ("127.0.0.1", AlertDescription::MissingExtension),
    ] {
        let error = connect(tls(&world), name, &connector).await.expect_err(name);
        assert_eq!(alert(&error), Some(expected), "{name}: {error}");
    }
    let metrics = world.metrics().await;
    for line in [
        "router_tls_handshakes_total{outcome=\"ok\"} 3",
        "router_tls_handshakes_total{outcome=\"unknown-name\"} 2",
        "router_tls_handshakes_total{outcome=\"no-name\"} 1",
        "router_tls_certificates 2",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_taken_at_once_and_a_bad_one_never() {
    let (first, second) = (Issued::new(&["alice.localhost"]), Issued::new(&["alice.localhost"]));
    let (world, _app, folder) = open_world(&first, |_| ()).await;
    let connector = connector(&[&first, &second], &[]);
    let mut before = connect(tls(&world), "alice.localhost", &connector).await.expect("a connection");
    assert_eq!(world.health().await["checks"]["tls"]["state"], "ok");
    second.put(folder.path(), "alice");
    eventually("the new one is shown", || async {
        let stream = connect(tls(&world), "alice.localhost", &connector).await.expect("a connection");
        shown(&stream) == second.der
    })
    .await;
    let answer = ask(&mut before, GET).await;
    assert_eq!(statuses(&answer), [200], "a connection that is open goes on");

    let (other, expired) = (Issued::new(&["alice.localhost"]), Issued::until(&["alice.localhost"], 2021));
    let mixed = Issued { chain: other.chain.clone(), key: first.key.clone(), der: other.der.clone() };
    let broken = Issued { chain: "nonsense".to_owned(), key: other.key.clone(), der: other.der.clone() };
    for (bad, reason) in [(mixed, "does not belong"), (broken, "no certificate"), (expired, "has expired")] {
        bad.put(folder.path(), "alice");
        eventually(reason, || async {
            let check = world.health().await["checks"]["tls"].clone();
            let told = check["reason"].as_str().unwrap_or_default().to_owned();
            assert!(!told.contains("PRIVATE"), "{told}");
            check["state"] == "warning" && told.contains(reason) && told.contains("alice.crt")
        })
        .await;
        let stream = connect(tls(&world), "alice.localhost", &connector).await.expect("a connection");
        assert!(shown(&stream) == second.der, "{reason}: the last good one stays");
    }
    assert!(!world.metrics().await.contains("certificate_faults_total 0"));
    first.put(folder.path(), "alice");
    eventually("all is well again", || async { world.health().await["checks"]["tls"]["state"] == "ok" })
        .await;
}

#[tokio::test]
async fn a_host_that_the_certificate_does_not_have_is_misdirected() {
    let issued = Issued::new(&["alice.localhost", "bob.localhost"]);
    let (world, app, _folder) = open_world(&issued, |_| ()).await;
    let connector = connector(&[&issued], &["http/1.1"]);
    for (host, status) in [
        ("alice.localhost", 200),
        ("ALICE.localhost.:8443", 200),
        ("bob.localhost", 404),
        ("carol.localhost", 421),
        ("127.0.0.1", 421),
        ("localhost", 421),
    ] {
        let mut stream = connect(tls(&world), "alice.localhost", &connector).await.expect("a connection");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = ask(&mut stream, &request).await;
        assert_eq!(statuses(&answer), [status], "{host}: {answer}");
        assert_eq!(answer.contains("urn:beaver:misdirected"), status == 421, "{answer}");
    }
    assert_eq!(app.requests(), 2);
}

#[tokio::test]
async fn http_2_is_agreed_on_and_a_host_of_another_certificate_is_misdirected() {
    let (issued, other) = (Issued::new(&["alice.localhost"]), Issued::new(&["bob.localhost"]));
    let (world, app, folder) = open_world(&issued, |_| ()).await;
    other.put(folder.path(), "bob");
    let connector = connector(&[&issued], &["h2", "http/1.1"]);
    let stream = connect(tls(&world), "alice.localhost", &connector).await.expect("a connection");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let port = tls(&world).port();
    for (host, status) in [("alice.localhost", 200), ("bob.localhost", 421), ("alice.localhost", 200)] {
        let request = Request::get(format!("https://{host}:{port}/x")).body(Empty::<bytes::Bytes>::new());
        let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::from_u16(status).expect("a status"), "{host}");
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).expect("json");
        let headers = body["headers"].to_string();
        if status == 200 {
            assert!(headers.contains("[\"x-forwarded-proto\",\"https\"]"), "{headers}");
            assert!(headers.contains(&format!("[\"x-forwarded-port\",\"{port}\"]")), "{headers}");
        } else {
            assert_eq!(body["type"], "urn:beaver:misdirected");
        }
    }
    assert_eq!(app.requests(), 2);
    drop(sender);
    connection.await.expect("no panic").expect("closed in good order");
}

#[tokio::test]
async fn a_websocket_over_tls_names_an_https_origin() {
    let issued = Issued::new(&["alice.localhost"]);
    let (world, _folder) = world_with(&[("alice", &issued)], |_| ()).await;
    let (address, heads) = echo_server().await;
    world.put_route(&world.alice_route(address)).await;
    let (connector, cookie) = (connector(&[&issued], &[]), world.alice_cookie());
    let host = format!("alice.localhost:{}", tls(&world).port());
    let open = async |origin: String| {
        let mut request = format!("wss://{host}/socket").into_client_request().expect("a request");
        request.headers_mut().insert("cookie", cookie.parse().expect("a value"));
        request.headers_mut().insert("origin", origin.parse().expect("a value"));
        let stream = connect(tls(&world), "alice.localhost", &connector).await.expect("a connection");
        client_async(request, stream).await
    };
    assert!(open(format!("http://{host}")).await.is_err(), "the scheme is part of an origin");
    assert!(open("https://bob.localhost".to_owned()).await.is_err());
    let (mut socket, _) = open(format!("https://{host}")).await.expect("open");
    for size in [1, 1000, 200_000] {
        let text = "x".repeat(size);
        socket.send(Message::text(text.clone())).await.expect("sent");
        assert_eq!(socket.next().await.expect("a message").expect("whole").into_text().expect("text"), text);
    }
    assert_eq!(heads.lock().unwrap()[0]["x-forwarded-proto"], "https");
    socket.close(None).await.expect("closed");
}

#[tokio::test]
async fn a_handshake_has_its_time_and_no_more() {
    let issued = Issued::new(&["alice.localhost"]);
    let (world, _folder) = world_with(&[("alice", &issued)], |config| {
        config.timeouts.tls_handshake = Duration::from_millis(200);
    })
    .await;
    // Nothing; the beginning of a record; something else altogether.
    for (bytes, outcome) in
        [(&b""[..], "too-slow"), (b"\x16\x03\x01\x02\0", "too-slow"), (b"GET / ", "failed")]
    {
        let mut stream = TcpStream::connect(tls(&world)).await.expect("a connection");
        stream.write_all(bytes).await.expect("sent");
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        let _ = end.expect("closed");
        assert!(!String::from_utf8_lossy(&rest).contains("HTTP"));
        let line = format!("router_tls_handshakes_total{{outcome=\"{outcome}\"}}");
        eventually("it is counted", || async { world.metrics().await.contains(&line) }).await;
    }
}

#[tokio::test]
async fn the_proxy_protocol_comes_before_the_handshake() {
    let issued = Issued::new(&["alice.localhost"]);
    let (world, _app, _folder) = open_world(&issued, |config| {
        config.trusted = "127.0.0.1".parse().expect("an address");
        config.proxy_protocol = true;
        config.timeouts.head = Duration::from_secs(2);
    })
    .await;
    let connector = connector(&[&issued], &[]);
    let mut stream = TcpStream::connect(tls(&world)).await.expect("a connection");
    stream.write_all(b"PROXY TCP4 203.0.113.7 127.0.0.1 8080 443\r\n").await.expect("sent");
    let mut stream = shake_hands(stream, "alice.localhost", &connector).await.expect("a connection");
    let answer = ask(&mut stream, GET).await;
    assert!(answer.contains("[\"x-forwarded-for\",\"203.0.113.7\"]"), "{answer}");
    assert!(connect(tls(&world), "alice.localhost", &connector).await.is_err(), "none without it");
}

#[tokio::test]
async fn the_guard_and_the_drain_are_the_same_as_without_tls() {
    let issued = Issued::new(&["alice.localhost"]);
    let (world, app, _folder) = open_world(&issued, |_| ()).await;
    let connector = connector(&[&issued], &["http/1.1"]);
    let open = async || connect(tls(&world), "alice.localhost", &connector).await.expect("a connection");
    let twice =
        "POST / HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(statuses(&ask(&mut open().await, twice).await), [400]);
    assert_eq!(app.requests(), 0);

    let (mut busy, mut idle) = (open().await, open().await);
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: alice.localhost\r\n\r\n").await.expect("sent");
    eventually("under way", || async { app.state.slow_began.load(Ordering::SeqCst) }).await;
    let mut beginning = [0; 12];
    idle.write_all(b"GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n").await.expect("sent");
    idle.read_exact(&mut beginning).await.expect("an answer");
    assert_eq!(&beginning, b"HTTP/1.1 200");
    world.ask_to_stop();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.expect("closed in good order");
    app.state.go.notify_waiters();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.expect("closed in good order");
    assert!(answer.ends_with("slow answer"), "{answer}");
    assert!(world.stop().await);
}
