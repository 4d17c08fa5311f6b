//! Answers of instances that mean no good or are out of the ordinary: exactly what of them a client gets, and what
//! becomes of the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt as _, Empty};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::h2c;
use crate::instances::listen;
use crate::raw::{Recorder, statuses, talk, talk_until};
use crate::world::World;

const GET: &str = "GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n";

async fn open(address: std::net::SocketAddrV4) -> World {
    let world = World::start().await;
    let mut route = world.alice_route(address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    world
}

/// An instance that gives one answer on each connection and then closes it; and how many connections there were.
async fn one_answer(answer: &'static str) -> (std::net::SocketAddrV4, Arc<AtomicUsize>) {
    let (listener, address) = listen().await;
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0_u8; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, count)
}

#[tokio::test]
async fn a_client_gets_the_answers_own_headers_and_nothing_between_two_hops() {
    let answer = "HTTP/1.1 201 Made\r\nConnection: X-Hop, Content-Type\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n\
        Proxy-Connection: close\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nAlt-Svc: h3=\":443\"\r\n\
        Clear-Site-Data: \"*\"\r\nTE: x\r\nTrailer: X-Hop\r\nX-Request-Id: forged\r\nSet-Cookie: a=1; Path=/\r\n\
        Set-Cookie: beaver_app=x\r\nSet-Cookie: __Secure-beaver_sid=x\r\nSet-Cookie: b=1; domain=.localhost\r\n\
        Set-Cookie: =c\r\nSet-Cookie: nameless\r\nContent-Type: text/plain\r\nDate: now\r\nServer: x\r\n\
        Content-Length: 2\r\n\r\nok";
    let recorder = Recorder::start(answer).await;
    let world = open(recorder.address).await;
    let got = talk_until(world.router, GET.as_bytes(), "ok").await;
    let (head, body) = got.split_once("\r\n\r\n").expect("a head");
    let mut lines: Vec<_> = head.split("\r\n").collect();
    let id = lines.iter().position(|line| line.starts_with("x-request-id: ")).expect("an id");
    assert_ne!(lines.remove(id), "x-request-id: forged");
    assert_eq!(lines.remove(0).get(..13), Some("HTTP/1.1 201 "));
    lines.sort_unstable();
    let wanted = [
        "content-length: 2",
        "content-type: text/plain",
        "date: now",
        "server: x",
        "set-cookie: a=1; Path=/",
    ];
    assert_eq!((lines, body), (wanted.to_vec(), "ok"));
}

#[tokio::test]
async fn news_before_the_answer_is_never_taken_for_it() {
    for news in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let answer = format!("{news}HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Final: 1\r\n\r\nok");
        let recorder = Recorder::start(Box::leak(answer.into_boxed_str())).await;
        let world = open(recorder.address).await;
        // Twice: nothing is left over from the first.
        for _ in 0..2 {
            let got = talk_until(world.router, GET.as_bytes(), "ok").await;
            let last = statuses(&got).into_iter().filter(|status| *status >= 200);
            assert_eq!(last.collect::<Vec<_>>(), [200], "{news:?} gave {got:?}");
            assert!(got.ends_with("\r\n\r\nok") && got.contains("x-final: 1"), "{news:?} gave {got:?}");
        }
        let mut sender = h2c::connect(&world).await;
        let request = http::Request::get(format!("http://{}/", world.host("alice")))
            .body(Empty::new().map_err(|never| match never {}).boxed_unsync())
            .expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["x-final"]),
            (200, &"1".parse().expect("a value"))
        );
        assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "ok");
    }
}

#[tokio::test]
async fn only_a_websocket_that_was_asked_for_switches_protocols() {
    let origin = |world: &World| world.origin("alice");
    for (upgrade, asked, status) in [("websocket", false, 502), ("h2c", true, 502), ("websocket", true, 101)]
    {
        let answer =
            format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n");
        let (address, _) = one_answer(Box::leak(answer.into_boxed_str())).await;
        let world = open(address).await;
        let handshake = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            world.host("alice"),
            origin(&world)
        );
        let ask = if asked { handshake.as_str() } else { GET };
        let got = talk(world.router, ask.as_bytes()).await;
        assert_eq!(statuses(&got), [status], "{upgrade}, asked: {asked}: {got}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_bad_gateway() {
    for nonsense in [
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200",
        "",
    ] {
        let (address, _) = one_answer(nonsense).await;
        let world = open(address).await;
        let got = talk(world.router, GET.as_bytes()).await;
        assert_eq!(statuses(&got), [502], "{nonsense:?} gave {got:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_shown_as_a_whole_one() {
    for half in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nX\r\n",
    ] {
        let (address, connections) = one_answer(half).await;
        let world = open(address).await;
        let got = talk(world.router, GET.as_bytes()).await;
        assert_eq!(statuses(&got), [200], "{got:?}");
        assert!(!got.contains("\r\n0\r\n"), "{half:?} gave {got:?}");
        assert_eq!(connections.load(Ordering::SeqCst), 1, "it is not asked again");
    }
}
