//! The same bytes to the router, nginx and haproxy: what each answers, and what of it reaches the upstream. Wherever
//! the router sends something on, a strict reader must find the client's request in it; and it must not send on what
//! neither of the others does, but for the exceptions below.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::agreement::same;
use crate::corpus::{self, HOST, Refused, get, post};
use crate::process::RouterProcess;
use crate::recorder::Recorder;
use crate::strict::{Reading, read, read_all};

/// What the router alone sends on, and why that is no fault; the beginning of the input is its name.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// After the first byte of an answer, and before it.
const QUIET: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(2);

struct Proxy {
    name: &'static str,
    address: SocketAddr,
    upstream: Recorder,
}

struct Seen {
    statuses: Vec<String>,
    /// For each connection to the upstream.
    reached: Vec<Vec<u8>>,
}

impl Seen {
    /// Statuses, and how many requests reached the upstream; `?` where a strict reader has its doubts.
    fn cell(&self) -> String {
        let all: Vec<_> = self.reached.iter().map(|bytes| read_all(bytes)).collect();
        let count: usize = all.iter().map(|(requests, _)| requests.len()).sum();
        let doubtful = all.iter().any(|(_, end)| matches!(end, Reading::Doubtful(_)));
        let statuses = if self.statuses.is_empty() { "none".to_owned() } else { self.statuses.join(" ") };
        format!("{statuses} -> {count}{}", if doubtful { "?" } else { "" })
    }
}

pub(crate) async fn run(program: &Path, peers: [&str; 2]) -> bool {
    let upstream = Recorder::start("127.1.0.1:0").await;
    let SocketAddr::V4(address) = upstream.address else { panic!("an IPv4 address") };
    let router = RouterProcess::start(program, address).await;
    let mut proxies = vec![Proxy { name: "router", address: router.address, upstream }];
    for (name, peer) in ["nginx", "haproxy"].into_iter().zip(peers) {
        let (address, upstream) =
            peer.split_once('=').and_then(|(_, both)| both.split_once(',')).expect("name=address,upstream");
        let address = address.parse().expect("an address");
        proxies.push(Proxy { name, address, upstream: Recorder::start(upstream).await });
    }
    let mut faults = Vec::new();
    println!("~ is the line `Host: alice.localhost`, TE Transfer-Encoding, CL Content-Length");
    println!("{:<64} {:<18} {:<18} {:<18}", "input", proxies[0].name, proxies[1].name, proxies[2].name);
    let cases = cases();
    for (name, input) in &cases {
        let seen = futures_util::future::join_all(proxies.iter().map(|proxy| ask(proxy, input))).await;
        println!("{name:<64} {:<18} {:<18} {:<18}", seen[0].cell(), seen[1].cell(), seen[2].cell());
        faults.extend(fault(name, input, &seen).map(|fault| format!("{name}: {fault}")));
    }
    println!("\n{} inputs, {} faults", cases.len(), faults.len());
    for fault in &faults {
        println!("{fault}");
    }
    faults.is_empty()
}

fn fault(name: &str, input: &[u8], seen: &[Seen]) -> Option<String> {
    let (wanted, _) = read_all(input);
    let mut wanted = wanted.iter();
    for bytes in &seen[0].reached {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let got = match read(rest) {
                Reading::Whole(got) => got,
                // Broken off: its connection is gone, and nothing can follow.
                Reading::Unfinished => break,
                Reading::Doubtful(why) => return Some(format!("{why}: {}", rest.escape_ascii())),
            };
            let (this, behind) = rest.split_at(got.end);
            // Some of what was asked may have been refused before.
            if !wanted.any(|asked| same(Some(asked), this).is_ok()) {
                return Some(format!("the instance got what was not asked: {}", this.escape_ascii()));
            }
            rest = behind;
        }
    }
    let is_known = EXCEPTIONS.iter().any(|(known, _)| name.starts_with(known));
    let is_laxer = !seen[0].reached.is_empty() && seen[1..].iter().all(|peer| peer.reached.is_empty());
    (is_laxer && !is_known).then(|| "neither of the others sends it on".to_owned())
}

