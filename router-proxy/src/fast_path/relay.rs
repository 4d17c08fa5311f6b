//! The answer on its way to the client: its head with what the router adds, its body as it comes.
//!
//! What must stay true: the connection to the instance is given back only after a whole answer with nothing behind
//! it; an answer that breaks off is never made to look whole.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer_head::{self, Framing};
use super::downstream::{Connection, Left};
use super::exchange::Answered;
use super::plan::Plan;
use super::scratch::{give, give_read, read_some};
use crate::activity::Meter;
use crate::gate::StreamGuard;
use crate::guard::framing::ChunkedBody;
use crate::proxy::{Cut, CutSignal, LONG_BODY};

/// For a client that reads slowly to take what was begun before the router stops.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// How the body goes on; see [`Framing`] for how it comes.
enum Body {
    Length(u64),
    Chunked(ChunkedBody),
    Close,
}

/// What a long answer is watched for.
struct Watched {
    cut: CutSignal,
    meter: Meter,
    #[expect(dead_code, reason = "watches until it is dropped")]
    guard: Option<StreamGuard>,
}

/// Why an answer has ended before its end.
enum Stopped {
    /// The instance or the client went away, or somebody is too slow.
    Broken(&'static str),
    Cut(Cut),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// Carries a request out. Answers whether the client may send another.
    pub(super) async fn carry_out(&mut self, mut plan: Box<Plan>) -> Result<bool, Left> {
        let outcome = self.exchange(&plan).await;
        let elapsed = plan.log.started.elapsed();
        plan.log.upstream_ms = Some(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        plan.log.bytes_in = plan.body as u64;
        give(std::mem::take(&mut plan.bytes));
        self.router.metrics.upstream_time(elapsed.as_secs_f64());
        let answered = match outcome {
            Ok(answered) => answered,
            Err(failed) => return self.failed(plan, failed).await,
        };
        // The answer may have taken its time: what was allowed at the gate may be so no more.
        let revocations = self.router.gate.revocations();
        if let Some(grant) = plan.grant.as_ref().filter(|grant| revocations.is_revoked(grant.credential)) {
            let refusal = grant.ended();
            return self.refuse(plan, &refusal).await;
        }
        self.relay(plan, answered).await
    }

    async fn relay(&mut self, mut plan: Box<Plan>, mut answered: Answered) -> Result<bool, Left> {
        let framing = answered.head.framing;
        plan.log.status = answered.head.status;
        let is_known = matches!(framing, Framing::Length(_));
        let takes_a_while = answered.head.is_event_stream
            || !matches!(framing, Framing::Length(length) if length <= LONG_BODY);
        let mut watched = takes_a_while.then(|| self.watch(&plan, answered.head.is_event_stream));
        let times = &self.router.config.timeouts;
        let idle =
            if answered.head.is_event_stream || !is_known { times.stream_idle } else { times.answer_idle };
        let keeps = !self.is_stopping();
        let mut out = client_head(&plan, &mut answered.head, keeps);
        let mut body = match framing {
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(ChunkedBody::new()),
            Framing::Close => Body::Close,
        };
        let outcome = loop {
            let before = answered.read.len();
            let is_over = match take(&mut body, &mut answered.read, &mut out, &mut plan.log.bytes_out) {
                Ok(is_over) => is_over,
                Err(reason) => {
                    // What was right so far is the client's, and that it is not all as well.
                    let _ = self.write_watched(&out, watched.as_mut()).await;
                    break Err(Stopped::Broken(reason));
                }
            };
            if let Some(watched) = watched.as_ref().filter(|_| before > 0) {
                watched.meter.touch();
            }
            match self.write_watched(&out, watched.as_mut()).await {
                Ok(()) => (),
                Err(Stopped::Cut(Cut::Clean)) if is_over => break Ok(()),
                Err(stopped) => break Err(stopped),
            }
            out.clear();
            if is_over {
                break Ok(());
            }
            self.limit(idle);
            match self.read_on(&mut answered, watched.as_mut()).await {
                Ok(true) => (),
                Ok(false) => {
                    if matches!(body, Body::Close) {
                        break self
                            .write(b"0\r\n\r\n")
                            .await
                            .map_err(|_| Stopped::Broken("the client went away"));
                    }
                    break Err(Stopped::Broken("upstream broke off"));
                }
                Err(stopped) => break Err(stopped),
            }
        };
        drop(watched);
        give(out);
        self.end(plan, answered, outcome, keeps).await
    }

    async fn end(
        &mut self,
        mut plan: Box<Plan>,
        answered: Answered,
        outcome: Result<(), Stopped>,
        keeps: bool,
    ) -> Result<bool, Left> {
        match outcome {
            Ok(()) => {
                plan.log.outcome = "ok";
                let is_clean = answered.head.keeps && answered.has_all && answered.read.is_empty();
                if is_clean {
                    plan.upstream.put_back_raw(self.worker.id, answered.stream);
                }
                give_read(answered.read);
                Ok(keeps)
            }
            Err(Stopped::Broken(why) | Stopped::Cut(Cut::Broken(why))) => {
                plan.log.outcome = why;
                Err(Left::Closed)
            }
            Err(Stopped::Cut(Cut::Clean)) => {
                plan.log.outcome = "ended by a restart";
                if !matches!(answered.head.framing, Framing::Length(_)) {
                    let _ = self.write(b"0\r\n\r\n").await;
                }
                Err(Left::Closed)
            }
        }
    }

    fn watch(&self, plan: &Plan, is_event_stream: bool) -> Watched {
        let revocations = self.router.gate.revocations();
        let guard = plan.grant.as_ref().map(|grant| revocations.watch(grant.credential));
        let cut = self.router.cut_signal(&plan.upstream, guard.as_ref(), is_event_stream);
        let meter = Meter::new(Arc::clone(&plan.route.activity), self.router.clock.clone());
        Watched { cut, meter, guard }
    }

    /// A client that does not read must not keep open what was cut. After a clean cut all of it was written.
    async fn write_watched(&mut self, bytes: &[u8], watched: Option<&mut Watched>) -> Result<(), Stopped> {
        let gone = |_| Stopped::Broken("the client went away");
        match watched {
            None => self.write(bytes).await.map_err(gone),
            Some(watched) => {
                let mut left = bytes;
                let cut = tokio::select! {
                    biased;
                    outcome = self.write_on(&mut left) => return outcome.map_err(gone),
                    cut = &mut watched.cut => cut,
                };
                // What marks a clean end would be taken for a part of what was begun.
                if matches!(cut, Cut::Clean) {
                    let rest = tokio::time::timeout(FINISH_WITHIN, self.write_on(&mut left));
                    rest.await.map_err(|_| Stopped::Broken("the client does not read"))?.map_err(gone)?;
                }
                Err(Stopped::Cut(cut))
            }
        }
    }

    /// Waits for more of the body: `Ok(false)` at its connection's end.
    async fn read_on(
        &mut self,
        answered: &mut Answered,
        mut watched: Option<&mut Watched>,
    ) -> Result<bool, Stopped> {
        poll_fn(|cx| {
            if let Some(watched) = &mut watched
                && let Poll::Ready(cut) = watched.cut.as_mut().poll(cx)
            {
                return Poll::Ready(Err(Stopped::Cut(cut)));
            }
            match read_some(Pin::new(&mut answered.stream), cx, &mut answered.read) {
                Poll::Ready(Ok(length)) => return Poll::Ready(Ok(length > 0)),
                Poll::Ready(Err(error)) => return Poll::Ready(broke_off(&error)),
                Poll::Pending => (),
            }
            if self.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Stopped::Broken("the client went away")));
            }
            self.deadline.poll_over(cx).map(|()| Err(Stopped::Broken("upstream stalled")))
        })
        .await
    }
}

