//! Tables for the headers that an instance gets.

use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(
            HeaderName::try_from(*name).expect("a name"),
            HeaderValue::from_str(value).expect("a value"),
        );
    }
    map
}

fn identity() -> IdentityHeaders {
    IdentityHeaders::new("user-1", "alice", "alice@example.com", "signed").expect("values")
}

fn built(inbound: &[(&str, &str)], trusted: &str, identity: Option<&IdentityHeaders>) -> HeaderMap {
    let facts = Facts {
        peer: "203.0.113.7:1".parse().expect("an address"),
        trusted: &trusted.parse().expect("networks"),
        host: &Host::parse("alice.localhost:8088").expect("a host"),
        scheme: "http",
        port: 8088,
        request_id: &HeaderValue::from_static("request-1"),
        identity,
        is_websocket: false,
    };
    build(headers(inbound), &facts)
}

#[test]
fn nothing_that_looks_like_ours_comes_through() {
    let out = built(
        &[
            ("x-beaver-user-id", "root"),
            ("X-Beaver-Assertion", "forged"),
            ("x_beaver_user_id", "root"),
            ("x-beaver_user-id", "root"),
            ("x-beaver-anything", "x"),
            ("x_forwarded_for", "1.1.1.1"),
            ("some_thing", "x"),
            ("authorization", "bearer  bvr_secret"),
            ("cookie", "beaver_app=t; a=1; __Host-beaver_tx=x"),
            ("cookie", "BEAVER_SID=s; b=2"),
        ],
        "",
        None,
    );
    let mut names: Vec<_> = out.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "cookie",
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-proto",
            "x-request-id"
        ]
    );
    assert_eq!(out[header::COOKIE], "a=1; b=2");
}

#[test]
fn the_identity_is_the_routers() {
    let out =
        built(&[("x-beaver-username", "mallory"), ("authorization", "Bearer other")], "", Some(&identity()));
    assert_eq!(out.get_all(HEADER_USERNAME).iter().collect::<Vec<_>>(), ["alice"]);
    assert_eq!(out[HEADER_USER_ID], "user-1");
    assert_eq!(out[HEADER_EMAIL], "alice@example.com");
    assert_eq!(out[HEADER_ASSERTION], "signed");
    assert_eq!(out[header::AUTHORIZATION], "Bearer other", "an app's own token is the app's");
}

#[test]
fn connection_removes_what_it_names_but_not_what_others_rely_on() {
    let out = built(
        &[
            ("connection", "close, X-Private, Host, content-length, Cookie, x-forwarded-for, authorization"),
            ("x-private", "1"),
            ("content-length", "3"),
            ("cookie", "a=1"),
            ("authorization", "Basic x"),
            ("te", "gzip"),
            ("trailer", "Host, X-Private"),
            ("keep-alive", "1"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("proxy-authorization", "x"),
            ("proxy", "http://evil"),
            ("expect", "100-continue"),
        ],
        "",
        None,
    );
    for gone in [
        "connection",
        "x-private",
        "te",
        "trailer",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "proxy",
        "expect",
    ] {
        assert!(!out.contains_key(gone), "{gone}");
    }
    assert_eq!(out[header::HOST], "alice.localhost:8088");
    assert_eq!(out[header::CONTENT_LENGTH], "3");
    assert_eq!(out[header::COOKIE], "a=1");
    assert_eq!(out[header::AUTHORIZATION], "Basic x");
    assert_eq!(out["x-forwarded-for"], "203.0.113.7");
}

#[test]
fn forwarding_headers_are_replaced_unless_the_peer_is_trusted() {
    let inbound = [
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("forwarded", "for=evil"),
        ("x-real-ip", "evil"),
    ];
    let out = built(&inbound, "", None);
    assert_eq!(out["x-forwarded-for"], "203.0.113.7");
    assert_eq!(out["x-forwarded-proto"], "http");
    assert_eq!(out["x-forwarded-host"], "alice.localhost:8088");
    assert_eq!(out["x-forwarded-port"], "8088");
    assert!(!out.contains_key("forwarded") && !out.contains_key("x-real-ip"));
    let out = built(&inbound, "203.0.113.0/24", None);
    assert_eq!(out["x-forwarded-for"], "198.51.100.1, 203.0.113.7");
    assert_eq!(out["x-forwarded-proto"], "https");
    assert_eq!(out["x-forwarded-host"], "alice.localhost:8088");
}

#[test]
fn repeated_headers_stay_repeated() {
    let out = built(&[("x-a", "1"), ("x-a", "2"), ("accept", "*/*")], "", None);
    assert_eq!(out.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(out["accept"], "*/*");
}

#[test]
fn the_instance_is_told_of_trailers_that_may_pass_and_of_no_other_connection_option() {
    let out =
        built(&[("te", "gzip, trailers"), ("trailer", "ETag, Host"), ("connection", "te, close")], "", None);
    assert_eq!(out["te"], "trailers");
    assert_eq!(out["connection"], "te");
    assert_eq!(out["trailer"], "etag");
}
