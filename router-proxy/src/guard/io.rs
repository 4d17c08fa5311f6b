//! The guard as a socket: reads from the client, lets [`Framing`] look, and hands on what it allows. It also
//! keeps the times of the reading side: a head must arrive in time, an idle connection is closed, a body or
//! a reader that stalls ends the connection.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::io::poll_read_buf;

use super::connection::ConnectionState;
use super::framing::{Framing, Step};
use super::head::Fault;
use crate::limits::Timeouts;

/// What hyper sees in place of a head that was refused; the service looks at the fault first.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
const READ_SIZE: usize = 16 * 1024;
/// Read and thrown away after a fault, so that closing the socket does not reset it before the answer is read.
const MAX_DISCARD: usize = 256 * 1024;

/// How much is handed on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Connection,
    /// Nothing behind the first message.
    Message,
}

/// A client's socket behind the guard.
pub(crate) struct GuardedIo<S> {
    inner: S,
    state: Arc<ConnectionState>,
    framing: Framing,
    /// Read and not yet handed on.
    buffer: BytesMut,
    /// So many of them may be handed on.
    allowed: usize,
    refused: bool,
    is_first: bool,
    pass_through: bool,
    extent: Extent,
    read_wait: Wait,
    write_wait: Wait,
    times: Timeouts,
}

impl<S> GuardedIo<S> {
    /// `read` came from the socket already.
    pub(crate) fn new(inner: S, read: BytesMut, state: Arc<ConnectionState>, times: &Timeouts) -> Self {
        Self {
            inner,
            state,
            framing: Framing::new(),
            buffer: read,
            allowed: 0,
            refused: false,
            is_first: true,
            pass_through: false,
            extent: Extent::Connection,
            read_wait: Wait::default(),
            write_wait: Wait::default(),
            times: times.clone(),
        }
    }

    /// The same for one message of a connection that goes on elsewhere: what comes behind it is kept.
    pub(crate) fn for_one_message(
        inner: S,
        read: BytesMut,
        state: Arc<ConnectionState>,
        times: &Timeouts,
    ) -> Self {
        let mut this = Self::new(inner, read, state, times);
        this.is_later();
        this.extent = Extent::Message;
        this
    }

    /// There were messages before.
    pub(crate) fn is_later(&mut self) {
        self.framing = Framing::later();
    }

    /// The socket, and what was read and not handed on.
    pub(crate) fn into_parts(self) -> (S, BytesMut) {
        (self.inner, self.buffer)
    }

    /// The request that comes next is refused.
    pub(crate) fn refuse(&mut self, fault: Fault) {
        self.state.set_fault(fault);
        self.refused = true;
        self.buffer.clear();
        self.buffer.extend_from_slice(STAND_IN);
        self.allowed = STAND_IN.len();
    }

    /// How long to wait for the next byte; `None` where others keep the time.
    fn read_limit(&self) -> Option<Duration> {
        if self.state.is_tunnel() || self.pass_through {
            None
        } else if !self.framing.is_between_messages() {
            Some(self.times.body_idle)
        } else if self.buffer.is_empty() && !self.is_first {
            Some(self.times.keep_alive)
        } else {
            Some(self.times.head)
        }
    }
}

