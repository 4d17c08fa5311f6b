//! What an instance says and uses, and why it is as it is: logs, statistics, the reason ledger.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use control_api::deploy::{EventList, StatsView};
use control_api::ids::InstanceId;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Api;
use super::extract::{Id, Params};
use super::openapi::ProblemBody;
use super::sse::{self, Feed};
use crate::engine::{EngineError, Usage};
use crate::error::Error;
use crate::model::Instance;
use crate::requests::Requests;

const DEFAULT_TAIL: u32 = 200;
const LONGEST_TAIL: u32 = 10_000;
const DEFAULT_EVENTS: u32 = 100;
const MOST_EVENTS: u32 = 1_000;
/// Between two measurements that are followed; each takes Docker about a second.
const MEASURE_AGAIN: Duration = Duration::from_secs(1);
/// A line of the log that is longer is cut in pieces.
const LONGEST_LINE: usize = 16 * 1024;

/// Query of logs and events.
#[derive(Deserialize)]
pub(super) struct FollowQuery {
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    tail: Option<u32>,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    before: Option<i64>,
}

/// The last lines of its output, as plain text or, with `follow`, as events of one line each.
#[utoipa::path(
    get, path = "/api/instances/{id}/logs", tag = "observe", security(("deploy" = [])),
    params(
        ("id" = InstanceId, Path), ("follow" = Option<bool>, Query),
        ("tail" = Option<u32>, Query, description = "at most 10,000 lines; 200 by default"),
    ),
    responses(
        (status = 200, content((String = "text/plain"), (String = "text/event-stream"))),
        (status = 404, body = ProblemBody),
        (status = 503, description = "`docker-unreachable`", body = ProblemBody),
    )
)]
pub(super) async fn logs(
    State(api): State<Api>,
    headers: HeaderMap,
    Id(id): Id<InstanceId>,
    Params(query): Params<FollowQuery>,
) -> Result<Response, Error> {
    let instance = api.requests.live(id).await?;
    let follow = query.follow || sse::wanted(&headers);
    let tail = query.tail.unwrap_or(DEFAULT_TAIL).min(LONGEST_TAIL);
    let mut chunks = read_logs(&api, &instance, tail, follow);
    // The first chunk tells whether there is a container at all.
    let first = match chunks.recv().await {
        Some(Err(EngineError::NotFound(_))) | None => Bytes::new(),
        Some(Err(error)) => return Err(engine_error(&error)),
        Some(Ok(bytes)) => bytes,
    };
    if follow {
        return Ok(sse::stream(&api.lifecycle, move |feed| feed_lines(first, chunks, feed)));
    }
    let rest = ReceiverStream::new(chunks);
    let body = futures_util::stream::once(async move { Ok(first) }).chain(rest);
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// The engine's stream, read by a task of its own, which ends with its reader.
fn read_logs(
    api: &Api,
    instance: &Instance,
    tail: u32,
    follow: bool,
) -> mpsc::Receiver<Result<Bytes, EngineError>> {
    let (sender, receiver) = mpsc::channel(16);
    let context = api.requests.context.clone();
    let name = instance.container_name(&context.config.installation);
    let stopping = api.lifecycle.stopping();
    api.lifecycle.spawn("logs", async move {
        let mut chunks = context.engine.logs(&name, tail, follow);
        loop {
            let chunk = tokio::select! {
                chunk = chunks.next() => chunk,
                () = sender.closed() => return,
                () = stopping.cancelled() => return,
            };
            let Some(chunk) = chunk else { return };
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    });
    receiver
}

async fn feed_lines(first: Bytes, mut chunks: mpsc::Receiver<Result<Bytes, EngineError>>, feed: Feed) {
    let mut line = Vec::new();
    let mut next = Some(Ok(first));
    while let Some(Ok(chunk)) = next {
        for &byte in &chunk {
            if byte == b'\n' || line.len() >= LONGEST_LINE {
                if !feed.send(log_line(&line)).await {
                    return;
                }
                line.clear();
            }
            if byte != b'\n' {
                line.push(byte);
            }
        }
        next = chunks.recv().await;
    }
    if !line.is_empty() {
        feed.send(log_line(&line)).await;
    }
}

/// An app's output is a stranger's: a carriage return would end the line of the event.
fn log_line(line: &[u8]) -> Event {
    Event::default().data(String::from_utf8_lossy(line).replace('\r', ""))
}

/// What it uses now; an instance that does not run uses disk alone. With `follow` again and again, as events.
#[utoipa::path(
    get, path = "/api/instances/{id}/stats", tag = "observe", security(("deploy" = [])),
    params(("id" = InstanceId, Path), ("follow" = Option<bool>, Query)),
    responses(
        (status = 200, content((StatsView = "application/json"), (String = "text/event-stream"))),
        (status = 404, body = ProblemBody),
        (status = 503, description = "`docker-unreachable`", body = ProblemBody),
    )
)]
pub(super) async fn stats(
    State(api): State<Api>,
    headers: HeaderMap,
    Id(id): Id<InstanceId>,
    Params(query): Params<FollowQuery>,
) -> Result<Response, Error> {
    let now = measure(&api.requests, id).await?;
    if !query.follow && !sse::wanted(&headers) {
        return Ok(Json(now).into_response());
    }
    let requests = api.requests.clone();
    Ok(sse::stream(&api.lifecycle, move |feed| feed_stats(requests, id, now, feed)))
}

