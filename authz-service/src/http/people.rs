//! Routes of the portal for people: what administrators do with accounts, and how a person leaves. Internal token, and
//! a session in the body.

use axum::Json;
use axum::extract::State;
use control_api::people::{
    ActOnPersonRequest, DeleteAccountRequest, PeoplePage, PeopleRequest, PersonRequest, PersonView,
};
use http::StatusCode;

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/portal/admin/people", list)
        .post("/portal/admin/people/show", show)
        .post("/portal/admin/people/act", act)
        .post("/portal/account/delete", delete_own)
}

/// Accounts, the newest first.
#[utoipa::path(post, path = "/portal/admin/people", tag = "portal", security(("internal" = [])),
    request_body = PeopleRequest,
    responses(
        (status = 200, body = PeoplePage),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's"),
        (status = 422, body = ProblemBody, description = "Every field at fault, in `errors`"),
    ))]
pub(super) async fn list(
    State(authz): State<Shared>,
    Body(request): Body<PeopleRequest>,
) -> Result<Json<PeoplePage>, Error> {
    authz.people(&request).await.map(Json)
}

/// One account.
#[utoipa::path(post, path = "/portal/admin/people/show", tag = "portal", security(("internal" = [])),
    request_body = PersonRequest,
    responses(
        (status = 200, body = PersonView),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's"),
        (status = 404, body = ProblemBody),
    ))]
pub(super) async fn show(
    State(authz): State<Shared>,
    Body(request): Body<PersonRequest>,
) -> Result<Json<PersonView>, Error> {
    authz.person(&request).await.map(Json)
}

/// Does something with an account. A suspended or deleted one loses sessions, keys, tokens and open connections at
/// once. 204 also where it is so already.
#[utoipa::path(post, path = "/portal/admin/people/act", tag = "portal", security(("internal" = [])),
    request_body = ActOnPersonRequest,
    responses(
        (status = 204),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's (any more)"),
        (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody, description = "The last administrator's account, or the own one"),
        (status = 422, body = ProblemBody, description = "`reason` is missing or too long"),
    ))]
pub(super) async fn act(
    State(authz): State<Shared>,
    Body(request): Body<ActOnPersonRequest>,
) -> Result<StatusCode, Error> {
    authz.act_on_person(&request).await.map(|()| StatusCode::NO_CONTENT)
}

/// Removes the session's own account for good; its instance and the data follow as soon as deploy-control can be
/// reached.
#[utoipa::path(post, path = "/portal/account/delete", tag = "portal", security(("internal" = [])),
    request_body = DeleteAccountRequest,
    responses(
        (status = 204),
        (status = 401, body = ProblemBody),
        (status = 409, body = ProblemBody, description = "The last administrator's account"),
        (status = 422, body = ProblemBody, description = "`username` or `password` is wrong"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn delete_own(
    State(authz): State<Shared>,
    Body(request): Body<DeleteAccountRequest>,
) -> Result<StatusCode, Error> {
    authz.leave(&request).await.map(|()| StatusCode::NO_CONTENT)
}
