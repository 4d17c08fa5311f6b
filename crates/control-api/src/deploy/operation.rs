//! Work on an instance or an image, from its order to its end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::InstanceState;
use crate::ids::{InstanceId, OperationId};

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
