//! What the typed clients share: one way to call a service and one error for all that can go wrong.

use http::Method;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_kit::problem::Problem;
use service_kit::secret::Secret;
use url::Url;

/// Largest body of an error that is read.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;

/// Why a call did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The service answered with a problem.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// No (whole) answer: the service is down, too slow, or something else answers at its address.
    #[error("{service} cannot be reached: {reason}")]
    Unreachable {
        /// Which service.
        service: &'static str,
        /// In words; has no URL with secrets and no body.
        reason: String,
    },
}

impl ApiError {
    /// Whether it is a problem of this kind (see `codes`).
    pub fn is(&self, code: &str) -> bool {
        matches!(self, Self::Problem(problem) if problem.kind == code)
    }

    /// The problem, if the service gave one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Unreachable { .. } => None,
        }
    }

    /// Whether the same call may succeed later: the service is down or says so itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.status >= 500 || problem.status == 429,
            Self::Unreachable { .. } => true,
        }
    }
}

/// A service's address and the token that opens it. Clones share the connections.
#[derive(Clone, Debug)]
pub struct ApiClient {
    http: Client,
    service: &'static str,
    base: Url,
    token: Secret<String>,
}

impl ApiClient {
    /// A client for `service` at `base`, an origin without a path.
    pub fn new(http: Client, service: &'static str, base: Url, token: Secret<String>) -> Self {
        Self { http, service, base, token }
    }

    /// A request with token and request id; `path` begins with a slash.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(path);
        let mut builder = self.http.request(method, url).bearer_auth(self.token.expose());
        if let Some(id) = service_kit::request_id::current() {
            builder = builder.header(service_kit::request_id::HEADER, id);
        }
        builder
    }

    /// Sends a JSON body and reads a JSON answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ApiError> {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    /// Sends a JSON body; the answer has none.
    pub async fn post_empty(&self, path: &str, body: &impl Serialize) -> Result<(), ApiError> {
        self.send(self.request(Method::POST, path).json(body)).await.map(drop)
    }

    /// Reads a JSON answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        self.json(self.request(Method::GET, path)).await
    }

    /// Sends a request and reads a JSON answer.
    pub async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ApiError> {
        let response = self.send(request).await?;
        response.json().await.map_err(|error| self.unreachable(&error.without_url()))
    }

    /// Sends a request; any status but 2xx is an error.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, ApiError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error.without_url()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.problem(response).await)
    }

    /// Reads an answer as text, the first `most` bytes of it.
    pub async fn text(&self, mut response: Response, most: usize) -> Result<String, ApiError> {
        let mut body = Vec::new();
        while body.len() < most {
            let chunk = response.chunk().await.map_err(|error| self.unreachable(&error.without_url()))?;
            let Some(chunk) = chunk else { break };
            body.extend_from_slice(&chunk);
        }
        body.truncate(most);
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    async fn problem(&self, mut response: Response) -> ApiError {
        let status = response.status();
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_PROBLEM_BYTES {
                break;
            }
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => ApiError::Problem(Box::new(problem)),
            Err(_) => self.unexpected(status),
        }
    }

    fn unexpected(&self, status: StatusCode) -> ApiError {
        ApiError::Unreachable {
            service: self.service,
            reason: format!("it answered {status} without a reason"),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ApiError {
        // The chain holds the cause that helps: refused, timed out, reset.
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            reason = format!("{reason}: {inner}");
            source = inner.source();
        }
        ApiError::Unreachable { service: self.service, reason }
    }
}
