use http::{HeaderMap, HeaderName, HeaderValue, Request};
use proptest::prelude::*;
use service_kit::client_addr::TrustedProxies;

use super::*;
use crate::fast_path::head::read;
use crate::request::host::Host;
use crate::request::upstream_headers::{IdentityHeaders, build};

const NAMES: [&str; 24] = [
    "Accept",
    "X-Kept",
    "x_kept",
    "X-Beaver-User-Id",
    "X-BEAVER_User-Id",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "Forwarded",
    "X-Real-IP",
    "Connection",
    "Keep-Alive",
    "Proxy-Authorization",
    "TE",
    "HTTP2-Settings",
    "Cookie",
    "X-Request-Id",
    "Content-Type",
    "Origin",
    "Via",
    "Proxy",
    "True-Client-IP",
    "X-Original-URL",
    "Range",
];
const VALUES: [&str; 12] = [
    "",
    "a",
    "keep-alive",
    "1.2.3.4",
    "1.2.3.4, 5.6.7.8 , x",
    "https",
    "a=b; beaver_app=secret; c=d",
    "__Host-beaver_sid=1",
    "beaver_tx=1;;e",
    "text/html, */*",
    "caf\u{e9}",
    "abcdefgh-1234",
];

/// By name, as an instance reads it.
fn sorted(headers: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = headers.collect();
    // Stable: lines of one name keep their order.
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

fn of_bytes(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text: Vec<_> = bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).skip(1).collect();
    let lines = text.into_iter().take_while(|line| !line.is_empty());
    sorted(lines.map(|line| {
        let colon = line.iter().position(|&b| b == b':').expect("a colon");
        (String::from_utf8_lossy(&line[..colon]).into_owned(), line[colon + 1..].trim_ascii().to_vec())
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_sides_of_the_router_send_the_same_headers(
        lines in proptest::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..8),
        is_trusted in any::<bool>(),
        has_identity in any::<bool>(),
    ) {
        let mut bytes = b"GET /a?b HTTP/1.1\r\nHost: ALICE.localhost.:8088\r\n".to_vec();
        let mut request = Request::new(());
        let headers: &mut HeaderMap = request.headers_mut();
        headers.insert("host", HeaderValue::from_static("ALICE.localhost.:8088"));
        for (name, value) in lines {
            let (name, value) = (NAMES[name], VALUES[value]);
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            headers.append(
                name.parse::<HeaderName>().expect("a name"),
                HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            );
        }
        bytes.extend_from_slice(b"\r\n");
        let Ok(head) = read(&bytes) else { return Ok(()) };
        let trusted: TrustedProxies = if is_trusted { "192.0.2.7".parse().expect("an address") } else { TrustedProxies::default() };
        let text = HeaderValue::from_static;
        let identity = IdentityHeaders::new("01JDF3X5S8Q4M7R2V6T9W0YZAC", "alice", "", "a.b.c").expect("values");
        let host = Host::parse(head.host).expect("a host");
        let facts = Facts {
            peer: "192.0.2.7:1".parse().expect("an address"),
            trusted: &trusted,
            host: &host,
            scheme: "http",
            port: 8088,
            request_id: &text("request-1"),
            identity: has_identity.then_some(&identity),
            is_websocket: false,
        };
        let mut sent = Vec::new();
        super::write(&mut sent, &head, b"", &facts);
        prop_assert!(sent.starts_with(b"GET /a?b HTTP/1.1\r\n") && sent.ends_with(b"\r\n\r\n"));
        let built = build(std::mem::take(request.headers_mut()), &facts);
        let wanted = sorted(built.iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec())));
        prop_assert_eq!(of_bytes(&sent), wanted);
    }
}
