//! Routes of the portal for the settings. Internal token, and an administrator's session in the body.

use axum::Json;
use axum::extract::State;
use control_api::authz::SessionRequest;
use control_api::settings::{ChangeSettingsRequest, SettingsView};

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default().post("/portal/admin/settings", read).post("/portal/admin/settings/change", change)
}

/// What administrators have set.
#[utoipa::path(post, path = "/portal/admin/settings", tag = "portal", security(("internal" = [])),
    request_body = SessionRequest,
    responses(
        (status = 200, body = SettingsView),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's"),
    ))]
pub(super) async fn read(
    State(authz): State<Shared>,
    Body(request): Body<SessionRequest>,
) -> Result<Json<SettingsView>, Error> {
    authz.read_settings(&request).await.map(Json)
}

/// Sets all of it; holds from the next request on.
#[utoipa::path(post, path = "/portal/admin/settings/change", tag = "portal", security(("internal" = [])),
    request_body = ChangeSettingsRequest,
    responses(
        (status = 200, body = SettingsView),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's"),
        (status = 409, body = ProblemBody, description = "Somebody else changed it meanwhile"),
        (status = 422, body = ProblemBody, description = "Every field at fault, in `errors`"),
    ))]
pub(super) async fn change(
    State(authz): State<Shared>,
    Body(request): Body<ChangeSettingsRequest>,
) -> Result<Json<SettingsView>, Error> {
    authz.change_settings(&request).await.map(Json)
}
