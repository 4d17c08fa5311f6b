//! The head of an instance's answer: how its body is framed, and the head as the client gets it, by the rules of
//! [`crate::response_headers`]; the tests hold one against the other. Pure.
//!
//! What must stay true: an answer that two readers could frame in two ways is no answer (RFC 9112, section 6.3).

use std::mem::MaybeUninit;

use http::StatusCode;
use httparse::Status;

use super::scratch::spare;
use crate::response_headers::{is_harmless, is_nameable, is_never_passed};

/// Most headers of an answer, as hyper has it.
const MAX_HEADERS: usize = 100;
/// Room for what the router adds.
const OURS: usize = 256;

/// How the body of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    /// With the connection.
    Close,
}

/// What is to be known of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    /// Bytes of the head.
    pub(crate) size: usize,
    pub(crate) framing: Framing,
    pub(crate) is_event_stream: bool,
    /// Whether the instance keeps the connection.
    pub(crate) keeps: bool,
    pub(crate) has_date: bool,
    /// The client's head but for the line that ends it and what the router adds: status line and headers, without
    /// any framing.
    pub(crate) for_client: Vec<u8>,
    /// `Content-Length` as it was said: it counts for the client even where no body follows (RFC 9110, section 8.6).
    pub(crate) told_length: Option<u64>,
}

/// Why there is no answer in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Not all of the head is there.
    Unfinished,
    /// It is no HTTP, or can be read in two ways.
    Malformed(&'static str),
}

/// Reads the head of the answer to a request; `is_head`: to one that gets no body.
pub(crate) fn read(bytes: &[u8], is_head: bool) -> Result<Head, NoAnswer> {
    let mut room = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let outcome =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut room);
    let size = match outcome {
        Ok(Status::Complete(size)) => size,
        Ok(Status::Partial) => return Err(NoAnswer::Unfinished),
        Err(_) => return Err(NoAnswer::Malformed("the head is no HTTP")),
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(NoAnswer::Malformed("the status is no number of three digits"))?;
    let facts = Facts::of(parsed.headers)?;
    let is_http_11 = parsed.version == Some(1);
    let has_no_body = is_head || status.is_informational() || matches!(status.as_u16(), 204 | 304);
    let framing = match facts.body {
        _ if has_no_body => Framing::Length(0),
        Told::Nothing => Framing::Close,
        Told::Length(length) => Framing::Length(length),
        Told::Chunked if is_http_11 => Framing::Chunked,
        Told::Chunked => return Err(NoAnswer::Malformed("Transfer-Encoding is not part of HTTP/1.0")),
    };
    Ok(Head {
        status,
        size,
        framing,
        is_event_stream: facts.is_event_stream,
        keeps: is_http_11 && !facts.closes && framing != Framing::Close,
        has_date: facts.has_date,
        for_client: for_client(status, parsed.headers, &facts, size),
        told_length: if let Told::Length(length) = facts.body { Some(length) } else { None },
    })
}

/// What an answer says of its body.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    Length(u64),
    Chunked,
}

#[derive(Default)]
struct Facts<'a> {
    body: Told,
    is_event_stream: bool,
    closes: bool,
    has_date: bool,
    /// Values of `Connection`.
    named: Vec<&'a str>,
}

impl<'a> Facts<'a> {
    fn of(headers: &[httparse::Header<'a>]) -> Result<Self, NoAnswer> {
        let mut facts = Self::default();
        for header in headers {
            let is = |wanted: &str| header.name.eq_ignore_ascii_case(wanted);
            match header.name.len() {
                4 if is("date") => facts.has_date = true,
                10 if is("connection") => facts.name_away(header.value),
                12 if is("content-type") => facts.is_event_stream = is_event_stream(header.value),
                14 if is("content-length") => {
                    let length = parse_length(header.value);
                    facts.tell(Told::Length(
                        length.ok_or(NoAnswer::Malformed("Content-Length is no number"))?,
                    ))?;
                }
                17 if is("transfer-encoding") => {
                    if facts.body == Told::Chunked
                        || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked")
                    {
                        return Err(NoAnswer::Malformed("Transfer-Encoding is not exactly chunked"));
                    }
                    facts.tell(Told::Chunked)?;
                }
                _ => (),
            }
        }
        Ok(facts)
    }

    /// The same once more is no harm; anything else is.
    fn tell(&mut self, told: Told) -> Result<(), NoAnswer> {
        let before = std::mem::replace(&mut self.body, told);
        if before == Told::Nothing || before == told {
            Ok(())
        } else {
            Err(NoAnswer::Malformed("the body is framed in two ways"))
        }
    }

    fn name_away(&mut self, value: &'a [u8]) {
        let Ok(text) = std::str::from_utf8(value) else { return };
        let names = text.split(',').map(str::trim);
        self.closes |= names.clone().any(|name| name.eq_ignore_ascii_case("close"));
        self.named.extend(names.filter(|name| is_nameable(name)));
    }
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii();
    let is_number = (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()
}

/// The media type alone counts, in any case (RFC 9110, section 8.3.1).
fn is_event_stream(value: &[u8]) -> bool {
    const TYPE: &[u8] = b"text/event-stream";
    value.trim_ascii_start().get(..TYPE.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(TYPE))
}

fn for_client(
    status: StatusCode,
    headers: &[httparse::Header<'_>],
    facts: &Facts<'_>,
    size: usize,
) -> Vec<u8> {
    let mut out = spare();
    out.reserve(size + OURS);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for header in headers {
        let (name, value) = (header.name, header.value);
        let is_dropped = is_never_passed(name)
            || name.eq_ignore_ascii_case("content-length")
            || facts.named.iter().any(|named| named.eq_ignore_ascii_case(name))
            || (name.eq_ignore_ascii_case("set-cookie") && !is_harmless(value));
        if !is_dropped {
            out.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

#[cfg(test)]
#[path = "answer_head_tests.rs"]
mod tests;
