//! Routes that instances may reach, on both listeners: discovery, keys, registration and tokens. Whoever
//! calls is hostile until proven otherwise, so nothing here writes before a token or a secret was right.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use bytes::Bytes;
use control_api::authz::{RegisterBackendAnswer, RegisterBackendRequest};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::{Value, json};
use service_kit::bearer;
use service_kit::secret::Secret;

use super::Routes;
use super::extract::Body;
use super::openapi::{ProblemBody, TokenForm};
use crate::authz::Shared;
use crate::clients::{
    AUTH_METHODS, AccessTokenAnswer, ClientCredentials, ClientInformation, ClientMetadata, GRANT, SCOPES,
    basic_credentials,
};
use crate::error::Error;
use crate::oauth_error::{OauthError, OauthErrorBody};

/// Keys change rarely; verifiers look again at an unknown `kid`.
const CACHEABLE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "public, max-age=300")];

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/.well-known/openid-configuration", discovery)
        .get("/.well-known/jwks.json", jwks)
        .post("/backends/register", register_backend)
        .post("/oauth/register", register_client)
        .post("/oauth/token", token)
}

/// What this issuer can do (`OpenID` Connect Discovery 1.0, section 3; RFC 8414, section 2).
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "instances",
    responses((status = 200, body = Object)))]
pub(super) async fn discovery(State(authz): State<Shared>) -> ([(HeaderName, &'static str); 1], Json<Value>) {
    let document = json!({
        "issuer": authz.config.issuer,
        "jwks_uri": authz.endpoint("/.well-known/jwks.json"),
        "token_endpoint": authz.endpoint("/oauth/token"),
        "registration_endpoint": authz.endpoint("/oauth/register"),
        "grant_types_supported": [GRANT],
        "response_types_supported": [],
        "scopes_supported": SCOPES,
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "id_token_signing_alg_values_supported": ["EdDSA"],
    });
    (CACHEABLE, Json(document))
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

/// An access token for a client (`client_credentials`).
#[utoipa::path(post, path = "/oauth/token", tag = "instances", security(("client" = []), ()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = AccessTokenAnswer),
        (status = 400, body = OauthErrorBody),
        (status = 401, body = OauthErrorBody),
    ))]
pub(super) async fn token(
    State(authz): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<AccessTokenAnswer>, OauthError> {
    let body = body.map_err(|error| OauthError::InvalidRequest(error.body_text()))?;
    let form = parse_form(&headers, &body)?;
    let credentials = credentials(&headers, &form)?;
    if form.grant_type != GRANT {
        return Err(OauthError::UnsupportedGrantType);
    }
    authz.client_token(&credentials, form.scope.as_deref()).await.map(Json)
}

/// Fields of the token request; each may be given once (RFC 6749, section 3.2).
fn parse_form(headers: &HeaderMap, body: &[u8]) -> Result<TokenForm, OauthError> {
    let invalid = |why: &str| OauthError::InvalidRequest(why.to_owned());
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(invalid("The body must be application/x-www-form-urlencoded."));
    }
    let mut form = TokenForm::default();
    let mut grant_type = None;
    for (name, value) in url::form_urlencoded::parse(body) {
        let field = match name.as_ref() {
            "grant_type" => &mut grant_type,
            "client_id" => &mut form.client_id,
            "client_secret" => &mut form.client_secret,
            "scope" => &mut form.scope,
            _ => continue,
        };
        if field.replace(value.into_owned()).is_some() {
            return Err(invalid("A parameter is given more than once."));
        }
    }
    form.grant_type = grant_type.ok_or_else(|| invalid("grant_type is missing."))?;
    Ok(form)
}

/// The client, by HTTP Basic or in the body, never both (RFC 6749, section 2.3).
fn credentials(headers: &HeaderMap, form: &TokenForm) -> Result<ClientCredentials, OauthError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return match (&form.client_id, &form.client_secret) {
            (Some(id), Some(secret)) => Ok(ClientCredentials {
                client_id: id.clone(),
                secret: Secret::new(secret.clone()),
                basic: false,
            }),
            _ => Err(OauthError::InvalidClient { basic: true }),
        };
    };
    if form.client_secret.is_some() {
        return Err(OauthError::InvalidRequest("Give the client's secret in one place.".to_owned()));
    }
    let credentials = value.to_str().ok().and_then(basic_credentials);
    let credentials = credentials.ok_or(OauthError::InvalidClient { basic: true })?;
    if form.client_id.as_ref().is_some_and(|id| *id != credentials.client_id) {
        return Err(OauthError::InvalidRequest("The client is named twice and differently.".to_owned()));
    }
    Ok(credentials)
}