/// Until its reader leaves, or it cannot be measured any more.
async fn feed_stats(requests: Requests, id: InstanceId, first: StatsView, feed: Feed) {
    let mut next = Some(first);
    while let Some(stats) = next {
        if !feed.json(None, &stats).await {
            return;
        }
        tokio::time::sleep(MEASURE_AGAIN).await;
        next = measure(&requests, id).await.ok();
    }
}

async fn measure(requests: &Requests, id: InstanceId) -> Result<StatsView, Error> {
    let context = &requests.context;
    let instance = requests.live(id).await?;
    let name = instance.container_name(&context.config.installation);
    let files = context.files.clone();
    let (usage, disk) =
        tokio::join!(context.engine.usage(&name), tokio::task::spawn_blocking(move || files.data_bytes(id)),);
    let usage = match usage {
        Ok(usage) => usage,
        Err(error) if error.is_transient() => return Err(engine_error(&error)),
        Err(_) => Usage { cpu_percent: 0.0, memory_bytes: 0, pids: 0 },
    };
    Ok(StatsView {
        cpu_percent: usage.cpu_percent,
        cpu_limit_percent: f64::from(instance.limits.milli_cpus) / 10.0,
        memory_bytes: usage.memory_bytes,
        memory_limit_bytes: instance.limits.memory_bytes,
        pids: usage.pids,
        pids_limit: instance.limits.pids.into(),
        disk_bytes: disk.ok().and_then(Result::ok).unwrap_or(0),
        disk_limit_bytes: instance.limits.disk_bytes,
    })
}

/// The reason ledger, newest first; with `follow` as events, oldest first, from `Last-Event-ID` on.
#[utoipa::path(
    get, path = "/api/instances/{id}/events", tag = "observe", security(("deploy" = [])),
    params(
        ("id" = InstanceId, Path), ("follow" = Option<bool>, Query),
        ("limit" = Option<u32>, Query, description = "1 to 1,000; 100 by default"),
        ("before" = Option<i64>, Query, description = "continue before this `seq`; not with `follow`"),
    ),
    responses(
        (status = 200, content((EventList = "application/json"), (String = "text/event-stream"))),
        (status = 404, body = ProblemBody),
    )
)]
pub(super) async fn events(
    State(api): State<Api>,
    headers: HeaderMap,
    Id(id): Id<InstanceId>,
    Params(query): Params<FollowQuery>,
) -> Result<Response, Error> {
    let store = &api.requests.context.store;
    // The ledger of a deleted instance can still be read.
    store.instance(id).await?.ok_or(Error::NotFound("There is no such instance."))?;
    let limit = query.limit.unwrap_or(DEFAULT_EVENTS).clamp(1, MOST_EVENTS);
    if !query.follow && !sse::wanted(&headers) {
        let events = match query.before {
            Some(seq) => store.events_before(id, seq, limit).await?,
            None => store.newest_events(id, limit).await?,
        };
        return Ok(Json(EventList { events }).into_response());
    }
    let newest = store.newest_events(id, limit).await?;
    let seen = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let oldest_shown = newest.last().map_or(0, |event| event.seq - 1);
    let requests = api.requests.clone();
    let after = seen.unwrap_or(oldest_shown);
    Ok(sse::stream(&api.lifecycle, move |feed| follow_events(requests, id, after, feed)))
}

async fn follow_events(requests: Requests, id: InstanceId, mut after: i64, feed: Feed) {
    let mut changes = requests.context.store.changes();
    loop {
        changes.mark_unchanged();
        let Ok(news) = requests.context.store.events_after(id, after, MOST_EVENTS).await else { return };
        for event in &news {
            after = event.seq;
            if !feed.json(Some(event.seq), event).await {
                return;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn engine_error(error: &EngineError) -> Error {
    if error.is_transient() {
        Error::DockerAway(error.to_string())
    } else {
        Error::Internal(error.to_string())
    }
}
