//! One request from its head to its answer: the steps in order, each in a place of its own.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use control_api::deploy_client::DeployClient;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use service_kit::clock::Clock;
use service_kit::lifecycle::Lifecycle;
use service_kit::request_id;
use tokio_util::sync::CancellationToken;

use super::answer_body::{AnswerBody, Held};
use super::drain::Drain;
use super::peer::Peer;
use super::request_log::RequestLog;
use crate::config::Config;
use crate::error::Refusal;
use crate::gate::{Denied, Gate, Visit};
use crate::guard::{ConnectionState, Fault, InFlight};
use crate::metrics::RouterMetrics;
use crate::pages::{Answer, Pages, style};
use crate::request::host::{Host, Place};
use crate::request::kind::Kind;
use crate::request::target;
use crate::routes::{Route, RouteTable};
use crate::wake;

/// The router with all that a request needs.
pub(crate) struct Router {
    pub(crate) config: Config,
    pub(crate) table: Arc<RouteTable>,
    pub(crate) gate: Gate,
    pub(crate) deploy: DeployClient,
    pub(crate) pages: Pages,
    pub(crate) metrics: RouterMetrics,
    pub(crate) clock: Clock,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) drain: Drain,
    /// Cancelled some time after a stop: streams without an end are ended.
    pub(crate) stop_streams: CancellationToken,
}

/// What is known of a request before its route.
pub(super) struct Context {
    pub(super) kind: Kind,
    pub(super) request_id: HeaderValue,
    pub(super) peer: Peer,
    /// The peer, or whom trusted proxies name.
    pub(super) client: IpAddr,
    pub(super) state: Arc<ConnectionState>,
    pub(super) held: Held,
}

impl Router {
    /// Serves one request. The answer always has a request id.
    pub(crate) async fn serve(
        self: Arc<Self>,
        (state, fault): (Arc<ConnectionState>, Option<Fault>),
        peer: Peer,
        request: Request<Incoming>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let id = request_id::choose(request.headers().get(request_id::HEADER));
        let value = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("invalid"));
        let client = self.config.trusted.client(peer.address, request.headers());
        let log = RequestLog::new(id.clone(), request.method(), request.uri().path(), client, &self.metrics);
        let is_http1 = request.version() <= Version::HTTP_11;
        let context = Context {
            kind: Kind::of(request.method(), request.version(), request.headers()),
            request_id: value.clone(),
            peer,
            client,
            held: Held { log, in_flight: InFlight::new(&state) },
            state,
        };
        let mut response = request_id::scope(id, async {
            match fault {
                Some(fault) => self.refuse(&fault.into(), context),
                None => Box::pin(self.route(request, context)).await,
            }
        })
        .await;
        let is_last =
            is_http1 && self.drain.has_left() && response.status() != StatusCode::SWITCHING_PROTOCOLS;
        if fault.is_some() || is_last {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.headers_mut().insert(request_id::HEADER, value);
        Ok(response)
    }

    async fn route(&self, request: Request<Incoming>, mut context: Context) -> Response<AnswerBody> {
        let (head, body) = request.into_parts();
        let host = match target::check(&head) {
            Ok(host) => host,
            Err(refusal) => return self.refuse(&refusal, context),
        };
        if !context.peer.may_ask_for(&host.name) {
            return self.refuse(&Refusal::Misdirected, context);
        }
        let path = head.uri.path();
        if path == "/.beaver/style.css" && matches!(head.method, Method::GET | Method::HEAD) {
            return whole(style(), context.held);
        }
        let route = match self.look_up(&host) {
            Ok(route) => route,
            Err(refusal) => return self.refuse(&refusal, context),
        };
        context.held.log.route = Some(Arc::clone(&route));
        let is_own_path = target::is_own_path(path);
        let request = Request::from_parts(head, body);
        if is_own_path {
            let target = request.uri().path_and_query().map_or("/", |p| p.as_str());
            let visit = self.visit(&route, &host, &request, target, &context);
            return match Box::pin(self.gate.own_path(visit)).await {
                Ok(answer) => whole(answer, context.held),
                Err(refusal) => self.page(&refusal, context),
            };
        }
        self.pass(route, host, request, context).await
    }

