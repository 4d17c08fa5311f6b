//! What is to be done for one request: where it goes, on whose behalf, and the bytes to send. Nothing here waits.

use std::sync::Arc;

use control_api::deploy::InstanceState;
use http::HeaderValue;
use service_kit::request_id;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use super::downstream::{Connection, Left};
use super::head::{Head, Method, NotUsual, read};
use super::scratch::spare;
use super::to_instance;
use crate::gate::{Grant, Known};
use crate::proxy::RequestLog;
use crate::request::host::{Host, Place};
use crate::request::upstream_headers::Facts;
use crate::routes::Route;
use crate::upstream::Upstream;

/// A request that may pass.
pub(super) struct Plan {
    pub(super) route: Arc<Route>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) grant: Option<Grant>,
    #[expect(dead_code, reason = "a place of the instance, held until the request is through")]
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) method: Method,
    pub(super) request_id: HeaderValue,
    /// For the instance.
    pub(super) bytes: Vec<u8>,
    /// Bytes of the request as it was sent, head and body.
    pub(super) length: usize,
    /// Bytes of its body.
    pub(super) body: usize,
    pub(super) log: RequestLog,
}

/// What comes next.
pub(super) enum Next {
    Go(Box<Plan>),
    /// So many bytes must be there first.
    Read(usize),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// Plans the request whose head is at the front and so many bytes long.
    pub(super) fn plan(&self, head_length: usize) -> Result<Next, Left> {
        let bytes = &self.downstream.read;
        let head = read(&bytes[..head_length]).map_err(|why| match why {
            NotUsual::ForOnce => Left::Unusual,
            NotUsual::ForGood => Left::ForGood,
        })?;
        let host = Host::parse(head.host).map_err(|_| Left::Unusual)?;
        if !self.peer.may_ask_for(&host.name) {
            return Err(Left::Unusual);
        }
        let (route, upstream) = self.place(&host).ok_or(Left::Unusual)?;
        let grant = match self.router.gate.admit_known(&route, head.cookie) {
            Known::Anybody => None,
            Known::Owner(grant) => Some(grant),
            Known::No => return Err(Left::Unusual),
        };
        let length = head_length + head.length;
        let Some(body) = bytes.get(head_length..length) else { return Ok(Next::Read(length)) };
        let permit = route.admission.enter_at_once().ok_or(Left::Unusual)?;
        route.activity.request(self.router.clock.now_ms());
        let id = request_id::choose_text(head.request_id);
        let request_id = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("invalid"));
        let facts = Facts {
            peer: self.peer.address,
            trusted: &self.router.config.trusted,
            host: &host,
            scheme: self.router.config.scheme(self.peer.is_tls()).as_str(),
            port: self.router.config.public.port,
            request_id: &request_id,
            identity: grant.as_ref().map(|grant| &grant.identity.headers),
            is_websocket: false,
        };
        let mut bytes = spare();
        to_instance::write(&mut bytes, &head, body, &facts);
        let log = self.log(&head, id, &route);
        Ok(Next::Go(Box::new(Plan {
            method: head.method,
            body: body.len(),
            route,
            upstream,
            grant,
            permit,
            request_id,
            bytes,
            length,
            log,
        })))
    }

    /// The route, where it is ready.
    fn place(&self, host: &Host) -> Option<(Arc<Route>, Arc<Upstream>)> {
        let Place::Slug(slug) = host.place(&self.router.config.base_domains) else { return None };
        let route = self.router.table.get(slug).filter(|route| route.file.state == InstanceState::Ready)?;
        let upstream = route.upstream.clone()?;
        Some((route, upstream))
    }

    fn log(&self, head: &Head<'_>, id: String, route: &Arc<Route>) -> RequestLog {
        let client =
            self.router.config.trusted.client_behind(self.peer.address, head.forwarded_for.as_slice());
        let mut log = RequestLog::new(id, &head.method.to_http(), head.path(), client, &self.router.metrics);
        log.route = Some(Arc::clone(route));
        log
    }
}
