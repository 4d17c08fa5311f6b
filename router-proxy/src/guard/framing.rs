//! Follows HTTP/1 messages through a stream of bytes: where each head ends, how long its body is. Pure and
//! incremental: any segmentation of the bytes gives the same result. It never says "deliver" across the end
//! of a message, so that a fault in one request cannot touch the one before it.

use super::head::{BodyFraming, Fault, check, is_token};
use crate::limits::{MAX_HEADERS_BYTES, MAX_TARGET};

/// Longest chunk-size line with its extensions, and longest trailer section.
const MAX_CHUNK_LINE: usize = 1024;
const MAX_TRAILERS: usize = 8 * 1024;
/// Method and version beside the longest target.
const MAX_REQUEST_LINE: usize = MAX_TARGET + 64;
const H2_PREFACE_HEAD: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// What to do with the bytes at the front.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many may be handed on.
    Deliver(usize),
    /// More must be read first.
    NeedMore,
    /// Not HTTP/1: hand on everything from here on.
    PassThrough,
    /// Refuse the request whose head begins here.
    Refuse(Fault),
    /// The body of a request that is under way is malformed: the connection cannot go on.
    Abort(&'static str),
}

#[derive(Debug)]
enum State {
    /// So many bytes of the head were looked at already.
    Head {
        scanned: usize,
    },
    Length(u64),
    Chunked(Chunk),
    PassThrough,
}

#[derive(Clone, Copy, Debug)]
enum Chunk {
    Size {
        value: u64,
        digits: usize,
    },
    Extension {
        len: usize,
    },
    SizeLf {
        value: u64,
    },
    Data(u64),
    DataCr,
    DataLf,
    /// `total` bytes of all trailers so far.
    Trailer {
        part: TrailerPart,
        total: usize,
    },
    TrailerLf {
        is_last: bool,
        total: usize,
    },
}

/// Where in a trailer's line the next byte is.
#[derive(Clone, Copy, Debug)]
enum TrailerPart {
    Start,
    Name,
    Value,
}

/// The position of one connection in its messages.
#[derive(Debug)]
pub(crate) struct Framing {
    state: State,
    extension_size: u64,
    is_first: bool,
}

impl Framing {
    pub(crate) fn new() -> Self {
        Self { state: State::Head { scanned: 0 }, extension_size: 0, is_first: true }
    }

    /// The same for a connection that had messages before: it cannot begin with the preface of HTTP/2 any more.
    pub(crate) fn later() -> Self {
        Self { is_first: false, ..Self::new() }
    }

