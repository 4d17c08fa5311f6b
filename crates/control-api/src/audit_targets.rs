//! Where the audit log is sent to, as administrators see it: bodies of authz-service's routes, and the calls to them.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz_client::AuthzClient;
use crate::client::ApiError;
use crate::wire::WireSecret;

/// A kind of receiver; there is at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditTargetName {
    /// A syslog server: RFC 5424 over UDP or TCP.
    Syslog,
    /// A signed POST of JSON.
    Webhook,
}

impl AuditTargetName {
    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syslog => "syslog",
            Self::Webhook => "webhook",
        }
    }
}

/// Body of `POST /portal/admin/audit/targets`. 403 `not-yours` where the session is no administrator's.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditTargetsRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
}

/// Answer of `POST /portal/admin/audit/targets`: what the operator configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditTargets {
    /// None, one or both.
    pub targets: Vec<AuditTargetView>,
}

/// A receiver, and what it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditTargetView {
    /// Which.
    pub name: AuditTargetName,
    /// Where, without anything secret: `udp://HOST:PORT`, or the origin of a URL.
    pub address: String,
    /// Entries that it has, since it was first set.
    pub delivered: i64,
    /// Entries that it does not have yet.
    pub waiting: i64,
    /// Deliveries that failed; each is tried again.
    pub failures: i64,
    /// The last delivery that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_delivered_at: Option<Timestamp>,
    /// The last that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_failed_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Where the last one failed: when it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try_at: Option<Timestamp>,
}

/// Body of `POST /portal/admin/audit/test`. 404 where the target is not configured.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditTestRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Which receiver.
    pub target: AuditTargetName,
    /// The browser's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Answer of `POST /portal/admin/audit/test`, within 12 s: whether an entry made for it has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditTestAnswer {
    /// It has, together with all before it.
    pub delivered: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl AuthzClient {
    /// Where the audit log is sent to.
    pub async fn audit_targets(&self, body: &AuditTargetsRequest) -> Result<AuditTargets, ApiError> {
        self.api().post("/portal/admin/audit/targets", body).await
    }

    /// Sends an entry made for this on its way, and waits for it.
    pub async fn test_audit_target(&self, body: &AuditTestRequest) -> Result<AuditTestAnswer, ApiError> {
        self.api().post("/portal/admin/audit/test", body).await
    }
}
