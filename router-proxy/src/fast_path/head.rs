//! The head of a request of the usual kind, read where it lies. The guard has checked it before (see
//! [`crate::guard`]): it ends in an empty line, each line is a name, a colon and a value, and no length is
//! ambiguous. Pure.
//!
//! What must stay true: whatever needs a rule that is not applied here is called unusual, and hyper's side of the
//! router decides. A header that is not known here is passed on or dropped by the rules of
//! [`crate::request::upstream_headers`], and by no seen.

use crate::request::target::is_own_path;

/// Longest body that is read before the request is sent on. Longer ones stream through hyper.
pub(crate) const MAX_BODY: usize = 16 * 1024;

/// Why a request is for hyper's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotUsual {
    /// Hyper's side gives the connection back afterwards.
    ForOnce,
    /// It keeps the connection.
    ForGood,
}

/// A usual request.
#[derive(Clone, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: Method,
    /// Path and query; begins with a slash.
    pub(crate) target: &'a str,
    pub(crate) host: &'a str,
    /// The one `Cookie` line.
    pub(crate) cookie: Option<&'a str>,
    pub(crate) forwarded_for: Option<&'a str>,
    pub(crate) forwarded_proto: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
    /// Length of the body.
    pub(crate) length: usize,
    lines: Lines<'a>,
}

/// Methods that are usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"OPTIONS" => Self::Options,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"PATCH" => Self::Patch,
            b"DELETE" => Self::Delete,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    pub(crate) fn to_http(self) -> http::Method {
        match self {
            Self::Get => http::Method::GET,
            Self::Head => http::Method::HEAD,
            Self::Options => http::Method::OPTIONS,
            Self::Post => http::Method::POST,
            Self::Put => http::Method::PUT,
            Self::Patch => http::Method::PATCH,
            Self::Delete => http::Method::DELETE,
        }
    }

    /// Whether saying it twice has no effect (RFC 9110, section 9.2.2).
    pub(crate) fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }

    /// Whether it changes nothing (RFC 9110, section 9.2.1).
    fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }
}

impl<'a> Head<'a> {
    /// Names and values in their order, without the space around a value.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.lines.clone()
    }

    /// Bytes of the head, roughly.
    pub(crate) fn size(&self) -> usize {
        self.lines.0.len() + self.target.len()
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &'a str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }
}

/// Reads a whole head that the guard has checked.
pub(crate) fn read(bytes: &[u8]) -> Result<Head<'_>, NotUsual> {
    let is_upgrade = |(name, _): (&str, &[u8])| name.eq_ignore_ascii_case("upgrade");
    match parse(bytes) {
        // Wherever the reading ended: hyper gives back no connection that may become a tunnel.
        Err(NotUsual::ForOnce) if header_lines(bytes).any(is_upgrade) => Err(NotUsual::ForGood),
        outcome => outcome,
    }
}

fn header_lines(bytes: &[u8]) -> Lines<'_> {
    let line_end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    Lines(&bytes[line_end..])
}

fn parse(bytes: &[u8]) -> Result<Head<'_>, NotUsual> {
    let line_end = memchr::memchr(b'\r', bytes).ok_or(NotUsual::ForGood)?;
    let mut words = bytes[..line_end].split(|&b| b == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    if version != Some(b"HTTP/1.1".as_slice()) {
        return Err(NotUsual::ForGood);
    }
    let method = method.and_then(Method::parse).ok_or(NotUsual::ForOnce)?;
    let target = target.and_then(|t| std::str::from_utf8(t).ok()).ok_or(NotUsual::ForOnce)?;
    if !target.starts_with('/') {
        return Err(NotUsual::ForOnce);
    }
    let lines = header_lines(bytes);
    let mut head = Head {
        method,
        target,
        host: "",
        cookie: None,
        forwarded_for: None,
        forwarded_proto: None,
        request_id: None,
        length: 0,
        lines: lines.clone(),
    };
    let mut seen = Seen::default();
    for (name, value) in lines {
        note(&mut head, &mut seen, name, value)?;
    }
    head.host = seen.host.unwrap_or_default();
    if head.host.is_empty() || head.length > MAX_BODY || may_be_own(head.path()) {
        return Err(NotUsual::ForOnce);
    }
    if !method.is_safe() && !seen.is_plainly_ours() {
        return Err(NotUsual::ForOnce);
    }
    Ok(head)
}

/// What decides where a request goes, and whether another site may be behind one that changes something.
#[derive(Default)]
struct Seen<'a> {
    host: Option<&'a str>,
    origin: Option<&'a str>,
    site: Option<&'a str>,
}

impl Seen<'_> {
    /// Anything else is for the gate to judge.
    fn is_plainly_ours(&self) -> bool {
        match self.site {
            Some(site) => matches!(site, "same-origin" | "none"),
            None => self.origin.is_none(),
        }
    }
}

fn note<'a>(head: &mut Head<'a>, seen: &mut Seen<'a>, name: &str, value: &'a [u8]) -> Result<(), NotUsual> {
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
    // Told apart by length first: most headers are none of these.
    match name.len() {
        // Whoever wants trailers is served where they are passed on.
        2 if is("te") => return Err(NotUsual::ForOnce),
        4 if is("host") => return once(&mut seen.host, value),
        6 if is("cookie") => return once(&mut head.cookie, value),
        6 if is("origin") => return once(&mut seen.origin, value),
        6 if is("expect") => return Err(NotUsual::ForOnce),
        7 if is("upgrade") || is("trailer") => return Err(NotUsual::ForOnce),
        10 if is("connection") && !value.eq_ignore_ascii_case(b"keep-alive") => {
            return Err(if value.eq_ignore_ascii_case(b"close") {
                NotUsual::ForGood
            } else {
                NotUsual::ForOnce
            });
        }
        12 if is("x-request-id") => return once(&mut head.request_id, value),
        13 if is("authorization") => return Err(NotUsual::ForOnce),
        14 if is("content-length") => {
            let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            head.length = length.ok_or(NotUsual::ForOnce)?;
        }
        14 if is("sec-fetch-site") => return once(&mut seen.site, value),
        15 if is("x-forwarded-for") => return once(&mut head.forwarded_for, value),
        17 if is("x-forwarded-proto") => return once(&mut head.forwarded_proto, value),
        17 if is("transfer-encoding") => return Err(NotUsual::ForOnce),
        _ => (),
    }
    Ok(())
}

