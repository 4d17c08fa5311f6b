//! Routes of the portal for API keys. Internal token, and the session of the keys' owner in the body.

use axum::Json;
use axum::extract::State;
use control_api::api_keys::{ApiKeyList, CreateApiKeyAnswer, CreateApiKeyRequest, RevokeApiKeyRequest};
use control_api::authz::SessionRequest;
use http::StatusCode;

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/portal/api-keys", create)
        .post("/portal/api-keys/list", list)
        .post("/portal/api-keys/revoke", revoke)
}

/// Makes a key for the session's user. It is in the answer, and nowhere afterwards.
#[utoipa::path(post, path = "/portal/api-keys", tag = "portal", security(("internal" = [])),
    request_body = CreateApiKeyRequest,
    responses(
        (status = 201, body = CreateApiKeyAnswer),
        (status = 401, body = ProblemBody),
        (status = 409, body = ProblemBody, description = "The account has all the keys that it may have"),
        (status = 422, body = ProblemBody, description = "Every field at fault, in `errors`"),
    ))]
pub(super) async fn create(
    State(authz): State<Shared>,
    Body(request): Body<CreateApiKeyRequest>,
) -> Result<(StatusCode, Json<CreateApiKeyAnswer>), Error> {
    authz.create_api_key(&request).await.map(|answer| (StatusCode::CREATED, Json(answer)))
}

/// The keys of the session's user that are not revoked, the newest first.
#[utoipa::path(post, path = "/portal/api-keys/list", tag = "portal", security(("internal" = [])),
    request_body = SessionRequest,
    responses((status = 200, body = ApiKeyList), (status = 401, body = ProblemBody)))]
pub(super) async fn list(
    State(authz): State<Shared>,
    Body(request): Body<SessionRequest>,
) -> Result<Json<ApiKeyList>, Error> {
    authz.api_keys(&request.session).await.map(Json)
}

/// Ends a key for good, and tells the router. Also 204 for one that was revoked before.
#[utoipa::path(post, path = "/portal/api-keys/revoke", tag = "portal", security(("internal" = [])),
    request_body = RevokeApiKeyRequest,
    responses(
        (status = 204),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody, description = "The user has no such key"),
    ))]
pub(super) async fn revoke(
    State(authz): State<Shared>,
    Body(request): Body<RevokeApiKeyRequest>,
) -> Result<StatusCode, Error> {
    authz.revoke_api_key(&request).await.map(|()| StatusCode::NO_CONTENT)
}
