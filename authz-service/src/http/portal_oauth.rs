//! Routes of the portal for authorization requests of clients. Internal token.

use axum::Json;
use axum::extract::State;
use control_api::oauth::{
    OauthApproveRequest, OauthCheckRequest, OauthLogoutOutcome, OauthLogoutRequest, OauthOutcome,
};

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/portal/oauth/check", check)
        .post("/portal/oauth/approve", approve)
        .post("/portal/oauth/logout", logout)
}

/// What to do with an authorization request.
#[utoipa::path(post, path = "/portal/oauth/check", tag = "portal", security(("internal" = [])),
    request_body = OauthCheckRequest,
    responses(
        (status = 200, body = OauthOutcome),
        (status = 400, body = ProblemBody, description = "Client or redirect URI are not proven"),
    ))]
pub(super) async fn check(
    State(authz): State<Shared>,
    Body(request): Body<OauthCheckRequest>,
) -> Result<Json<OauthOutcome>, Error> {
    authz.check_authorization(&request).await.map(Json)
}

/// What the person decided: a code for the client, or an error.
#[utoipa::path(post, path = "/portal/oauth/approve", tag = "portal", security(("internal" = [])),
    request_body = OauthApproveRequest,
    responses(
        (status = 200, body = OauthOutcome),
        (status = 400, body = ProblemBody, description = "Client or redirect URI are not proven"),
        (status = 401, body = ProblemBody),
    ))]
pub(super) async fn approve(
    State(authz): State<Shared>,
    Body(request): Body<OauthApproveRequest>,
) -> Result<Json<OauthOutcome>, Error> {
    authz.approve_authorization(&request).await.map(Json)
}

/// A client asks that the person is signed out.
#[utoipa::path(post, path = "/portal/oauth/logout", tag = "portal", security(("internal" = [])),
    request_body = OauthLogoutRequest,
    responses(
        (status = 200, body = OauthLogoutOutcome),
        (status = 400, body = ProblemBody, description = "The client or its address is not proven"),
    ))]
pub(super) async fn logout(
    State(authz): State<Shared>,
    Body(request): Body<OauthLogoutRequest>,
) -> Result<Json<OauthLogoutOutcome>, Error> {
    authz.oauth_logout(&request).await.map(Json)
}