    /// Whether the next byte begins a head.
    pub(crate) fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Head { .. })
    }

    /// Looks at the bytes that were read and not yet handed on.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Step {
        if bytes.is_empty() {
            return Step::NeedMore;
        }
        match self.state {
            State::PassThrough => Step::PassThrough,
            State::Head { scanned } => self.head(bytes, scanned),
            State::Length(left) => {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left - take as u64;
                self.state = if left == 0 { State::Head { scanned: 0 } } else { State::Length(left) };
                Step::Deliver(take)
            }
            State::Chunked(chunk) => self.chunks(bytes, chunk),
        }
    }

    fn head(&mut self, bytes: &[u8], scanned: usize) -> Step {
        // RFC 9112, section 2.2: an empty line before a request is skipped.
        let start = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        if start > 0 {
            // What follows is no preface any more: hyper looks for one at the very first byte.
            self.is_first = false;
            return skip_empty_lines(&bytes[..start], bytes.len());
        }
        // What is behind these is never looked at: the verdict must not depend on how much was read at once.
        let has_line = |limit: usize| memchr::memchr(b'\n', &bytes[..limit]).is_some();
        let limit = if bytes.len() > MAX_REQUEST_LINE && !has_line(MAX_REQUEST_LINE) {
            MAX_REQUEST_LINE
        } else {
            bytes.len().min(MAX_REQUEST_LINE + MAX_HEADERS_BYTES)
        };
        // A CR that was the last byte so far is judged by what follows it.
        let is_open = scanned.checked_sub(1).is_some_and(|last| bytes[last] == b'\r');
        let mut at = scanned - usize::from(is_open);
        while let Some(found) = memchr::memchr3(b'\r', b'\n', 0, &bytes[at..limit]) {
            let index = at + found;
            match (bytes[index], bytes.get(index + 1).filter(|_| index + 1 < limit)) {
                (b'\r', Some(b'\n')) if bytes[..index].ends_with(b"\r\n") => {
                    return self.head_complete(&bytes[..index + 2]);
                }
                (b'\r', Some(b'\n')) => at = index + 2,
                (b'\r', Some(_)) => return Step::Refuse(Fault::Malformed("a bare carriage return")),
                (b'\r', None) => break,
                (b'\n', _) => return Step::Refuse(Fault::Malformed("a bare line feed")),
                _ => return Step::Refuse(Fault::Malformed("a NUL byte")),
            }
        }
        if bytes.len() > limit {
            let is_line = limit == MAX_REQUEST_LINE;
            return Step::Refuse(if is_line { Fault::TargetTooLong } else { Fault::HeadersTooLarge });
        }
        self.state = State::Head { scanned: bytes.len() };
        Step::NeedMore
    }

    fn head_complete(&mut self, head: &[u8]) -> Step {
        let is_first = std::mem::take(&mut self.is_first);
        if is_first && head == H2_PREFACE_HEAD {
            self.state = State::PassThrough;
            return Step::PassThrough;
        }
        self.state = match check(head) {
            Err(fault) => return Step::Refuse(fault),
            Ok(BodyFraming::Length(0)) => State::Head { scanned: 0 },
            Ok(BodyFraming::Length(length)) => State::Length(length),
            Ok(BodyFraming::Chunked) => State::Chunked(Chunk::Size { value: 0, digits: 0 }),
        };
        Step::Deliver(head.len())
    }

    fn chunks(&mut self, bytes: &[u8], chunk: Chunk) -> Step {
        self.walk(bytes, chunk, |_| ())
    }

    /// Goes on in a chunked body; what it carries goes to `data`.
    fn walk(&mut self, bytes: &[u8], mut chunk: Chunk, mut data: impl FnMut(&[u8])) -> Step {
        let mut at = 0;
        while at < bytes.len() {
            if let Chunk::Data(left) = chunk {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                data(&bytes[at..at + take]);
                at += take;
                let left = left - take as u64;
                chunk = if left == 0 { Chunk::DataCr } else { Chunk::Data(left) };
                continue;
            }
            match self.chunk_byte(chunk, bytes[at]) {
                Ok(Some(next)) => chunk = next,
                Ok(None) => {
                    self.state = State::Head { scanned: 0 };
                    return Step::Deliver(at + 1);
                }
                Err(reason) => return Step::Abort(reason),
            }
            at += 1;
        }
        self.state = State::Chunked(chunk);
        Step::Deliver(at)
    }

    /// The state after one byte; `None` at the end of the message.
    fn chunk_byte(&mut self, chunk: Chunk, byte: u8) -> Result<Option<Chunk>, &'static str> {
        let next = match (chunk, byte) {
            (Chunk::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits >= 15 {
                    return Err("a chunk is too large");
                }
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                Chunk::Size { value: value * 16 + u64::from(digit), digits: digits + 1 }
            }
            (Chunk::Size { digits: 0, .. }, _) => return Err("a chunk has no size"),
            (Chunk::Size { value, .. }, b'\r') => Chunk::SizeLf { value },
            (Chunk::Size { value, .. }, b';') => {
                self.extension_size = value;
                Chunk::Extension { len: 0 }
            }
            (Chunk::Extension { .. }, b'\r') => Chunk::SizeLf { value: self.extension_size },
            (Chunk::Extension { len }, b'\t' | 0x20..=0x7e | 0x80..) if len < MAX_CHUNK_LINE => {
                Chunk::Extension { len: len + 1 }
            }
            (Chunk::SizeLf { value: 0 }, b'\n') => Chunk::Trailer { part: TrailerPart::Start, total: 0 },
            (Chunk::SizeLf { value }, b'\n') => Chunk::Data(value),
            (Chunk::DataCr, b'\r') => Chunk::DataLf,
            (Chunk::DataLf, b'\n') => Chunk::Size { value: 0, digits: 0 },
            (Chunk::Trailer { part, total }, _) if total < MAX_TRAILERS || byte == b'\r' => {
                trailer_byte(part, total, byte)?
            }
            (Chunk::TrailerLf { is_last: true, .. }, b'\n') => return Ok(None),
            (Chunk::TrailerLf { total, .. }, b'\n') => Chunk::Trailer { part: TrailerPart::Start, total },
            _ => return Err("the chunked body is malformed"),
        };
        Ok(Some(next))
    }
}

