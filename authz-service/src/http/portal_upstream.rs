//! Routes of the portal for sign-in at the upstream. Internal token, and the secret of the browser in the body.

use axum::Json;
use axum::extract::State;
use control_api::authz::{RegisterAccountAnswer, SessionRequest};
use control_api::upstream::{
    UpstreamArrival, UpstreamArrivalRequest, UpstreamCallbackRequest, UpstreamLinkRequest, UpstreamOutcome,
    UpstreamRegisterRequest, UpstreamStanding, UpstreamStartRequest, UpstreamStarted, UpstreamUnlinkRequest,
};
use http::StatusCode;

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/portal/upstream/start", start)
        .post("/portal/upstream/link", link)
        .post("/portal/upstream/callback", callback)
        .post("/portal/upstream/arrival", arrival)
        .post("/portal/upstream/register", register)
        .post("/portal/upstream/identity", identity)
        .post("/portal/upstream/unlink", unlink)
}

/// Begins a sign-in at the upstream.
#[utoipa::path(post, path = "/portal/upstream/start", tag = "portal", security(("internal" = [])),
    request_body = UpstreamStartRequest,
    responses(
        (status = 200, body = UpstreamStarted),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody, description = "There is no upstream"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody, description = "The upstream does not answer; `detail` says how"),
    ))]
pub(super) async fn start(
    State(authz): State<Shared>,
    Body(request): Body<UpstreamStartRequest>,
) -> Result<Json<UpstreamStarted>, Error> {
    authz.start_upstream(&request).await.map(Json)
}

/// Begins a sign-in that gives the identity to the session's account.
#[utoipa::path(post, path = "/portal/upstream/link", tag = "portal", security(("internal" = [])),
    request_body = UpstreamLinkRequest,
    responses(
        (status = 200, body = UpstreamStarted),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "There is no password, and the sign-in is too long ago"),
        (status = 404, body = ProblemBody, description = "There is no upstream"),
        (status = 422, body = ProblemBody, description = "The password is wrong"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn link(
    State(authz): State<Shared>,
    Body(request): Body<UpstreamLinkRequest>,
) -> Result<Json<UpstreamStarted>, Error> {
    authz.link_upstream(&request).await.map(Json)
}

/// Ends a sign-in: a session, a link, a name to choose, or the reason why not.
#[utoipa::path(post, path = "/portal/upstream/callback", tag = "portal", security(("internal" = [])),
    request_body = UpstreamCallbackRequest,
    responses(
        (status = 200, body = UpstreamOutcome),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody, description = "There is no upstream"),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn callback(
    State(authz): State<Shared>,
    Body(request): Body<UpstreamCallbackRequest>,
) -> Result<Json<UpstreamOutcome>, Error> {
    authz.end_upstream(&request).await.map(Json)
}

/// Who arrived with a browser and has no account yet.
#[utoipa::path(post, path = "/portal/upstream/arrival", tag = "portal", security(("internal" = [])),
    request_body = UpstreamArrivalRequest,
    responses(
        (status = 200, body = UpstreamArrival),
        (status = 400, body = ProblemBody, description = "Nobody did, or too long ago"),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody, description = "There is no upstream"),
    ))]
pub(super) async fn arrival(
    State(authz): State<Shared>,
    Body(request): Body<UpstreamArrivalRequest>,
) -> Result<Json<UpstreamArrival>, Error> {
    authz.upstream_arrival(&request).await.map(Json)
}

/// Makes an account without a password, a session and the order of an instance, in one transaction.
#[utoipa::path(post, path = "/portal/upstream/register", tag = "portal", security(("internal" = [])),
    request_body = UpstreamRegisterRequest,
    responses(
        (status = 201, body = RegisterAccountAnswer),
        (status = 400, body = ProblemBody, description = "Nobody arrived, or too long ago"),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "Closed, needs an invite, or stored until approved"),
        (status = 404, body = ProblemBody, description = "There is no upstream"),
        (status = 409, body = ProblemBody, description = "User name or e-mail address is taken"),
        (status = 422, body = ProblemBody, description = "Every field at fault, in `errors`"),
        (status = 429, body = ProblemBody),
    ))]
pub(super) async fn register(
    State(authz): State<Shared>,
    Body(request): Body<UpstreamRegisterRequest>,
) -> Result<(StatusCode, Json<RegisterAccountAnswer>), Error> {
    authz.register_upstream(&request).await.map(|answer| (StatusCode::CREATED, Json(answer)))
}

/// The ways into the session's account.
#[utoipa::path(post, path = "/portal/upstream/identity", tag = "portal", security(("internal" = [])),
    request_body = SessionRequest,
    responses((status = 200, body = UpstreamStanding), (status = 401, body = ProblemBody)))]
pub(super) async fn identity(
    State(authz): State<Shared>,
    Body(request): Body<SessionRequest>,
) -> Result<Json<UpstreamStanding>, Error> {
    authz.upstream_standing(&request).await.map(Json)
}

/// Takes the identity from the session's account, which must have a password.
#[utoipa::path(post, path = "/portal/upstream/unlink", tag = "portal", security(("internal" = [])),
    request_body = UpstreamUnlinkRequest,
    responses(
        (status = 204),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody, description = "There is no upstream"),
        (status = 422, body = ProblemBody, description = "The password is wrong, or there is none"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn unlink(
    State(authz): State<Shared>,
    Body(request): Body<UpstreamUnlinkRequest>,
) -> Result<StatusCode, Error> {
    authz.unlink_upstream(&request).await.map(|()| StatusCode::NO_CONTENT)
}
