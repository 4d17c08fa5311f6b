//! The route of the portal for what a person takes along. Internal token, and a session of theirs in the body.

use axum::Json;
use axum::extract::State;
use control_api::own_data::{OwnData, OwnDataRequest};

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default().post("/portal/own-data", own_data)
}

/// What is on record of the session's person.
#[utoipa::path(post, path = "/portal/own-data", tag = "portal", security(("internal" = [])),
    request_body = OwnDataRequest,
    responses((status = 200, body = OwnData), (status = 401, body = ProblemBody)))]
pub(super) async fn own_data(
    State(authz): State<Shared>,
    Body(request): Body<OwnDataRequest>,
) -> Result<Json<OwnData>, Error> {
    authz.own_data(&request).await.map(Json)
}