/// The head as the client gets it.
fn client_head(plan: &Plan, head: &mut answer_head::Head, keeps: bool) -> Vec<u8> {
    let mut out = std::mem::take(&mut head.for_client);
    match (head.framing, head.told_length) {
        (Framing::Length(_), Some(length)) => put(&mut out, "content-length", length.to_string().as_bytes()),
        (Framing::Length(_), None) => (),
        (Framing::Chunked | Framing::Close, _) => put(&mut out, "transfer-encoding", b"chunked"),
    }
    put(&mut out, "x-request-id", plan.request_id.as_bytes());
    if !head.has_date {
        put(&mut out, "date", super::date::now().as_bytes());
    }
    let cookie = plan.grant.as_ref().and_then(|grant| grant.set_cookie.as_ref());
    if let Some(cookie) = cookie.filter(|_| head.status != http::StatusCode::UNAUTHORIZED) {
        put(&mut out, "set-cookie", cookie.as_bytes());
    }
    if !keeps {
        put(&mut out, "connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn broke_off(_: &io::Error) -> Result<bool, Stopped> {
    Err(Stopped::Broken("upstream broke off"))
}

/// Moves what belongs to the body from `read` to `out`, framed for the client. Answers whether that was the end.
fn take(
    body: &mut Body,
    read: &mut BytesMut,
    out: &mut Vec<u8>,
    count: &mut u64,
) -> Result<bool, &'static str> {
    match body {
        Body::Length(left) => {
            let length = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
            out.extend_from_slice(&read[..length]);
            read.advance(length);
            *left -= length as u64;
            *count += length as u64;
            Ok(*left == 0)
        }
        Body::Chunked(chunked) => {
            let mut data = Vec::new();
            let taken = chunked.take(read, |part| data.extend_from_slice(part));
            *count += data.len() as u64;
            chunk(out, &data);
            read.advance(taken.map_err(|_| "upstream broke off")?);
            if chunked.is_over() {
                out.extend_from_slice(b"0\r\n\r\n");
            }
            Ok(chunked.is_over())
        }
        Body::Close => {
            *count += read.len() as u64;
            chunk(out, read);
            read.clear();
            Ok(false)
        }
    }
}

/// RFC 9112, section 7.1. An empty one would be the last.
fn chunk(out: &mut Vec<u8>, data: &[u8]) {
    if !data.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
}

/// One header line.
pub(super) fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
