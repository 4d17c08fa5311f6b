//! Anthropic's Messages API as a stream (<https://docs.claude.com/en/docs/build-with-claude/streaming>).

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::error::presentable;
use super::event_stream::EventStream;
use super::{Ended, Pieces, ProviderClient, ProviderError};
use crate::chat::Turn;
use crate::store::Role;

/// The API's version, which it wants to be told.
const VERSION: &str = "2023-06-01";
/// The API insists on a limit; every model of the last years takes this one.
const MAX_TOKENS: u32 = 8192;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    messages: Vec<Said<'a>>,
    stream: bool,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: &'a str,
}

/// The events that matter; the API may add others at any time.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    ContentBlockDelta {
        delta: BlockDelta,
    },
    MessageDelta {
        delta: MessageDelta,
    },
    MessageStop,
    Error {
        error: Reported,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct BlockDelta {
    /// Absent in deltas other than text.
    text: Option<String>,
}

#[derive(Deserialize)]
struct MessageDelta {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Reported {
    #[serde(default)]
    message: String,
}

/// Asks for an answer.
pub(super) async fn answer(
    client: &ProviderClient,
    turns: &[Turn],
    pieces: &Pieces,
) -> Result<Ended, ProviderError> {
    let provider = client.provider();
    let messages = turns.iter().map(said).collect();
    let body = Request { model: &provider.model, max_tokens: MAX_TOKENS, messages, stream: true };
    // People give the address with and without its version.
    let versioned = provider.base_url.as_ref().is_some_and(|url| url.path().ends_with("/v1"));
    let path = if versioned { "/messages" } else { "/v1/messages" };
    let mut request = client.http().await?.post(client.endpoint(path)).json(&body);
    request = request.header("anthropic-version", VERSION);
    if let Some(key) = &provider.key {
        let mut value = HeaderValue::from_str(key.expose())
            .map_err(|_| ProviderError::Unreachable { reason: "the key cannot be sent".to_owned() })?;
        value.set_sensitive(true);
        request = request.header("x-api-key", value);
    }
    let mut events = EventStream::open(request, client.timeouts, provider.key.as_ref()).await?;
    let mut ended = Ended::Whole;
    while let Some(event) = events.next().await? {
        let event = serde_json::from_str(&event.data)
            .map_err(|_| ProviderError::Garbled { what: "an event is not the JSON that its API promises" })?;
        match event {
            Event::ContentBlockDelta { delta } => {
                let text = delta.text.unwrap_or_default();
                if !text.is_empty() && pieces.send(text).await.is_err() {
                    return Ok(ended);
                }
            }
            Event::MessageDelta { delta } if delta.stop_reason.as_deref() == Some("max_tokens") => {
                ended = Ended::AtLimit;
            }
            Event::MessageStop => return Ok(ended),
            Event::Error { error } => {
                let message = presentable(&error.message, provider.key.as_ref());
                return Err(ProviderError::Reported {
                    message: message.unwrap_or("it gave no reason".into()),
                });
            }
            _ => {}
        }
    }
    Err(ProviderError::BrokeOff)
}

fn said(turn: &Turn) -> Said<'_> {
    let role = match turn.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    Said { role, content: &turn.text }
}
