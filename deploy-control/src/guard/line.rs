//! The requests that go to Docker, written anew from parsed parts: method, path, query and body, and no header
//! that a caller sent.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use super::handler::Fault;
use super::request::target;

/// Writes requests for Docker, in the API version that the caller named.
pub(super) struct Line<'a> {
    version: Option<&'a str>,
}

impl<'a> Line<'a> {
    pub(super) fn new(version: Option<&'a str>) -> Self {
        Self { version }
    }

    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Request<Full<Bytes>> {
        self.request(&Method::GET, path, query)
    }

    /// Without a body, whatever the caller sent: old Engines take a `HostConfig` with a start.
    pub(super) fn post(&self, path: &str, query: &[(&str, &str)]) -> Request<Full<Bytes>> {
        self.request(&Method::POST, path, query)
    }

    pub(super) fn request(
        &self,
        method: &Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method.clone();
        // Both were parsed to plain characters, so this is a URI; if not, Docker says 404 to `/`.
        *request.uri_mut() = target(self.version, path, query).parse().unwrap_or_default();
        request.headers_mut().insert(header::HOST, http::HeaderValue::from_static("docker"));
        request
    }

    pub(super) fn post_json<T: Serialize>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: &T,
    ) -> Result<Request<Full<Bytes>>, Fault> {
        let bytes = serde_json::to_vec(body)
            .map_err(|e| Fault::Status(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
        let mut request = self.request(&Method::POST, path, query);
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        *request.body_mut() = Full::new(bytes.into());
        Ok(request)
    }
}
