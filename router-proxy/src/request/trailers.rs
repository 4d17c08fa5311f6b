//! The fields behind a body in chunks (RFC 9110, section 6.5), from a client to an instance and back. Pure. Whoever gets
//! them may merge them into the headers, long after those were checked: so only names pass whose definition has a
//! place for them there, and none that says where a request goes, who sent it, or how long it is.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Sums, signatures, times and outcomes: what is known only once the body is through. RFC 9110 (8.8.3), RFC 9530,
/// RFC 9421, Server Timing, and gRPC.
const ALLOWED: [&str; 10] = [
    "content-digest",
    "digest",
    "etag",
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "repr-digest",
    "server-timing",
    "signature",
    "signature-input",
];
/// Sums of object stores, one name for each algorithm.
const ALLOWED_PREFIXES: [&str; 2] = ["x-amz-checksum-", "x-checksum-"];

/// What may be announced in `Trailer`, of what the headers announce.
pub(crate) fn announced(headers: &HeaderMap) -> Option<HeaderValue> {
    let names: Vec<HeaderName> =
        elements(headers, header::TRAILER).filter_map(|name| name.parse().ok()).filter(may_pass).collect();
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).ok().filter(|value| !value.is_empty())
}

/// Whether the headers of a request say that trailers are welcome in the answer (section 10.1.4).
pub(crate) fn are_welcome(headers: &HeaderMap) -> bool {
    elements(headers, header::TE).any(|coding| coding.eq_ignore_ascii_case("trailers"))
}

/// The trailers that go on.
pub(crate) fn keep(mut trailers: HeaderMap) -> HeaderMap {
    let refused: Vec<HeaderName> = trailers.keys().filter(|name| !may_pass(name)).cloned().collect();
    for name in refused {
        trailers.remove(name);
    }
    trailers
}

fn may_pass(name: &HeaderName) -> bool {
    let name = name.as_str();
    let is_allowed =
        ALLOWED.contains(&name) || ALLOWED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    is_allowed && !name.contains('_')
}

fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn names_by_table() {
        for good in ["etag", "server-timing", "grpc-status", "content-digest", "x-checksum-sha256"] {
            assert!(may_pass(&HeaderName::from_static(good)), "{good}");
        }
        for bad in [
            "host",
            "content-length",
            "transfer-encoding",
            "content-type",
            "content-encoding",
            "trailer",
            "te",
            "connection",
            "upgrade",
            "authorization",
            "cookie",
            "set-cookie",
            "origin",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-beaver-user-id",
            "x-beaver-assertion",
            "x-request-id",
            "x-real-ip",
            "x-http-method-override",
            "cache-control",
            "location",
            "x-anything",
            "x-checksum-_",
            "etag_",
        ] {
            assert!(!may_pass(&HeaderName::from_static(bad)), "{bad}");
        }
    }

    #[test]
    fn only_what_passes_is_announced() {
        let value = |pairs| announced(&headers(pairs)).map(|v| v.to_str().expect("text").to_owned());
        assert_eq!(value(&[]), None);
        assert_eq!(value(&[("trailer", "Host, X-Beaver-User-Id, no name")]), None);
        assert_eq!(value(&[("trailer", "ETag,Host,Grpc-Status")]), Some("etag, grpc-status".into()));
    }

    #[test]
    fn only_what_passes_is_kept() {
        let mut trailers = headers(&[("etag", "\"x\""), ("host", "bob"), ("x-beaver-user-id", "root")]);
        trailers.append("etag", HeaderValue::from_static("\"y\""));
        let kept = keep(trailers);
        assert_eq!(kept.get_all("etag").iter().collect::<Vec<_>>(), ["\"x\"", "\"y\""]);
        assert_eq!(kept.keys_len(), 1);
    }

    #[test]
    fn trailers_are_welcome_by_table() {
        assert!(are_welcome(&headers(&[("te", "trailers")])));
        assert!(are_welcome(&headers(&[("te", "gzip;q=0.5, Trailers")])));
        assert!(!are_welcome(&headers(&[("te", "gzip"), ("trailer", "trailers")])));
        assert!(!are_welcome(&headers(&[])));
    }
}
