//! A person's sessions and password: the bodies of authz-service's routes for them, and the calls.

use std::net::IpAddr;

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz::SessionRequest;
use crate::authz_client::{AuthzClient, PASSWORD_TIMEOUT};
use crate::client::ApiError;
use crate::ids::SessionId;
use crate::mail::Language;
use crate::wire::WireSecret;

/// Answer of `POST /portal/sessions/list` (body: a session): the living sessions of its user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// The one that was used last first; at most 100.
    pub sessions: Vec<SessionItem>,
}

/// A session as its owner sees it. Nothing in it proves anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionItem {
    /// The public id.
    pub sid: SessionId,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When somebody signed in.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last used, to half a minute.
    #[schema(value_type = String, format = DateTime)]
    pub last_used_at: Timestamp,
    /// When it ends if it is not used.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// From which address somebody signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What the browser called itself: capped and escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Whether the person asked to stay signed in.
    pub remember: bool,
}

/// Body of `POST /portal/sessions/revoke`: answers 204, also for a session that has ended or is another's.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RevokeSessionRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Which.
    pub sid: SessionId,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Body of `POST /portal/sessions/revoke-others`: answers 204.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RevokeOthersRequest {
    /// The secret from the cookie: this session stays.
    pub session: WireSecret,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Body of `POST /portal/password`: a new password for the session's user. 422 with `errors` at
/// `current_password` or `new_password`; 401, 429 and 503 as at sign-in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangePasswordRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// The password until now.
    pub current_password: WireSecret,
    /// The one from now on.
    pub new_password: WireSecret,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
    /// What the mail about it is written in.
    #[serde(default)]
    pub language: Language,
}

/// Answer of `POST /portal/password`: all sessions of the account have ended; this one goes on under a new
/// secret.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangePasswordAnswer {
    /// The session's new secret, for the cookie.
    pub session: WireSecret,
    /// For how many seconds the browser may keep the cookie; absent where the cookie ends with the browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_max_age_s: Option<u64>,
}

impl AuthzClient {
    /// The sessions of the session's user.
    pub async fn sessions(&self, body: &SessionRequest) -> Result<SessionList, ApiError> {
        self.0.post("/portal/sessions/list", body).await
    }

    /// Ends one of them.
    pub async fn revoke_session(&self, body: &RevokeSessionRequest) -> Result<(), ApiError> {
        self.0.post_empty("/portal/sessions/revoke", body).await
    }

    /// Ends all of them but this one.
    pub async fn revoke_other_sessions(&self, body: &RevokeOthersRequest) -> Result<(), ApiError> {
        self.0.post_empty("/portal/sessions/revoke-others", body).await
    }

    /// Sets a new password.
    pub async fn change_password(
        &self,
        body: &ChangePasswordRequest,
    ) -> Result<ChangePasswordAnswer, ApiError> {
        let request = self.0.request(Method::POST, "/portal/password").timeout(PASSWORD_TIMEOUT);
        self.0.json(request.json(body)).await
    }
}
