//! `OpenAI`'s chat completions as a stream (<https://platform.openai.com/docs/api-reference/chat-streaming>), and
//! the many servers that speak the same.

use serde::{Deserialize, Serialize};

use super::error::presentable;
use super::event_stream::EventStream;
use super::{Ended, Pieces, ProviderClient, ProviderError};
use crate::chat::Turn;
use crate::store::Role;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Said<'a>>,
    stream: bool,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

/// Asks for an answer.
pub(super) async fn answer(
    client: &ProviderClient,
    turns: &[Turn],
    pieces: &Pieces,
) -> Result<Ended, ProviderError> {
    let provider = client.provider();
    let body = Request { model: &provider.model, messages: turns.iter().map(said).collect(), stream: true };
    let mut request = client.http().await?.post(client.endpoint("/chat/completions")).json(&body);
    if let Some(key) = &provider.key {
        request = request.bearer_auth(key.expose());
    }
    let mut events = EventStream::open(request, client.timeouts, provider.key.as_ref()).await?;
    let mut ended = None;
    while let Some(event) = events.next().await? {
        if event.data.trim() == "[DONE]" {
            return Ok(ended.unwrap_or(Ended::Whole));
        }
        let chunk: Chunk = serde_json::from_str(&event.data)
            .map_err(|_| ProviderError::Garbled { what: "an event is not the JSON that its API promises" })?;
        if let Some(error) = chunk.error {
            let text = error.pointer("/message").unwrap_or(&error).as_str().unwrap_or_default();
            let message = presentable(text, provider.key.as_ref());
            return Err(ProviderError::Reported { message: message.unwrap_or("it gave no reason".into()) });
        }
        // Only one answer was asked for.
        let Some(choice) = chunk.choices.into_iter().next() else { continue };
        if let Some(text) = choice.delta.and_then(|delta| delta.content).filter(|text| !text.is_empty())
            && pieces.send(text).await.is_err()
        {
            return Ok(Ended::Whole);
        }
        if let Some(reason) = choice.finish_reason {
            ended = Some(if reason == "length" { Ended::AtLimit } else { Ended::Whole });
        }
    }
    // Some servers leave out the `[DONE]` at the end; none leaves out the reason.
    ended.ok_or(ProviderError::BrokeOff)
}

fn said(turn: &Turn) -> Said<'_> {
    let role = match turn.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    Said { role, content: &turn.text }
}