async fn ask(proxy: &Proxy, input: &[u8]) -> Seen {
    let mut stream = TcpStream::connect(proxy.address).await.expect("the proxy listens");
    let _ = stream.write_all(input).await;
    let (mut out, mut buffer) = (Vec::new(), [0_u8; 16 * 1024]);
    loop {
        let wait = if out.is_empty() { PATIENCE } else { QUIET };
        match tokio::time::timeout(wait, stream.read(&mut buffer)).await {
            Ok(Ok(n)) if n > 0 => out.extend_from_slice(&buffer[..n]),
            _ => break,
        }
    }
    let text = String::from_utf8_lossy(&out);
    let starts = text.match_indices("HTTP/1.").filter_map(|(i, _)| text.get(i + 9..i + 12));
    let statuses = starts.filter(|s| s.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned).collect();
    Seen { statuses, reached: proxy.upstream.take() }
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: alice.localhost\r\n\r\n";

/// Every input with a name that fits a column.
fn cases() -> Vec<(String, Vec<u8>)> {
    let doubtful_end =
        corpus::bad_framing().into_iter().map(|case| [&case.bytes, SMUGGLED.as_bytes()].concat());
    let refused = [corpus::bad_hosts(), corpus::bad_targets(), corpus::the_rest()].into_iter().flatten();
    let all = refused.map(|case: Refused| case.bytes).chain(doubtful_end);
    let all = all.chain(unusual().into_iter().map(String::into_bytes));
    all.map(|input| (name(&input), input)).collect()
}

/// As text, without what most of them have in common.
fn name(input: &[u8]) -> String {
    let text = input.escape_ascii().to_string();
    let text = text.replace(r"Host: alice.localhost\r\n", "~").replace(r" HTTP/1.1\r\n", " ");
    text.replace("Transfer-Encoding", "TE").replace("Content-Length", "CL").chars().take(62).collect()
}

/// Unusual and right, or so that proxies are known to differ.
fn unusual() -> Vec<String> {
    let chunked = |headers: &str, body: &str| post(&format!("Transfer-Encoding: chunked\r\n{headers}"), body);
    let mut all = vec![
        get("/", HOST),
        format!("\r\n{}", get("/empty-line-before", HOST)),
        format!("\r\n\r\n\r\n{}", get("/empty-lines-before", HOST)),
        format!("get /lower-case-method HTTP/1.1\r\n{HOST}\r\n"),
        format!("FOO! /other-method HTTP/1.1\r\n{HOST}\r\n"),
        format!("GET /old HTTP/1.0\r\n{HOST}\r\n"),
        format!("OPTIONS * HTTP/1.1\r\n{HOST}\r\n"),
        format!("OPTIONS http://alice.localhost HTTP/1.1\r\n{HOST}\r\n"),
        get("HTTP://ALICE.localhost./a?b", HOST),
        get("/", "Host: ALICE.localhost.:9999\r\n"),
        format!("{}{}", get("/one", HOST), get("/two", HOST)),
        chunked("", "3;name=\"value\"\r\nabc\r\n0\r\n\r\n"),
        chunked("", &format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(900))),
        chunked("", "0000000000000003\r\nabc\r\n0\r\n\r\n"),
        chunked("", "3\r\nabc\r\n000\r\nETag: x\r\nHost: bob.localhost\r\n\r\n"),
        chunked("Trailer: ETag\r\nTE: trailers\r\n", "3\r\nabc\r\n0\r\nETag: x\r\n\r\n"),
        post("Content-Length: 003\r\n", "abc"),
        post("Content-Length:\t3 \t\r\n", "abc"),
        format!("GET / HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc{SMUGGLED}"),
        format!("HEAD / HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc{SMUGGLED}"),
        post("Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"),
    ];
    for target in ["//a/../b//", "/%00", "/%2e%2e/a", "/a%", "/|[x]", "/\"<>", "/a;b=c?d#", "/a\\b", "/{a}^`"]
    {
        all.push(get(target, HOST));
    }
    for headers in [
        "Connection: Host, X-A\r\nX-A: 1\r\n",
        "Connection: Content-Length\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n",
        "X_Under: 1\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n",
        "X: \u{e4}\u{7f}\r\n",
        "X: \u{e4}\r\n",
        "X:\r\nY: \t \r\n",
        "X!#$%&'*+-.^`|~: 1\r\n",
        "Te: trailers, gzip\r\nX-Forwarded-For: 6.6.6.6\r\n",
        "Range: bytes=0-1,0-2\r\n",
    ] {
        all.push(get("/headers", &format!("{HOST}{headers}")));
    }
    for body in [
        "3\nabc\n0\n\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nX : y\r\n\r\n",
        "3;\n\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
    ] {
        all.push(chunked("", &format!("{body}{SMUGGLED}")));
    }
    all
}
