//! Routes of the portal for invites. Internal token, and an administrator's session in the body.

use axum::Json;
use axum::extract::State;
use control_api::invites::{
    CreateInvitesAnswer, CreateInvitesRequest, InvitePage, InvitesRequest, WithdrawInviteRequest,
};
use http::StatusCode;

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/portal/admin/invites", create)
        .post("/portal/admin/invites/list", list)
        .post("/portal/admin/invites/withdraw", withdraw)
}

/// Makes invites: each works once.
#[utoipa::path(post, path = "/portal/admin/invites", tag = "portal", security(("internal" = [])),
    request_body = CreateInvitesRequest,
    responses(
        (status = 201, body = CreateInvitesAnswer),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's"),
        (status = 422, body = ProblemBody, description = "Every field at fault, in `errors`"),
    ))]
pub(super) async fn create(
    State(authz): State<Shared>,
    Body(request): Body<CreateInvitesRequest>,
) -> Result<(StatusCode, Json<CreateInvitesAnswer>), Error> {
    authz.create_invites(&request).await.map(|answer| (StatusCode::CREATED, Json(answer)))
}

/// Invites and what became of them, the newest first.
#[utoipa::path(post, path = "/portal/admin/invites/list", tag = "portal", security(("internal" = [])),
    request_body = InvitesRequest,
    responses(
        (status = 200, body = InvitePage),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's"),
        (status = 422, body = ProblemBody),
    ))]
pub(super) async fn list(
    State(authz): State<Shared>,
    Body(request): Body<InvitesRequest>,
) -> Result<Json<InvitePage>, Error> {
    authz.invites(&request).await.map(Json)
}

/// Takes an open invite back.
#[utoipa::path(post, path = "/portal/admin/invites/withdraw", tag = "portal", security(("internal" = [])),
    request_body = WithdrawInviteRequest,
    responses(
        (status = 204),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's"),
        (status = 404, body = ProblemBody, description = "It is not open (any more)"),
    ))]
pub(super) async fn withdraw(
    State(authz): State<Shared>,
    Body(request): Body<WithdrawInviteRequest>,
) -> Result<StatusCode, Error> {
    authz.withdraw_invite(&request).await.map(|()| StatusCode::NO_CONTENT)
}
