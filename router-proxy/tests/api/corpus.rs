//! Requests that the router must refuse, by the rows of its table.

pub(crate) const HOST: &str = "Host: alice.localhost\r\n";

/// A request and the status of its refusal.
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) bytes: Vec<u8>,
}

fn refused(status: u16, request: impl AsRef<[u8]>) -> Refused {
    Refused { status, bytes: request.as_ref().to_vec() }
}

pub(crate) fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{headers}\r\n")
}

pub(crate) fn post(headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\n{HOST}{headers}\r\n{body}")
}

pub(crate) fn bad_hosts() -> Vec<Refused> {
    let mut all = vec![
        refused(400, get("/", "")),
        refused(400, "GET / HTTP/1.0\r\n\r\n"),
        refused(400, get("/", &format!("{HOST}{HOST}"))),
        refused(400, get("/", &format!("{HOST}Host: bob.localhost\r\n"))),
        refused(400, get("/", &format!("{HOST}host:\r\n"))),
        refused(400, b"GET / HTTP/1.1\r\nHost: \xe4lice.localhost\r\n\r\n"),
    ];
    for host in [
        "",
        " ",
        ".",
        "me@alice.localhost",
        "alice.localhost, bob.localhost",
        "alice.localhost,",
        "alice.localhost/",
        "alice localhost",
        "alice.localhost bob.localhost",
        "alice.localhost..",
        "alice..localhost",
        ".alice.localhost",
        "alice.localhost:0",
        "alice.localhost:65536",
        "alice.localhost:99999",
        "alice.localhost:+80",
        "alice.localhost:8o",
        "alice.localhost:80:80",
        "alice.localhost?x",
        "alice.localhost#x",
        "alice%2elocalhost",
        "http://alice.localhost",
        "alice.localhost\\",
        "\u{e4}lice.localhost",
        "[::1",
    ] {
        all.push(refused(400, get("/", &format!("Host: {host}\r\n"))));
    }
    all
}

pub(crate) fn bad_targets() -> Vec<Refused> {
    let mut all = vec![refused(405, format!("CONNECT alice.localhost:80 HTTP/1.1\r\n{HOST}\r\n"))];
    for target in [
        "http://bob.localhost/",
        "http://alice.localhost:9/",
        "http://me@alice.localhost/",
        "http://alice.localhost?a",
        "http://",
        "http:///",
        "http:/alice.localhost/",
        "ftp://alice.localhost/",
        "//alice.localhost:x/#",
        "alice.localhost:80",
        "alice.localhost",
        "foo",
        "*",
        "?a",
        "/a#b",
        "/a b",
        "/a\tb",
        "/\u{e4}",
        "/a\u{7f}",
        "",
    ] {
        all.push(refused(400, get(target, HOST)));
    }
    // In absolute form the Host must be there all the same, and agree.
    all.push(refused(400, get("http://alice.localhost/", "")));
    all.push(refused(400, get("http://alice.localhost/", "Host:\r\n")));
    for method in ["POST", "HEAD", "PUT", "FOO"] {
        all.push(refused(400, format!("{method} * HTTP/1.1\r\n{HOST}\r\n")));
    }
    for line in
        ["GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET / HTTP/1.2", "GET / http/1.1"]
    {
        all.push(refused(400, format!("{line}\r\n{HOST}\r\n")));
    }
    all
}

pub(crate) fn bad_framing() -> Vec<Refused> {
    let mut all = Vec::new();
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5a\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
    ] {
        all.push(refused(400, post(headers, "0\r\n\r\n")));
    }
    all.push(refused(400, format!("POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")));
    for head in [
        "GET / HTTP/1.1\nHost: alice.localhost\n\n",
        "GET / HTTP/1.1\r\nHost: alice.localhost\n\r\n",
        "GET / HTTP/1.1\rHost: alice.localhost\r\r",
        "GET / HTTP/1.1\r\nHost: alice.localhost\r\nX: a\rY: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: alice.localhost\r\nX: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: alice.localhost\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: alice.localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: alice.localhost\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: alice.localhost\r\nX\0: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: alice.localhost\r\nX : b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : alice.localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: alice.localhost\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: alice.localhost\r\nno colon\r\n\r\n",
    ] {
        all.push(refused(400, head));
    }
    all
}

pub(crate) fn the_rest() -> Vec<Refused> {
    let long = |length: usize| "x".repeat(length);
    let headers = |count: usize| format!("{HOST}{}", "X: y\r\n".repeat(count - 1));
    vec![
        refused(405, format!("TRACE / HTTP/1.1\r\n{HOST}\r\n")),
        refused(417, post("Expect: 200-ok\r\nContent-Length: 1\r\n", "a")),
        refused(417, post("Expect: 100-continue, x\r\nContent-Length: 1\r\n", "a")),
        refused(417, post("Expect: 100-continue\r\nExpect: x\r\nContent-Length: 1\r\n", "a")),
        refused(414, get(&format!("/{}", long(8 * 1024)), HOST)),
        refused(414, format!("GET /{}", long(20_000))),
        refused(431, get("/", &format!("{HOST}X: {}\r\n", long(32 * 1024)))),
        refused(431, format!("GET / HTTP/1.1\r\n{HOST}X: {}", long(60_000))),
        refused(431, get("/", &headers(101))),
        refused(400, get("/", &format!("{HOST}Authorization: Basic a\r\nAuthorization: Basic b\r\n"))),
        refused(400, get("/", &format!("{HOST}Authorization: Basic a\r\nauthorization: Basic a\r\n"))),
    ]
}

pub(crate) fn unknown_hosts() -> Vec<Refused> {
    [
        "nobody.localhost",
        "a_b.localhost",
        "localhost",
        "localhost.:80",
        "x.alice.localhost",
        "example.com",
        "[::1]",
    ]
    .map(|host| refused(404, get("/", &format!("Host: {host}\r\n"))))
    .into()
}
