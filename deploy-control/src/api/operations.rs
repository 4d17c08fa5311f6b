//! Operations: looked at, followed, cancelled.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use control_api::deploy::OperationView;
use control_api::ids::OperationId;
use http::{HeaderMap, StatusCode};

use super::extract::Id;
use super::openapi::ProblemBody;
use super::sse::{self, Feed};
use super::{Api, view};
use crate::error::Error;
use crate::requests::Requests;

/// The place in the queue is not in the database, so its changes are looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One operation; with `Accept: text/event-stream` each change of it, until its end.
#[utoipa::path(
    get, path = "/api/operations/{id}", tag = "operations", security(("deploy" = [])),
    params(("id" = OperationId, Path)),
    responses(
        (status = 200, content((OperationView = "application/json"), (String = "text/event-stream"))),
        (status = 404, body = ProblemBody),
    )
)]
pub(super) async fn get(
    State(api): State<Api>,
    headers: HeaderMap,
    Id(id): Id<OperationId>,
) -> Result<Response, Error> {
    let now = look(&api.requests, id).await?;
    if !sse::wanted(&headers) {
        return Ok(Json(now).into_response());
    }
    let requests = api.requests.clone();
    Ok(sse::stream(&api.lifecycle, move |feed| follow(requests, id, feed)))
}

async fn look(requests: &Requests, id: OperationId) -> Result<OperationView, Error> {
    if let Some(operation) = requests.context.store.operation(id).await? {
        return Ok(view::operation(requests, &operation));
    }
    let pull = requests.context.store.image_pull(id).await?;
    Ok(view::pull(&pull.ok_or(Error::NotFound("There is no such operation."))?))
}

async fn follow(requests: Requests, id: OperationId, feed: Feed) {
    let mut changes = requests.context.store.changes();
    let mut last = None;
    loop {
        changes.mark_unchanged();
        let Ok(now) = look(&requests, id).await else { return };
        let text = serde_json::to_string(&now).ok();
        if text != last {
            if !feed.json(None, &now).await {
                return;
            }
            last = text;
        }
        if now.state.is_final() {
            return;
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// Asks for it to be cancelled: what it had begun is undone. One that has ended stays as it is.
#[utoipa::path(
    delete, path = "/api/operations/{id}", tag = "operations", security(("deploy" = [])),
    params(("id" = OperationId, Path)),
    responses(
        (status = 202, body = OperationView),
        (status = 404, body = ProblemBody),
        (status = 409, description = "`invalid-input`: a delete cannot be called off", body = ProblemBody),
    )
)]
pub(super) async fn cancel(
    State(requests): State<Requests>,
    Id(id): Id<OperationId>,
) -> Result<(StatusCode, Json<OperationView>), Error> {
    if let Some(pull) = requests.pulls.cancel(id).await? {
        return Ok((StatusCode::ACCEPTED, Json(view::pull(&pull))));
    }
    let operation = requests.cancel(id).await?;
    Ok((StatusCode::ACCEPTED, Json(view::operation(&requests, &operation))))
}
