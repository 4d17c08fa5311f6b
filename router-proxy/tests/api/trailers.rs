//! Fields behind a body: those that may pass do, whichever way and whichever protocol the client speaks, and no other.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::json;

use crate::h2c;
use crate::raw::{Recorder, talk_until};
use crate::world::World;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const WITH_TRAILERS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
    Trailer: Set-Cookie, ETag, Content-Length\r\n\r\n2\r\nok\r\n0\r\n\
    Set-Cookie: beaver_app=stolen\r\nETag: \"x\"\r\nContent-Length: 9\r\nHost: bob.localhost\r\n\
    X-Request-Id: forged\r\n\r\n";

async fn open(answer: &'static str) -> (World, Recorder) {
    let (world, recorder) = (World::start().await, Recorder::start(answer).await);
    let mut route = world.alice_route(recorder.address);
    route["access"] = json!("public");
    world.put_route(&route).await;
    (world, recorder)
}

fn header<'a>(message: &'a str, name: &str) -> Vec<&'a str> {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    let pairs = head.split("\r\n").filter_map(|line| line.split_once(": "));
    pairs.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn a_client_of_http_1_sends_them_to_the_instance() {
    let (world, recorder) = open(OK).await;
    let head = "POST / HTTP/1.1\r\nHost: alice.localhost\r\nTransfer-Encoding: chunked\r\n";
    let trailers = "ETag: \"x\"\r\nHost: bob.localhost\r\nContent-Length: 0\r\nX-Beaver-User-Id: root\r\n\
                    Authorization: Basic x\r\nCookie: a=1\r\nX-Forwarded-For: 6.6.6.6\r\nX-Checksum-Sum: 1\r\n";
    let announced = "Trailer: ETag, Host, X-Beaver-User-Id, X-Checksum-Sum\r\n";
    let ask = |announced: &str| format!("{head}{announced}\r\n2\r\nab\r\n0\r\n{trailers}\r\n");
    for announced in [announced, ""] {
        talk_until(world.router, ask(announced).as_bytes(), "ok").await;
    }
    let [with, without] = &recorder.requests()[..] else { panic!("two requests") };
    assert_eq!(header(with, "trailer"), ["etag, x-checksum-sum"]);
    let (_, body) = with.split_once("\r\n\r\n").expect("a body");
    let mut lines: Vec<_> = body.split("\r\n").collect();
    lines[3..5].sort_unstable();
    assert_eq!(lines, ["2", "ab", "0", "etag: \"x\"", "x-checksum-sum: 1", "", ""]);
    // Who does not announce them sends none.
    assert!(header(without, "trailer").is_empty());
    assert!(without.ends_with("\r\n\r\n2\r\nab\r\n0\r\n\r\n"), "{without}");
}

#[tokio::test]
async fn an_announcement_without_chunks_is_left_out() {
    let (world, recorder) = open(OK).await;
    let ask = "POST / HTTP/1.1\r\nHost: alice.localhost\r\nTrailer: ETag\r\nContent-Length: 2\r\n\r\nab";
    talk_until(world.router, ask.as_bytes(), "ok").await;
    assert!(header(&recorder.requests()[0], "trailer").is_empty());
}

#[tokio::test]
async fn a_client_of_http_1_that_wants_them_gets_the_instances() {
    let (world, recorder) = open(WITH_TRAILERS).await;
    let ask = "GET / HTTP/1.1\r\nHost: alice.localhost\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
    let answer = talk_until(world.router, ask.as_bytes(), "\r\n0\r\netag: \"x\"\r\n\r\n").await;
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert_eq!(body, "2\r\nok\r\n0\r\netag: \"x\"\r\n\r\n");
    assert_eq!(header(&answer, "trailer"), ["etag"]);
    let seen = recorder.requests().remove(0);
    assert_eq!((header(&seen, "te"), header(&seen, "connection")), (vec!["trailers"], vec!["te"]));
    // One that does not want them gets a whole body all the same, and the connection goes on.
    let plain = "GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n".repeat(2);
    let answer = talk_until(world.router, plain.as_bytes(), "2\r\nok\r\n0\r\n\r\n").await;
    assert!(!answer.contains("etag: "), "{answer}");
}

#[tokio::test]
async fn a_client_of_http_2_sends_and_gets_them() {
    let (world, recorder) = open(WITH_TRAILERS).await;
    let mut sender = h2c::connect(&world).await;
    let mut trailers = HeaderMap::new();
    for (name, value) in [("etag", "\"x\""), ("host", "bob.localhost"), ("x-beaver-user-id", "root")] {
        trailers.insert(name, HeaderValue::from_static(value));
    }
    let frames = [Ok(Frame::data(Bytes::from_static(b"ab"))), Ok(Frame::trailers(trailers))];
    let request = Request::post(format!("http://{}/", world.host("alice")))
        .header("trailer", "etag, host")
        .header("te", "trailers")
        .body(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync())
        .expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    let body = answer.into_body().collect().await.expect("a body");
    let got = body.trailers().expect("trailers").iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()));
    assert_eq!(got.collect::<Vec<_>>(), ["etag: \"x\""]);
    assert_eq!(body.to_bytes(), "ok");
    let seen = recorder.requests().remove(0);
    assert_eq!((header(&seen, "te"), header(&seen, "trailer")), (vec!["trailers"], vec!["etag"]));
    assert!(seen.ends_with("\r\n\r\n2\r\nab\r\n0\r\netag: \"x\"\r\n\r\n"), "{seen}");
}
