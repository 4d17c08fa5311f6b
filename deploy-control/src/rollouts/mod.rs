//! Rollouts: one image for every instance that runs another, in rings. `plan` says what comes next, `drive` does it;
//! all of it is in the database, so that a rollout goes on where it was after a restart.
//!
//! An instance that sleeps or was stopped has its turn like any other: its upgrade is proven by serving, and then
//! it is put back to where it was. Whoever uses or starts it meanwhile keeps it awake. One that had failed before is
//! left alone: nothing could be learned from its failing again.

mod drive;
pub mod plan;

use control_api::ids::{InstanceId, OperationId, RolloutId};
use control_api::names::Slug;
use control_api::rollout::{MemberState, RolloutRequest, RolloutState};

pub(crate) use drive::start;

use crate::engine::EngineError;
use crate::error::Error;
use crate::model::Goal;
use crate::requests::Requests;

/// Every state of a rollout, with its text.
pub const ROLLOUT_STATES: [(RolloutState, &str); 4] = [
    (RolloutState::Running, "running"),
    (RolloutState::Succeeded, "succeeded"),
    (RolloutState::Failed, "failed"),
    (RolloutState::Cancelled, "cancelled"),
];

/// Every state of an instance of a rollout, with its text.
pub const MEMBER_STATES: [(MemberState, &str); 6] = [
    (MemberState::Waiting, "waiting"),
    (MemberState::Upgrading, "upgrading"),
    (MemberState::Returning, "returning"),
    (MemberState::Done, "done"),
    (MemberState::Failed, "failed"),
    (MemberState::Skipped, "skipped"),
];

/// One rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Its id.
    pub id: RolloutId,
    /// The image that all go to.
    pub image_id: String,
    /// So many may fail and it still goes on.
    pub failure_limit: u32,
    /// How far it is.
    pub state: RolloutState,
    /// Whether it is to be called off.
    pub cancel: bool,
    /// Why it ended as it did.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
}

/// One instance of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The instance.
    pub instance: InstanceId,
    /// Its host label.
    pub slug: Slug,
    /// Counts from 0.
    pub ring: u32,
    /// How far it is.
    pub state: MemberState,
    /// The operation that was or is about to be asked for.
    pub operation: Option<OperationId>,
    /// Where it rested before.
    pub rest: Option<Goal>,
    /// What becomes of it once it rests again.
    pub outcome: Option<MemberState>,
    /// Why it is so.
    pub reason: Option<String>,
    /// When its turn came.
    pub started_at: Option<i64>,
}

impl Requests {
    /// Begins a rollout, unless one is at work.
    pub async fn roll_out(&self, body: &RolloutRequest) -> Result<RolloutId, Error> {
        let store = &self.context.store;
        let image = match body.image.as_deref() {
            None => self.upgrade_target().await?,
            Some(name) => self.named_image(name).await?,
        };
        let id = RolloutId::generate();
        if !store.begin_rollout(id, &image, body.failure_limit.unwrap_or(0)).await? {
            return Err(match store.rollout_under_way().await? {
                Some(other) => Error::RolloutInProgress(other.id),
                None => Error::Busy("another rollout has just ended; try again".to_owned()),
            });
        }
        self.context.faults.hit("rollout.accepted").await;
        Ok(id)
    }

    /// Calls a rollout off.
    pub async fn cancel_rollout(&self, id: RolloutId) -> Result<(), Error> {
        self.rollout(id).await?;
        Ok(self.context.store.cancel_rollout(id).await?)
    }

    /// One rollout.
    pub async fn rollout(&self, id: RolloutId) -> Result<Rollout, Error> {
        self.context.store.rollout(id).await?.ok_or(Error::NotFound("There is no such rollout."))
    }

    async fn named_image(&self, name: &str) -> Result<String, Error> {
        let fault = |text: String| Error::Fields(vec![("image", text)]);
        self.context.engine.resolve_image(name).await.map_err(|error| match error {
            EngineError::NotFound(_) => fault("is not on this machine; build or load it".to_owned()),
            EngineError::Refused(reason) => fault(format!(
                "may not be used ({reason}); give the name in BEAVER_INSTANCE_IMAGE or an id that it has had"
            )),
            error => Error::DockerAway(error.to_string()),
        })
    }
}
