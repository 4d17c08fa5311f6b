//! The headers of an instance's answer, less what must not reach the browser: hop-by-hop fields, anything
//! that sets or clears cookies of others, and what would bind the browser to other ports or protocols. Pure.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::request::trailers;
use crate::request::upstream_headers::is_own_cookie;

/// Hop-by-hop (RFC 9110, section 7.6.1), and what reaches beyond the instance: `Clear-Site-Data` takes the
/// router's cookies, `Alt-Svc` sends the browser to another port of the host.
const REMOVED: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "clear-site-data",
    "alt-svc",
    "x-request-id",
];

/// What `Connection` of an answer may not name away.
const NOT_NAMEABLE: &[&str] = &[
    "content-length",
    "content-type",
    "content-security-policy",
    "set-cookie",
    "x-frame-options",
    "cache-control",
];

/// Removes them in place. Of the trailers that are announced, those that may pass stay announced.
pub(crate) fn clean(headers: &mut HeaderMap) {
    let announced = trailers::announced(headers);
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse::<HeaderName>().ok())
        .filter(|name| is_nameable(name.as_str()))
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in REMOVED {
        headers.remove(*name);
    }
    if let Some(names) = announced {
        headers.insert(header::TRAILER, names);
    }
    if headers.contains_key(header::SET_COOKIE) {
        let kept: Vec<HeaderValue> = headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter(|v| is_harmless(v.as_bytes()))
            .cloned()
            .collect();
        headers.remove(header::SET_COOKIE);
        for value in kept {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// Whether a header of this name, in any case, never reaches the client.
pub(crate) fn is_never_passed(name: &str) -> bool {
    REMOVED.iter().any(|removed| name.eq_ignore_ascii_case(removed))
}

/// Whether `Connection` may name a header of this name, in any case, away.
pub(crate) fn is_nameable(name: &str) -> bool {
    !NOT_NAMEABLE.iter().any(|kept| name.eq_ignore_ascii_case(kept))
}

/// A cookie for this host alone, and none of ours. A cookie without a name could be sent back as
/// `beaver_app=...`, so it must have one.
pub(crate) fn is_harmless(value: &[u8]) -> bool {
    let mut parts = value.split(|&b| b == b';');
    let pair = parts.next().unwrap_or_default();
    let Some(equals) = pair.iter().position(|&b| b == b'=') else { return false };
    let name = pair[..equals].trim_ascii();
    let has_domain = parts.any(|attribute| {
        let attribute_name = attribute.split(|&b| b == b'=').next().unwrap_or_default();
        attribute_name.trim_ascii().eq_ignore_ascii_case(b"domain")
    });
    !name.is_empty() && !has_domain && !is_own_cookie(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_by_table() {
        for good in ["a=1", "a=1; Path=/; HttpOnly", "a=", "domain=x", "a=1; x-domain=y", "beaver_apps=1"] {
            assert!(is_harmless(good.as_bytes()), "{good}");
        }
        for bad in [
            "a=1; Domain=apps.example.com",
            "a=1;domain = localhost",
            "a=1; DOMAIN",
            "beaver_app=x",
            " beaver_tx =x",
            "__Host-beaver_app=x",
            "Beaver_Sid=x",
            "=beaver_app=x",
            "beaver_app",
            "",
            "  =x",
        ] {
            assert!(!is_harmless(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn headers_by_table() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-private, content-type"),
            ("x-private", "1"),
            ("content-type", "text/plain"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("clear-site-data", "\"cookies\""),
            ("alt-svc", "h3=\":443\""),
            ("set-cookie", "a=1"),
            ("set-cookie", "beaver_app=stolen"),
            ("set-cookie", "b=2; Domain=localhost"),
            ("upgrade", "h2c"),
            ("trailer", "Set-Cookie, ETag"),
            ("etag", "\"x\""),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        clean(&mut headers);
        let mut left: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        left.sort();
        let wanted = ["content-type: text/plain", "etag: \"x\"", "set-cookie: a=1", "trailer: etag"];
        assert_eq!(left, wanted);
    }
}
