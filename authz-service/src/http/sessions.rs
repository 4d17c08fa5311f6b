//! Routes of the portal for the sessions and the password of one person. Internal token, and a session of theirs in the body.

use axum::Json;
use axum::extract::State;
use control_api::authz::SessionRequest;
use control_api::sessions::{
    ChangePasswordAnswer, ChangePasswordRequest, RevokeOthersRequest, RevokeSessionRequest, SessionList,
};
use http::StatusCode;

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/portal/sessions/list", list)
        .post("/portal/sessions/revoke", revoke)
        .post("/portal/sessions/revoke-others", revoke_others)
        .post("/portal/password", change_password)
}

/// The living sessions of the session's user, the one that was used last first.
#[utoipa::path(post, path = "/portal/sessions/list", tag = "portal", security(("internal" = [])),
    request_body = SessionRequest,
    responses((status = 200, body = SessionList), (status = 401, body = ProblemBody)))]
pub(super) async fn list(
    State(authz): State<Shared>,
    Body(request): Body<SessionRequest>,
) -> Result<Json<SessionList>, Error> {
    authz.sessions(&request.session).await.map(Json)
}

/// Ends one session of the session's user, and with it all tokens that hang on it. Also 204 for one that has
/// ended, or is somebody else's; that one goes on.
#[utoipa::path(post, path = "/portal/sessions/revoke", tag = "portal", security(("internal" = [])),
    request_body = RevokeSessionRequest,
    responses((status = 204), (status = 401, body = ProblemBody)))]
pub(super) async fn revoke(
    State(authz): State<Shared>,
    Body(request): Body<RevokeSessionRequest>,
) -> Result<StatusCode, Error> {
    authz.revoke_session(&request).await.map(|()| StatusCode::NO_CONTENT)
}

/// Ends all sessions of the session's user but this one.
#[utoipa::path(post, path = "/portal/sessions/revoke-others", tag = "portal", security(("internal" = [])),
    request_body = RevokeOthersRequest,
    responses((status = 204), (status = 401, body = ProblemBody)))]
pub(super) async fn revoke_others(
    State(authz): State<Shared>,
    Body(request): Body<RevokeOthersRequest>,
) -> Result<StatusCode, Error> {
    authz.revoke_other_sessions(&request).await.map(|()| StatusCode::NO_CONTENT)
}

/// Sets a new password where the current one is right. All sessions of the account end; this one goes on under a
/// new id and the secret in the answer.
#[utoipa::path(post, path = "/portal/password", tag = "portal", security(("internal" = [])),
    request_body = ChangePasswordRequest,
    responses(
        (status = 200, body = ChangePasswordAnswer),
        (status = 401, body = ProblemBody, description = "The session has ended, perhaps in the meantime"),
        (status = 422, body = ProblemBody, description = "`current_password` is wrong or `new_password` too weak"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn change_password(
    State(authz): State<Shared>,
    Body(request): Body<ChangePasswordRequest>,
) -> Result<Json<ChangePasswordAnswer>, Error> {
    authz.change_password(&request).await.map(Json)
}
