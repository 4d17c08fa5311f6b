//! `POST /api/conversations/{id}/messages`, `/retry` and `/stop`. The first two answer with server-sent
//! events: `started`, any number of `delta`, then `done` or `error`. A browser that goes away stops the
//! answer; what had come is kept.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_stream::wrappers::UnboundedReceiverStream;
use utoipa::ToSchema;

use super::extract::{Json, Path};
use super::views::{MessageView, Say};
use crate::app::App;
use crate::chat::ChatEvent;
use crate::error::AppError;
use crate::store::ConversationId;

/// Longest silence on the stream: proxies drop connections that say nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Data of a `started` event.
#[derive(Serialize, ToSchema)]
pub(crate) struct Started {
    /// The answer's id.
    message_id: String,
    /// The conversation's title now.
    title: String,
}

/// Data of a `delta` event.
#[derive(Serialize, ToSchema)]
pub(crate) struct Delta {
    /// More of the answer.
    text: String,
}

/// Data of a `done` event, and of an `error` event, which has a `detail`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Settled {
    /// What is shown now; after a retry that gave nothing, the earlier answer. Absent where the conversation
    /// is gone or the answer could not be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageView>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Says something and streams the answer.
#[utoipa::path(post, path = "/api/conversations/{id}/messages", tag = "chat", security(("assertion" = [])),
    params(("id" = String, Path, description = "A ULID")), request_body = Say, responses(
    (status = 200, description = "Server-sent events: `started` (Started), `delta` (Delta), then `done` or \
        `error` (Settled)", content_type = "text/event-stream"),
    (status = 404, description = "There is no such conversation; problem+json"),
    (status = 409, description = "No provider, or another answer is being written; problem+json"),
    (status = 422, description = "The text is empty or too long; problem+json"),
))]
pub(crate) async fn say(
    State(app): State<Arc<App>>,
    Path(id): Path<ConversationId>,
    Json(request): Json<Say>,
) -> Result<Response, AppError> {
    app.say(&id, &request.text).await.map(stream)
}

/// Streams another answer to the last thing that was said; it takes the place of the old one once it has text.
#[utoipa::path(post, path = "/api/conversations/{id}/retry", tag = "chat", security(("assertion" = [])),
    params(("id" = String, Path, description = "A ULID")), responses(
    (status = 200, description = "Server-sent events as for a message", content_type = "text/event-stream"),
    (status = 404, description = "There is no such conversation; problem+json"),
    (status = 409, description = "Nothing to answer, no provider, or another answer is being written; \
        problem+json"),
))]
pub(crate) async fn retry(
    State(app): State<Arc<App>>,
    Path(id): Path<ConversationId>,
) -> Result<Response, AppError> {
    app.retry(&id).await.map(stream)
}

/// Stops the answer that is being written; answers when it is kept. Nothing to stop is no error.
#[utoipa::path(post, path = "/api/conversations/{id}/stop", tag = "chat", security(("assertion" = [])),
    params(("id" = String, Path, description = "A ULID")), responses(
    (status = 204, description = "Nothing is being written any more"),
))]
pub(crate) async fn stop(State(app): State<Arc<App>>, Path(id): Path<ConversationId>) -> StatusCode {
    app.chat.stop(&id).await;
    StatusCode::NO_CONTENT
}

fn stream(events: UnboundedReceiver<ChatEvent>) -> Response {
    let events = UnboundedReceiverStream::new(events).map(|event| Ok::<_, Infallible>(sse(event)));
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // An outer nginx would gather the words otherwise.
    let header = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(header, HeaderValue::from_static("no"));
    response
}

fn sse(event: ChatEvent) -> Event {
    let (name, data) = match event {
        ChatEvent::Started { answer_id, title } => {
            ("started", serde_json::to_string(&Started { message_id: answer_id, title }))
        }
        ChatEvent::Delta(text) => ("delta", serde_json::to_string(&Delta { text })),
        ChatEvent::Settled { message, problem } => {
            let name = if problem.is_some() { "error" } else { "done" };
            let message = message.map(MessageView::from);
            (name, serde_json::to_string(&Settled { message, detail: problem }))
        }
    };
    // Strings and numbers always serialise.
    Event::default().event(name).data(data.unwrap_or_default())
}
