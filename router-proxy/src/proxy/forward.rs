//! A request that may pass, on its way to the instance, and the answer on its way back. Headers are made by
//! pure functions; this file joins them to connections and bodies.

use std::borrow::Cow;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use control_api::route::FirstByte;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer_body::{AnswerBody, Cut, CutSignal, Idle, StreamBody};
use super::handle::{Context, Router, is_same_place};
use super::tunnel::Tunnel;
use crate::activity::Meter;
use crate::error::Refusal;
use crate::gate::{Grant, StreamGuard};
use crate::limits::Timeouts;
use crate::request::host::Host;
use crate::request::kind::Kind;
use crate::request::upstream_head::upstream_head;
use crate::request::upstream_headers::{Facts, build};
use crate::response_headers::clean;
use crate::routes::Route;
use crate::upstream::{Lease, Progress, Unanswered, UploadBody, Upstream, UpstreamError, send};
use crate::wake;

/// Bodies that are longer than this are watched like streams, because they take a while.
pub(crate) const LONG_BODY: u64 = 1024 * 1024;

/// What an exchange needs beside the request.
struct Passage<'a> {
    route: &'a Arc<Route>,
    upstream: &'a Arc<Upstream>,
    grant: Option<Grant>,
    permit: OwnedSemaphorePermit,
}

/// What the instance answered.
struct Answered {
    response: Response<Incoming>,
    lease: Lease,
    progress: Arc<Progress>,
}

