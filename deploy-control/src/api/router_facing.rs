//! The two routes that the router's token opens, and no other.

use axum::Json;
use axum::extract::State;
use control_api::deploy::{ActivityReport, WakeAnswer};
use control_api::names::Slug;
use http::StatusCode;

use super::extract::{Body, Id};
use super::openapi::ProblemBody;
use crate::error::Error;
use crate::model::Actor;
use crate::requests::Requests;

/// Wakes the instance of a slug, because somebody asks for it. One that its owner stopped stays stopped.
#[utoipa::path(
    post, path = "/api/routes/{slug}/wake", tag = "router", security(("router" = [])),
    params(("slug" = Slug, Path)),
    responses((status = 200, body = WakeAnswer), (status = 404, body = ProblemBody))
)]
pub(super) async fn wake(
    State(requests): State<Requests>,
    Id(slug): Id<Slug>,
) -> Result<Json<WakeAnswer>, Error> {
    let instance = requests.by_slug(&slug).await?;
    let instance = requests.wake(instance, Actor::Router).await?;
    let waiting = requests.context.store.active_operation(instance.id).await?;
    let reason = waiting.and_then(|operation| operation.waiting).or(instance.reason);
    Ok(Json(WakeAnswer { state: instance.state, reason }))
}

/// Says which instances were used.
#[utoipa::path(
    post, path = "/api/routes/activity", tag = "router", security(("router" = [])),
    request_body = ActivityReport,
    responses((status = 204, description = "Written down"))
)]
pub(super) async fn activity(
    State(requests): State<Requests>,
    Body(report): Body<ActivityReport>,
) -> Result<StatusCode, Error> {
    requests.record_activity(&report.routes).await?;
    Ok(StatusCode::NO_CONTENT)
}
