//! What is seen of instances and of the service: the reason ledger, states, checks, use.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{InstanceState, OperationView};
use crate::names::Slug;

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
