//! The lease that keeps an instance awake although nobody uses it.

use axum::Json;
use axum::extract::State;
use control_api::deploy::{Asker, InstanceView, KeepAwakeRequest, OnBehalf};
use control_api::ids::InstanceId;

use super::actions::actor;
use super::extract::{Body, Id, Params};
use super::openapi::ProblemBody;
use super::view;
use crate::error::Error;
use crate::requests::Requests;

/// Keeps it awake for so many hours from now: it is not put to sleep for want of use. It is still put to sleep on
/// request, and when its disk is full; one that sleeps is not woken by this.
#[utoipa::path(
    put, path = "/api/instances/{id}/keep-awake", tag = "actions", security(("deploy" = [])),
    params(("id" = InstanceId, Path), ("actor" = Option<Asker>, Query)), request_body = KeepAwakeRequest,
    responses(
        (status = 200, body = InstanceView),
        (status = 404, body = ProblemBody),
        (status = 422, description = "`invalid-input`: `hours` is not 1 to 168", body = ProblemBody),
    )
)]
pub(super) async fn put(
    State(requests): State<Requests>,
    Id(id): Id<InstanceId>,
    Params(query): Params<OnBehalf>,
    Body(body): Body<KeepAwakeRequest>,
) -> Result<Json<InstanceView>, Error> {
    let instance = requests.keep_awake(id, Some(body.hours), actor(query.actor)).await?;
    Ok(Json(view::instance(&requests, instance).await?))
}

/// Keeps it awake no longer.
#[utoipa::path(
    delete, path = "/api/instances/{id}/keep-awake", tag = "actions", security(("deploy" = [])),
    params(("id" = InstanceId, Path), ("actor" = Option<Asker>, Query)),
    responses((status = 200, body = InstanceView), (status = 404, body = ProblemBody))
)]
pub(super) async fn delete(
    State(requests): State<Requests>,
    Id(id): Id<InstanceId>,
    Params(query): Params<OnBehalf>,
) -> Result<Json<InstanceView>, Error> {
    let instance = requests.keep_awake(id, None, actor(query.actor)).await?;
    Ok(Json(view::instance(&requests, instance).await?))
}
