//! After a hand-off the instance is told who came (`POST /api/auth/login`), and may name the page to show
//! first. Best effort: an image that knows nothing of it works too.

use std::time::Duration;

use bytes::Bytes;
use control_api::deploy::InstanceState;
use control_api::instance::{LoginAnswer, LoginRequest};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};

use super::transactions::return_path;
use super::{Gate, Identity, Visit};
use crate::request::upstream_headers::{Facts, build};
use crate::upstream::{UploadBody, send};

const WITHIN: Duration = Duration::from_secs(3);
const MAX_ANSWER: usize = 16 * 1024;

impl Gate {
    /// Where the instance would like to begin.
    pub(super) async fn login_at_instance(&self, visit: Visit<'_>, identity: &Identity) -> Option<String> {
        let outcome = tokio::time::timeout(WITHIN, self.try_login(visit, identity)).await;
        let answer = match outcome {
            Ok(Ok(answer)) => answer?,
            Ok(Err(error)) => {
                tracing::info!(slug = %visit.route.file.slug, %error, "the instance was not told of the sign-in");
                return None;
            }
            Err(_) => {
                tracing::info!(slug = %visit.route.file.slug, "the instance did not take the sign-in in time");
                return None;
            }
        };
        Some(return_path(&answer.landing).to_owned())
    }

    async fn try_login(
        &self,
        visit: Visit<'_>,
        identity: &Identity,
    ) -> Result<Option<LoginAnswer>, Box<dyn std::error::Error + Send + Sync>> {
        let upstream = match &visit.route.upstream {
            Some(upstream) if visit.route.file.state == InstanceState::Ready => upstream,
            _ => return Ok(None),
        };
        let body = serde_json::to_vec(&LoginRequest { assertion: identity.assertion.clone() })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let facts = Facts {
            peer: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
            trusted: &service_kit::client_addr::TrustedProxies::default(),
            host: visit.host,
            scheme: visit.scheme.as_str(),
            port: self.public.port,
            request_id: visit.request_id,
            identity: Some(&identity.headers),
            is_websocket: false,
        };
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/api/auth/login");
        *request.headers_mut() = build(headers, &facts);
        let (parts, ()) = request.into_parts();
        let (answer, lease) = send(upstream, parts, UploadBody::own(Bytes::from(body)), &self.times)
            .await
            .map_err(|unanswered| unanswered.error)?;
        let status = answer.status();
        let bytes = Limited::new(answer.into_body(), MAX_ANSWER).collect().await?.to_bytes();
        lease.release();
        if status == StatusCode::OK { Ok(Some(serde_json::from_slice(&bytes)?)) } else { Ok(None) }
    }
}