    fn look_up(&self, host: &Host) -> Result<Arc<Route>, Refusal> {
        match host.place(&self.config.base_domains) {
            Place::Slug(slug) => self.table.get(slug).ok_or(Refusal::UnknownHost),
            Place::Base => Err(Refusal::BaseHost),
            Place::Elsewhere => Err(Refusal::UnknownHost),
        }
    }

    /// Gate, place, readiness, and on to the instance.
    async fn pass(
        &self,
        route: Arc<Route>,
        host: Host,
        request: Request<Incoming>,
        context: Context,
    ) -> Response<AnswerBody> {
        let target = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let grant = match self.gate.admit(self.visit(&route, &host, &request, target, &context)).await {
            Ok(grant) => grant,
            Err(Denied::Refuse(refusal)) => return self.refuse(&refusal, context),
            Err(Denied::Answer(answer)) => return whole(answer, context.held),
        };
        route.activity.request(self.clock.now_ms());
        let Some(permit) = route.admission.enter().await else {
            return self.refuse(&Refusal::Busy, context);
        };
        // It may have waited for its place: where the instance is now counts.
        let Some(now) = self.table.get(route.file.slug.as_str()) else {
            return self.refuse(&Refusal::UnknownHost, context);
        };
        let times = &self.config.timeouts;
        // Boxed, because most requests need not wait, and so need no room for it.
        let wait = wake::until_ready(&self.table, &self.deploy, times, now, context.kind);
        let ready = match Box::pin(wait).await {
            Ok(ready) if is_same_place(&route, &ready) => ready,
            Ok(_) => return self.refuse(&Refusal::UpstreamFailed, context),
            Err(refusal) => return self.refuse(&refusal, context),
        };
        let set_cookie = grant.as_ref().and_then(|g| g.set_cookie.clone());
        let mut response = self.forward(&ready, &host, request, grant, permit, context).await;
        if let Some(cookie) = set_cookie
            && response.status() != StatusCode::UNAUTHORIZED
        {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    fn visit<'a>(
        &self,
        route: &'a Arc<Route>,
        host: &'a Host,
        request: &'a Request<Incoming>,
        target: &'a str,
        context: &'a Context,
    ) -> Visit<'a> {
        Visit {
            route,
            host,
            scheme: self.config.scheme(context.peer.is_tls()),
            method: request.method(),
            headers: request.headers(),
            kind: context.kind,
            client: context.client,
            target,
            request_id: &context.request_id,
        }
    }

    /// A page or a problem, as the request wants it.
    pub(super) fn refuse(&self, refusal: &Refusal, context: Context) -> Response<AnswerBody> {
        let id = context.request_id.to_str().unwrap_or_default();
        whole(self.pages.refusal(refusal, context.kind, id), context.held)
    }

    /// A page in any case: the router's own paths are for people.
    fn page(&self, refusal: &Refusal, context: Context) -> Response<AnswerBody> {
        let kind = if context.kind == Kind::Call { Kind::Form } else { context.kind };
        let id = context.request_id.to_str().unwrap_or_default();
        whole(self.pages.refusal(refusal, kind, id), context.held)
    }
}

/// Whether what the gate allowed still holds for a route that was waited for.
pub(super) fn is_same_place(before: &Route, now: &Route) -> bool {
    let (a, b) = (&before.file, &now.file);
    a.instance_id == b.instance_id && a.owner_id == b.owner_id && a.access == b.access
}

/// An answer of the router's own.
pub(super) fn whole(answer: Answer, mut held: Held) -> Response<AnswerBody> {
    let (parts, bytes) = answer.into_parts();
    held.log.status = parts.status;
    held.log.outcome = "ok";
    Response::from_parts(parts, AnswerBody::Whole { bytes, held: Box::new(held) })
}
