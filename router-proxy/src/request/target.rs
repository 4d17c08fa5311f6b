//! Checks of a request that hyper has parsed: the method, the form of the target, the host, the limits that
//! hold for HTTP/2 too. Pure. Routing looks at what comes out of here and at nothing else.

use http::request::Parts;
use http::{HeaderMap, Method, Version, header};

use super::host::Host;
use crate::error::Refusal;
use crate::limits::{MAX_HEADERS, MAX_HEADERS_BYTES, MAX_TARGET};

/// The host that the request is for, or why it is refused.
pub(crate) fn check(parts: &Parts) -> Result<Host, Refusal> {
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::MethodNotAllowed);
    }
    let uri = &parts.uri;
    let path = uri.path_and_query().map_or("", |p| p.as_str());
    if path.len() > MAX_TARGET {
        return Err(Refusal::TargetTooLong);
    }
    let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > MAX_HEADERS_BYTES || parts.headers.len() > MAX_HEADERS {
        return Err(Refusal::HeadersTooLarge);
    }
    if uri.authority().is_some() && uri.scheme().is_none() {
        return Err(Refusal::Malformed("the request target is neither a path nor a URL"));
    }
    if !(path.starts_with('/') || (path == "*" && parts.method == Method::OPTIONS)) {
        return Err(Refusal::Malformed("the request target is no path"));
    }
    if uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(Refusal::Malformed("the request target has another scheme"));
    }
    check_expect(&parts.headers)?;
    // RFC 9110, section 5.3: it is no list. Which of two counts, each server decides for itself.
    if parts.headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some() {
        return Err(Refusal::Malformed("there are two Authorization headers"));
    }
    host(parts)
}

/// RFC 9110, section 10.1.1: an expectation that is not known may be refused.
fn check_expect(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_known = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(header::EXPECT).iter().all(is_known) {
        Ok(())
    } else {
        Err(Refusal::ExpectationFailed)
    }
}

fn host(parts: &Parts) -> Result<Host, Refusal> {
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let from_header = lines
        .next()
        .map(|value| value.to_str().map_err(|_| "the Host is not ASCII").and_then(Host::parse))
        .transpose()
        .map_err(Refusal::Malformed)?;
    if lines.next().is_some() {
        return Err(Refusal::Malformed("there are two Host headers"));
    }
    let from_target =
        parts.uri.authority().map(|a| Host::parse(a.as_str())).transpose().map_err(Refusal::Malformed)?;
    match (from_header, from_target) {
        (Some(header), Some(target)) if same(&header, &target) => Ok(header),
        (Some(_), Some(_)) => Err(Refusal::Malformed("the target and the Host header disagree")),
        (Some(host), None) => Ok(host),
        // HTTP/2 has the authority in its place (RFC 9113, section 8.3.1).
        (None, Some(host)) if parts.version == Version::HTTP_2 => Ok(host),
        (None, _) => Err(Refusal::Malformed("there is no Host header")),
    }
}

/// A default port may be written or left out.
fn same(a: &Host, b: &Host) -> bool {
    let effective = |port: Option<u16>| port.filter(|p| !matches!(p, 80 | 443));
    a.name == b.name && effective(a.port) == effective(b.port)
}

