//! Streams of requests at random, most of them right but for one change: however the bytes are cut, the guard finds
//! the same messages, and a strict reader that knows nothing of it finds the same ones. `fuzz/` holds the same
//! against what a coverage-guided fuzzer finds.

use proptest::prelude::*;

use super::framing;
use messages::{End, agree, follow};

#[path = "../../fuzz/src/messages.rs"]
pub(crate) mod messages;
#[path = "../../fuzz/src/strict.rs"]
pub(crate) mod strict;

/// As many cases as usual for this file, unless the environment asks for another number.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() {
        config
    } else {
        ProptestConfig { cases: usual, ..config }
    }
}

/// What takes the place of a token, or comes between two.
const ATTACKS: [&[u8]; 75] = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\r\r\n",
    b"\n\r",
    b"\r\n\r\n",
    b"\n\n",
    b"\0",
    b"\x0b",
    b"\x0c",
    b"\x7f",
    b"\x80",
    b"\xc3\xa9",
    b" ",
    b"  ",
    b"\t",
    b":",
    b" :",
    b"\t:",
    b": ",
    b",",
    b";",
    b"",
    b"GET",
    b"PRI",
    b"G@T",
    b"*",
    b"/#a",
    b"/a b",
    b"http://bob.localhost/",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"HTTP/2.0",
    b"HTTP/1.10",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"PRI * HTTP/2.0\r\n\r\n",
    b"Content-Length",
    b"content-length",
    b"CONTENT_LENGTH",
    b"Content-Length ",
    b" Content-Length",
    b"Transfer-Encoding",
    b"transfer-encoding",
    b"Transfer-Encoding\t",
    b"Transfer-Encoding\xa0",
    b"X",
    b"Content-Length: 3\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: 3, 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"X: a\r\n b\r\n",
    b"X: a\rY: b\r\n",
    b"no colon\r\n",
    b"chunked",
    b"CHUNKED",
    b"chunked, chunked",
    b"\"chunked\"",
    b"chunked;a=b",
    b"0",
    b"3",
    b"+3",
    b"-3",
    b"0x3",
    b"3 ",
    b"03",
    b"3;a=b",
    b"3 ;a",
    b"3;a=\"\n\"",
    b"ffffffffffffffff",
    b"10000000000000003",
    b"0\r\n\r\n",
    b"0\r\nGET / HTTP/1.1\r\n\r\n",
];

pub(crate) type Tokens = Vec<Vec<u8>>;

fn tokens(parts: &[&[u8]]) -> Tokens {
    parts.iter().map(|part| part.to_vec()).collect()
}

fn header() -> impl Strategy<Value = Tokens> {
    let name = prop::sample::select(vec![
        "X",
        "x-a",
        "Accept",
        "Connection",
        "Cookie",
        "X_b",
        "Upgrade",
        "TE",
        "Trailer",
        "ETag",
    ]);
    let value = prop::sample::select(vec![
        "a",
        "close",
        "a, b",
        "",
        "a:b",
        "\u{e9}",
        "chunked",
        "3",
        "trailers",
        "etag, host",
    ]);
    let space = prop::sample::select(vec!["", " ", "\t", "  "]);
    (name, space.clone(), value, space).prop_map(|(name, before, value, after)| {
        let words = [name, ":", before, value, after, "\r\n"];
        tokens(&words.map(str::as_bytes))
    })
}

fn body() -> impl Strategy<Value = (Tokens, Tokens)> {
    let data = || prop::collection::vec(any::<u8>(), 1..24);
    let sized = data().prop_map(|data| {
        let length = data.len().to_string();
        (tokens(&[b"Content-Length", b":", b" ", length.as_bytes(), b"\r\n"]), vec![data])
    });
    let extension = prop::sample::select(vec!["", "", ";a", ";a=b", ";a=\"b c\""]);
    let chunks = prop::collection::vec((data(), extension), 0..4);
    let trailer = prop::option::of(header());
    let chunked = (chunks, trailer).prop_map(|(chunks, trailer)| {
        let mut body = Tokens::new();
        for (data, extension) in chunks {
            let size = format!("{:x}", data.len());
            body.extend(tokens(&[size.as_bytes(), extension.as_bytes(), b"\r\n"]));
            body.extend([data, b"\r\n".to_vec()]);
        }
        body.extend(tokens(&[b"0", b"\r\n"]));
        body.extend(trailer.unwrap_or_default());
        body.push(b"\r\n".to_vec());
        (tokens(&[b"Transfer-Encoding", b":", b" ", b"chunked", b"\r\n"]), body)
    });
    prop_oneof![1 => Just((Tokens::new(), Tokens::new())), 2 => sized, 3 => chunked]
}

/// One request that is as it should be, in the pieces that a change may concern.
fn request() -> impl Strategy<Value = Tokens> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"]);
    let target = prop::sample::select(vec!["/", "/a?b=c", "/%2e/|[x]", "http://alice.localhost/a", "*"]);
    let headers = || prop::collection::vec(header(), 0..3);
    (method, target, headers(), body(), headers()).prop_map(
        |(method, target, before, (length, body), after)| {
            let mut all = tokens(&[method.as_bytes(), b" ", target.as_bytes(), b" ", b"HTTP/1.1", b"\r\n"]);
            all.extend(tokens(&[b"Host", b":", b" ", b"alice.localhost", b"\r\n"]));
            all.extend(before.into_iter().flatten());
            all.extend(length);
            all.extend(after.into_iter().flatten());
            all.push(b"\r\n".to_vec());
            all.extend(body);
            all
        },
    )
}

