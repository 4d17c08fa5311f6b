//! What becomes of the instances of somebody whose account is gone.

use axum::Json;
use axum::extract::State;
use control_api::deploy::OwnerRemoval;
use control_api::ids::UserId;

use super::extract::Id;
use super::openapi::ProblemBody;
use crate::error::Error;
use crate::requests::Requests;

/// Removes all that an owner has, with all data, also what was kept of an instance removed before. Idempotent: ask
/// until nothing is left.
#[utoipa::path(
    delete, path = "/api/owners/{id}", tag = "instances", security(("deploy" = [])),
    params(("id" = UserId, Path)),
    responses((status = 200, body = OwnerRemoval), (status = 404, body = ProblemBody))
)]
pub(super) async fn remove(
    State(requests): State<Requests>,
    Id(id): Id<UserId>,
) -> Result<Json<OwnerRemoval>, Error> {
    requests.remove_owner(id).await.map(|left| Json(OwnerRemoval { left }))
}
