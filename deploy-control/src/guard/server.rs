//! docker-guard's own socket: made with its mode and group before anybody can connect, a stale one replaced,
//! one that is served refused. Connections are served until the process stops; streams (events, logs that are
//! followed) end then, the rest may finish.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body_util::{BodyDataStream, BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use service_kit::env::EnvReader;
use service_kit::lifecycle::{Lifecycle, StartError};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::config::GuardConfig;
use super::handler::{Body, Endless, Guard};
use super::images::AllowedImages;
use super::upstream::Upstream;

const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Characters of a path that the log shows.
const PATH_SHOWN: usize = 200;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// Binds the socket and serves it until the process stops.
pub async fn start(lifecycle: &Lifecycle, config: GuardConfig) -> Result<(), StartError> {
    let images = AllowedImages::open(config.socket.with_file_name("images.json"), &config.images)?;
    let (listener, inode) = bind(&config.socket, config.gid).await?;
    let guard = Arc::new(Guard {
        policy: config.policy,
        images: Arc::new(images),
        docker: Upstream::new(config.docker_socket),
    });
    let learner = Arc::clone(&guard);
    lifecycle.spawn("image allow-list", async move { learner.learn_all().await });
    let stopping = lifecycle.stopping();
    let socket = config.socket;
    lifecycle.spawn_critical("docker-guard", async move {
        serve(&listener, &guard, &stopping).await;
        remove_own(&socket, inode);
        Ok(())
    });
    Ok(())
}

async fn serve(listener: &UnixListener, guard: &Arc<Guard>, stopping: &CancellationToken) {
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = stopping.cancelled() => break,
        };
        let (guard, stopping) = (Arc::clone(guard), stopping.clone());
        let service = service_fn(move |request| {
            let (guard, stopping) = (Arc::clone(&guard), stopping.clone());
            async move { Ok::<_, std::convert::Infallible>(answer(&guard, &stopping, request).await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            match connection.await {
                Ok(()) => {}
                // There is no request line to name: that is what could not be read.
                Err(error) if error.is_parse() => {
                    tracing::warn!(reason = %format!("docker-guard: no valid HTTP: {error}"), "refused");
                }
                Err(error) => tracing::debug!(%error, "a connection ended early"),
            }
        });
    }
    graceful.shutdown().await;
}

/// One request and its line in the log; refusals are warnings, because nothing of Beaver's should meet one.
async fn answer(guard: &Guard, stopping: &CancellationToken, request: Request<Incoming>) -> Response<Body> {
    // Without its query, which may hold anything, and no longer than a line of a log should be.
    let path: String = request.uri().path().chars().take(PATH_SHOWN).collect();
    let method = request.method().clone();
    let started = tokio::time::Instant::now();
    let response = match guard.handle(request).await {
        Ok(response) if response.extensions().get::<Endless>().is_some() => {
            response.map(|body| until(body, stopping.clone()))
        }
        Ok(response) => response,
        Err(fault) => {
            if fault.is_refusal() {
                tracing::warn!(%method, path, reason = %fault, "refused");
            }
            fault.into_response()
        }
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(%method, path, status = response.status().as_u16(), duration_ms, "request");
    response
}

/// Ends a stream when the process stops.
fn until(body: Body, stopping: CancellationToken) -> Body {
    let frames = BodyDataStream::new(body).map(|chunk| chunk.map(Frame::data));
    BodyExt::boxed(StreamBody::new(frames.take_until(stopping.cancelled_owned())))
}

/// Binds beside the path and moves the socket there once its mode and group are right, so that nobody but the
/// group can connect at any time.
async fn bind(path: &Path, gid: Option<u32>) -> Result<(UnixListener, u64), StartError> {
    let failed = |what: &str, error: &io::Error| {
        StartError::Other(format!("{what} {}: {error}; see BEAVER_GUARD_SOCKET", path.display()))
    };
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() {
            return Err(StartError::Other(format!("{} exists and is no socket", path.display())));
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(StartError::Other(format!("another docker-guard serves {}", path.display())));
        }
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(|e| failed("cannot make the folder of", &e))?;
    // Short: a socket's path has at most 107 bytes.
    let temporary = path.with_extension("new");
    let _ = std::fs::remove_file(&temporary);
    let listener = UnixListener::bind(&temporary).map_err(|e| failed("cannot listen on", &e))?;
    if let Some(gid) = gid {
        std::os::unix::fs::chown(&temporary, None, Some(gid))
            .map_err(|e| failed("cannot give the group of BEAVER_GUARD_GID to", &e))?;
    }
    let inode = std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o660))
        .and_then(|()| std::fs::symlink_metadata(&temporary))
        .and_then(|metadata| std::fs::rename(&temporary, path).map(|()| metadata.ino()))
        .map_err(|e| failed("cannot make", &e))?;
    Ok((listener, inode))
}

/// Removes the socket, unless a successor has put its own there.
fn remove_own(path: &Path, inode: u64) {
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.ino() == inode) {
        let _ = std::fs::remove_file(path);
    }
}

/// Whether the guard answers and Docker behind it: the exit code of `docker-guard healthcheck`.
pub fn healthcheck() -> ExitCode {
    let socket = GuardConfig::socket_from_env(&EnvReader::from_process());
    match ask_ping(&socket) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!(%error, socket = %socket.display(), "docker-guard does not answer");
            ExitCode::FAILURE
        }
    }
}

fn ask_ping(socket: &Path) -> io::Result<bool> {
    let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(HEALTH_TIMEOUT))?;
    stream.write_all(b"GET /_ping HTTP/1.1\r\nhost: docker\r\nconnection: close\r\n\r\n")?;
    let mut status = [0_u8; 12];
    stream.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}