/// A second one is for hyper's side to judge, and so is one that is no ASCII.
fn once<'a>(place: &mut Option<&'a str>, value: &'a [u8]) -> Result<(), NotUsual> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
    match (place.replace(text.ok_or(NotUsual::ForOnce)?), text) {
        (None, Some(_)) => Ok(()),
        _ => Err(NotUsual::ForOnce),
    }
}

/// Whether the path could be one of the router's own: looked at in full only where it begins in a way that is rare.
fn may_be_own(path: &str) -> bool {
    let is_plain = path.as_bytes().get(1).is_none_or(u8::is_ascii_alphanumeric);
    !is_plain && is_own_path(path)
}

/// The header lines of a checked head.
#[derive(Clone, Debug)]
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let end = memchr::memchr(b'\r', self.0).filter(|&end| end > 0)?;
        let line = &self.0[..end];
        self.0 = self.0.get(end + 2..).unwrap_or_default();
        let colon = memchr::memchr(b':', line)?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        Some((name, line[colon + 1..].trim_ascii()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: &str, target: &str, headers: &str) -> String {
        let bytes = format!("{method} {target} HTTP/1.1\r\n{headers}\r\n");
        match read(bytes.as_bytes()) {
            Ok(head) => format!("{} {} {} {}", head.method.as_str(), head.host, head.path(), head.length),
            Err(other) => format!("{other:?}"),
        }
    }

    const HOST: &str = "Host: alice.localhost\r\n";

    #[test]
    fn the_usual_is_read_as_it_is() {
        let with = |more: &str| verdict("GET", "/a/b?c=d", &format!("{HOST}{more}"));
        for more in [
            "",
            "Cookie: a=b; c=d\r\n",
            "connection: Keep-Alive\r\n",
            "X-Forwarded-For: 1.2.3.4\r\n",
            "Origin: null\r\n",
        ] {
            assert_eq!(with(more), "GET alice.localhost /a/b 0", "{more}");
        }
        assert_eq!(verdict("POST", "/", &format!("{HOST}Content-Length: 3\r\n")), "POST alice.localhost / 3");
        let same = format!("{HOST}Origin: http://alice.localhost\r\nSec-Fetch-Site: same-origin\r\n");
        assert_eq!(verdict("DELETE", "/x", &same), "DELETE alice.localhost /x 0");
        let bytes = format!("GET / HTTP/1.1\r\n{HOST}A:  b \r\nC:\r\n\r\n");
        let head = read(bytes.as_bytes()).expect("usual");
        let headers: Vec<_> =
            head.headers().map(|(n, v)| (n, String::from_utf8_lossy(v).into_owned())).collect();
        assert_eq!(
            headers,
            [("Host", "alice.localhost".to_owned()), ("A", "b".to_owned()), ("C", String::new())]
        );
    }

    #[test]
    fn whatever_has_a_rule_of_its_own_is_left_to_hypers_side() {
        for (method, target, more) in [
            ("GET", "*", ""),
            ("GET", "http://alice.localhost/", ""),
            ("GET", "/.beaver/logout", ""),
            ("GET", "//.beaver/logout", ""),
            ("GET", "/./%2ebeaver/x", ""),
            ("PURGE", "/", ""),
            ("TRACE", "/", ""),
            ("CONNECT", "alice.localhost:80", ""),
            ("GET", "/", HOST),
            ("GET", "/", "Host:\r\n"),
            ("GET", "/", "Cookie: a=b\r\nCookie: c=d\r\n"),
            ("GET", "/", "Connection: keep-alive, X-A\r\n"),
            ("GET", "/", "Authorization: Basic eDp5\r\n"),
            ("GET", "/", "Expect: 100-continue\r\n"),
            ("GET", "/", "Trailer: X-A\r\n"),
            ("GET", "/", "TE: trailers\r\n"),
            ("GET", "/", "Cookie: \u{e9}=1\r\n"),
            ("POST", "/", "Transfer-Encoding: chunked\r\n"),
            ("POST", "/", "Content-Length: 16385\r\n"),
            ("POST", "/", "Origin: http://bob.localhost\r\n"),
            ("POST", "/", "Sec-Fetch-Site: same-site\r\n"),
        ] {
            assert_eq!(
                verdict(method, target, &format!("{HOST}{more}")),
                "ForOnce",
                "{method} {target} {more}"
            );
        }
        for none in ["", "Host:\r\n", "Host:\r\nHost: alice.localhost\r\n"] {
            assert_eq!(verdict("GET", "/", none), "ForOnce", "{none}");
        }
        for more in [
            "Upgrade: websocket\r\n",
            "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
            "Authorization: Basic eDp5\r\nUpgrade: websocket\r\n",
            "Connection: close\r\n",
        ] {
            assert_eq!(verdict("GET", "/", &format!("{HOST}{more}")), "ForGood", "{more}");
        }
        let old = format!("GET / HTTP/1.0\r\n{HOST}\r\n");
        assert!(matches!(read(old.as_bytes()), Err(NotUsual::ForGood)));
    }
}
