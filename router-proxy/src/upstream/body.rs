//! The request's body on its way to the instance: frame by frame, with note of how far it is.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use crate::activity::Meter;
use crate::request::trailers::keep;

/// How far the upload is; shared with whoever waits for the answer.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Instant,
    last_ms: AtomicU64,
    sent_all: AtomicBool,
    bytes: AtomicU64,
}

impl Progress {
    fn new(sent_all: bool) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            last_ms: AtomicU64::new(0),
            sent_all: AtomicBool::new(sent_all),
            bytes: AtomicU64::new(0),
        })
    }

    fn note(&self, bytes: usize, sent_all: bool) {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Release);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if sent_all {
            self.sent_all.store(true, Ordering::Release);
        }
    }

    /// Whether the whole body went out.
    pub(crate) fn sent_all(&self) -> bool {
        self.sent_all.load(Ordering::Acquire)
    }

    /// Bytes of the body so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What is left of `limit` since the body last moved.
    pub(super) fn time_left(&self, limit: Duration) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Acquire));
        (last + limit).saturating_sub(self.start.elapsed())
    }
}

/// The body as hyper's client takes it.
#[derive(Debug)]
pub(crate) struct UploadBody {
    source: Source,
    progress: Arc<Progress>,
    meter: Option<Meter>,
}

#[derive(Debug)]
enum Source {
    Client(Incoming),
    Own(UnsyncBoxBody<Bytes, hyper::Error>),
    Empty,
}

impl UploadBody {
    /// A client's body.
    pub(crate) fn from_client(body: Incoming) -> Self {
        let progress = Progress::new(body.is_end_stream());
        let source = if body.is_end_stream() { Source::Empty } else { Source::Client(body) };
        Self { source, progress, meter: None }
    }

    /// Counts what passes as use of the instance.
    pub(crate) fn metered(self, meter: Meter) -> Self {
        Self { meter: Some(meter), ..self }
    }

    /// A body of the router's own.
    pub(crate) fn own(bytes: Bytes) -> Self {
        use http_body_util::BodyExt as _;
        let body = http_body_util::Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        Self { source: Source::Own(body), progress: Progress::new(false), meter: None }
    }

    /// Nothing to send.
    pub(crate) fn empty() -> Self {
        Self { source: Source::Empty, progress: Progress::new(true), meter: None }
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let poll = match &mut this.source {
            Source::Client(body) => Pin::new(body).poll_frame(cx),
            Source::Own(body) => Pin::new(body).poll_frame(cx),
            Source::Empty => Poll::Ready(None),
        };
        match poll {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                // Nothing comes behind trailers.
                this.progress.note(bytes, frame.is_trailers() || this.is_end_stream());
                if let Some(meter) = &this.meter {
                    meter.touch();
                }
                Poll::Ready(match frame.into_trailers() {
                    // An instance could take them for headers of ours.
                    Ok(trailers) => {
                        Some(keep(trailers)).filter(|kept| !kept.is_empty()).map(Frame::trailers).map(Ok)
                    }
                    Err(frame) => frame.is_data().then_some(Ok(frame)),
                })
            }
            Poll::Ready(None) => {
                this.progress.note(0, true);
                Poll::Ready(None)
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Client(body) => body.is_end_stream(),
            Source::Own(body) => body.is_end_stream(),
            Source::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Client(body) => body.size_hint(),
            Source::Own(body) => body.size_hint(),
            Source::Empty => SizeHint::with_exact(0),
        }
    }
}