/// One chunked body apart from a head: an instance's answer.
#[derive(Debug)]
pub(crate) struct ChunkedBody(Framing);

impl ChunkedBody {
    pub(crate) fn new() -> Self {
        let chunk = Chunk::Size { value: 0, digits: 0 };
        Self(Framing { state: State::Chunked(chunk), ..Framing::new() })
    }

    /// Takes from the front of `bytes` what belongs to the body and hands on what it carries; trailers are passed over.
    /// Answers how many bytes that were.
    pub(crate) fn take(&mut self, bytes: &[u8], data: impl FnMut(&[u8])) -> Result<usize, &'static str> {
        let State::Chunked(chunk) = self.0.state else { return Ok(0) };
        match self.0.walk(bytes, chunk, data) {
            Step::Deliver(taken) => Ok(taken),
            Step::Abort(reason) => Err(reason),
            _ => Ok(0),
        }
    }

    /// Whether all of it was taken.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_between_messages()
    }
}

/// A trailer has the form of a header. hyper would find out as well, but only after the guard let it read on.
fn trailer_byte(part: TrailerPart, total: usize, byte: u8) -> Result<Chunk, &'static str> {
    let part = match (part, byte) {
        (TrailerPart::Start, b'\r') => return Ok(Chunk::TrailerLf { is_last: true, total }),
        (TrailerPart::Value, b'\r') => return Ok(Chunk::TrailerLf { is_last: false, total }),
        (TrailerPart::Name, b':') | (TrailerPart::Value, b'\t' | 0x20..=0x7e | 0x80..) => TrailerPart::Value,
        (TrailerPart::Start | TrailerPart::Name, _) if is_token(byte) => TrailerPart::Name,
        _ => return Err("a trailer is malformed"),
    };
    Ok(Chunk::Trailer { part, total: total + 1 })
}

