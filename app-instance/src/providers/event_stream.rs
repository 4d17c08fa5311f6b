//! An answer as a stream of server-sent events: the request, its refusals, and the next event within a time.

use std::collections::VecDeque;
use std::time::Duration;

use http::header;
use reqwest::{RequestBuilder, Response};
use service_kit::secret::Secret;
use service_kit::sse::{Event, Parser};

use super::ProviderError;
use super::error::{message_of, presentable};
use crate::config::Timeouts;

/// Largest event that is taken.
const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// Largest error body that is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// How long the body of a refusal may take.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The events of an answer.
pub(super) struct EventStream {
    response: Response,
    parser: Parser,
    pending: VecDeque<Event>,
    idle: Duration,
}

impl EventStream {
    /// Sends the request and waits for the head of the answer.
    pub(super) async fn open(
        request: RequestBuilder,
        timeouts: Timeouts,
        key: Option<&Secret<String>>,
    ) -> Result<Self, ProviderError> {
        let request = request.header(header::ACCEPT, "text/event-stream");
        let response = match tokio::time::timeout(timeouts.first_byte, request.send()).await {
            Err(_) => return Err(ProviderError::Silent { after: timeouts.first_byte }),
            Ok(Err(error)) => return Err(unreachable(&error, timeouts)),
            Ok(Ok(response)) => response,
        };
        if !response.status().is_success() {
            return Err(refused(response, key).await);
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if kind.is_some_and(|kind| !kind.to_ascii_lowercase().starts_with("text/event-stream")) {
            return Err(ProviderError::Garbled { what: "it is not an event stream; is the address right?" });
        }
        let parser = Parser::new(MAX_EVENT_BYTES);
        Ok(Self { response, parser, pending: VecDeque::new(), idle: timeouts.idle })
    }

    /// The next event; `None` where the connection ended.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, ProviderError> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            let chunk = match tokio::time::timeout(self.idle, self.response.chunk()).await {
                Err(_) => return Err(ProviderError::Stalled { after: self.idle }),
                Ok(Err(_)) => return Err(ProviderError::BrokeOff),
                Ok(Ok(None)) => return Ok(None),
                Ok(Ok(Some(chunk))) => chunk,
            };
            let events = self.parser.push(&chunk);
            self.pending
                .extend(events.map_err(|_| ProviderError::Garbled { what: "it is no event stream" })?);
        }
    }
}

async fn refused(mut response: Response, key: Option<&Secret<String>>) -> ProviderError {
    let status = response.status();
    let read = async {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ERROR_BYTES {
                break;
            }
        }
        body
    };
    let body = tokio::time::timeout(ERROR_BODY_TIMEOUT, read).await.unwrap_or_default();
    let message = message_of(&body).and_then(|message| presentable(&message, key));
    ProviderError::Refused { status, message }
}

fn unreachable(error: &reqwest::Error, timeouts: Timeouts) -> ProviderError {
    if error.is_connect() && error.is_timeout() {
        let reason = format!("no connection within {} s", timeouts.connect.as_secs_f32());
        return ProviderError::Unreachable { reason };
    }
    if !error.is_connect() {
        return ProviderError::BrokeOff;
    }
    // The last cause is the one that helps: refused, name not known, certificate not valid.
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    ProviderError::Unreachable { reason: cause.to_string() }
}
