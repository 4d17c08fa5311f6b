//! A client's bytes through the guard, hyper, the router's checks and hyper again, as `proxy::hyper_side`, `handle` and
//! `forward` join them; without the gate and without sockets. Then what an instance got beside what was sent. The same
//! for the fast path, wherever it takes a request.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use service_kit::client_addr::TrustedProxies;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;

use super::compare::same;
use super::fast_path::{head, to_instance};
use super::guard::{ConnectionState, GuardedIo};
use super::limits::{MAX_HEADERS_BYTES, MAX_TARGET, Timeouts};
use super::messages::follow;
use super::request::host::Host;
use super::request::kind::Kind;
use super::request::target::check;
use super::request::upstream_head::upstream_head;
use super::request::upstream_headers::{Facts, build};
use super::strict::{Reading, read, read_all};
use super::upstream::UploadBody;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// Both sides wait for each other: what was sent is no whole request, and is looked at as it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an instance got for one request of the client.
struct Sent {
    /// Which request of the connection it is.
    index: usize,
    bytes: Vec<u8>,
}

thread_local! {
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
}

/// Whether all that reaches an instance is what the strict reader finds in the input; then how many requests did.
pub(crate) fn agree(input: &[u8]) -> Result<usize, String> {
    let (mut wanted, _) = read_all(input);
    // The guard may be stricter: what it does not hand on whole, an instance must not get whole.
    let messages = follow(input, &[input.len()]).messages;
    wanted.truncate(messages.len());
    let all = run(input);
    let usual = messages.iter().enumerate().filter_map(|(index, message)| {
        Some(Sent { index, bytes: on_the_fast_path(&input[message.clone()])? })
    });
    for sent in
        usual.chain(all.iter().map(|Sent { index, bytes }| Sent { index: *index, bytes: bytes.clone() }))
    {
        same(wanted.get(sent.index), &sent.bytes)
            .map_err(|fault| format!("request {}: {fault}: {}", sent.index, sent.bytes.escape_ascii()))?;
    }
    Ok(all.len())
}

/// What an instance gets for one message, where the fast path takes it.
fn on_the_fast_path(message: &[u8]) -> Option<Vec<u8>> {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = head::read(&message[..end]).ok()?;
    let host = Host::parse(head.host).ok()?;
    let mut bytes = Vec::new();
    to_instance::write(&mut bytes, &head, &message[end..], &facts(&host, false));
    Some(bytes)
}

fn facts(host: &Host, is_websocket: bool) -> Facts<'_> {
    static NOBODY: LazyLock<TrustedProxies> = LazyLock::new(TrustedProxies::default);
    static REQUEST_ID: HeaderValue = HeaderValue::from_static("request-1");
    Facts {
        peer: "192.0.2.7:1".parse().unwrap(),
        trusted: &NOBODY,
        host,
        scheme: "http",
        port: 8088,
        request_id: &REQUEST_ID,
        identity: None,
        is_websocket,
    }
}

/// Sends the bytes and closes the connection.
fn run(input: &[u8]) -> Vec<Sent> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    RUNTIME.with(|runtime| runtime.block_on(serve(input.to_vec(), Arc::clone(&sent))));
    std::mem::take(&mut sent.lock().unwrap())
}

async fn serve(input: Vec<u8>, sent: Arc<Mutex<Vec<Sent>>>) {
    let state = Arc::new(ConnectionState::default());
    let io =
        GuardedIo::new(Client(input, 0), bytes::BytesMut::new(), Arc::clone(&state), &Timeouts::default());
    let count = AtomicUsize::new(0);
    let service = service_fn(|request| {
        let fault = state.fault();
        let index = count.fetch_add(1, Ordering::Relaxed);
        let sent = Arc::clone(&sent);
        async move {
            // Which refusal it is makes no difference to what is sent on.
            let status = match fault {
                Some(_) => StatusCode::BAD_REQUEST,
                None => forward(request, index, &sent).await,
            };
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = status;
            if fault.is_some() {
                response.headers_mut().insert("connection", HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    // Unlike a client that goes away, the input's end must not take back what was asked before.
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .max_buf_size(MAX_TARGET + MAX_HEADERS_BYTES + 16 * 1024)
        .serve_connection(TokioIo::new(io), service);
    let _ = connection.await;
}

/// One request, on a connection to the instance of its own.
async fn forward(request: Request<Incoming>, index: usize, sent: &Mutex<Vec<Sent>>) -> StatusCode {
    let (head, body) = request.into_parts();
    let Ok(host) = check(&head) else { return StatusCode::BAD_REQUEST };
    let is_websocket = Kind::of(&head.method, head.version, &head.headers) == Kind::WebSocket;
    let headers = build(head.headers, &facts(&host, is_websocket));
    let parts = upstream_head(head.method, &head.uri, headers, &body);
    let request = Request::from_parts(parts, UploadBody::from_client(body));
    let got = Arc::new(Mutex::new(Vec::new()));
    let instance = Instance { got: Arc::clone(&got), answered: 0, waker: None };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(instance)).await.unwrap();
    let task = tokio::spawn(connection);
    let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
    task.abort();
    let bytes = std::mem::take(&mut *got.lock().unwrap());
    sent.lock().unwrap().push(Sent { index, bytes });
    match answer {
        Ok(Ok(answer)) => answer.status(),
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// Says what it has to say, ends, and does not care for answers.
struct Client(Vec<u8>, usize);

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let length = out.remaining().min(this.0.len() - this.1);
        out.put_slice(&this.0[this.1..this.1 + length]);
        this.1 += length;
        Poll::Ready(Ok(()))
    }
}

/// Writes down what it gets, and answers once that is a request.
struct Instance {
    got: Arc<Mutex<Vec<u8>>>,
    answered: usize,
    waker: Option<Waker>,
}

impl AsyncRead for Instance {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.answered == ANSWER.len() || matches!(read(&this.got.lock().unwrap()), Reading::Unfinished) {
            this.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = out.remaining().min(ANSWER.len() - this.answered);
        out.put_slice(&ANSWER[this.answered..this.answered + length]);
        this.answered += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Instance {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.got.lock().unwrap().extend_from_slice(bytes);
        this.waker.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
