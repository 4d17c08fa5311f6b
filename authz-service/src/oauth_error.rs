//! Errors of the `/oauth/` routes in the form that standard client libraries expect (RFC 6749, section 5.2;
//! RFC 7591, section 3.2.2; RFC 6750, section 3).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;

/// Body of an OAuth error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OauthErrorBody {
    /// The code.
    pub(crate) error: String,
    /// In words for the developer.
    pub(crate) error_description: String,
}

/// Why an OAuth request was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OauthError {
    #[error("invalid_request: {0}")]
    InvalidRequest(String),
    /// `basic`: the client used HTTP Basic and must be challenged the same way.
    #[error("invalid_client")]
    InvalidClient { basic: bool },
    #[error("unsupported_grant_type")]
    UnsupportedGrantType,
    #[error("invalid_scope")]
    InvalidScope,
    #[error("invalid_redirect_uri: {0}")]
    InvalidRedirectUri(&'static str),
    #[error("invalid_client_metadata: {0}")]
    InvalidClientMetadata(String),
    #[error("invalid_token: registration")]
    InvalidToken,
    /// A code or a refresh token: which of its parts does not fit is not told.
    #[error("invalid_grant")]
    InvalidGrant,
    #[error("unauthorized_client")]
    UnauthorizedClient,
    #[error("invalid_token: access")]
    InvalidAccessToken,
    #[error("insufficient_scope")]
    InsufficientScope,
    /// Our own fault: answered as everywhere else.
    #[error(transparent)]
    Ours(#[from] Error),
}

impl From<sqlx::Error> for OauthError {
    fn from(error: sqlx::Error) -> Self {
        Self::Ours(error.into())
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let bad = StatusCode::BAD_REQUEST;
        let (status, error, description, challenge) = match self {
            Self::Ours(error) => return error.into_response(),
            Self::InvalidRequest(why) => (bad, "invalid_request", why, None),
            Self::InvalidClient { basic } => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "The client is unknown or its secret is wrong.".to_owned(),
                basic.then_some("Basic realm=\"beaver\", charset=\"UTF-8\""),
            ),
            Self::UnsupportedGrantType => (
                bad,
                "unsupported_grant_type",
                "The grant types are client_credentials, authorization_code and refresh_token.".to_owned(),
                None,
            ),
            Self::InvalidGrant => (
                bad,
                "invalid_grant",
                "The code or token is unknown, used, expired or another client's.".to_owned(),
                None,
            ),
            Self::UnauthorizedClient => (
                bad,
                "unauthorized_client",
                "The client did not register for this grant type.".to_owned(),
                None,
            ),
            Self::InvalidAccessToken => (
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "The access token is missing, expired or void.".to_owned(),
                Some("Bearer error=\"invalid_token\""),
            ),
            Self::InsufficientScope => (
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "No person gave this token with the scope openid.".to_owned(),
                Some("Bearer error=\"insufficient_scope\", scope=\"openid\""),
            ),
            Self::InvalidScope => {
                (bad, "invalid_scope", "The client may not have one of these scopes.".to_owned(), None)
            }
            Self::InvalidRedirectUri(why) => (bad, "invalid_redirect_uri", why.to_owned(), None),
            Self::InvalidClientMetadata(why) => (bad, "invalid_client_metadata", why, None),
            Self::InvalidToken => (
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "The registration token is missing, unknown, used or expired.".to_owned(),
                Some("Bearer error=\"invalid_token\""),
            ),
        };
        let body = OauthErrorBody { error: error.to_owned(), error_description: description };
        let mut response = (status, Json(body)).into_response();
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
