//! One request on a connection to its instance, up to the head of the answer. The rules of saying it again are those
//! of [`crate::upstream`].

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::answer_head::{self, NoAnswer};
use super::downstream::Connection;
use super::head::Method;
use super::plan::Plan;
use super::scratch::read_some;
use crate::proxy::patience;

/// Largest head of an answer, as on hyper's side.
const MAX_HEAD: usize = 64 * 1024;
/// Heads before the one that counts (RFC 9110, section 15.2).
const MAX_INTERIM: usize = 16;
/// A wait that is not worth to be prepared for.
const AT_ONCE: Duration = Duration::from_millis(100);
/// A first try to connect. Whoever cannot be reached at once is left to hyper's side, which is patient.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// What the instance answered: the head was read, the body not.
pub(super) struct Answered {
    pub(super) stream: TcpStream,
    /// Read behind the head.
    pub(super) read: BytesMut,
    pub(super) head: answer_head::Head,
    /// The instance had the whole request before it answered: otherwise it would read the rest as another.
    pub(super) has_all: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// Not a byte of it went out.
    #[error("it could not be sent")]
    Unsent,
    /// The slug stands for another container now.
    #[error("the container was replaced")]
    Retired,
    /// The client has gone.
    #[error("the client went away")]
    Gone,
    /// The connection broke off; no byte of an answer came.
    #[error("the connection broke off: {0}")]
    Broken(#[source] io::Error),
    /// What came is no answer.
    #[error("what came is no answer: {0}")]
    Malformed(&'static str),
    /// A switch of protocols that nobody asked for.
    #[error("the instance switched protocols unasked")]
    Switched,
    #[error("no answer in time")]
    Timeout,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// Sends it and waits for the answer's head. Tries once more, on a new connection, where one that was used before
    /// turned out to be closed and saying it twice has no effect.
    pub(super) async fn exchange(&mut self, plan: &Plan) -> Result<Answered, Failed> {
        let times = &self.router.config.timeouts;
        if let Some(stream) =
            plan.upstream.checkout_raw(self.worker.id, plan.log.started, times.upstream_idle)
        {
            match self.on(stream, plan).await {
                Err(Failed::Broken(_)) if plan.method.is_idempotent() => (),
                outcome => return outcome,
            }
        }
        // Of what may not be said twice, nothing was said yet.
        if plan.upstream.is_retired() {
            return Err(Failed::Unsent);
        }
        let connecting =
            tokio::time::timeout(CONNECT_WITHIN.min(times.connect), plan.upstream.connect_once());
        let Ok(Ok(stream)) = connecting.await else { return Err(Failed::Unsent) };
        // Connections that were made before are to that container and no other. Now the address may be another's.
        if plan.upstream.is_retired() {
            return Err(Failed::Unsent);
        }
        self.on(stream, plan).await
    }

    async fn on(&mut self, mut stream: TcpStream, plan: &Plan) -> Result<Answered, Failed> {
        // Most answers come at once: only who waits longer looks out for what else may happen.
        self.limit(AT_ONCE);
        let mut retired = pin!(None);
        let mut unsent = plan.bytes.as_slice();
        let mut read = BytesMut::new();
        let is_head = plan.method == Method::Head;
        let mut interim = 0;
        loop {
            let step = poll_fn(|cx| {
                // Written first, so that the usual exchange is one write and one read.
                while !unsent.is_empty() {
                    match Pin::new(&mut stream).poll_write(cx, unsent) {
                        Poll::Ready(Ok(length)) if length > 0 => unsent = &unsent[length..],
                        Poll::Ready(Ok(_)) => {
                            return Poll::Ready(Err(Failed::Broken(io::ErrorKind::WriteZero.into())));
                        }
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(Failed::Broken(error))),
                        Poll::Pending => break,
                    }
                }
                match read_some(Pin::new(&mut stream), cx, &mut read) {
                    Poll::Ready(Ok(0)) => {
                        return Poll::Ready(Err(Failed::Broken(io::ErrorKind::UnexpectedEof.into())));
                    }
                    Poll::Ready(Ok(_)) => return Poll::Ready(Ok(())),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Failed::Broken(error))),
                    Poll::Pending => (),
                }
                if self.poll_gone(cx).is_ready() {
                    return Poll::Ready(Err(Failed::Gone));
                }
                if retired.as_mut().as_pin_mut().is_none() {
                    ready!(self.deadline.poll_over(cx));
                    self.limit(self.first_byte(plan));
                    retired.set(Some(plan.upstream.retiring()));
                }
                if retired.as_mut().as_pin_mut().is_some_and(|retired| retired.poll(cx).is_ready()) {
                    return Poll::Ready(Err(Failed::Retired));
                }
                self.deadline.poll_over(cx).map(|()| Err(Failed::Timeout))
            });
            if let Err(failed) = step.await {
                // Bytes of an answer that is none: it was understood, and must not be said again.
                return Err(match failed {
                    Failed::Broken(_) | Failed::Retired if !read.is_empty() || interim > 0 => {
                        Failed::Malformed("it broke off within the head")
                    }
                    failed => failed,
                });
            }
            while !read.is_empty() {
                match answer_head::read(&read, is_head) {
                    Ok(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                        return Err(Failed::Switched);
                    }
                    Ok(head) if head.status.is_informational() => {
                        interim += 1;
                        if interim > MAX_INTERIM {
                            return Err(Failed::Malformed("too many interim answers"));
                        }
                        read.advance(head.size);
                        self.pass_interim(head).await?;
                        let is_watched = retired.as_mut().as_pin_mut().is_some();
                        self.limit(if is_watched { self.first_byte(plan) } else { AT_ONCE });
                    }
                    Ok(head) => {
                        read.advance(head.size);
                        return Ok(Answered { stream, read, head, has_all: unsent.is_empty() });
                    }
                    Err(NoAnswer::Unfinished) if read.len() < MAX_HEAD => break,
                    Err(NoAnswer::Unfinished) => return Err(Failed::Malformed("the head is too large")),
                    Err(NoAnswer::Malformed(reason)) => return Err(Failed::Malformed(reason)),
                }
            }
        }
    }

    fn first_byte(&self, plan: &Plan) -> Duration {
        patience(&self.router.config.timeouts, &plan.route).first_byte
    }

    /// Early hints go on to the client (RFC 8297); other interim answers are for the router, which asked for none.
    async fn pass_interim(&mut self, head: answer_head::Head) -> Result<(), Failed> {
        if head.status != StatusCode::from_u16(103).unwrap_or_default() {
            return Ok(());
        }
        let mut bytes = head.for_client;
        bytes.extend_from_slice(b"\r\n");
        self.write(&bytes).await.map_err(|_| Failed::Gone)
    }
}
