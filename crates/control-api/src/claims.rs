//! Tokens, cookies and headers between browser, portal, router and instance. authz-service signs (`EdDSA`,
//! Ed25519); the router and the instances verify with the keys of its JWKS.

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, SessionId, UserId};

/// `typ` of an app token, the content of the `beaver_app` cookie.
pub const APP_TOKEN_TYPE: &str = "beaver-app+jwt";
/// `typ` of an assertion, the content of `X-Beaver-Assertion`.
pub const ASSERTION_TYPE: &str = "beaver-assertion+jwt";
/// `typ` of an access token from `/oauth/token` (RFC 9068).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// How long app tokens, assertions and access tokens live, in seconds.
pub const TOKEN_LIFETIME_SECS: i64 = 600;
/// Clock skew that verifiers allow, in seconds.
pub const LEEWAY_SECS: u64 = 5;

/// The portal's session cookie; `__Host-` goes before it under https.
pub const SESSION_COOKIE: &str = "beaver_sid";
/// The sealed state of a hand-off under way.
pub const TRANSACTION_COOKIE: &str = "beaver_tx";
/// The app token.
pub const APP_COOKIE: &str = "beaver_app";

/// Who the user is.
pub const HEADER_USER_ID: &str = "x-beaver-user-id";
/// The user's name.
pub const HEADER_USERNAME: &str = "x-beaver-username";
/// The user's e-mail address.
pub const HEADER_EMAIL: &str = "x-beaver-email";
/// The signed proof of the three above, and the only one that an instance may believe.
pub const HEADER_ASSERTION: &str = "x-beaver-assertion";

/// Claims of an app token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppTokenClaims {
    /// The issuer as instances see it (`AUTHZ_ISSUER`).
    pub iss: String,
    /// The instance that it opens.
    pub aud: InstanceId,
    /// The user.
    pub sub: UserId,
    /// The portal session that it hangs on.
    pub sid: SessionId,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Expires at, seconds since 1970.
    pub exp: i64,
}

/// Claims of an assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertionClaims {
    /// The issuer (`AUTHZ_ISSUER`).
    pub iss: String,
    /// The instance that it is meant for.
    pub aud: InstanceId,
    /// The user.
    pub sub: UserId,
    /// The portal session; with an API key, the key's id, which is a ULID too and never one of a session.
    pub sid: SessionId,
    /// With an API key: what it may do, separated by spaces. Absent for a person who is signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The user's name (`OpenID` Connect's claim of that name).
    pub preferred_username: String,
    /// The user's e-mail address.
    pub email: String,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Expires at, seconds since 1970.
    pub exp: i64,
    /// Unique id.
    pub jti: String,
}
