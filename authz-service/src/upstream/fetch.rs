//! Calls to the upstream: each within a time and a size, with redirects taken for faults. What failed is told in
//! words that have no address with a secret in them.

use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A call, its answer included.
pub(super) const TIME: Duration = Duration::from_secs(8);
/// No document of an issuer's is larger.
const MOST_BYTES: usize = 256 * 1024;

/// Why a call gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer, or one that says that the upstream is not well. It may be later.
    Away(String),
    /// An answer that is not believed.
    Faulty(String),
}

/// A status and the body.
pub(super) struct Answer {
    pub(super) status: u16,
    body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Sends a request. Only a 2xx or a 4xx is an answer.
pub(super) async fn send(request: RequestBuilder) -> Result<Answer, Failure> {
    let mut response = request.timeout(TIME).send().await.map_err(|error| away(&error))?;
    let status = response.status();
    if status.is_server_error() {
        return Err(Failure::Away(format!("it answered {}", status.as_u16())));
    }
    if !status.is_success() && !status.is_client_error() {
        return Err(Failure::Faulty(format!("it answered {} where it must answer itself", status.as_u16())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| away(&error))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(Failure::Faulty("its answer is too large".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: status.as_u16(), body })
}

/// Reads a JSON document.
pub(super) async fn document<T: DeserializeOwned>(request: RequestBuilder, what: &str) -> Result<T, Failure> {
    let answer = send(request).await?;
    if answer.status >= 400 {
        return Err(Failure::Away(format!("it answered {} when asked for {what}", answer.status)));
    }
    answer.json().ok_or_else(|| Failure::Faulty(format!("{what} cannot be read")))
}

fn away(error: &reqwest::Error) -> Failure {
    let what = if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "no connection to it could be made"
    } else {
        "the connection to it broke"
    };
    Failure::Away(what.to_owned())
}
