//! The loop over the requests of one client, and its socket: what was read and not yet used, and the limits of
//! reading and writing.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::deadline::Deadline;
use super::plan::Next;
use super::scratch::{give_read, read_some};
use crate::guard::Fault;
use crate::guard::framing::{Framing, Step};
use crate::proxy::{Peer, Router, Worker};

/// Read ahead while an answer is under way; more stays in the socket.
const READ_AHEAD: usize = 64 * 1024;

/// A client between two requests.
#[derive(Debug)]
pub(crate) struct Downstream<S> {
    pub(crate) stream: S,
    /// Read and not yet used.
    pub(crate) read: BytesMut,
    /// No message has come yet.
    pub(crate) is_first: bool,
}

impl<S> Downstream<S> {
    /// A new connection; `read` came from the socket already.
    pub(crate) fn new(stream: S, read: BytesMut) -> Self {
        Self { stream, read, is_first: true }
    }

    /// One that has had messages.
    pub(crate) fn later(stream: S, read: BytesMut) -> Self {
        Self { stream, read, is_first: false }
    }
}

/// Why the fast path left a connection. What was read of the request that begins there is in [`Downstream::read`].
#[derive(Debug)]
pub(crate) enum Left {
    Closed,
    /// One request for hyper's side.
    Unusual,
    /// The connection from here on is for hyper's side.
    ForGood,
    /// So is it, and the request is refused.
    Refused(Fault),
}

/// Serves requests for as long as they are usual.
pub(crate) async fn run<S>(
    router: &Arc<Router>,
    worker: &Worker,
    deadline: &Deadline,
    peer: &Peer,
    downstream: &mut Downstream<S>,
) -> Left
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stopped = Box::pin(router.drain.stopped());
    let mut connection =
        Connection { router, worker, deadline, peer, downstream, stopped, is_told_of_stop: false };
    loop {
        match connection.serve_one().await {
            Ok(()) => connection.downstream.is_first = false,
            Err(left) => return left,
        }
    }
}

/// A connection with what it needs.
pub(super) struct Connection<'a, S> {
    pub(super) router: &'a Arc<Router>,
    pub(super) worker: &'a Worker,
    pub(super) deadline: &'a Deadline,
    pub(super) peer: &'a Peer,
    pub(super) downstream: &'a mut Downstream<S>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    /// A stop wakes the connection: it need not ask for that again.
    is_told_of_stop: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn serve_one(&mut self) -> Result<(), Left> {
        let head = self.next_head().await?;
        let plan = match self.plan(head)? {
            Next::Go(plan) => plan,
            Next::Read(length) => {
                self.read_body(length).await?;
                match self.plan(head)? {
                    Next::Go(plan) => plan,
                    Next::Read(_) => return Err(Left::Unusual),
                }
            }
        };
        let length = plan.length;
        let keeps = self.carry_out(plan).await?;
        self.downstream.read.advance(length);
        if keeps { Ok(()) } else { Err(Left::Closed) }
    }

    /// Waits for a whole head, which then is at the front; answers its length.
    async fn next_head(&mut self) -> Result<usize, Left> {
        let mut framing = if self.downstream.is_first { Framing::new() } else { Framing::later() };
        let times = &self.router.config.timeouts;
        let mut has_begun = !self.downstream.read.is_empty();
        let limit = if has_begun || self.downstream.is_first { times.head } else { times.keep_alive };
        self.deadline.set(limit);
        loop {
            match framing.advance(&self.downstream.read) {
                Step::Deliver(length) if self.downstream.read[0] == b'\r' => {
                    // Empty lines in front of a request.
                    self.downstream.read.advance(length);
                    self.downstream.is_first = false;
                    framing = Framing::later();
                }
                Step::Deliver(length) => return Ok(length),
                Step::NeedMore => {
                    self.fill(!has_begun).await?;
                    if !has_begun {
                        has_begun = true;
                        self.deadline.set(times.head);
                    }
                }
                Step::PassThrough | Step::Refuse(_) | Step::Abort(_) => return Err(Left::ForGood),
            }
        }
    }

    /// Reads on until `length` bytes are there.
    async fn read_body(&mut self, length: usize) -> Result<(), Left> {
        let limit = self.router.config.timeouts.body_idle;
        while self.downstream.read.len() < length {
            self.deadline.set(limit);
            match poll_fn(|cx| self.poll_fill(cx, false)).await {
                Ok(true) => (),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(Left::Refused(Fault::TooSlow));
                }
                // It ended or broke off: nobody waits for an answer.
                _ => return Err(Left::Closed),
            }
        }
        Ok(())
    }

    async fn fill(&mut self, is_idle: bool) -> Result<(), Left> {
        match poll_fn(|cx| self.poll_fill(cx, is_idle)).await {
            Ok(true) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut && !self.downstream.read.is_empty() => {
                Err(Left::Refused(Fault::TooSlow))
            }
            _ => Err(Left::Closed),
        }
    }

    /// Reads what there is: `Ok(false)` at the end, or where the router stops and the connection is idle.
    fn poll_fill(&mut self, cx: &mut Context<'_>, is_idle: bool) -> Poll<io::Result<bool>> {
        match read_some(Pin::new(&mut self.downstream.stream), cx, &mut self.downstream.read) {
            Poll::Ready(outcome) => Poll::Ready(outcome.map(|length| length > 0)),
            Poll::Pending => {
                if is_idle && self.downstream.read.is_empty() {
                    // Thousands of connections may wait here; none of them needs room meanwhile.
                    give_read(std::mem::take(&mut self.downstream.read));
                    if !self.is_told_of_stop {
                        self.is_told_of_stop = self.stopped.as_mut().poll(cx).is_pending();
                    }
                    if self.router.drain.is_stopping() {
                        return Poll::Ready(Ok(false));
                    }
                }
                ready!(self.deadline.poll_over(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Ready when the client has gone; what it says meanwhile is kept.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.downstream.read.len() >= READ_AHEAD {
                return Poll::Pending;
            }
            match ready!(read_some(Pin::new(&mut self.downstream.stream), cx, &mut self.downstream.read)) {
                Ok(length) if length > 0 => (),
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Writes all of it. An error: the client has gone, or does not read.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.write_on(&mut bytes).await
    }

    /// The same; `bytes` is what is still to be written, also where this is dropped.
    pub(super) async fn write_on(&mut self, bytes: &mut &[u8]) -> io::Result<()> {
        let limit = self.router.config.timeouts.body_idle;
        while !bytes.is_empty() {
            self.deadline.set(limit);
            let written = poll_fn(|cx| match Pin::new(&mut self.downstream.stream).poll_write(cx, bytes) {
                Poll::Pending => {
                    ready!(self.deadline.poll_over(cx));
                    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                }
                ready @ Poll::Ready(_) => ready,
            });
            match written.await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                length => *bytes = &bytes[length..],
            }
        }
        poll_fn(|cx| match Pin::new(&mut self.downstream.stream).poll_flush(cx) {
            Poll::Pending => {
                ready!(self.deadline.poll_over(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            ready @ Poll::Ready(_) => ready,
        })
        .await
    }

    /// A limit that only counts while something is waited for.
    pub(super) fn limit(&self, limit: Duration) {
        self.deadline.set(limit);
    }

    /// Whether the router leaves: then this answer is the last.
    pub(super) fn is_stopping(&self) -> bool {
        self.router.drain.is_leaving()
    }
}
