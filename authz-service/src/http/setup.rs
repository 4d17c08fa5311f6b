//! Routes that make the first administrator: the portal's form, and the operator's code. Internal token.

use axum::Json;
use axum::extract::State;
use control_api::authz::RegisterAccountAnswer;
use control_api::setup::{FirstAdminRequest, SetupCodeAnswer, SetupView};
use http::StatusCode;

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn portal_routes() -> Routes {
    Routes::default().post("/portal/setup", first_admin)
}

pub(super) fn operator_routes() -> Routes {
    Routes::default().get("/internal/setup-code", code_view).post("/internal/setup-code", make_code)
}

/// Makes the first administrator's account, whatever the registration mode, with a session and the order of an
/// instance, in one transaction.
#[utoipa::path(post, path = "/portal/setup", tag = "portal", security(("internal" = [])),
    request_body = FirstAdminRequest,
    responses(
        (status = 201, body = RegisterAccountAnswer),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "There was an administrator already"),
        (status = 409, body = ProblemBody, description = "User name or e-mail address is taken"),
        (status = 422, body = ProblemBody, description = "The code, or every other field at fault, in `errors`"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn first_admin(
    State(authz): State<Shared>,
    Body(request): Body<FirstAdminRequest>,
) -> Result<(StatusCode, Json<RegisterAccountAnswer>), Error> {
    authz.first_admin(&request).await.map(|answer| (StatusCode::CREATED, Json(answer)))
}

/// Whether the first administrator is still to be made, and until when the code lives.
#[utoipa::path(get, path = "/internal/setup-code", tag = "internal", security(("internal" = [])),
    responses((status = 200, body = SetupView), (status = 401, body = ProblemBody)))]
pub(super) async fn code_view(State(authz): State<Shared>) -> Result<Json<SetupView>, Error> {
    authz.setup().await.map(Json)
}

/// Makes the code of the first administrator, in place of the one before: single use, 72 hours.
#[utoipa::path(post, path = "/internal/setup-code", tag = "internal", security(("internal" = [])),
    responses(
        (status = 201, body = SetupCodeAnswer),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "There was an administrator already"),
    ))]
pub(super) async fn make_code(
    State(authz): State<Shared>,
) -> Result<(StatusCode, Json<SetupCodeAnswer>), Error> {
    authz.make_setup_code().await.map(|answer| (StatusCode::CREATED, Json(answer)))
}