pub(crate) fn stream() -> impl Strategy<Value = Vec<Tokens>> {
    prop::collection::vec(request(), 1..4)
}

/// One change of the tokens, by numbers that are taken modulo what there is.
#[derive(Clone, Debug)]
enum Change {
    Replace(usize, usize),
    Insert(usize, usize),
    Double(usize, usize),
    Remove(usize),
    Swap(usize, usize),
    Recase(usize),
    /// A byte of a token.
    Byte(usize, usize, u8),
    /// A token made so long that a limit is near or passed.
    Stretch(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let n = || any::<usize>();
    let long = prop::sample::select(vec![1_000, 1_025, 8_150, 8_192, 8_260, 16_500, 32_700, 41_100]);
    prop_oneof![
        4 => (n(), n()).prop_map(|(at, attack)| Change::Replace(at, attack)),
        4 => (n(), n()).prop_map(|(at, attack)| Change::Insert(at, attack)),
        2 => (n(), 1_usize..8).prop_map(|(at, length)| Change::Double(at, length)),
        2 => n().prop_map(Change::Remove),
        1 => (n(), n()).prop_map(|(a, b)| Change::Swap(a, b)),
        1 => n().prop_map(Change::Recase),
        2 => (n(), n(), any::<u8>()).prop_map(|(at, within, byte)| Change::Byte(at, within, byte)),
        1 => (n(), long).prop_map(|(at, length)| Change::Stretch(at, length)),
    ]
}

fn apply(all: &mut Tokens, change: &Change) {
    let count = all.len();
    match *change {
        _ if count == 0 => {}
        Change::Replace(at, attack) => all[at % count] = ATTACKS[attack % ATTACKS.len()].to_vec(),
        Change::Insert(at, attack) => all.insert(at % (count + 1), ATTACKS[attack % ATTACKS.len()].to_vec()),
        Change::Double(at, length) => {
            let copy = all[at % count..(at % count + length).min(count)].to_vec();
            let behind = at % count + copy.len();
            all.splice(behind..behind, copy);
        }
        Change::Remove(at) => drop(all.remove(at % count)),
        Change::Swap(a, b) => all.swap(a % count, b % count),
        Change::Recase(at) => {
            let token = &mut all[at % count];
            *token = if token.iter().any(u8::is_ascii_lowercase) {
                token.to_ascii_uppercase()
            } else {
                token.to_ascii_lowercase()
            };
        }
        Change::Byte(at, within, byte) => {
            let token = &mut all[at % count];
            if let Some(place) = within.checked_rem(token.len()) {
                token[place] = byte;
            }
        }
        Change::Stretch(at, length) => {
            let token = &mut all[at % count];
            let last = token.last().copied().unwrap_or(b'x');
            token.resize(length, last);
        }
    }
}

/// Bytes that a failed test shows as text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Vec<u8>);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Requests with up to two changes; none at all is as likely as one.
pub(crate) fn changed_stream() -> impl Strategy<Value = Text> {
    (stream(), prop::collection::vec(change(), 0..3)).prop_map(|(requests, changes)| {
        let mut all: Tokens = requests.into_iter().flatten().collect();
        for change in &changes {
            apply(&mut all, change);
        }
        Text(all.concat())
    })
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1]),
        prop::collection::vec(1_usize..9, 1..20),
        prop::collection::vec(prop_oneof![1_usize..4, 1_usize..10_000], 1..20),
    ]
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn right_requests_are_followed_one_by_one(requests in stream(), pieces in pieces()) {
        let input = requests.iter().flatten().flatten().copied().collect::<Vec<u8>>();
        let guard = follow(&input, &pieces);
        prop_assert_eq!(&guard.end, &End::Open { in_body: false });
        prop_assert_eq!(guard.messages.len(), requests.len());
        prop_assert_eq!(agree(&input), Ok(guard));
    }

    #[test]
    fn however_the_bytes_are_cut_the_messages_are_the_same(Text(input) in changed_stream(), pieces in pieces()) {
        prop_assert_eq!(follow(&input, &[input.len()]), follow(&input, &pieces));
    }

    #[test]
    fn what_is_let_through_is_what_the_strict_reader_reads(Text(input) in changed_stream(), cut in any::<usize>()) {
        let whole = agree(&input);
        prop_assert!(whole.is_ok(), "{:?}", whole);
        // A client may stop anywhere.
        let part = agree(&input[..cut % (input.len() + 1)]);
        prop_assert!(part.is_ok(), "{:?}", part);
    }
}

/// The strict reader must see what it is there to see, or its agreement says nothing.
#[test]
fn the_strict_reader_doubts_each_known_trick() {
    let doubted = |bytes: &str| matches!(strict::read(bytes.as_bytes()), strict::Reading::Doubtful(_));
    for head in [
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length:\r\n",
        "Content-Length : 3\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "X: a\r\n b\r\n",
        "X: a\rY: b\r\n",
        "X: a\nY: b\r\n",
        "X: a\0b\r\n",
        "no colon\r\n",
    ] {
        assert!(doubted(&format!("POST / HTTP/1.1\r\n{head}\r\nabc")), "{head:?}");
    }
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /#a HTTP/1.1",
        "GET / HTTP/2.0",
        "G@T / HTTP/1.1",
        "GET /",
    ] {
        assert!(doubted(&format!("{line}\r\nHost: alice.localhost\r\n\r\n")), "{line:?}");
    }
    for body in [
        "3\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3;a=\"\n\"\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nA : b\r\n\r\n",
        "3\r\nabc\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        assert!(doubted(&format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}")), "{body:?}");
    }
    assert!(doubted("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
}
