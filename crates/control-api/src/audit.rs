//! The audit log as administrators read it: bodies of authz-service's routes, and the calls to them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz_client::AuthzClient;
use crate::client::ApiError;
use crate::wire::WireSecret;

/// Every action that authz-service writes down.
pub const ACTIONS: &[&str] = &[
    "api-key-create",
    "api-key-revoke",
    "approve-account",
    "audit-test",
    "audit-trim",
    "create-account",
    "delete-account",
    "delete-account-failed",
    "export-account",
    "export-files",
    "first-admin",
    "email-change",
    "email-change-asked",
    "email-change-failed",
    "email-verify",
    "forget-instance",
    "handoff",
    "invite",
    "lift-suspension",
    "login",
    "login-failed",
    "logout",
    "make-admin",
    "oauth-approve",
    "oauth-code-refused",
    "oauth-deny",
    "oauth-exchange",
    "oauth-refresh-refused",
    "oauth-revoke",
    "order-instance",
    "passkey-add",
    "passkey-counter-refused",
    "passkey-remove",
    "password-change",
    "password-change-failed",
    "password-reset",
    "password-reset-asked",
    "password-reset-link",
    "publish-key",
    "recovery-code-use",
    "recovery-codes-new",
    "redeem",
    "redeem-refused",
    "register",
    "register-client",
    "registration-token",
    "reject-account",
    "remove-key",
    "revoke-admin",
    "rotate-key",
    "second-factor-failed",
    "second-factor-off",
    "second-factor-on",
    "second-factor-reset",
    "session-revoke",
    "sessions-revoke-others",
    "settings-change",
    "setup-code",
    "setup-refused",
    "sign-out-everywhere",
    "suspend-account",
    "upstream-link",
    "upstream-login",
    "upstream-refused",
    "upstream-unlink",
    "withdraw-invite",
];

/// Most entries of a page.
pub const MAX_AUDIT_PAGE: u32 = 500;

/// Which entries are wanted. Absent fields let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditFilter {
    /// A user name, or exactly what stands as actor or target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Exactly this action, such as `login`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// Body of `POST /portal/admin/audit`. 403 `not-yours` where the session is no administrator's.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Which entries.
    #[serde(default)]
    pub filter: AuditFilter,
    /// Only entries older than this one: [`AuditPage::next`] of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// 1 to [`MAX_AUDIT_PAGE`]; 50 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntryView {
    /// Later entries have greater ones.
    pub id: i64,
    /// When it was done.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// A user's id, `operator`, `deploy-control`, `router` or `anonymous`.
    pub actor: String,
    /// The user's name, where the actor is one that is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_name: Option<String>,
    /// What was done, such as `login`.
    pub action: String,
    /// To whom or what; text of strangers is capped and escaped.
    pub target: String,
    /// The user's name, where the target is one that is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// From where, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The request in which it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Answer of `POST /portal/admin/audit`: the newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntryView>,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

impl AuthzClient {
    /// A page of the audit log.
    pub async fn audit(&self, body: &AuditRequest) -> Result<AuditPage, ApiError> {
        self.api().post("/portal/admin/audit", body).await
    }
}
