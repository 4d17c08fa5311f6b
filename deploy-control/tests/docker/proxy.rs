//! A proxy on Docker's socket that can do what a broken engine does: not be there, break off the stream of
//! events, let a call hang, or answer it with a 500. What it does not spoil it passes on as it is.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

type Body = BoxBody<Bytes, hyper::Error>;

/// What is done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Docker does not get it until it is released.
    Hang,
    /// Docker does it, and its answer does not come until it is released.
    Mute,
    /// It is answered with a 500, and Docker does not get it.
    Error,
}

/// A fault at certain calls, until it is lifted.
pub(crate) struct Spoilt {
    method: Method,
    path: &'static str,
    about: String,
    fault: Fault,
    met: AtomicUsize,
    lifted: CancellationToken,
}

impl Spoilt {
    /// How many calls met it.
    pub(crate) fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }

    /// Lets go of the calls that hang, and spoils no more.
    pub(crate) fn lift(&self) {
        self.lifted.cancel();
    }
}

/// The proxy. Dropping it ends it.
pub(crate) struct Proxy {
    socket: PathBuf,
    shared: Arc<Shared>,
    /// Ends the listener and every connection.
    running: CancellationToken,
}

struct Shared {
    docker: PathBuf,
    spoilt: Mutex<Vec<Arc<Spoilt>>>,
    /// Names of containers by their id, as they were created.
    names: Mutex<HashMap<String, String>>,
    events: Mutex<CancellationToken>,
}

impl Proxy {
    /// Listens on `socket` before the Docker at `docker`.
    pub(crate) fn start(socket: &Path, docker: &Path) -> Self {
        let shared = Shared {
            docker: docker.to_owned(),
            spoilt: Mutex::default(),
            names: Mutex::default(),
            events: Mutex::default(),
        };
        let mut this =
            Self { socket: socket.to_owned(), shared: Arc::new(shared), running: CancellationToken::new() };
        this.resume();
        this
    }

    /// As an engine that ends: nobody listens, and every connection is broken.
    pub(crate) fn refuse(&self) {
        self.running.cancel();
        // It may be gone already.
        let _ = std::fs::remove_file(&self.socket);
    }

    /// As an engine that comes back.
    pub(crate) fn resume(&mut self) {
        let listener = UnixListener::bind(&self.socket).expect("a socket");
        self.running = CancellationToken::new();
        let (shared, running) = (Arc::clone(&self.shared), self.running.clone());
        tokio::spawn(async move {
            while let Some(Ok((stream, _))) = running.run_until_cancelled(listener.accept()).await {
                tokio::spawn(serve(Arc::clone(&shared), stream, running.clone()));
            }
        });
    }

    /// Spoils the calls with this method whose path ends so, about a container whose name has `about` in it.
    pub(crate) fn spoil(&self, fault: Fault, method: Method, path: &'static str, about: &str) -> Arc<Spoilt> {
        let spoilt = Arc::new(Spoilt {
            method,
            path,
            about: about.to_owned(),
            fault,
            met: AtomicUsize::new(0),
            lifted: CancellationToken::new(),
        });
        self.shared.spoilt.lock().expect("not poisoned").push(Arc::clone(&spoilt));
        spoilt
    }

    /// Breaks off the streams of events that are under way.
    pub(crate) fn cut_events(&self) {
        std::mem::take(&mut *self.shared.events.lock().expect("not poisoned")).cancel();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
    }
}

async fn serve(shared: Arc<Shared>, stream: UnixStream, running: CancellationToken) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = running.run_until_cancelled(connection).await;
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let found = self.spoilt_by(&request);
        if let Some(spoilt) = &found {
            spoilt.met.fetch_add(1, Ordering::SeqCst);
            match spoilt.fault {
                Fault::Hang => spoilt.lifted.cancelled().await,
                Fault::Error => return broken("spoilt"),
                Fault::Mute => {}
            }
        }
        let answer = self.pass(request).await.unwrap_or_else(|error| broken(&error));
        if let Some(spoilt) = found.filter(|spoilt| spoilt.fault == Fault::Mute) {
            spoilt.lifted.cancelled().await;
        }
        answer
    }

    fn spoilt_by(&self, request: &Request<Incoming>) -> Option<Arc<Spoilt>> {
        let target = self.target(request.uri());
        let all = self.spoilt.lock().expect("not poisoned");
        let hit = |spoilt: &&Arc<Spoilt>| {
            !spoilt.lifted.is_cancelled()
                && spoilt.method == *request.method()
                && request.uri().path().ends_with(spoilt.path)
                && target.contains(&spoilt.about)
        };
        all.iter().find(hit).cloned()
    }

    /// Path and query with names in place of ids.
    fn target(&self, uri: &http::Uri) -> String {
        let target = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let names = self.names.lock().expect("not poisoned");
        names.iter().fold(target, |target, (id, name)| target.replace(id, name))
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Body>, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let stream = UnixStream::connect(&self.docker).await.map_err(|error| text(&error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| text(&error))?;
        tokio::spawn(connection);
        let (path, target) = (request.uri().path().to_owned(), self.target(request.uri()));
        let answer = sender.send_request(request).await.map_err(|error| text(&error))?;
        if path.ends_with("/events") {
            let cut = self.events.lock().expect("not poisoned").clone();
            return Ok(answer.map(|body| until(body, cut)));
        }
        if !path.ends_with("/containers/create") {
            return Ok(answer.map(BodyExt::boxed));
        }
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| text(&error))?.to_bytes();
        let id = serde_json::from_slice::<serde_json::Value>(&body).ok();
        if let Some(id) = id.and_then(|answer| answer["Id"].as_str().map(str::to_owned)) {
            let name = target.split_once("name=").map(|(_, name)| name.to_owned()).unwrap_or_default();
            self.names.lock().expect("not poisoned").insert(id, name);
        }
        Ok(Response::from_parts(head, whole(body)))
    }
}

/// A body that ends when it is cut.
fn until(body: Incoming, cut: CancellationToken) -> Body {
    BodyExt::boxed(StreamBody::new(BodyStream::new(body).take_until(cut.cancelled_owned())))
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn broken(message: &str) -> Response<Body> {
    let body = serde_json::json!({ "message": message }).to_string();
    let mut response = Response::new(whole(body.into()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
