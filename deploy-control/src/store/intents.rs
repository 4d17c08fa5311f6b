//! What the API wants of an instance that exists: a goal or a change, and an operation that shows how far it
//! is. One transaction decides against whatever is under way.

use control_api::deploy::{InstanceState, OperationKind, OperationState};
use control_api::ids::{InstanceId, OperationId};

use super::events::record;
use super::operations::{NewOperation, active_in, finish_in, insert};
use super::rows::InstanceRow;
use super::{Store, StoreError, StoreResult, int};
use crate::model::{Actor, Change, Goal, Instance, Operation, kind_str};

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Intent<'a> {
    /// The operation's id, chosen by the caller.
    pub operation: OperationId,
    /// What is done.
    pub kind: OperationKind,
    /// Where the instance should be.
    pub goal: Goal,
    /// The change to begin.
    pub change: Change,
    /// To be frozen, not stopped, where it is to sleep.
    pub nap: bool,
    /// Where an upgrade goes.
    pub target_image: Option<&'a str>,
    /// The snapshot whose data an upgrade to an older image brings back.
    pub restore: Option<u64>,
    /// Who asks.
    pub actor: Actor,
    /// Why, for the ledger.
    pub cause: &'a str,
    /// How long it may take.
    pub allowance_ms: i64,
}

/// Between these the newest word counts.
fn is_run(kind: OperationKind) -> bool {
    matches!(kind, OperationKind::Start | OperationKind::Stop | OperationKind::Sleep | OperationKind::Wake)
}

/// What becomes of an operation under way when another is asked for.
enum Verdict {
    Join(OperationId),
    Supersede(OperationId),
    Refuse(OperationId),
    Free,
}

fn judge(active: Option<&Operation>, instance: &Instance, intent: &Intent<'_>) -> Verdict {
    let Some(active) = active else { return Verdict::Free };
    let same_goal = instance.goal == intent.goal;
    match intent.kind {
        kind if kind == active.kind && same_goal && (is_run(kind) || kind == OperationKind::Delete) => {
            Verdict::Join(active.id)
        }
        // Delete is accepted in every state.
        OperationKind::Delete => Verdict::Supersede(active.id),
        kind if is_run(kind) && is_run(active.kind) => Verdict::Supersede(active.id),
        _ => Verdict::Refuse(active.id),
    }
}

impl Store {
    /// Writes down what is wanted. Answers the operation: the new one, or the same one under way.
    pub async fn intend(&self, id: InstanceId, intent: &Intent<'_>) -> StoreResult<OperationId> {
        let (text, now) = (id.to_string(), self.now());
        let mut tx = self.begin().await?;
        let row =
            sqlx::query_as!(InstanceRow, "SELECT * FROM instances WHERE id = ? AND deleted_at IS NULL", text)
                .fetch_optional(&mut *tx)
                .await?;
        let instance = Instance::try_from(row.ok_or(StoreError::NoInstance)?)?;
        let leaving = matches!(instance.goal, Goal::Deleted | Goal::Purged);
        if leaving && intent.kind != OperationKind::Delete {
            return Err(StoreError::NoInstance);
        }
        match judge(active_in(&mut tx, &text).await?.as_ref(), &instance, intent) {
            Verdict::Join(operation) => return Ok(operation),
            Verdict::Refuse(operation) => return Err(StoreError::InProgress(operation)),
            Verdict::Supersede(operation) => {
                let by = format!("superseded by {}", kind_str(intent.kind));
                finish_in(&mut tx, operation, OperationState::Cancelled, Some(&by), now).await?;
            }
            Verdict::Free => {}
        }
        // Once data is to go, it goes.
        let goal = if instance.goal == Goal::Purged { Goal::Purged } else { intent.goal };
        let state = match (goal, instance.state) {
            (Goal::Deleted | Goal::Purged, _) => InstanceState::Deleting,
            (Goal::Awake, InstanceState::Failed | InstanceState::Asleep | InstanceState::Stopped) => {
                InstanceState::Pending
            }
            (_, state) => state,
        };
        let (desired, change, state) = (goal.as_str(), intent.change.as_str(), state.as_str());
        // One that is wanted awake may be frozen still.
        let nap = if goal == Goal::Awake { instance.nap } else { intent.nap };
        let restore = intent.restore.map(int);
        sqlx::query!(
            "UPDATE instances
             SET desired = ?, change = ?, state = ?, reason = NULL, target_image_id = ?, restore_generation = ?,
                 nap = ?
             WHERE id = ?",
            desired,
            change,
            state,
            intent.target_image,
            restore,
            nap,
            text
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("DELETE FROM failures WHERE instance_id = ?", text).execute(&mut *tx).await?;
        let new = NewOperation {
            id: intent.operation,
            kind: intent.kind,
            actor: intent.actor,
            undo: Some(instance.goal),
            allowance_ms: intent.allowance_ms,
        };
        insert(&mut tx, &text, &new, now).await?;
        record(&mut tx, &text, &intent.actor.entry(asked(intent.kind), intent.cause), now).await?;
        tx.commit().await?;
        self.changed();
        Ok(intent.operation)
    }
}

/// The word for the ledger.
fn asked(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Register => "ordered",
        OperationKind::Start => "start asked for",
        OperationKind::Stop => "stop asked for",
        OperationKind::Restart => "restart asked for",
        OperationKind::Sleep => "sleep asked for",
        OperationKind::Wake => "wake asked for",
        OperationKind::ConfigureProvider => "provider change asked for",
        OperationKind::Upgrade => "upgrade asked for",
        OperationKind::Rollback => "rollback asked for",
        OperationKind::Delete => "delete asked for",
        OperationKind::Pull => "pull asked for",
    }
}
