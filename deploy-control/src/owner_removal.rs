//! An owner has left for good: whatever there is of theirs goes, the data that was kept of an instance that they had
//! before with it. The caller asks again until nothing is left, so that a crash only repeats it.

use control_api::ids::UserId;

use crate::error::Error;
use crate::model::{Actor, Goal};
use crate::requests::{Action, Requests};

impl Requests {
    /// Removes all that an owner has. Answers whether something is left, which is on its way out then.
    pub async fn remove_owner(&self, owner: UserId) -> Result<bool, Error> {
        let mut left = false;
        for instance in self.context.store.all_of_owner(owner).await? {
            if instance.deleted_at.is_none() {
                left = true;
                if instance.goal != Goal::Purged {
                    self.act(instance.id, Action::Delete { purge: true }, Actor::Operator).await?;
                }
                continue;
            }
            let (files, id) = (self.context.files.clone(), instance.id);
            // The files first: a row that says that they are gone is never looked at again.
            let purged = tokio::task::spawn_blocking(move || files.purge(id)).await;
            purged
                .map_err(|error| Error::Internal(error.to_string()))?
                .map_err(|error| Error::Internal(format!("kept data cannot be removed: {error}")))?;
            let entry = Actor::Operator.entry("deleted", "its owner has left: the data that was kept");
            self.context.store.kept_data_gone(id, &entry).await?;
        }
        Ok(left)
    }
}
