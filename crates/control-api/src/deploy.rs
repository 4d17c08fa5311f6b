//! Bodies of deploy-control's API.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{InstanceId, OperationId, UserId};
use crate::instance::Provider;
use crate::names::{Slug, Username};

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

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// A new instance.
    Register,
    /// Start, after a stop.
    Start,
    /// Stop until started.
    Stop,
    /// Stop and start.
    Restart,
    /// Stop until the next request.
    Sleep,
    /// Start, because somebody asked for it.
    Wake,
    /// New provider, restart.
    ConfigureProvider,
    /// Newer image.
    Upgrade,
    /// The image before.
    Rollback,
    /// Remove.
    Delete,
    /// Fetch an image from its registry; belongs to no instance.
    Pull,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperationState {
    /// Waits for its turn or for Docker.
    Queued,
    /// At work.
    Running,
    /// Done.
    Succeeded,
    /// Not done; `error` says why.
    Failed,
    /// Stopped on request; what it had begun was undone.
    Cancelled,
}

impl OperationState {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// One operation. Also sent as the `data` of each server-sent event of `GET /api/operations/{id}` with
/// `Accept: text/event-stream`; the stream ends after a final state.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OperationView {
    /// The operation.
    pub operation_id: OperationId,
    /// The instance that it works on; absent where it works on none, as a pull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// What it does.
    pub kind: OperationKind,
    /// How far it is.
    pub state: OperationState,
    /// The step under way, such as `network`, `container`, `ready`.
    pub step: String,
    /// The step in words for people.
    pub step_title: String,
    /// 0 to 100.
    pub percent: u8,
    /// How many are before it, while it is queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<u32>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When work began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// It has failed when it is not done by then.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Why it failed or what it waits for, in words for people; no secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Answer of the routes that start an operation: 202.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OperationAnswer {
    /// The work under way.
    pub operation_id: OperationId,
    /// The instance.
    pub instance_id: InstanceId,
    /// Its state now.
    pub state: InstanceState,
}

/// Body of `POST /api/images/pull`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PullRequest {
    /// The image's name; that of new instances where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// Answer of `POST /api/images/pull`: 202. The same image again, while it is being pulled: the same operation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PullAnswer {
    /// The work under way; follow it at `/api/operations/{id}`.
    pub operation_id: OperationId,
}

/// One entry of the reason ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Grows by one an entry: also the `id` of server-sent events.
    pub seq: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What happened, such as `started`, `stopped`, `woken`, `refused`.
    pub what: String,
    /// Why.
    pub cause: String,
    /// What shows it, such as an exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// Who asked: `user`, `operator`, `router`, `reconciler`, `docker`.
    pub actor: String,
}

/// Answer of `GET /api/instances/{id}/events`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventList {
    /// Newest first.
    pub events: Vec<EventView>,
}

/// Query of `GET /api/instances/{id}/events`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct EventsQuery {
    /// At most this many, 1 to 1,000; 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Continue before this entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
}

/// Answer of `GET /api/overview`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct OverviewView {
    /// How many instances are in each state, in the order of the contract; states without any are left out.
    pub states: Vec<StateCount>,
    /// How many operations have not ended.
    pub active: u64,
    /// Those operations, oldest first; at most 100.
    pub operations: Vec<ActiveOperation>,
}

/// How many instances are in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateCount {
    /// The state.
    pub state: InstanceState,
    /// How many.
    pub count: u64,
}

/// An operation that has not ended, and whose instance it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ActiveOperation {
    /// The instance's host label.
    pub slug: Slug,
    /// The operation.
    #[serde(flatten)]
    pub operation: OperationView,
}

/// Answer of `GET /health`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HealthView {
    /// Whether no check fails.
    pub ready: bool,
    /// By name, such as `docker`, `isolation`, `disk`.
    pub checks: BTreeMap<String, CheckView>,
}

/// What a check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// `ok`, `warning` or `failing`.
    pub state: String,
    /// Why, where it is not `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Answer of `POST /api/isolation/probe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeAnswer {
    /// Whether instances are shut off as they must be.
    pub proven: bool,
    /// Why not, or why that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an instance uses now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatsView {
    /// Percent of one core.
    pub cpu_percent: f64,
    /// The limit, in percent of one core.
    #[serde(default)]
    pub cpu_limit_percent: f64,
    /// Bytes of memory, without the page cache.
    pub memory_bytes: u64,
    /// The limit, in bytes.
    pub memory_limit_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
    /// The limit.
    #[serde(default)]
    pub pids_limit: u64,
    /// Bytes below `data/`.
    pub disk_bytes: u64,
    /// The limit, in bytes.
    pub disk_limit_bytes: u64,
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