/// The first segment of the path that says anything, decoded: where `/.beaver` hides behind `//`, `/./` or
/// escapes, the router still claims it.
pub(crate) fn is_own_path(path: &str) -> bool {
    path.split('/')
        .map(|segment| percent_encoding::percent_decode_str(segment).collect::<Vec<u8>>())
        .find(|segment| !segment.is_empty() && segment != b".")
        .is_some_and(|segment| segment == b".beaver")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(method: &str, target: &str, version: Version, headers: &[(&str, &str)]) -> Parts {
        let mut builder = Request::builder().method(method).uri(target).version(version);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).expect("a request").into_parts().0
    }

    fn outcome(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
        match check(&parts(method, target, Version::HTTP_11, headers)) {
            Ok(host) => host.to_header(),
            Err(refusal) => refusal.status().as_u16().to_string(),
        }
    }

    type Refused<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

    const HOST: (&str, &str) = ("host", "alice.localhost:8088");

    #[test]
    fn targets_and_hosts_by_table() {
        assert_eq!(outcome("GET", "/a?b", &[HOST]), "alice.localhost:8088");
        assert_eq!(outcome("GET", "http://alice.localhost:8088/a", &[HOST]), "alice.localhost:8088");
        assert_eq!(
            outcome("GET", "http://ALICE.localhost/a", &[("host", "alice.localhost:80")]),
            "alice.localhost:80"
        );
        assert_eq!(outcome("OPTIONS", "*", &[HOST]), "alice.localhost:8088");
        let refused: &[Refused<'_>] = &[
            ("GET", "/", &[], "400"),
            ("GET", "/", &[HOST, HOST], "400"),
            ("GET", "/", &[("host", "")], "400"),
            ("GET", "/", &[("host", "me@alice.localhost")], "400"),
            ("GET", "http://bob.localhost:8088/a", &[HOST], "400"),
            ("GET", "http://alice.localhost:9/a", &[HOST], "400"),
            ("GET", "http://me@alice.localhost:8088/a", &[HOST], "400"),
            ("GET", "http://alice.localhost:8088/", &[], "400"),
            ("GET", "ftp://alice.localhost:8088/", &[HOST], "400"),
            ("GET", "alice.localhost:8088", &[HOST], "400"),
            ("GET", "foo", &[HOST], "400"),
            ("GET", "*", &[HOST], "400"),
            ("CONNECT", "alice.localhost:8088", &[HOST], "405"),
            ("TRACE", "/", &[HOST], "405"),
            ("POST", "/", &[HOST, ("expect", "200-ok")], "417"),
            ("GET", "/", &[HOST, ("authorization", "Basic a"), ("authorization", "Basic a")], "400"),
        ];
        for (method, target, headers, status) in refused {
            assert_eq!(outcome(method, target, headers), *status, "{method} {target} {headers:?}");
        }
        assert_eq!(outcome("POST", "/", &[HOST, ("expect", "100-Continue")]), "alice.localhost:8088");
        assert_eq!(outcome("GET", &format!("/{}", "x".repeat(MAX_TARGET)), &[HOST]), "414");
        let many: Vec<_> = std::iter::once(HOST).chain((0..MAX_HEADERS).map(|_| ("x", "y"))).collect();
        assert_eq!(outcome("GET", "/", &many), "431");
        let long = "y".repeat(MAX_HEADERS_BYTES);
        assert_eq!(outcome("GET", "/", &[HOST, ("x", &long)]), "431");
    }

    #[test]
    fn http_2_has_its_authority_instead_of_a_host() {
        let h2 = |target: &str, headers: &[(&str, &str)]| {
            check(&parts("GET", target, Version::HTTP_2, headers)).map(|h| h.to_header())
        };
        assert_eq!(h2("http://alice.localhost:8088/", &[]).expect("a host"), "alice.localhost:8088");
        assert_eq!(h2("http://alice.localhost:8088/", &[HOST]).expect("a host"), "alice.localhost:8088");
        assert!(h2("http://bob.localhost:8088/", &[HOST]).is_err());
        assert!(h2("/", &[]).is_err());
    }

    #[test]
    fn the_routers_own_paths_cannot_be_dressed_up() {
        for own in
            ["/.beaver", "/.beaver/callback", "//.beaver/x", "/./.beaver/x", "/%2ebeaver/x", "/.%62eaver/"]
        {
            assert!(is_own_path(own), "{own}");
        }
        for other in ["/", "/.beavers/", "/a/.beaver/", "/.well-known/x", "*", ""] {
            assert!(!is_own_path(other), "{other}");
        }
    }
}
