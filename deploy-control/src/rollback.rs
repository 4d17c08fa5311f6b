//! Going back to an image from before, with the present data or with that of then. Like every request it only
//! writes down what is wanted: what follows is an upgrade, with the present data copied aside first and with the
//! same way back.

use control_api::deploy::OperationKind;
use control_api::ids::{InstanceId, OperationId};
use control_api::snapshot::{RollbackData, RollbackRequest};

use crate::error::Error;
use crate::model::{Actor, Change, Goal, Instance, Snapshot};
use crate::requests::Requests;
use crate::store::Intent;

/// Where a rollback goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    image: String,
    restore: Option<u64>,
}

impl Requests {
    /// Goes back to the image of a snapshot, or to the one before where none is named.
    pub async fn roll_back(
        &self,
        id: InstanceId,
        body: &RollbackRequest,
        actor: Actor,
    ) -> Result<OperationId, Error> {
        let instance = self.live(id).await?;
        let target = target(&instance, &self.context.store.snapshots(id).await?, body)?;
        // The very image that it runs, with the data that it has: that there is nothing to do is success.
        let nothing = target.restore.is_none() && instance.image_id.as_ref() == Some(&target.image);
        let change = if nothing { Change::None } else { Change::Upgrade };
        let intent = Intent {
            target_image: Some(&target.image),
            restore: target.restore,
            ..self.intent(OperationKind::Rollback, Goal::Awake, change, actor)
        };
        self.intend(&instance, &intent).await
    }
}

/// Where it goes; `snapshots` are in the order of time, the newest first.
fn target(instance: &Instance, snapshots: &[Snapshot], body: &RollbackRequest) -> Result<Target, Error> {
    let restores = body.data == Some(RollbackData::Restore);
    let snapshot = match body.snapshot {
        Some(wanted) => {
            let found = snapshots.iter().find(|snapshot| snapshot.generation == wanted);
            Some(found.ok_or(Error::NotFound("The instance has no snapshot of that number."))?)
        }
        None if restores => {
            let newest = snapshots.first();
            Some(newest.ok_or_else(|| Error::Conflict("the instance has no snapshot yet".to_owned()))?)
        }
        None => None,
    };
    if let Some(snapshot) = snapshot {
        let restore = restores.then_some(snapshot.generation);
        return Ok(Target { image: snapshot.image_id.clone(), restore });
    }
    let previous = instance.previous_image_id.clone();
    let image =
        previous.ok_or_else(|| Error::Conflict("the instance has run no other image before".to_owned()))?;
    Ok(Target { image, restore: None })
}
