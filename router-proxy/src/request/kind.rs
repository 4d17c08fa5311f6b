//! What kind of request it is, as far as the gate and the pages care: a navigation, a WebSocket, or another
//! call; and whether another site is behind it. Pure.

use http::{HeaderMap, HeaderValue, Method, Version, header};

/// Who would see an answer of the router's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A person who follows a link or types an address: gets pages and redirects.
    Navigation,
    /// A person who sends a form: gets pages, but a redirect would lose the form.
    Form,
    /// A handshake of RFC 6455.
    WebSocket,
    /// A script or a program: gets problem+json.
    Call,
}

impl Kind {
    /// Reads it off the request.
    pub(crate) fn of(method: &Method, version: Version, headers: &HeaderMap) -> Self {
        if is_websocket(method, version, headers) {
            return Self::WebSocket;
        }
        let shows_a_page = match text(headers, "sec-fetch-mode") {
            Some(mode) => mode == "navigate",
            None => text(headers, "accept").is_some_and(|accept| accept.contains("text/html")),
        };
        match (shows_a_page, method) {
            (true, &Method::GET | &Method::HEAD) => Self::Navigation,
            (true, _) => Self::Form,
            (false, _) => Self::Call,
        }
    }

    /// Whether a person reads the answer.
    pub(crate) fn wants_page(self) -> bool {
        matches!(self, Self::Navigation | Self::Form)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

/// RFC 6455, section 4.2.1; only HTTP/1.1 has this handshake.
fn is_websocket(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    let mut upgrades = headers.get_all(header::UPGRADE).iter();
    let only = upgrades.next().is_some_and(|u| u.as_bytes().eq_ignore_ascii_case(b"websocket"));
    *method == Method::GET
        && version == Version::HTTP_11
        && only
        && upgrades.next().is_none()
        && has_token(headers, header::CONNECTION, "upgrade")
        && headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

/// Whether the request may have been made by another site in the user's name. A WebSocket must name our
/// origin; a request that changes something must come from our origin or from no site at all. Siblings
/// (`bob.apps.example.com` for `alice.apps.example.com`) count as other sites although cookies with
/// `SameSite=Lax` are sent for them, because whoever runs there is not trusted.
pub(crate) fn is_forged(kind: Kind, method: &Method, headers: &HeaderMap, origins: &[&str]) -> bool {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let is_ours = |origin: &[u8]| origins.iter().any(|ours| ours.as_bytes() == origin);
    if kind == Kind::WebSocket {
        return !origin.is_some_and(is_ours);
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    match text(headers, "sec-fetch-site") {
        Some("same-origin" | "none") => false,
        Some(_) => true,
        None => origin.is_some_and(|origin| !is_ours(origin)),
    }
}

/// Whether a script of another site is behind a request that carries an API key. No browser adds a key by
/// itself, so whoever sends one knows it, and a program names no origin at all; but a page that names another
/// origin than ours has no business with a WebSocket here.
pub(crate) fn is_foreign_with_key(kind: Kind, headers: &HeaderMap, origins: &[&str]) -> bool {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    kind == Kind::WebSocket && origin.is_some_and(|o| !origins.iter().any(|ours| ours.as_bytes() == o))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (header::HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    const WEBSOCKET: [(&str, &str); 3] =
        [("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade"), ("sec-websocket-key", "x")];

    #[test]
    fn kinds_by_table() {
        let kind = |method: &str, pairs: &[(&'static str, &'static str)]| {
            Kind::of(&method.parse().expect("a method"), Version::HTTP_11, &headers(pairs))
        };
        assert_eq!(kind("GET", &[("accept", "text/html,*/*")]), Kind::Navigation);
        assert_eq!(kind("GET", &[("sec-fetch-mode", "navigate")]), Kind::Navigation);
        assert_eq!(kind("POST", &[("sec-fetch-mode", "navigate")]), Kind::Form);
        assert_eq!(kind("GET", &[("sec-fetch-mode", "cors"), ("accept", "text/html")]), Kind::Call);
        assert_eq!(kind("GET", &[("accept", "*/*")]), Kind::Call);
        assert_eq!(kind("GET", &[]), Kind::Call);
        assert_eq!(kind("GET", &WEBSOCKET), Kind::WebSocket);
        assert_eq!(kind("POST", &WEBSOCKET), Kind::Call);
        assert_eq!(kind("GET", &WEBSOCKET[..2]), Kind::Call);
        assert_eq!(kind("GET", &[("upgrade", "h2c"), WEBSOCKET[1], WEBSOCKET[2]]), Kind::Call);
        assert_eq!(Kind::of(&Method::GET, Version::HTTP_10, &headers(&WEBSOCKET)), Kind::Call);
    }

    #[test]
    fn forgery_by_table() {
        let ours = ["http://alice.localhost:8088"];
        let forged = |kind, method: &str, pairs: &[(&'static str, &'static str)]| {
            is_forged(kind, &method.parse().expect("a method"), &headers(pairs), &ours)
        };
        let (own, sibling) =
            (("origin", "http://alice.localhost:8088"), ("origin", "http://bob.localhost:8088"));
        assert!(!forged(Kind::WebSocket, "GET", &[own]));
        for bad in [&[][..], &[sibling], &[("origin", "null")], &[("origin", "http://alice.localhost:80888")]]
        {
            assert!(forged(Kind::WebSocket, "GET", bad), "{bad:?}");
        }
        assert!(!forged(Kind::Call, "GET", &[sibling, ("sec-fetch-site", "cross-site")]));
        assert!(!forged(Kind::Call, "POST", &[own]));
        assert!(!forged(Kind::Call, "POST", &[]));
        assert!(!forged(Kind::Call, "DELETE", &[("sec-fetch-site", "same-origin")]));
        assert!(!forged(Kind::Form, "POST", &[("sec-fetch-site", "none")]));
        assert!(forged(Kind::Call, "POST", &[sibling]));
        assert!(forged(Kind::Call, "PUT", &[("origin", "null")]));
        assert!(forged(Kind::Call, "POST", &[("sec-fetch-site", "same-site")]));
        assert!(forged(Kind::Form, "POST", &[("sec-fetch-site", "cross-site"), own]));
        assert!(forged(Kind::Call, "POST", &[("sec-fetch-site", "garbage")]));
    }

    #[test]
    fn with_a_key_only_a_foreign_websocket_is_refused() {
        let ours = ["http://alice.localhost:8088"];
        let foreign =
            |kind, pairs: &[(&'static str, &'static str)]| is_foreign_with_key(kind, &headers(pairs), &ours);
        assert!(!foreign(Kind::WebSocket, &[]));
        assert!(!foreign(Kind::WebSocket, &[("origin", ours[0])]));
        assert!(foreign(Kind::WebSocket, &[("origin", "http://bob.localhost:8088")]));
        assert!(foreign(Kind::WebSocket, &[("origin", "null")]));
        assert!(!foreign(Kind::Call, &[("origin", "http://bob.localhost:8088")]));
    }
}
