//! Invites as administrators make, see and withdraw them: bodies of authz-service's routes, and the calls to them.
//! Every route answers 403 `not-yours` where the session is no administrator's.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz_client::AuthzClient;
use crate::client::ApiError;
use crate::ids::InviteId;
use crate::wire::WireSecret;

/// Most invites that are made at once.
pub const MAX_INVITES: u32 = 50;
/// How long an invite can be used where nothing is said.
pub const USUAL_INVITE_HOURS: u32 = 72;
/// The longest that an invite can be used: 30 days.
pub const MAX_INVITE_HOURS: u32 = 720;
/// Longest note, in characters.
pub const MAX_NOTE_CHARS: usize = 100;
/// Most invites of a page.
pub const MAX_INVITE_PAGE: u32 = 200;

/// What became of an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InviteState {
    /// Somebody can sign up with it.
    Open,
    /// Somebody has.
    Used,
    /// Nobody did in time.
    Expired,
    /// An administrator took it back.
    Withdrawn,
}

/// Body of `POST /portal/admin/invites`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateInvitesRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// How many: 1 to [`MAX_INVITES`].
    pub count: u32,
    /// For how long each can be used: 1 to [`MAX_INVITE_HOURS`], [`USUAL_INVITE_HOURS`] where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
    /// What they are for, for administrators alone: one line of at most [`MAX_NOTE_CHARS`] characters.
    #[serde(default)]
    pub note: String,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Answer of `POST /portal/admin/invites`: 201.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateInvitesAnswer {
    /// For the form's `invite` field; each works once. Shown this once.
    pub codes: Vec<WireSecret>,
    /// When they expire.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// Body of `POST /portal/admin/invites/list`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitesRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Only those before this one: [`InvitePage::next`] of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<InviteId>,
    /// 1 to [`MAX_INVITE_PAGE`]; 50 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// An invite, without its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InviteView {
    /// Names it.
    pub invite_id: InviteId,
    /// What became of it.
    pub state: InviteState,
    /// What it is for.
    pub note: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Until when it can be used.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// The administrator who made it, by name, or by id where the account is gone; absent where the operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// When it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub used_at: Option<Timestamp>,
    /// Who used it, by name, or by id where the account is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
}

/// Answer of `POST /portal/admin/invites/list`: the newest first. Those that expired 30 days ago are left out.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitePage {
    /// The invites.
    pub invites: Vec<InviteView>,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<InviteId>,
}

/// Body of `POST /portal/admin/invites/withdraw`: answers 204; 404 where the invite is not open (any more).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WithdrawInviteRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Which.
    pub invite_id: InviteId,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

impl AuthzClient {
    /// Makes invites.
    pub async fn create_invites(&self, body: &CreateInvitesRequest) -> Result<CreateInvitesAnswer, ApiError> {
        self.api().post("/portal/admin/invites", body).await
    }

    /// A page of invites.
    pub async fn invites(&self, body: &InvitesRequest) -> Result<InvitePage, ApiError> {
        self.api().post("/portal/admin/invites/list", body).await
    }

    /// Takes an invite back.
    pub async fn withdraw_invite(&self, body: &WithdrawInviteRequest) -> Result<(), ApiError> {
        self.api().post_empty("/portal/admin/invites/withdraw", body).await
    }
}
