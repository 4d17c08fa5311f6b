//! Server-sent events: a task feeds the stream, ends with its reader or with the process, and says nothing
//! more than once.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use service_kit::lifecycle::Lifecycle;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events that may wait for a slow reader.
const BUFFER: usize = 64;

/// Whether the caller wants events.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("text/event-stream")
}

/// Where a feeding task puts its events.
pub(super) struct Feed(mpsc::Sender<Event>);

impl Feed {
    /// Sends an event; `false` once nobody reads any more.
    pub(super) async fn send(&self, event: Event) -> bool {
        self.0.send(event).await.is_ok()
    }

    /// Sends a value as JSON, under a number from which a reader can go on.
    pub(super) async fn json(&self, id: Option<i64>, value: &impl Serialize) -> bool {
        let Ok(event) = Event::default().json_data(value) else { return false };
        let event = match id {
            Some(id) => event.id(id.to_string()),
            None => event,
        };
        self.send(event).await
    }

    /// Waits until nobody reads any more.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

/// An answer that is fed by `task`, a future that is dropped when the reader leaves or the process stops.
pub(super) fn stream<F>(lifecycle: &Lifecycle, task: impl FnOnce(Feed) -> F) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(BUFFER);
    let watch = Feed(sender.clone());
    let (feeding, stopping) = (task(Feed(sender)), lifecycle.stopping());
    lifecycle.spawn("event-stream", async move {
        tokio::select! {
            () = feeding => {}
            () = watch.closed() => {}
            () = stopping.cancelled() => {}
        }
    });
    let events = ReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // Proxies in front must not gather it.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
