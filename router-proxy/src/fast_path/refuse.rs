//! Answers of the router's own where an instance gave none.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, Version, header};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

use super::downstream::{Connection, Left};
use super::exchange::Failed;
use super::head::read;
use super::plan::Plan;
use super::relay::put;
use crate::error::Refusal;
use crate::request::kind::Kind;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// What becomes of a request that got no answer. It is hyper's side's where it may be said again elsewhere.
    pub(super) async fn failed(&mut self, mut plan: Box<Plan>, failed: Failed) -> Result<bool, Left> {
        let has_moved = || {
            let now = self.router.table.get(plan.route.file.slug.as_str());
            now.is_none_or(|now| !Arc::ptr_eq(&now, &plan.route))
        };
        let may_be_said_again = match &failed {
            Failed::Unsent => true,
            Failed::Retired => plan.method.is_idempotent(),
            Failed::Broken(_) => plan.method.is_idempotent() && has_moved(),
            Failed::Gone | Failed::Malformed(_) | Failed::Switched | Failed::Timeout => false,
        };
        if may_be_said_again {
            plan.log.discard();
            return Err(Left::Unusual);
        }
        let (kind, refusal) = match &failed {
            Failed::Gone => return Err(Left::Closed),
            Failed::Timeout => ("timeout", Refusal::UpstreamTimeout),
            Failed::Switched => ("unasked-101", Refusal::UpstreamFailed),
            Failed::Retired => ("retired", Refusal::UpstreamFailed),
            Failed::Unsent | Failed::Broken(_) | Failed::Malformed(_) => {
                ("exchange", Refusal::UpstreamFailed)
            }
        };
        self.router.metrics.upstream_error(kind);
        tracing::warn!(slug = %plan.route.file.slug, error = %failed, "an instance did not answer");
        self.refuse(plan, &refusal).await
    }

    /// A page or a problem, as the request wants it.
    pub(super) async fn refuse(&mut self, mut plan: Box<Plan>, refusal: &Refusal) -> Result<bool, Left> {
        let id = plan.request_id.to_str().unwrap_or_default();
        let answer = self.router.pages.refusal(refusal, self.kind(), id);
        plan.log.status = answer.status();
        let keeps = !self.is_stopping();
        let bytes = whole(&answer, &plan.request_id, keeps);
        self.write(&bytes).await.map_err(|_| Left::Closed)?;
        plan.log.outcome = "ok";
        plan.log.bytes_out = answer.body().len() as u64;
        Ok(keeps)
    }

    /// Who would see the answer to the request at the front.
    fn kind(&self) -> Kind {
        let bytes = &self.downstream.read;
        let end = memchr::memmem::find(bytes, b"\r\n\r\n").map_or(0, |at| at + 4);
        let Ok(head) = read(&bytes[..end]) else { return Kind::Call };
        let parse = |(name, value): (&str, &[u8])| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(value).ok()?))
        };
        let headers: HeaderMap = head.headers().filter_map(parse).collect();
        Kind::of(&head.method.to_http(), Version::HTTP_11, &headers)
    }
}

fn whole(answer: &Response<Bytes>, request_id: &HeaderValue, keeps: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + answer.body().len());
    let status = answer.status();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != header::CONTENT_LENGTH) {
        put(&mut out, name.as_str(), value.as_bytes());
    }
    put(&mut out, "x-request-id", request_id.as_bytes());
    put(&mut out, "content-length", answer.body().len().to_string().as_bytes());
    put(&mut out, "date", super::date::now().as_bytes());
    if !keeps {
        put(&mut out, "connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(answer.body());
    out
}
