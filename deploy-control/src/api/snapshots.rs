//! Snapshots of an instance's data, and the way back to one.

use axum::Json;
use axum::extract::State;
use control_api::deploy::OperationAnswer;
use control_api::ids::InstanceId;
use control_api::snapshot::{RollbackRequest, SnapshotList, SnapshotView};
use service_kit::clock::from_millis;

use super::actions::{self, Answer};
use super::extract::{Id, MaybeBody};
use super::openapi::ProblemBody;
use crate::error::Error;
use crate::model::{Actor, Snapshot};
use crate::requests::Requests;

/// The snapshots of its data, newest first: one was taken before each of its last three upgrades and rollbacks.
#[utoipa::path(
    get, path = "/api/instances/{id}/snapshots", tag = "instances", security(("deploy" = [])),
    params(("id" = InstanceId, Path)),
    responses((status = 200, body = SnapshotList), (status = 404, body = ProblemBody))
)]
pub(super) async fn list(
    State(requests): State<Requests>,
    Id(id): Id<InstanceId>,
) -> Result<Json<SnapshotList>, Error> {
    requests.live(id).await?;
    let snapshots = requests.context.store.snapshots(id).await?;
    Ok(Json(SnapshotList { snapshots: snapshots.into_iter().map(show).collect() }))
}

fn show(snapshot: Snapshot) -> SnapshotView {
    let Snapshot { generation, image_id, bytes, taken_at } = snapshot;
    SnapshotView { generation, image: image_id, bytes, taken_at: from_millis(taken_at) }
}

/// Goes back to the image of a snapshot, or to the one before; with `"data": "restore"` to the data of then too.
/// The present data is copied aside first. Where the old image does not serve, everything is as it was.
#[utoipa::path(
    post, path = "/api/instances/{id}/rollback", tag = "actions", security(("deploy" = [])),
    params(("id" = InstanceId, Path)),
    request_body = Option<RollbackRequest>,
    responses(
        (status = 202, body = OperationAnswer),
        (status = 404, description = "`not-found`: also for a snapshot", body = ProblemBody),
        (status = 409, description = "`operation-in-progress`, `invalid-input`", body = ProblemBody),
    )
)]
pub(super) async fn roll_back(
    State(requests): State<Requests>,
    Id(id): Id<InstanceId>,
    MaybeBody(body): MaybeBody<RollbackRequest>,
) -> Answer {
    let operation = requests.roll_back(id, &body, Actor::Operator).await?;
    actions::accepted(&requests, id, operation).await
}
