//! What a person is given of their own: bodies of authz-service's route, and the call to it.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api_keys::ApiKeyView;
use crate::audit::AuditEntryView;
use crate::authz::UserView;
use crate::authz_client::AuthzClient;
use crate::client::ApiError;
use crate::sessions::SessionItem;
use crate::wire::WireSecret;

/// What is taken along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OwnDataKind {
    /// What is on record of the account: the answer has it.
    Account,
    /// The files of the instance, which deploy-control has: the answer says whose they are, and the log has it.
    Files,
}

/// Body of `POST /portal/own-data`. Each request is an entry of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OwnDataRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Which part.
    pub kind: OwnDataKind,
    /// The browser's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Answer of `POST /portal/own-data`. Nothing in it lets anybody in: no hash, no key, no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OwnData {
    /// When it was put together.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    /// Who it is.
    pub account: UserView,
    /// Where they are signed in.
    pub sessions: Vec<SessionItem>,
    /// Their API keys, without the keys themselves.
    pub api_keys: Vec<ApiKeyView>,
    /// What they did and what was done to them, the newest first, 10,000 entries at most. An address is there where
    /// it is their own.
    pub audit: Vec<AuditEntryView>,
}

impl AuthzClient {
    /// What is on record of the session's person.
    pub async fn own_data(&self, body: &OwnDataRequest) -> Result<OwnData, ApiError> {
        self.api().post("/portal/own-data", body).await
    }
}
