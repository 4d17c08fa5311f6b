use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::response_headers::clean;

fn answer(status: u16, headers: &str, is_head: bool) -> Result<Framing, NoAnswer> {
    read(format!("HTTP/1.1 {status} x\r\n{headers}\r\nbody").as_bytes(), is_head).map(|head| head.framing)
}

#[test]
fn framings_by_table() {
    for (status, headers, is_head, framing) in [
        (200, "Content-Length: 4\r\n", false, Framing::Length(4)),
        (200, "Content-Length: 4\r\nContent-Length: 4\r\n", false, Framing::Length(4)),
        (200, "Content-Length: 4\r\n", true, Framing::Length(0)),
        (304, "Content-Length: 4\r\n", false, Framing::Length(0)),
        (204, "", false, Framing::Length(0)),
        (103, "Link: </a>\r\n", false, Framing::Length(0)),
        (200, "Transfer-Encoding: Chunked\r\n", false, Framing::Chunked),
        (200, "", false, Framing::Close),
    ] {
        assert_eq!(answer(status, headers, is_head), Ok(framing), "{status} {headers}");
    }
    for headers in [
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4, 4\r\n",
        "Content-Length: -4\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "A\r\n",
        "A : b\r\n",
    ] {
        assert!(matches!(answer(200, headers, false), Err(NoAnswer::Malformed(_))), "{headers}");
    }
    assert_eq!(read(b"HTTP/1.1 200 OK\r\nA: b\r\n", false), Err(NoAnswer::Unfinished));
    assert!(matches!(
        read(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false),
        Err(NoAnswer::Malformed(_))
    ));
}

#[test]
fn a_connection_is_kept_only_where_the_end_is_known() {
    let keeps = |text: &str| read(text.as_bytes(), false).expect("an answer").keeps;
    assert!(keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(!keeps("HTTP/1.1 200 OK\r\n\r\n"));
    assert!(!keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n"));
    assert!(!keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
}

// No `Trailer`: who wants trailers is served by hyper's side.
const NAMES: [&str; 17] = [
    "Content-Type",
    "Set-Cookie",
    "Connection",
    "Keep-Alive",
    "Upgrade",
    "Alt-Svc",
    "Clear-Site-Data",
    "X-Request-Id",
    "TE",
    "X-Kept",
    "Cache-Control",
    "X-Frame-Options",
    "Date",
    "Proxy-Authenticate",
    "Location",
    "ETag",
    "Content-Security-Policy",
];
const VALUES: [&str; 13] = [
    "",
    "a",
    "X-Kept, Set-Cookie",
    "keep-alive",
    "location,etag",
    "a=b; Path=/",
    "a=b; domain=localhost",
    "beaver_app=x",
    "__Host-beaver_sid=x",
    "=x",
    "text/event-stream",
    "Cache-Control",
    "caf\u{e9}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_sides_of_the_router_clean_an_answer_alike(
        lines in proptest::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..8),
    ) {
        let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_vec();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let (name, value) = (NAMES[name], VALUES[value]);
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(name.parse::<HeaderName>().expect("a name"), value);
        }
        bytes.extend_from_slice(b"\r\n");
        clean(&mut headers);
        let head = read(&bytes, false).expect("an answer");
        let mut wanted: Vec<String> = headers.iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        wanted.sort();
        let text = String::from_utf8_lossy(&head.for_client).into_owned();
        let mut lines: Vec<_> = text.strip_prefix("HTTP/1.1 200 OK\r\n").expect("a status line")
            .split_terminator("\r\n").map(str::to_owned).collect();
        lines.sort();
        prop_assert_eq!(lines, wanted);
    }
}
