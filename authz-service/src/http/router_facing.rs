//! Routes of router-proxy, with its own narrower token.

use axum::Json;
use axum::extract::State;
use control_api::api_keys::{ApiKeyIntrospection, IntrospectApiKeyRequest};
use control_api::authz::{AppTokenRequest, RedeemRequest, Revocations, RevocationsQuery, TokenSet};
use http::StatusCode;

use super::Routes;
use super::extract::{Body, Params};
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/router/redeem", redeem)
        .post("/router/renew", renew)
        .post("/router/logout", logout)
        .post("/router/api-key", introspect_api_key)
        .get("/router/revocations", revocations)
}

/// Redeems a hand-off code: once, within 60 s, with the verifier, at the slug that it was made for.
#[utoipa::path(post, path = "/router/redeem", tag = "router", security(("router" = [])),
    request_body = RedeemRequest,
    responses(
        (status = 200, body = TokenSet),
        (status = 400, body = ProblemBody, description = "Unknown, used, expired or not for this"),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody),
    ))]
pub(super) async fn redeem(
    State(authz): State<Shared>,
    Body(request): Body<RedeemRequest>,
) -> Result<Json<TokenSet>, Error> {
    authz.redeem(&request).await.map(Json)
}

/// New tokens for a session that goes on. Counts as use of the session.
#[utoipa::path(post, path = "/router/renew", tag = "router", security(("router" = [])),
    request_body = AppTokenRequest,
    responses(
        (status = 200, body = TokenSet),
        (status = 401, body = ProblemBody, description = "No session is behind the token any more"),
        (status = 403, body = ProblemBody, description = "The instance is not the user's any more"),
    ))]
pub(super) async fn renew(
    State(authz): State<Shared>,
    Body(request): Body<AppTokenRequest>,
) -> Result<Json<TokenSet>, Error> {
    authz.renew(&request).await.map(Json)
}

/// Ends the session behind an app token. Also 204 when there is none any more.
#[utoipa::path(post, path = "/router/logout", tag = "router", security(("router" = [])),
    request_body = AppTokenRequest,
    responses((status = 204), (status = 401, body = ProblemBody)))]
pub(super) async fn logout(
    State(authz): State<Shared>,
    Body(request): Body<AppTokenRequest>,
) -> Result<StatusCode, Error> {
    authz.router_logout(&request).await.map(|()| StatusCode::NO_CONTENT)
}

/// Whether a key opens an instance, and for whom. Counts as use of the key.
#[utoipa::path(post, path = "/router/api-key", tag = "router", security(("router" = [])),
    request_body = IntrospectApiKeyRequest,
    responses(
        (status = 200, body = ApiKeyIntrospection, description = "Also for a key that does not"),
        (status = 401, body = ProblemBody),
    ))]
pub(super) async fn introspect_api_key(
    State(authz): State<Shared>,
    Body(request): Body<IntrospectApiKeyRequest>,
) -> Result<Json<ApiKeyIntrospection>, Error> {
    authz.introspect_api_key(&request).await.map(Json)
}

/// What may not be believed any more; waits until there is news.
#[utoipa::path(get, path = "/router/revocations", tag = "router", security(("router" = [])),
    params(
        ("after" = Option<i64>, Query, description = "The last `seq` that is known"),
        ("wait_s" = Option<u32>, Query, description = "How long to wait for news, at most 30 s"),
    ),
    responses((status = 200, body = Revocations), (status = 401, body = ProblemBody)))]
pub(super) async fn revocations(
    State(authz): State<Shared>,
    Params(query): Params<RevocationsQuery>,
) -> Result<Json<Revocations>, Error> {
    authz.revocations(query).await.map(Json)
}
