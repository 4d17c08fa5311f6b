//! Routes that instances may reach, on both listeners: discovery, keys, registration and tokens. Whoever
//! calls is hostile until proven otherwise, so nothing here writes before a token or a secret was right.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use control_api::authz::{RegisterBackendAnswer, RegisterBackendRequest};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::{Value, json};
use service_kit::bearer;

use super::extract::Body;
use super::openapi::ProblemBody;
use super::{Routes, oauth};
use crate::authz::Shared;
use crate::client_metadata::{AUTH_METHODS, ClientInformation, ClientMetadata, GRANTS, SCOPES};
use crate::error::Error;
use crate::oauth_error::{OauthError, OauthErrorBody};

/// Keys change rarely; verifiers look again at an unknown `kid`.
const CACHEABLE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "public, max-age=300")];

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/.well-known/openid-configuration", discovery)
        .get("/.well-known/oauth-authorization-server", server_metadata)
        .get("/.well-known/jwks.json", jwks)
        .post("/backends/register", register_backend)
        .post("/oauth/register", register_client)
        .merge(oauth::routes())
}

/// What this issuer can do (`OpenID` Connect Discovery 1.0, section 3; RFC 8414, section 2).
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "instances",
    responses((status = 200, body = Object)))]
pub(super) async fn discovery(State(authz): State<Shared>) -> ([(HeaderName, &'static str); 1], Json<Value>) {
    let portal = |path: &str| format!("{}{path}", authz.config.portal_url.origin().ascii_serialization());
    let document = json!({
        "issuer": authz.config.issuer,
        "jwks_uri": authz.endpoint("/.well-known/jwks.json"),
        "authorization_endpoint": portal("/oauth/authorize"),
        "end_session_endpoint": portal("/oauth/logout"),
        "token_endpoint": authz.endpoint("/oauth/token"),
        "registration_endpoint": authz.endpoint("/oauth/register"),
        "introspection_endpoint": authz.endpoint("/oauth/introspect"),
        "revocation_endpoint": authz.endpoint("/oauth/revoke"),
        "userinfo_endpoint": authz.endpoint("/oauth/userinfo"),
        "grant_types_supported": GRANTS,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": SCOPES,
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "sid", "preferred_username", "email",
            "email_verified",
        ],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "introspection_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    (CACHEABLE, Json(document))
}

/// The same where clients of plain OAuth look for it (RFC 8414, section 3).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "instances",
    responses((status = 200, body = Object)))]
pub(super) async fn server_metadata(authz: State<Shared>) -> ([(HeaderName, &'static str); 1], Json<Value>) {
    discovery(authz).await
}

/// The public keys (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "instances",
    responses((status = 200, body = Object)))]
pub(super) async fn jwks(State(authz): State<Shared>) -> ([(HeaderName, &'static str); 1], Json<Value>) {
    (CACHEABLE, Json(authz.keys.jwks()))
}

/// Makes the client of an instance. Bearer: its registration token, which works once.
#[utoipa::path(post, path = "/backends/register", tag = "instances", security(("registration" = [])),
    request_body = RegisterBackendRequest,
    responses(
        (status = 201, body = RegisterBackendAnswer),
        (status = 400, body = ProblemBody, description = "The token is unknown, used, expired or another's"),
        (status = 401, body = ProblemBody, description = "There is no token"),
        (status = 422, body = ProblemBody),
    ))]
pub(super) async fn register_backend(
    State(authz): State<Shared>,
    headers: HeaderMap,
    Body(request): Body<RegisterBackendRequest>,
) -> Result<(StatusCode, Json<RegisterBackendAnswer>), Error> {
    let token = bearer::token(&headers).ok_or(Error::TokenMissing)?;
    authz.register_backend(token, &request).await.map(|answer| (StatusCode::CREATED, Json(answer)))
}

/// The same in the form of RFC 7591.
#[utoipa::path(post, path = "/oauth/register", tag = "instances", security(("registration" = [])),
    request_body = ClientMetadata,
    responses(
        (status = 201, body = ClientInformation),
        (status = 400, body = OauthErrorBody),
        (status = 401, body = OauthErrorBody),
    ))]
pub(super) async fn register_client(
    State(authz): State<Shared>,
    headers: HeaderMap,
    metadata: Result<Json<ClientMetadata>, JsonRejection>,
) -> Result<(StatusCode, Json<ClientInformation>), OauthError> {
    let token = bearer::token(&headers).ok_or(OauthError::InvalidToken)?;
    let Json(metadata) = metadata.map_err(|error| OauthError::InvalidClientMetadata(error.body_text()))?;
    authz.register_client(token, &metadata).await.map(|answer| (StatusCode::CREATED, Json(answer)))
}