impl Router {
    /// Sends the request on and the answer back.
    pub(super) async fn forward(
        &self,
        route: &Arc<Route>,
        host: &Host,
        mut request: Request<Incoming>,
        grant: Option<Grant>,
        permit: OwnedSemaphorePermit,
        mut context: Context,
    ) -> Response<AnswerBody> {
        let mut route = Arc::clone(route);
        let Some(mut upstream) = route.upstream.clone() else {
            return self.refuse(&Refusal::UpstreamFailed, context);
        };
        let upgrade = (context.kind == Kind::WebSocket).then(|| hyper::upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        let facts = Facts {
            peer: context.peer.address,
            trusted: &self.config.trusted,
            host,
            scheme: self.config.scheme(context.peer.is_tls()).as_str(),
            port: self.config.port(context.peer.is_tls()),
            request_id: &context.request_id,
            identity: grant.as_ref().map(|g| &g.identity.headers),
            is_websocket: upgrade.is_some(),
        };
        let headers = build(head.headers, &facts);
        let parts = upstream_head(head.method, &head.uri, headers, &body);
        let is_long = Body::size_hint(&body).exact().is_none_or(|n| n > LONG_BODY);
        // A long upload is use, too.
        let meter = Meter::new(Arc::clone(&route.activity), self.clock.clone());
        let body = UploadBody::from_client(body).metered(meter);
        let progress = body.progress();
        let started = Instant::now();
        let times = &*patience(&self.config.timeouts, &route);
        let exchange = send(&upstream, parts, body, times);
        let mut outcome = match grant.as_ref().filter(|_| is_long) {
            None => exchange.await,
            // Boxed, because most requests are short, and so need no room for it.
            Some(grant) => match Box::pin(self.while_allowed(grant, exchange)).await {
                Some(outcome) => outcome,
                None => return self.refuse(&grant.ended(), context),
            },
        };
        if let Err(Unanswered { replay: Some(replay), .. }) = &mut outcome {
            match self.moved_to(&route, context.kind).await {
                Ok(None) => {}
                Ok(Some((now, place))) => {
                    (route, upstream) = (now, place);
                    let parts = std::mem::take(replay).into_parts();
                    outcome = send(&upstream, parts, UploadBody::empty(), times).await;
                }
                Err(refusal) => return self.refuse(&refusal, context),
            }
        }
        let elapsed = started.elapsed();
        context.held.log.upstream_ms = Some(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        context.held.log.bytes_in = progress.bytes();
        self.metrics.upstream_time(elapsed.as_secs_f64());
        let (response, lease) = match outcome {
            Ok(answered) => answered,
            Err(unanswered) => return self.upstream_failed(&unanswered.error, context),
        };
        // The answer may have taken its time: what was allowed at the gate may be so no more.
        if let Some(grant) = &grant
            && self.gate.revocations().is_revoked(grant.credential)
        {
            return self.refuse(&grant.ended(), context);
        }
        let passage = Passage { route: &route, upstream: &upstream, grant, permit };
        let answered = Answered { response, lease, progress };
        match (answered.response.status(), upgrade) {
            (StatusCode::SWITCHING_PROTOCOLS, Some(client)) => {
                self.switch(passage, answered, client, context)
            }
            (StatusCode::SWITCHING_PROTOCOLS, None) => {
                self.metrics.upstream_error("unasked-101");
                self.refuse(&Refusal::UpstreamFailed, context)
            }
            _ => self.answer(passage, answered, context),
        }
    }

    /// Waits for an exchange with a long upload; nothing where what let it in is revoked before it is answered.
    async fn while_allowed<T>(&self, grant: &Grant, exchange: impl Future<Output = T>) -> Option<T> {
        let guard = self.gate.revocations().watch(grant.credential);
        let closed = guard.closed();
        tokio::select! {
            outcome = exchange => Some(outcome),
            () = closed.cancelled() => None,
        }
    }

    /// Where the instance is now, once it is ready there, if its route has changed since the request was sent: its
    /// container was stopped or replaced under it, and whoever sent it need not know.
    async fn moved_to(
        &self,
        before: &Arc<Route>,
        kind: Kind,
    ) -> Result<Option<(Arc<Route>, Arc<Upstream>)>, Refusal> {
        let now = self.table.get(before.file.slug.as_str()).filter(|now| !Arc::ptr_eq(before, now));
        let Some(now) = now else { return Ok(None) };
        let times = &self.config.timeouts;
        let ready = Box::pin(wake::until_ready(&self.table, &self.deploy, times, now, kind)).await?;
        // What the gate allowed was for the place as it was.
        let place = ready.upstream.clone().filter(|_| is_same_place(before, &ready));
        Ok(place.map(|place| (ready, place)))
    }

    fn upstream_failed(&self, error: &UpstreamError, context: Context) -> Response<AnswerBody> {
        if let UpstreamError::Exchange(error) | UpstreamError::Within(error) = error
            && let Some(refusal) = upload_fault(error)
        {
            return self.refuse(&refusal, context);
        }
        let (kind, refusal) = match error {
            UpstreamError::Connect(_) => ("connect", Refusal::UpstreamFailed),
            UpstreamError::Exchange(_) | UpstreamError::Within(_) => ("exchange", Refusal::UpstreamFailed),
            UpstreamError::Retired => ("retired", Refusal::UpstreamFailed),
            UpstreamError::Timeout => ("timeout", Refusal::UpstreamTimeout),
        };
        self.metrics.upstream_error(kind);
        let slug = context.held.log.route.as_deref().map(|route| route.file.slug.as_str());
        tracing::warn!(slug, %error, "an instance did not answer");
        self.refuse(&refusal, context)
    }

    fn answer(&self, passage: Passage<'_>, answered: Answered, mut context: Context) -> Response<AnswerBody> {
        let (mut head, body) = answered.response.into_parts();
        let is_event_stream = is_event_stream(&head.headers);
        let length = Body::size_hint(&body).exact();
        clean(&mut head.headers);
        head.version = Version::default();
        head.extensions.clear();
        context.held.log.status = head.status;
        let takes_a_while = is_event_stream || length.is_none_or(|n| n > LONG_BODY);
        let guard = passage
            .grant
            .filter(|_| takes_a_while)
            .map(|grant| self.gate.revocations().watch(grant.credential));
        let cut = takes_a_while.then(|| self.cut_signal(passage.upstream, guard.as_ref(), is_event_stream));
        let times = &self.config.timeouts;
        let idle = if is_event_stream || length.is_none() { times.stream_idle } else { times.answer_idle };
        let meter =
            takes_a_while.then(|| Meter::new(Arc::clone(&passage.route.activity), self.clock.clone()));
        let mut stream = StreamBody {
            body,
            lease: Some(answered.lease),
            held: context.held,
            progress: answered.progress,
            permit: Some(passage.permit),
            meter,
            guard,
            cut,
            idle: Idle::new(idle),
            is_over: false,
        };
        stream.finish_if_empty();
        Response::from_parts(head, AnswerBody::Stream(Box::new(stream)))
    }

    /// Ready when a stream must end before the instance ends it.
    pub(crate) fn cut_signal(
        &self,
        upstream: &Arc<Upstream>,
        guard: Option<&StreamGuard>,
        is_event_stream: bool,
    ) -> CutSignal {
        let closed = guard.map(StreamGuard::closed).unwrap_or_default();
        let retired = upstream.retired();
        let stop = if is_event_stream { self.stop_streams.clone() } else { CancellationToken::new() };
        Box::pin(async move {
            tokio::select! {
                () = closed.cancelled() => Cut::Broken("signed out"),
                () = retired.cancelled() => Cut::Broken("container replaced"),
                () = stop.cancelled() => Cut::Clean,
            }
        })
    }

    /// The upstream's 101, the only answer that switches protocols, and the tunnel behind it.
    fn switch(
        &self,
        passage: Passage<'_>,
        answered: Answered,
        client: OnUpgrade,
        mut context: Context,
    ) -> Response<AnswerBody> {
        let (head, body) = answered.response.into_parts();
        let is_websocket = head
            .headers
            .get(header::UPGRADE)
            .is_some_and(|u| u.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if !is_websocket {
            self.metrics.upstream_error("other-upgrade");
            return self.refuse(&Refusal::UpstreamFailed, context);
        }
        let mut upstream_response = Response::from_parts(head, body);
        let server = hyper::upgrade::on(&mut upstream_response);
        let mut headers = std::mem::take(upstream_response.headers_mut());
        clean(&mut headers);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        context.state.switch_to_tunnel();
        context.held.log.status = StatusCode::SWITCHING_PROTOCOLS;
        let guard = passage.grant.map(|grant| self.gate.revocations().watch(grant.credential));
        let tunnel = Tunnel {
            client,
            server,
            lease: answered.lease,
            permit: passage.permit,
            held: context.held,
            count: self.metrics.tunnel(),
            meter: Meter::new(Arc::clone(&passage.route.activity), self.clock.clone()),
            retired: passage.upstream.retired(),
            guard,
            stopping: self.drain.leaving(),
            idle: self.config.timeouts.stream_idle,
        };
        let aborting = self.lifecycle.aborting();
        // Like any other connection: its thread goes on until it has ended.
        tokio::spawn(self.drain.track(async move {
            tokio::select! { () = tunnel.run() => (), () = aborting.cancelled() => () }
        }));
        let mut response = Response::new(AnswerBody::Nothing);
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers;
        response
    }

    /// Closes connections to instances that were idle for long.
    pub(crate) fn sweep_connections(&self, limit: Duration) {
        for route in self.table.all() {
            if let Some(upstream) = &route.upstream {
                upstream.sweep(limit);
            }
        }
    }
}

/// The times for a route: one that may think for long has as long as a stream between two events.
pub(crate) fn patience<'a>(times: &'a Timeouts, route: &Route) -> Cow<'a, Timeouts> {
    match route.file.first_byte {
        Some(FirstByte::Off) => Cow::Owned(Timeouts { first_byte: times.stream_idle, ..times.clone() }),
        None => Cow::Borrowed(times),
    }
}

/// What was wrong with the client's body, where that and not the instance ended the exchange.
fn upload_fault(error: &hyper::Error) -> Option<Refusal> {
    if !error.is_user() {
        return None;
    }
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let is_late = causes
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::TimedOut);
    Some(if is_late { Refusal::TooSlow } else { Refusal::Malformed("its body is malformed or breaks off") })
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|media_type| {
        media_type.trim_start().to_ascii_lowercase().starts_with("text/event-stream")
    })
}
