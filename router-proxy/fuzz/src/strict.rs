//! A second reader of HTTP/1 requests, written from RFC 9112 and sharing nothing with the guard. It looks at whole
//! messages and not at a stream, and it calls doubtful whatever two servers were ever seen to read in two ways.
//!
//! What must stay true: it is never more lenient than the RFC. Where it takes more than the grammar says, no boundary
//! of a message depends on it: browsers send `|`, `[` and their like raw in a target, and the extension of a chunk
//! is any text up to the end of its line, which nobody sends on.

/// How the end of the body was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A length; 0 where none was given.
    Length(u64),
    /// RFC 9112, section 7.1.
    Chunked,
}

/// One request as it stands in the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) is_http_11: bool,
    /// Names in lower case, values without the space around them, in their order.
    pub(crate) headers: Fields,
    pub(crate) framing: Framing,
    /// Without the framing of chunks.
    pub(crate) body: Vec<u8>,
    /// As the headers.
    pub(crate) trailers: Fields,
    /// Where the request begins, behind empty lines, and where it ends.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Request {
    /// The values of a header, in their order.
    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_slice()).collect()
    }
}

/// What stands at the front of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A request that every reader finds the same.
    Whole(Request),
    /// The beginning of one, without a fault so far.
    Unfinished,
    /// What readers may disagree on, or what is no request.
    Doubtful(&'static str),
}

type Fields = Vec<(String, Vec<u8>)>;

/// Why there is no request.
enum Stop {
    Unfinished,
    Doubtful(&'static str),
}

use Stop::{Doubtful, Unfinished};

/// Reads the first request.
pub(crate) fn read(bytes: &[u8]) -> Reading {
    match request(bytes) {
        Ok(request) => Reading::Whole(request),
        Err(Unfinished) => Reading::Unfinished,
        Err(Doubtful(why)) => Reading::Doubtful(why),
    }
}

/// The requests up to the first place where none is, and what is there.
pub(crate) fn read_all(bytes: &[u8]) -> (Vec<Request>, Reading) {
    let (mut all, mut at) = (Vec::new(), 0);
    loop {
        match read(&bytes[at..]) {
            Reading::Whole(mut request) => {
                request.start += at;
                request.end += at;
                at = request.end;
                all.push(request);
            }
            other => return (all, other),
        }
    }
}

fn request(bytes: &[u8]) -> Result<Request, Stop> {
    let mut cursor = Cursor { bytes, at: 0 };
    // Section 2.2: empty lines before a request are skipped.
    while bytes[cursor.at..].starts_with(b"\r\n") {
        cursor.at += 2;
    }
    let start = cursor.at;
    let first = cursor.line()?;
    let words: Vec<&[u8]> = first.split(|b| *b == b' ').collect();
    let [method, target, version] = words[..] else { return Err(Doubtful("not three words")) };
    let is_http_11 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => return Err(Doubtful("the version")),
    };
    let method = token(method).ok_or(Doubtful("the method"))?;
    // No fragment (section 3.2): some cut it off and some do not.
    let is_target = !target.is_empty() && target.iter().all(|b| b.is_ascii_graphic() && *b != b'#');
    let target = text(target).filter(|_| is_target).ok_or(Doubtful("the target"))?;
    let headers = cursor.fields()?;
    let framing = framing(&headers, is_http_11)?;
    let (body, trailers) = match framing {
        Framing::Length(length) => (cursor.take(length)?.to_vec(), Vec::new()),
        Framing::Chunked => cursor.chunks()?,
    };
    Ok(Request { method, target, is_http_11, headers, framing, body, trailers, start, end: cursor.at })
}

/// Section 6.3, without any of its repairs.
fn framing(headers: &[(String, Vec<u8>)], is_http_11: bool) -> Result<Framing, Stop> {
    let of =
        |name: &str| headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect::<Vec<_>>();
    match (&of("content-length")[..], &of("transfer-encoding")[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) => number(length, 10).map(Framing::Length).ok_or(Doubtful("the length")),
        ([], [coding]) if is_http_11 && coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        ([], _) => Err(Doubtful("the transfer coding")),
        (_, []) => Err(Doubtful("two lengths")),
        _ => Err(Doubtful("a length and a transfer coding")),
    }
}

/// Digits alone: no sign, no prefix, no space.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(|b| char::from(*b).is_digit(radix));
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok().filter(|_| is_number)
}

fn token(bytes: &[u8]) -> Option<String> {
    let is_tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    text(bytes).filter(|_| !bytes.is_empty() && bytes.iter().all(is_tchar))
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// Space, tab, visible characters and those beyond ASCII: what may stand in a value.
fn is_field_char(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Up to the next CR LF, which no other CR, LF or control character may come before.
    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|b| !is_field_char(*b)).ok_or(Unfinished)?;
        match rest[length..] {
            [b'\r', b'\n', ..] => {
                self.at += length + 2;
                Ok(&rest[..length])
            }
            [b'\r'] => Err(Unfinished),
            _ => Err(Doubtful("a control character or a bare CR or LF")),
        }
    }

    /// Field lines up to an empty one (section 5).
    fn fields(&mut self) -> Result<Fields, Stop> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            let colon = line.iter().position(|b| *b == b':').ok_or(Doubtful("a line without a colon"))?;
            // This refuses a space before the colon and a folded line, too.
            let name = token(&line[..colon]).ok_or(Doubtful("the name of a header"))?;
            let value = line[colon + 1..].trim_ascii();
            fields.push((name.to_ascii_lowercase(), value.to_vec()));
        }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length)).ok_or(Unfinished)?;
        self.at += taken.len();
        Ok(taken)
    }

    /// Section 7.1: the body and the trailers.
    fn chunks(&mut self) -> Result<(Vec<u8>, Fields), Stop> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(|b| *b == b';').next().unwrap_or_default();
            let size = number(digits, 16).ok_or(Doubtful("the size of a chunk"))?;
            if size == 0 {
                return Ok((body, self.fields()?));
            }
            body.extend_from_slice(self.take(size)?);
            match self.bytes[self.at..] {
                [b'\r', b'\n', ..] => self.at += 2,
                [] | [b'\r'] => return Err(Unfinished),
                _ => return Err(Doubtful("no line end after a chunk")),
            }
        }
    }
}
