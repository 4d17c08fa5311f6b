//! What administrators set in authz-service while it runs: bodies of its routes, and the calls to them.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz::{RegistrationMode, SessionRequest};
use crate::authz_client::AuthzClient;
use crate::client::ApiError;
use crate::wire::WireSecret;

/// Longest banner, in characters: it stands over every page.
pub const MAX_BANNER_CHARS: usize = 500;

/// Answer of `POST /portal/admin/settings` and of the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsView {
    /// Grows with each change; give it back with yours.
    pub version: i64,
    /// Who may register; absent where `BEAVER_REGISTRATION` decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationMode>,
    /// What `BEAVER_REGISTRATION` says.
    pub registration_default: RegistrationMode,
    /// Plain text over every page of the portal, line breaks and all; empty for none.
    pub banner: String,
    /// When it was changed last; absent where it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub changed_at: Option<Timestamp>,
    /// The name of the administrator who did, where the account is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
}

/// Body of `POST /portal/admin/settings/change`. 403 `not-yours` where the session is no administrator's, 409
/// `changed-meanwhile` where the version is not the current one, 422 with `errors` by field.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangeSettingsRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// That of the settings which were looked at.
    pub version: i64,
    /// Who may register; absent: what `BEAVER_REGISTRATION` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationMode>,
    /// At most [`MAX_BANNER_CHARS`] characters; empty for none.
    #[serde(default)]
    pub banner: String,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

impl AuthzClient {
    /// The settings, for an administrator.
    pub async fn admin_settings(&self, body: &SessionRequest) -> Result<SettingsView, ApiError> {
        self.api().post("/portal/admin/settings", body).await
    }

    /// Changes them; they hold from the next request on.
    pub async fn change_settings(&self, body: &ChangeSettingsRequest) -> Result<SettingsView, ApiError> {
        self.api().post("/portal/admin/settings/change", body).await
    }
}
