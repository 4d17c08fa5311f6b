//! Bodies of deploy-control's API.

mod observe;
mod operation;

use std::net::SocketAddrV4;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{InstanceId, OperationId, UserId};
use crate::instance::Provider;
use crate::names::{Slug, Username};

pub use observe::{
    ActiveOperation, CheckView, EventList, EventView, EventsQuery, HealthView, OverviewView, ProbeAnswer,
    StateCount, StatsView,
};
pub use operation::{OperationAnswer, OperationKind, OperationState, OperationView, PullAnswer, PullRequest};

/// State of an instance: the same words in every API, file and page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// Accepted; waits for its turn.
    Pending,
    /// Network, folders and container are being made.
    Creating,
    /// The container runs and is asked whether it can serve.
    Starting,
    /// Serves.
    Ready,
    /// Stopped to save memory; the next request wakes it.
    Asleep,
    /// Stopped by its owner or the operator.
    Stopped,
    /// Could not be brought up; the reason says why.
    Failed,
    /// Is being removed.
    Deleting,
    /// Docker cannot say; nothing is done to it until it can.
    Unknown,
}

impl InstanceState {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Creating => "creating",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Asleep => "asleep",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
            Self::Unknown => "unknown",
        }
    }

    /// Every state, in the order of the contract.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Creating,
        Self::Starting,
        Self::Ready,
        Self::Asleep,
        Self::Stopped,
        Self::Failed,
        Self::Deleting,
        Self::Unknown,
    ];
}

impl std::str::FromStr for InstanceState {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or("is no instance state")
    }
}

/// Body of `POST /api/instances/register`. The same user again: the same instance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegisterRequest {
    /// Who will own it.
    pub user_id: UserId,
    /// Told to the instance; the slug where none is given.
    pub username: Username,
    /// The host label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<Slug>,
    /// Told to the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Told to nobody yet; kept for the pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// Answer of `POST /api/instances/register`: 201 once ready, 202 at once with `Prefer: respond-async`
/// (RFC 7240).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegisterAnswer {
    /// The instance.
    pub instance_id: InstanceId,
    /// Its host label.
    pub slug: Slug,
    /// Where people reach it.
    pub url: String,
    /// How far it is.
    pub state: InstanceState,
    /// The work under way; follow it at `/api/operations/{id}`.
    pub operation_id: OperationId,
}

/// Body of `POST /api/instances/resolve`: exactly one of the three keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ResolveRequest {
    /// By owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// By host label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<Slug>,
    /// By the owner's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Username>,
    /// `false`: a sleeping instance is left asleep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<bool>,
}

/// One instance, as every route shows it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InstanceView {
    /// The instance.
    pub instance_id: InstanceId,
    /// Its host label.
    pub slug: Slug,
    /// Who owns it.
    pub owner_id: UserId,
    /// The owner's name.
    pub owner_username: Username,
    /// Where people reach it.
    pub url: String,
    /// How it is.
    pub state: InstanceState,
    /// Why it is so, where there is a reason to tell (failed, stopped, waiting for Docker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Counts its containers.
    pub generation: u64,
    /// Where its container listens; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub upstream: Option<SocketAddrV4>,
    /// The image id that it runs or will run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The provider that was configured, without its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderSummary>,
    /// The newest operation on it that has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<OperationId>,
    /// When it was first asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last used, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_activity_at: Option<Timestamp>,
    /// Until then it is not put to sleep for want of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub keep_awake_until: Option<Timestamp>,
    /// Bytes below `data/` when they were last counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_used_bytes: Option<u64>,
    /// The limit, in bytes.
    #[serde(default)]
    pub disk_limit_bytes: u64,
    /// What its owner should see to, in words, such as a disk that is nearly full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// Query of what changes an instance: who is behind it, for the ledger.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct OnBehalf {
    /// The operator where nothing is said.
    #[serde(default)]
    pub actor: Asker,
}

/// Who asks for something through an operator's token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Asker {
    /// Whoever runs the installation.
    #[default]
    Operator,
    /// The instance's owner.
    User,
}

/// Body of `PUT /api/instances/{id}/keep-awake`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeepAwakeRequest {
    /// For how long from now: 1 to 168.
    #[schema(minimum = 1, maximum = 168)]
    pub hours: u8,
}

/// A provider without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderSummary {
    /// `openai`, `anthropic`, `openai-compatible` or `echo`.
    pub kind: String,
    /// The model, where one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The server, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// Query of `GET /api/instances`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ListQuery {
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<InstanceState>,
    /// Only those of this owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserId>,
    /// At most this many, 1 to 500; 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Continue after this instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<InstanceId>,
}

/// Answer of `DELETE /api/owners/{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnerRemoval {
    /// Whether there is something of the owner's still; then it is on its way out.
    pub left: bool,
}

/// A page of instances, in the order of their ids.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InstanceList {
    /// The page.
    pub instances: Vec<InstanceView>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<InstanceId>,
}

/// Body of `POST /api/instances/configure-provider`: one of `instance_id` and `slug`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConfigureProviderRequest {
    /// By id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// By host label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<Slug>,
    /// The provider; the key is written to the instance's `config.json` and nowhere else.
    pub provider: Provider,
}

/// Body of `POST /api/routes/activity`, sent by the router every 10 s.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ActivityReport {
    /// One entry for each route that was used since the last report or has open connections.
    pub routes: Vec<RouteActivity>,
}

/// Use of one route.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RouteActivity {
    /// The host label.
    pub slug: Slug,
    /// The instance that served.
    pub instance_id: InstanceId,
    /// Requests since the last report.
    pub requests: u64,
    /// Connections (WebSocket, stream) that are open and carried a byte since the last report.
    pub active_connections: u32,
    /// When the last byte passed.
    #[schema(value_type = String, format = DateTime)]
    pub last_activity_at: Timestamp,
}

/// Answer of `POST /api/routes/{slug}/wake`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WakeAnswer {
    /// The state now; follow the route file for the next.
    pub state: InstanceState,
    /// Why it does not start, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
