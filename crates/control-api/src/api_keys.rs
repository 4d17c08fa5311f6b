//! API keys: how one is written, what it may do, and the bodies of authz-service's routes for them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz::UserView;
use crate::ids::{ApiKeyId, InstanceId};
use crate::names::Slug;
use crate::wire::WireSecret;

/// What every key begins with, so that people and scanners for leaked secrets recognise one.
pub const API_KEY_PREFIX: &str = "bvr_";
/// 256 bits in base64url without padding.
const RANDOM_CHARS: usize = 43;
/// Living keys of one account.
pub const MAX_API_KEYS: usize = 20;
/// Longest name of a key, in characters.
pub const MAX_API_KEY_NAME: usize = 50;
/// Longest life of a key, in days.
pub const MAX_API_KEY_DAYS: u32 = 365;
/// Life of a key where nothing is said, in days.
pub const USUAL_API_KEY_DAYS: u32 = 90;

/// Whether a text can be a key at all: nobody needs to be asked about one that cannot.
#[must_use]
pub fn is_api_key(text: &str) -> bool {
    text.strip_prefix(API_KEY_PREFIX).is_some_and(|random| {
        random.len() == RANDOM_CHARS
            && random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

/// What a key may do at its owner's instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum ApiKeyScope {
    /// Everything that its owner may do there.
    #[serde(rename = "instance")]
    Instance,
    /// GET, HEAD and OPTIONS, and no WebSocket.
    #[serde(rename = "instance:read")]
    InstanceRead,
}

impl ApiKeyScope {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Instance, Self::InstanceRead];

    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::InstanceRead => "instance:read",
        }
    }
}

impl fmt::Display for ApiKeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `instance` or `instance:read`")]
pub struct UnknownScope;

impl FromStr for ApiKeyScope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApiKeyState {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// Nobody has used it for 90 days.
    Unused,
}

/// Body of `POST /portal/api-keys`. Fields are raw text, so that every fault is reported at its field.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateApiKeyRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// What it is for, in the owner's words: 1 to 50 characters.
    pub name: String,
    /// At least one of `instance` and `instance:read`.
    pub scopes: Vec<String>,
    /// Days until it expires, 1 to 365; 90 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Answer of `POST /portal/api-keys`: 201. Faults: 422 with `errors` by field, 409 `too-many-keys`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateApiKeyAnswer {
    /// The key itself, shown this once.
    pub key: WireSecret,
    /// What is on record of it.
    pub api_key: ApiKeyView,
}

/// Answer of `POST /portal/api-keys/list` (body: a session): the keys that are not revoked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyList {
    /// The newest first.
    pub api_keys: Vec<ApiKeyView>,
}

/// A key as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyView {
    /// The public id; it proves nothing.
    pub key_id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<ApiKeyScope>,
    /// Whether it works.
    pub state: ApiKeyState,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// When it expires.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// Body of `POST /portal/api-keys/revoke`: answers 204, also for a key that was revoked before; 404 for one
/// that is not the session's user's.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RevokeApiKeyRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Which.
    pub key_id: ApiKeyId,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Body of `POST /router/api-key`: is this a key for that instance?
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct IntrospectApiKeyRequest {
    /// From the `Authorization` header.
    pub key: WireSecret,
    /// The instance that is asked for.
    pub instance_id: InstanceId,
    /// Its host label.
    pub slug: Slug,
}

/// Answer of `POST /router/api-key`: always 200. A key that is unknown, revoked, expired, of an account that
/// may not sign in, or for another instance is simply not active.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyIntrospection {
    /// Whether it opens that instance now.
    pub active: bool,
    /// What it stands for; present exactly where it is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<ApiKeyGrant>,
}

/// What an active key stands for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyGrant {
    /// The key's public id.
    pub key_id: ApiKeyId,
    /// The instance that it opens.
    pub instance_id: InstanceId,
    /// For the identity headers.
    pub user: UserView,
    /// What it may do.
    pub scopes: Vec<ApiKeyScope>,
    /// For `X-Beaver-Assertion`; kept in the router's memory alone.
    pub assertion: WireSecret,
    /// When this was said, seconds since 1970.
    pub issued_at: i64,
    /// When the assertion expires, no later than the key, seconds since 1970.
    pub expires_at: i64,
    /// When the key itself expires, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_expires_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_recognised_by_their_form() {
        let random = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(is_api_key(&format!("bvr_{random}")));
        for bad in ["", "bvr_", random, &format!("bvr_{random}x"), &format!("bvr_{}", &random[1..])] {
            assert!(!is_api_key(bad), "{bad}");
        }
        assert!(!is_api_key(&format!("bvr_{}", random.replace('B', "+"))));
        assert!(!is_api_key(&format!("BVR_{random}")));
    }

    #[test]
    fn a_scope_is_the_same_word_everywhere() {
        for scope in ApiKeyScope::ALL {
            assert_eq!(serde_json::to_value(scope).expect("json"), scope.as_str());
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert_eq!("admin".parse::<ApiKeyScope>(), Err(UnknownScope));
    }
}