/// Hands on whole CR LF pairs in front of a head.
fn skip_empty_lines(prefix: &[u8], available: usize) -> Step {
    let pairs = prefix.chunks(2).take_while(|pair| *pair == b"\r\n").count() * 2;
    if pairs > 0 {
        return Step::Deliver(pairs);
    }
    // A lone CR at the very end may yet get its LF.
    if prefix == b"\r" && available == 1 {
        Step::NeedMore
    } else {
        Step::Refuse(Fault::Malformed("a bare CR or LF"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Delivered bytes and how it ended, when the input comes in pieces of the given sizes.
    fn run(input: &[u8], pieces: &[usize]) -> (Vec<u8>, String) {
        let (mut framing, mut pending, mut out) = (Framing::new(), Vec::new(), Vec::new());
        let mut rest = input;
        let mut sizes = pieces.iter().copied().cycle();
        loop {
            match framing.advance(&pending) {
                Step::Deliver(n) => out.extend(pending.drain(..n)),
                Step::NeedMore if rest.is_empty() => {
                    return (out, format!("open, between messages: {}", framing.is_between_messages()));
                }
                Step::NeedMore => {
                    let take = sizes.next().unwrap_or(1).clamp(1, rest.len());
                    pending.extend_from_slice(&rest[..take]);
                    rest = &rest[take..];
                }
                Step::PassThrough => {
                    out.append(&mut pending);
                    out.extend_from_slice(rest);
                    return (out, "pass through".to_owned());
                }
                end => return (out, format!("{end:?}")),
            }
        }
    }

    const SAMPLES: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
        "\r\n\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0",
        "GET / HTTP/1.1\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];

    #[test]
    fn messages_are_followed_and_faults_are_found_at_their_own_message() {
        let all = |i: usize| run(SAMPLES[i].as_bytes(), &[100_000]);
        assert_eq!(all(0), (SAMPLES[0].into(), "open, between messages: true".into()));
        assert_eq!(all(1), (SAMPLES[1].into(), "open, between messages: true".into()));
        assert_eq!(all(2).0.len(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n".len());
        assert!(all(2).1.contains("line feed"));
        assert!(all(3).0.is_empty() && all(3).1.contains("carriage return"));
        assert!(all(4).1.contains("Abort"), "{}", all(4).1);
        assert!(all(5).1.contains("Abort"), "{}", all(5).1);
        assert_eq!(all(6), (SAMPLES[6].into(), "pass through".into()));
        for late in [7, 8] {
            assert!(all(late).1.contains("Refuse"), "the preface counts at the start of a connection alone");
        }
    }

    #[test]
    fn an_endless_head_is_refused_in_time() {
        let long_target = [b"GET /".as_slice(), &vec![b'x'; 20_000]].concat();
        assert!(run(&long_target, &[999]).1.contains("TargetTooLong"));
        let long_headers = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'x'; 60_000]].concat();
        assert!(run(&long_headers, &[999]).1.contains("HeadersTooLarge"));
    }

    #[test]
    fn an_endless_method_is_refused_however_it_comes() {
        let long_method = ["G".repeat(9_000).as_str(), " / HTTP/1.1\r\n\r\n"].concat();
        for piece in [1, 999, 100_000] {
            assert!(run(long_method.as_bytes(), &[piece]).1.contains("TargetTooLong"), "{piece}");
        }
    }

    #[test]
    fn a_trailer_has_the_form_of_a_header() {
        let with = |trailers: &str| {
            let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
            run(format!("{head}{trailers}\r\n").as_bytes(), &[100_000]).1
        };
        let longest = format!("A:{}\r\n", "b".repeat(MAX_TRAILERS - 2));
        for good in ["", "A: b\r\n", "A:\r\nB:\t c \r\n", &longest] {
            assert!(with(good).contains("between messages: true"), "{good:?}");
        }
        let too_long = format!("A:{}\r\n", "b".repeat(MAX_TRAILERS - 1));
        for bad in
            ["A : b\r\n", "A\r\n", ": b\r\n", "A: b\r\n c\r\n", "A: \0\r\n", "GET / HTTP/1.1\r\n", &too_long]
        {
            assert!(with(bad).contains("Abort"), "{bad:?}");
        }
    }

    #[test]
    fn a_chunked_body_is_taken_apart_however_it_comes() {
        let body = b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\nHTTP/1.1 200 OK";
        let end = body.len() - "HTTP/1.1 200 OK".len();
        for piece in [1, 2, 7, 100] {
            let (mut chunked, mut data, mut at) = (ChunkedBody::new(), Vec::new(), 0);
            while !chunked.is_over() {
                let bytes = &body[at..body.len().min(at + piece)];
                at += chunked.take(bytes, |part| data.extend_from_slice(part)).expect("it is right");
            }
            assert_eq!((data.as_slice(), at), (b"hello!".as_slice(), end), "{piece}");
            assert_eq!(chunked.take(&body[at..], |_| panic!("it is over")), Ok(0));
        }
        assert!(ChunkedBody::new().take(b"5\nhello", |_| ()).is_err());
    }

    proptest! {
        #[test]
        fn any_segmentation_gives_the_same_result(
            sample in 0..SAMPLES.len(),
            pieces in proptest::collection::vec(1_usize..20, 1..40),
        ) {
            let whole = run(SAMPLES[sample].as_bytes(), &[100_000]);
            let cut = run(SAMPLES[sample].as_bytes(), &pieces);
            // A body that breaks off is handed on as far as it was good: how far depends on the pieces.
            if whole.1.starts_with("Abort") {
                prop_assert_eq!(whole.1, cut.1);
            } else {
                prop_assert_eq!(whole, cut);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..50) {
            let _ = run(&bytes, &[piece]);
        }
    }
}
