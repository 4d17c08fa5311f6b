//! The lease that keeps an instance of the fake deploy-control awake.

use axum::extract::{Path, State};
use axum::routing::put;
use axum::{Json, Router};
use control_api::deploy::{InstanceView, KeepAwakeRequest};
use control_api::ids::InstanceId;
use jiff::{SignedDuration, Timestamp};

use super::{Answer, Fakes, NOW, at, gone};

pub(super) fn routes() -> Router<Fakes> {
    Router::new().route("/api/instances/{id}/keep-awake", put(keep).delete(end))
}

fn set(fakes: &Fakes, id: InstanceId, until: Option<Timestamp>) -> Option<Json<InstanceView>> {
    let mut world = fakes.world();
    let instance = world.instances.get_mut(&id)?;
    instance.keep_awake_until = until;
    Some(Json(instance.clone()))
}

async fn keep(
    State(fakes): State<Fakes>,
    Path(id): Path<InstanceId>,
    Json(body): Json<KeepAwakeRequest>,
) -> Answer<Json<InstanceView>> {
    let until = at(NOW) + SignedDuration::from_hours(i64::from(body.hours));
    set(&fakes, id, Some(until)).ok_or_else(gone)
}

async fn end(State(fakes): State<Fakes>, Path(id): Path<InstanceId>) -> Answer<Json<InstanceView>> {
    set(&fakes, id, None).ok_or_else(gone)
}
