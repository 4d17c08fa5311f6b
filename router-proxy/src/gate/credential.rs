//! What a request was let in by, as far as a revocation can concern it. Small and `Copy`: every request and
//! every open stream has one.

use control_api::api_keys::ApiKeyGrant;
use control_api::claims::AppTokenClaims;
use control_api::ids::{ApiKeyId, InstanceId, SessionId, UserId};

/// The session or key, whose it is, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) root: Root,
    pub(crate) user: UserId,
    pub(crate) instance: InstanceId,
    /// When authz-service said so, seconds since 1970.
    pub(crate) issued_at: i64,
    /// When the root itself ends, where that is known from the beginning, seconds since 1970.
    pub(crate) ends_at: Option<i64>,
}

/// What all else hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Session(SessionId),
    ApiKey(ApiKeyId),
}

impl From<&AppTokenClaims> for Credential {
    fn from(claims: &AppTokenClaims) -> Self {
        Self {
            root: Root::Session(claims.sid),
            user: claims.sub,
            instance: claims.aud,
            issued_at: claims.iat,
            // The session goes on for as long as it is used: authz-service tells when it does not.
            ends_at: None,
        }
    }
}

impl From<&ApiKeyGrant> for Credential {
    fn from(grant: &ApiKeyGrant) -> Self {
        Self {
            root: Root::ApiKey(grant.key_id),
            user: grant.user.user_id,
            instance: grant.instance_id,
            issued_at: grant.issued_at,
            ends_at: grant.key_expires_at,
        }
    }
}
