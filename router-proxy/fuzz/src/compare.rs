//! What a client asked and what an instance was asked: one and the same request, but for what the router must change.
//! Written from the design's table and not from the router.

use super::strict::{Framing, Reading, Request, read};

/// Ours: the client's are gone, whatever they said.
const REPLACED: [&str; 6] =
    ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-request-id"];
/// Between two hops, or for the router alone.
const NEVER_SENT_ON: [&str; 10] = [
    "expect",
    "forwarded",
    "http2-settings",
    "keep-alive",
    "proxy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "x-original-url",
    "x-real-ip",
];
/// What no other header may make vanish.
const NEVER_LOST: [&str; 3] = ["content-type", "origin", "sec-websocket-key"];

/// Compares one request of the client, where the strict reader found a whole one, with an instance's bytes.
pub(crate) fn same(wanted: Option<&Request>, bytes: &[u8]) -> Result<(), String> {
    let got = match (wanted, read(bytes)) {
        (_, Reading::Doubtful(why)) => return Err(format!("doubtful for the instance: {why}")),
        (None, Reading::Whole(_)) => return Err("whole for the instance and not for the client".to_owned()),
        (None, Reading::Unfinished) => return Ok(()),
        (Some(_), Reading::Unfinished) => return Err("the instance did not get all of it".to_owned()),
        (Some(_), Reading::Whole(got)) => got,
    };
    let Some(wanted) = wanted else { return Ok(()) };
    let is = |fact: bool, what: &str| if fact { Ok(()) } else { Err(format!("another {what}")) };
    is((got.start, got.end) == (0, bytes.len()), "end: bytes are left over")?;
    is(got.method == wanted.method, "method")?;
    is(Some(got.target.as_str()) == origin_form(&wanted.target), "target")?;
    is(got.is_http_11, "version")?;
    is(got.body == wanted.body, "body")?;
    is((got.framing == Framing::Chunked) == (wanted.framing == Framing::Chunked), "framing")?;
    host(wanted, &got)?;
    headers(wanted, &got)?;
    let is_right = |field: &(String, Vec<u8>)| may_follow(&field.0) && wanted.trailers.contains(field);
    is(got.trailers.iter().all(is_right), "trailer")
}

/// The part that an origin server gets (RFC 9112, section 3.2); `None` where the target has no such part.
fn origin_form(target: &str) -> Option<&str> {
    if target.starts_with('/') || target == "*" {
        return Some(target);
    }
    let (scheme, rest) = target.split_once("://")?;
    let is_known = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    is_known.then(|| rest.find('/').map_or("/", |at| &rest[at..]))
}

/// One host that is a name or an address, and the one that was asked for, in the target too where it says one.
fn host(wanted: &Request, got: &Request) -> Result<(), String> {
    let (asked, told) = (wanted.values("host"), got.values("host"));
    let ([asked], [told]) = (&asked[..], &told[..]) else { return Err("not one host".to_owned()) };
    let is_plain = told.iter().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(b));
    let in_target = authority(&wanted.target).unwrap_or(asked);
    let is_same = name(asked) == name(told) && name(in_target) == name(told);
    if is_plain && is_same && got.values("x-forwarded-host") == [*told] {
        Ok(())
    } else {
        Err("another host".to_owned())
    }
}

fn authority(target: &str) -> Option<&[u8]> {
    let (_, rest) = target.split_once("://").filter(|_| !target.starts_with('/'))?;
    rest.split('/').next().map(str::as_bytes)
}

/// Without case, port and final dot. An address in brackets has many spellings, and none is a route.
fn name(host: &[u8]) -> String {
    if host.starts_with(b"[") {
        return "[".to_owned();
    }
    let text = String::from_utf8_lossy(host).to_ascii_lowercase();
    let name = text.split(':').next().unwrap_or_default();
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

/// The scheme in any case (RFC 9110, section 11.1), the key as it is made.
fn is_api_key(value: &[u8]) -> bool {
    let Some(space) = value.iter().position(|b| matches!(b, b' ' | b'\t')) else { return false };
    value[..space].eq_ignore_ascii_case(b"bearer") && value[space..].trim_ascii_start().starts_with(b"bvr_")
}

/// What may stand behind a body: of all that the generators make, this alone.
fn may_follow(name: &str) -> bool {
    matches!(name, "etag" | "server-timing" | "content-digest" | "repr-digest" | "digest")
        || name.starts_with("grpc-")
        || name.starts_with("signature")
        || name.starts_with("x-checksum-")
        || name.starts_with("x-amz-checksum-")
}

fn tokens(value: &[u8]) -> Vec<String> {
    value
        .split(|b| *b == b',')
        .map(|word| String::from_utf8_lossy(word).trim().to_ascii_lowercase())
        .collect()
}

fn wants_trailers(wanted: &Request) -> bool {
    wanted.values("te").into_iter().flat_map(tokens).any(|token| token == "trailers")
}

fn headers(wanted: &Request, got: &Request) -> Result<(), String> {
    for (name, _) in &got.headers {
        let values = got.values(name);
        let is_right = match name.as_str() {
            name if REPLACED.contains(&name) => values.len() == 1,
            "connection" if values == [b"te"] => got.values("te") == [b"trailers"],
            "connection" => values == [b"Upgrade"] && got.values("upgrade") == [b"websocket"],
            "te" => values == [b"trailers"] && got.values("connection") == [b"te"] && wants_trailers(wanted),
            "trailer" => values.len() == 1 && tokens(values[0]).iter().all(|name| may_follow(name)),
            "upgrade" => values == [b"websocket"] && got.values("connection") == [b"Upgrade"],
            "transfer-encoding" => values.len() == 1,
            // Joined to one line, less our own.
            "cookie" => values.len() == 1 && !wanted.values(name).is_empty(),
            // An API key is for the router; whatever else is there stays.
            "authorization" => {
                values == wanted.values(name).into_iter().filter(|v| !is_api_key(v)).collect::<Vec<_>>()
            }
            name => {
                let is_forbidden = NEVER_SENT_ON.contains(&name)
                    || name.contains('_')
                    || name.starts_with("x-beaver")
                    || name.starts_with("x-forwarded");
                !is_forbidden && values == wanted.values(name)
            }
        };
        if !is_right {
            return Err(format!("the header {name}"));
        }
    }
    let lost = NEVER_LOST.iter().find(|name| wanted.values(name) != got.values(name));
    lost.map_or(Ok(()), |name| Err(format!("the header {name} is lost")))
}
