//! The body of an answer on its way to the client: the router's own bytes, or an instance's stream passed on
//! frame by frame. What the request holds (its place, its connection, its log line) goes with the body and
//! is given back when the body ends, whichever way.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::request_log::RequestLog;
use crate::activity::Meter;
use crate::gate::StreamGuard;
use crate::guard::InFlight;
use crate::request::trailers::keep;
use crate::upstream::{Lease, Progress};

/// The one body type of the public listener.
pub(crate) enum AnswerBody {
    Whole {
        bytes: Bytes,
        held: Box<Held>,
    },
    Stream(Box<StreamBody>),
    /// After a 101: the tunnel has everything.
    Nothing,
}

/// What every request holds until its answer is through.
pub(crate) struct Held {
    pub(crate) log: RequestLog,
    #[expect(dead_code, reason = "counts the request until it is dropped")]
    pub(crate) in_flight: InFlight,
}

/// Why a stream must end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It may not go on: the client sees it break off.
    Broken(&'static str),
    /// It has no natural end: end it in good order, the client connects again.
    Clean,
}

pub(crate) type CutSignal = Pin<Box<dyn Future<Output = Cut> + Send>>;

/// An instance's answer.
pub(crate) struct StreamBody {
    pub(super) body: Incoming,
    pub(super) lease: Option<Lease>,
    pub(super) held: Held,
    pub(super) progress: Arc<Progress>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
    pub(super) meter: Option<Meter>,
    pub(super) guard: Option<StreamGuard>,
    pub(super) cut: Option<CutSignal>,
    pub(super) idle: Idle,
    pub(super) is_over: bool,
}

/// The time between two frames.
pub(super) struct Idle {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    is_armed: bool,
}

impl Idle {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, sleep: None, is_armed: false }
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = Instant::now() + self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !self.is_armed {
            sleep.as_mut().reset(deadline);
            self.is_armed = true;
        }
        sleep.as_mut().poll(cx)
    }
}

impl StreamBody {
    /// The end of a good answer: the connection can serve another.
    fn finish(&mut self, outcome: &'static str) {
        self.is_over = true;
        self.held.log.outcome = outcome;
        self.held.log.bytes_in = self.progress.bytes();
        // hyper may keep the body for a while after its end.
        (self.permit, self.guard, self.meter, self.cut) = (None, None, None, None);
        if let Some(lease) = self.lease.take()
            && outcome == "ok"
        {
            lease.release();
        }
    }

    /// An answer that has no body is over before anybody asks for a frame.
    pub(super) fn finish_if_empty(&mut self) {
        if self.body.is_end_stream() {
            self.finish("ok");
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Some(cut) = &mut self.cut
            && let Poll::Ready(cut) = cut.as_mut().poll(cx)
        {
            return Poll::Ready(self.cut_off(cut));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.idle.is_armed = false;
                Poll::Ready(self.pass(frame))
            }
            Poll::Ready(Some(Err(error))) => {
                self.finish("upstream broke off");
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
            Poll::Ready(None) => {
                self.finish("ok");
                Poll::Ready(None)
            }
            Poll::Pending => match self.idle.poll_expired(cx) {
                Poll::Ready(()) => {
                    self.finish("upstream stalled");
                    Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn pass(&mut self, frame: Frame<Bytes>) -> Option<Result<Frame<Bytes>, io::Error>> {
        let Some(data) = frame.data_ref() else {
            self.finish("ok");
            // A browser could take them for headers of ours.
            let kept = frame.into_trailers().map(keep).ok().filter(|kept| !kept.is_empty());
            return kept.map(Frame::trailers).map(Ok);
        };
        self.held.log.bytes_out += data.len() as u64;
        if let Some(meter) = &self.meter {
            meter.touch();
        }
        if self.body.is_end_stream() {
            self.finish("ok");
        }
        Some(Ok(frame))
    }

    fn cut_off(&mut self, cut: Cut) -> Option<Result<Frame<Bytes>, io::Error>> {
        match cut {
            Cut::Clean => {
                self.finish("ended by a restart");
                None
            }
            Cut::Broken(why) => {
                self.finish(why);
                Some(Err(io::Error::other(why)))
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Nothing => Poll::Ready(None),
            Self::Stream(stream) => stream.poll_frame(cx),
            Self::Whole { bytes, held } => {
                let bytes = std::mem::take(bytes);
                held.log.outcome = "ok";
                held.log.bytes_out += bytes.len() as u64;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.is_over || stream.body.is_end_stream(),
            Self::Whole { bytes, .. } => bytes.is_empty(),
            Self::Nothing => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Stream(stream) => stream.body.size_hint(),
            Self::Whole { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Self::Nothing => SizeHint::with_exact(0),
        }
    }
}