impl<S: AsyncRead + Unpin> GuardedIo<S> {
    /// Nothing came in time. `Ok(true)`: a stand-in is ready to be read; `Ok(false)`: the connection ends.
    fn too_slow(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.framing.is_between_messages() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the body stalled")));
        }
        if self.state.is_busy() {
            // Not idle: an answer is under way.
            self.read_wait.restart(self.times.keep_alive);
            let _ = self.read_wait.poll(self.times.keep_alive, cx);
            return Poll::Pending;
        }
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(false));
        }
        self.refuse(Fault::TooSlow);
        Poll::Ready(Ok(true))
    }

    /// Behind the one message: while its answer is under way, a client that goes away is noticed. `Ready`: it has.
    fn poll_behind(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.state.is_busy() || !self.buffer.is_empty() {
            return Poll::Pending;
        }
        match ready!(poll_read_buf(Pin::new(&mut self.inner), cx, &mut self.buffer)) {
            Ok(0) => Poll::Ready(Ok(())),
            Ok(_) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn discard(&mut self, cx: &mut Context<'_>) {
        let mut scrap = BytesMut::with_capacity(READ_SIZE);
        let mut total = 0;
        while total < MAX_DISCARD {
            scrap.clear();
            match poll_read_buf(Pin::new(&mut self.inner), cx, &mut scrap) {
                Poll::Ready(Ok(n)) if n > 0 => total += n,
                _ => break,
            }
        }
    }

    /// Fills the buffer or finds out that nothing more comes. `Ok(false)`: the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.buffer.reserve(READ_SIZE);
        match poll_read_buf(Pin::new(&mut self.inner), cx, &mut self.buffer) {
            Poll::Ready(Ok(n)) => {
                self.read_wait.disarm();
                if n > 0 && self.framing.is_between_messages() && self.buffer.len() == n {
                    // The first byte of a head: its time runs from here and is not prolonged.
                    self.read_wait.hold(self.times.head);
                }
                Poll::Ready(Ok(n > 0))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match self.read_limit() {
                None => Poll::Pending,
                Some(limit) => {
                    ready!(self.read_wait.poll(limit, cx));
                    self.too_slow(cx)
                }
            },
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GuardedIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.allowed > 0 {
                let n = this.allowed.min(out.remaining());
                out.put_slice(&this.buffer[..n]);
                this.buffer.advance(n);
                this.allowed -= n;
                if this.extent == Extent::Message && this.allowed == 0 && this.framing.is_between_messages() {
                    this.state.note_message();
                }
                return Poll::Ready(Ok(()));
            }
            if this.refused {
                // Nothing more comes. Not the end of the stream either: hyper would take that for a client
                // that has gone, and not answer. It closes by itself after the answer.
                return Poll::Pending;
            }
            if this.pass_through || this.state.is_tunnel() {
                if this.buffer.is_empty() {
                    return Pin::new(&mut this.inner).poll_read(cx, out);
                }
                this.allowed = this.buffer.len();
                continue;
            }
            if this.extent == Extent::Message && !this.is_first && this.framing.is_between_messages() {
                return this.poll_behind(cx);
            }
            match this.framing.advance(&this.buffer) {
                Step::Deliver(n) => {
                    this.allowed = n;
                    this.is_first = false;
                    this.read_wait.release();
                }
                Step::PassThrough => this.pass_through = true,
                Step::Refuse(fault) => this.refuse(fault),
                Step::Abort(reason) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
                }
                Step::NeedMore => {
                    if !ready!(this.poll_fill(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> GuardedIo<S> {
    /// A client that does not read what it asked for must not hold the connection for ever.
    fn watch_write<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.state.note_write();
        if poll.is_ready() || self.state.is_tunnel() {
            self.write_wait.disarm();
            return poll;
        }
        ready!(self.write_wait.poll(self.times.body_idle, cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GuardedIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.watch_write(cx, poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.watch_write(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Over TLS there is something to flush.
        let poll = Pin::new(&mut this.inner).poll_flush(cx);
        let outcome = ready!(this.watch_write(cx, poll));
        this.state.note_flush();
        Poll::Ready(outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refused {
            this.discard(cx);
        }
        let poll = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.watch_write(cx, poll)
    }
}

/// One deadline of a connection. The timer is made once and moved, never made anew for a request.
#[derive(Default)]
struct Wait {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
    held: bool,
}

impl Wait {
    /// Ready when `limit` has passed since the wait began; the first call begins it.
    fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if !self.armed {
            self.restart(limit);
        }
        self.sleep.as_mut().map_or(Poll::Pending, |sleep| sleep.as_mut().poll(cx))
    }

    fn restart(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline),
            None => self.sleep = Some(Box::pin(sleep_until(deadline))),
        }
        self.armed = true;
    }

    /// The wait is over, unless it is held.
    fn disarm(&mut self) {
        if !self.held {
            self.armed = false;
        }
    }

    /// Begins a wait that more bytes do not prolong.
    fn hold(&mut self, limit: Duration) {
        self.held = true;
        self.restart(limit);
    }

    fn release(&mut self) {
        self.held = false;
        self.armed = false;
    }
}
