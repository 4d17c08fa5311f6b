//! Bodies about rollouts: one image for all instances, in rings.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{InstanceId, OperationId, RolloutId};
use crate::names::Slug;

/// Body of `POST /api/rollouts`. No body: to the image that `BEAVER_INSTANCE_IMAGE` names now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutRequest {
    /// The image: `BEAVER_INSTANCE_IMAGE`, or an id that it has had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// So many instances may fail and it still goes on; none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_limit: Option<u32>,
}

/// How far a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RolloutState {
    /// At work.
    Running,
    /// Every instance had its turn.
    Succeeded,
    /// More instances failed than may; the rest keep the image they had.
    Failed,
    /// Called off; the rest keep the image they had.
    Cancelled,
}

impl RolloutState {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        self != Self::Running
    }
}

/// How far one instance of a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// Its turn is yet to come.
    Waiting,
    /// Its upgrade is under way.
    Upgrading,
    /// It slept or was stopped before, and is put back to that.
    Returning,
    /// It runs the image, or will when it is started.
    Done,
    /// The image did not come up; the old one is back, with its data.
    Failed,
    /// It was left alone; the reason says why.
    Skipped,
}

/// One instance of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// The instance.
    pub instance_id: InstanceId,
    /// Its host label.
    pub slug: Slug,
    /// Counts from 0.
    pub ring: u32,
    /// How far it is.
    pub state: MemberState,
    /// Its newest operation, once it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<OperationId>,
    /// Why it failed, was left alone or has to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One rollout. Also the `data` of each server-sent event of `GET /api/rollouts/{id}`, there without `members`;
/// the stream ends after a final state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolloutView {
    /// The rollout.
    pub rollout_id: RolloutId,
    /// The image id that all go to.
    pub image: String,
    /// So many may fail and it still goes on.
    pub failure_limit: u32,
    /// How far it is.
    pub state: RolloutState,
    /// Whether it is being called off: what runs comes to its end, nothing new begins.
    pub cancelling: bool,
    /// Why it ended as it did, where it did not go well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ring under way, from 0; absent once there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<u32>,
    /// All instances of it.
    pub total: u32,
    /// Those whose turn is yet to come.
    pub waiting: u32,
    /// Those that are at work.
    pub at_work: u32,
    /// Those that are done.
    pub done: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that were left alone.
    pub skipped: u32,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Each instance, in the order of their turns; only where one rollout is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<MemberView>>,
}

/// Answer of `GET /api/rollouts`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RolloutList {
    /// Newest first, at most 50.
    pub rollouts: Vec<RolloutView>,
}
