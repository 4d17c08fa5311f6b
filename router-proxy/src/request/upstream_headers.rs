//! The headers that an instance gets: what the client sent, less everything that is between two hops, ours,
//! or could be mistaken for ours, and then what the router says. Pure. Removal comes first, so that nothing
//! that a client sends can take away or imitate what is added.

use std::net::{IpAddr, SocketAddr};

use control_api::api_keys::API_KEY_PREFIX;
use control_api::claims::{
    APP_COOKIE, HEADER_ASSERTION, HEADER_EMAIL, HEADER_USER_ID, HEADER_USERNAME, SESSION_COOKIE,
    TRANSACTION_COOKIE,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use service_kit::client_addr::TrustedProxies;
use service_kit::secret::Secret;

use super::host::Host;
use super::trailers;

/// Who is signed in, as headers that are made once for a session.
#[derive(Debug)]
pub(crate) struct IdentityHeaders {
    values: [(&'static str, HeaderValue); 4],
    /// The same as lines of HTTP/1.1, in one piece.
    lines: Secret<Vec<u8>>,
}

impl IdentityHeaders {
    /// `None` where the assertion or a name has bytes that no header may have. An e-mail address that does is left
    /// empty: the assertion has it, too.
    pub(crate) fn new(user_id: &str, username: &str, email: &str, assertion: &str) -> Option<Self> {
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).ok();
        let mut assertion = value(assertion)?;
        // Never printed.
        assertion.set_sensitive(true);
        let values = [
            (HEADER_USER_ID, value(user_id)?),
            (HEADER_USERNAME, value(username)?),
            (HEADER_EMAIL, value(email).unwrap_or(HeaderValue::from_static(""))),
            (HEADER_ASSERTION, assertion),
        ];
        let lines =
            values.iter().flat_map(|(name, value)| [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        let lines = lines.collect::<Vec<_>>().concat();
        Some(Self { values, lines: Secret::new(lines) })
    }

    /// For whoever writes a head.
    pub(crate) fn lines(&self) -> &[u8] {
        self.lines.expose()
    }
}

/// What the router knows about the request beside its headers.
pub(crate) struct Facts<'a> {
    pub(crate) peer: SocketAddr,
    pub(crate) trusted: &'a TrustedProxies,
    pub(crate) host: &'a Host,
    /// The scheme and port that browsers use.
    pub(crate) scheme: &'static str,
    pub(crate) port: u16,
    pub(crate) request_id: &'a HeaderValue,
    /// `None` for a public route: then no identity is sent.
    pub(crate) identity: Option<&'a IdentityHeaders>,
    pub(crate) is_websocket: bool,
}

/// Hop-by-hop fields (RFC 9110, section 7.6.1), those of proxies and connections, and `Expect`, which the
/// router meets itself.
const NOT_FORWARDED: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
    "host",
];

/// Removed because the router says them, or because frameworks take them for the client's address or URL.
const OURS: &[&str] = &[
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "x-cluster-client-ip",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
    "x-request-id",
];

/// What `Connection` may never name away: it would let a client remove what others rely on.
const NOT_NAMEABLE: &[&str] =
    &["content-length", "authorization", "cookie", "origin", "content-type", "sec-websocket-key"];

/// The headers for the instance.
pub(crate) fn build(inbound: HeaderMap, facts: &Facts<'_>) -> HeaderMap {
    let named = named_by_connection(&inbound);
    let chain = forwarded_for(
        inbound.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()),
        facts,
    );
    let scheme =
        forwarded_scheme(inbound.get("x-forwarded-proto").and_then(|value| value.to_str().ok()), facts);
    let announced = trailers::announced(&inbound);
    let wants_trailers = !facts.is_websocket && trailers::are_welcome(&inbound);
    let mut out = HeaderMap::with_capacity(inbound.len() + 12);
    let mut cookies: Vec<u8> = Vec::new();
    let mut last: Option<HeaderName> = None;
    for (name, value) in inbound {
        // A HeaderMap gives the name of a repeated header once.
        let Some(name) = name.or_else(|| last.clone()) else { continue };
        last = Some(name.clone());
        if name == header::COOKIE {
            append_foreign_cookies(&mut cookies, value.as_bytes());
        } else if passes(&name, &value, &named) {
            out.append(name, value);
        }
    }
    if let Ok(value) = HeaderValue::from_bytes(&cookies)
        && !cookies.is_empty()
    {
        out.insert(header::COOKIE, value);
    }
    add_ours(&mut out, facts, &chain, scheme);
    if let Some(names) = announced {
        out.insert(header::TRAILER, names);
    }
    if wants_trailers {
        out.insert(header::TE, HeaderValue::from_static("trailers"));
        out.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    out
}

fn passes(name: &HeaderName, value: &HeaderValue, named: &[String]) -> bool {
    let text = name.as_str();
    let is_api_key = *name == header::AUTHORIZATION && names_api_key(value.as_bytes());
    !is_never_passed(text) && !named.iter().any(|n| n == text) && !is_api_key
}

/// Whether a header of this name, in any case, is never the client's to send on.
pub(crate) fn is_never_passed(name: &str) -> bool {
    let begins_with = |prefix: &str| {
        name.as_bytes().get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let is = |wanted: &&str| name.eq_ignore_ascii_case(wanted);
    // Some servers turn `_` into `-`: then it could imitate any of ours (CVE-2015-1212 and its kin).
    name.as_bytes().contains(&b'_')
        || begins_with("x-beaver")
        || begins_with("x-forwarded")
        || NOT_FORWARDED.iter().any(is)
        || OURS.iter().any(is)
}

/// The names in `Connection`, less those that it may not name.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && !NOT_NAMEABLE.contains(&name.as_str()))
        .collect()
}

/// Whether a value of `Authorization` has an API key, which is for the router and not for the instance.
pub(crate) fn names_api_key(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let mut words = text.split_ascii_whitespace();
    words.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
        && words.next().is_some_and(|token| token.starts_with(API_KEY_PREFIX))
}

/// Whether a cookie of this name is the control plane's, with or without the prefix of https.
pub(crate) fn is_own_cookie(name: &[u8]) -> bool {
    let name = name.trim_ascii();
    let prefixes: [&[u8]; 2] = [b"__host-", b"__secure-"];
    let lower = name.to_ascii_lowercase();
    let bare = prefixes.iter().find_map(|p| lower.strip_prefix(*p)).unwrap_or(&lower);
    [SESSION_COOKIE, TRANSACTION_COOKIE, APP_COOKIE].iter().any(|own| own.as_bytes() == bare)
}

pub(crate) fn append_foreign_cookies(out: &mut Vec<u8>, line: &[u8]) {
    for pair in line.split(|&b| b == b';') {
        let pair = pair.trim_ascii();
        let name = pair.split(|&b| b == b'=').next().unwrap_or_default();
        if pair.is_empty() || is_own_cookie(name) {
            continue;
        }
        if !out.is_empty() {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(pair);
    }
}

/// The peer, after what a trusted proxy already wrote in `lines` of `X-Forwarded-For`.
pub(crate) fn forwarded_for<'a>(lines: impl Iterator<Item = &'a str>, facts: &Facts<'_>) -> String {
    let peer = facts.peer.ip().to_canonical();
    if !facts.trusted.contains(peer) {
        return peer.to_string();
    }
    let earlier = lines.flat_map(|line| line.split(','));
    let hops = earlier.filter_map(|hop| hop.trim().parse::<IpAddr>().ok()).map(|ip| ip.to_string());
    hops.chain([peer.to_string()]).collect::<Vec<_>>().join(", ")
}

/// What browsers use, unless a trusted proxy told otherwise in `X-Forwarded-Proto`.
pub(crate) fn forwarded_scheme(told: Option<&str>, facts: &Facts<'_>) -> &'static str {
    match told.filter(|_| facts.trusted.contains(facts.peer.ip())) {
        Some("https") => "https",
        Some("http") => "http",
        _ => facts.scheme,
    }
}

fn add_ours(out: &mut HeaderMap, facts: &Facts<'_>, chain: &str, scheme: &'static str) {
    // Everything here is made of parsed values; should one not fit a header, it is left out.
    let mut put = |name: &'static str, value: Option<HeaderValue>| {
        if let Some(value) = value {
            out.insert(HeaderName::from_static(name), value);
        }
    };
    let host = HeaderValue::from_str(&facts.host.to_header()).ok();
    put("x-forwarded-host", host.clone());
    put("host", host);
    put("x-forwarded-for", HeaderValue::from_str(chain).ok());
    put("x-forwarded-proto", Some(HeaderValue::from_static(scheme)));
    put("x-forwarded-port", Some(HeaderValue::from(facts.host.port.unwrap_or(facts.port))));
    put("x-request-id", Some(facts.request_id.clone()));
    if let Some(identity) = facts.identity {
        for (name, value) in &identity.values {
            put(name, Some(value.clone()));
        }
    }
    if facts.is_websocket {
        put("connection", Some(HeaderValue::from_static("Upgrade")));
        put("upgrade", Some(HeaderValue::from_static("websocket")));
    }
}

#[cfg(test)]
#[path = "upstream_headers_tests.rs"]
mod tests;
