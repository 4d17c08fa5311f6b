//! The `/oauth/` routes of clients that have registered: tokens, introspection, revocation, userinfo.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use service_kit::bearer;
use service_kit::secret::Secret;

use super::Routes;
use super::openapi::{TokenForm, TokenOnlyForm};
use crate::authz::Shared;
use crate::client_metadata::{CODE_GRANT, GRANTS};
use crate::clients::{CLIENT_CREDENTIALS, ClientCredentials, basic_credentials};
use crate::oauth_error::{OauthError, OauthErrorBody};
use crate::provider::{CodePresented, Introspection, TokenAnswer, UserInfo};

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/oauth/token", token)
        .post("/oauth/introspect", introspect)
        .post("/oauth/revoke", revoke)
        .get("/oauth/userinfo", user_info)
        .post("/oauth/userinfo", user_info_by_post)
}

/// Tokens for a client: for itself, for a code, or for a refresh token.
#[utoipa::path(post, path = "/oauth/token", tag = "instances", security(("client" = []), ()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = TokenAnswer),
        (status = 400, body = OauthErrorBody),
        (status = 401, body = OauthErrorBody),
    ))]
pub(super) async fn token(
    State(authz): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<TokenAnswer>, OauthError> {
    let form = Form::read(&headers, body)?;
    let credentials = form.credentials(&headers)?;
    let grant_type = form.needed("grant_type")?;
    let client = authz.authenticate(&credentials).await?;
    if !GRANTS.contains(&grant_type) {
        return Err(OauthError::UnsupportedGrantType);
    }
    if !client.may(grant_type) {
        return Err(OauthError::UnauthorizedClient);
    }
    let scope = form.get("scope");
    let answer = match grant_type {
        CLIENT_CREDENTIALS => authz.client_token(&client, scope)?,
        CODE_GRANT => {
            let presented = CodePresented {
                code: form.needed("code")?,
                redirect_uri: form.get("redirect_uri").unwrap_or_default(),
                verifier: form.get("code_verifier").unwrap_or_default(),
            };
            authz.exchange_code(&client, &presented).await?
        }
        _ => authz.refresh(&client, form.needed("refresh_token")?, scope).await?,
    };
    Ok(Json(answer))
}

/// Whether a token of the client's own instance works (RFC 7662).
#[utoipa::path(post, path = "/oauth/introspect", tag = "instances", security(("client" = []), ()),
    request_body(content = TokenOnlyForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = Introspection),
        (status = 400, body = OauthErrorBody),
        (status = 401, body = OauthErrorBody),
    ))]
pub(super) async fn introspect(
    State(authz): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Introspection>, OauthError> {
    let form = Form::read(&headers, body)?;
    let client = authz.authenticate(&form.credentials(&headers)?).await?;
    authz.introspect(&client, form.needed("token")?).await.map(Json)
}

/// Ends a token of the client's own (RFC 7009); anything else is left alone and is no error.
#[utoipa::path(post, path = "/oauth/revoke", tag = "instances", security(("client" = []), ()),
    request_body(content = TokenOnlyForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200),
        (status = 400, body = OauthErrorBody),
        (status = 401, body = OauthErrorBody),
    ))]
pub(super) async fn revoke(
    State(authz): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, OauthError> {
    let form = Form::read(&headers, body)?;
    let client = authz.authenticate(&form.credentials(&headers)?).await?;
    authz.revoke_token(&client, form.needed("token")?).await.map(|()| StatusCode::OK)
}

/// What the person behind an access token let the client know.
#[utoipa::path(get, path = "/oauth/userinfo", tag = "instances", security(("access" = [])),
    responses(
        (status = 200, body = UserInfo),
        (status = 401, body = OauthErrorBody),
        (status = 403, body = OauthErrorBody),
    ))]
pub(super) async fn user_info(
    State(authz): State<Shared>,
    headers: HeaderMap,
) -> Result<Json<UserInfo>, OauthError> {
    let token = bearer::token(&headers).ok_or(OauthError::InvalidAccessToken)?;
    authz.user_info(token).await.map(Json)
}

/// The same by POST (`OpenID` Connect Core 1.0, section 5.3.1).
#[utoipa::path(post, path = "/oauth/userinfo", tag = "instances", security(("access" = [])),
    responses(
        (status = 200, body = UserInfo),
        (status = 401, body = OauthErrorBody),
        (status = 403, body = OauthErrorBody),
    ))]
pub(super) async fn user_info_by_post(
    authz: State<Shared>,
    headers: HeaderMap,
) -> Result<Json<UserInfo>, OauthError> {
    user_info(authz, headers).await
}

/// The fields of a request; each may be given once (RFC 6749, section 3.2). Prints nothing: some are secrets.
struct Form(BTreeMap<String, String>);

impl Form {
    fn read(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Self, OauthError> {
        let invalid = |why: &str| OauthError::InvalidRequest(why.to_owned());
        let body = body.map_err(|error| OauthError::InvalidRequest(error.body_text()))?;
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(invalid("The body must be application/x-www-form-urlencoded."));
        }
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(&body).into_owned() {
            if fields.insert(name, value).is_some() {
                return Err(invalid("A parameter is given more than once."));
            }
        }
        Ok(Self(fields))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn needed(&self, name: &str) -> Result<&str, OauthError> {
        self.get(name).ok_or_else(|| OauthError::InvalidRequest(format!("{name} is missing.")))
    }

    /// The client, by HTTP Basic or in the body, never both (RFC 6749, section 2.3).
    fn credentials(&self, headers: &HeaderMap) -> Result<ClientCredentials, OauthError> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return match (self.get("client_id"), self.get("client_secret")) {
                (Some(id), Some(secret)) => Ok(ClientCredentials {
                    client_id: id.to_owned(),
                    secret: Secret::new(secret.to_owned()),
                    basic: false,
                }),
                _ => Err(OauthError::InvalidClient { basic: true }),
            };
        };
        if self.get("client_secret").is_some() {
            return Err(OauthError::InvalidRequest("Give the client's secret in one place.".to_owned()));
        }
        let credentials = value.to_str().ok().and_then(basic_credentials);
        let credentials = credentials.ok_or(OauthError::InvalidClient { basic: true })?;
        if self.get("client_id").is_some_and(|id| id != credentials.client_id) {
            return Err(OauthError::InvalidRequest("The client is named twice and differently.".to_owned()));
        }
        Ok(credentials)
    }
}
