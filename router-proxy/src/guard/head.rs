//! The rules for one HTTP/1 request head (RFC 9112), stricter than the RFC wherever two parsers might
//! disagree. Pure.

use crate::limits::{MAX_HEADERS, MAX_HEADERS_BYTES, MAX_TARGET};

/// Why a request cannot be served as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 400, with what is wrong.
    Malformed(&'static str),
    /// 414.
    TargetTooLong,
    /// 431.
    HeadersTooLarge,
    /// 408: the head did not arrive in time.
    TooSlow,
}

/// How the body after a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    Length(u64),
    Chunked,
}

/// Checks a head that ends in an empty line and has no bare CR or LF.
pub(super) fn check(head: &[u8]) -> Result<BodyFraming, Fault> {
    let mut lines = Lines(head);
    let request_line = lines.next().unwrap_or_default();
    let is_http_11 = check_request_line(request_line)?;
    if head.len() - request_line.len() > MAX_HEADERS_BYTES {
        return Err(Fault::HeadersTooLarge);
    }
    let mut length = None;
    let mut chunked = false;
    for (count, line) in lines.enumerate() {
        if count >= MAX_HEADERS {
            return Err(Fault::HeadersTooLarge);
        }
        let (name, value) = check_header_line(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if length.replace(parse_length(value)?).is_some() {
                return Err(Fault::Malformed("Content-Length is given twice"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Malformed("Transfer-Encoding must be exactly chunked"));
            }
            chunked = true;
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err(Fault::Malformed("Content-Length and Transfer-Encoding are both given")),
        (None, true) if !is_http_11 => Err(Fault::Malformed("Transfer-Encoding is not part of HTTP/1.0")),
        (None, true) => Ok(BodyFraming::Chunked),
        (length, false) => Ok(BodyFraming::Length(length.unwrap_or(0))),
    }
}

/// Answers whether the version is 1.1.
fn check_request_line(line: &[u8]) -> Result<bool, Fault> {
    let mut parts = line.split(|&b| b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::Malformed("the request line is not method, target and version"));
    };
    if method.is_empty() || !method.iter().all(|&b| is_token(b)) {
        return Err(Fault::Malformed("the method is no token"));
    }
    if target.len() > MAX_TARGET {
        return Err(Fault::TargetTooLong);
    }
    let is_visible = target.iter().all(|b| (0x21..=0x7e).contains(b));
    // hyper would answer this one itself, without a request id. A fragment it would cut off, and the instance
    // would get another target than was sent.
    if !is_visible || target.contains(&b'#') || http::Uri::try_from(target).is_err() {
        return Err(Fault::Malformed("the request target is no URI"));
    }
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        _ => Err(Fault::Malformed("the version is neither HTTP/1.1 nor HTTP/1.0")),
    }
}

fn check_header_line(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
        return Err(Fault::Malformed("a header is folded over two lines"));
    }
    let colon = line.iter().position(|&b| b == b':').ok_or(Fault::Malformed("a header line has no colon"))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|&b| is_token(b)) {
        return Err(Fault::Malformed("a header name is no token"));
    }
    if value.iter().any(|&b| (b < 0x20 && b != b'\t') || b == 0x7f) {
        return Err(Fault::Malformed("a header value has a control character"));
    }
    Ok((name, value.trim_ascii()))
}

fn parse_length(value: &[u8]) -> Result<u64, Fault> {
    let is_number = (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value)
        .ok()
        .filter(|_| is_number)
        .and_then(|text| text.parse().ok())
        .ok_or(Fault::Malformed("Content-Length is no number"))
}

/// `tchar` of RFC 9110, section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The lines of a head, each ended by CR LF; stops at the empty one.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.windows(2).position(|pair| pair == b"\r\n")?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 2..];
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &str) -> Result<BodyFraming, Fault> {
        check(format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes())
    }

    #[test]
    fn framing_by_table() {
        assert_eq!(of(""), Ok(BodyFraming::Length(0)));
        assert_eq!(of("Content-Length: 5\r\n"), Ok(BodyFraming::Length(5)));
        assert_eq!(of("transfer-encoding:\tChunked \r\n"), Ok(BodyFraming::Chunked));
        for bad in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: \u{b}chunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "X: a\r\n folded\r\n",
            "no colon\r\n",
            ": empty\r\n",
            "X: a\0b\r\n",
            "X(y): a\r\n",
        ] {
            assert!(matches!(of(bad), Err(Fault::Malformed(_))), "{bad:?} gave {:?}", of(bad));
        }
    }

    #[test]
    fn request_lines_by_table() {
        let line = |text: &str| check(format!("{text}\r\nHost: a\r\n\r\n").as_bytes());
        for good in ["GET / HTTP/1.1", "GET /a?b=c HTTP/1.0", "OPTIONS * HTTP/1.1", "CONNECT a:1 HTTP/1.1"] {
            assert!(line(good).is_ok(), "{good}");
        }
        for bad in [
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET / HTTP/2.0",
            "GET / http/1.1",
            "G@T / HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET /\t HTTP/1.1",
            "GET /a#b HTTP/1.1",
            " / HTTP/1.1",
        ] {
            assert!(matches!(line(bad), Err(Fault::Malformed(_))), "{bad}");
        }
        let chunked_10 = b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(matches!(check(chunked_10), Err(Fault::Malformed(_))));
    }

    #[test]
    fn limits_have_their_own_faults() {
        let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(MAX_TARGET));
        assert_eq!(check(target.as_bytes()), Err(Fault::TargetTooLong));
        assert_eq!(of(&format!("X: {}\r\n", "y".repeat(MAX_HEADERS_BYTES))), Err(Fault::HeadersTooLarge));
        assert_eq!(of(&"X: y\r\n".repeat(MAX_HEADERS)), Err(Fault::HeadersTooLarge));
        assert!(of(&"X: y\r\n".repeat(MAX_HEADERS - 1)).is_ok());
    }
}
