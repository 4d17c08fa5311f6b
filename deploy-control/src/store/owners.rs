//! What an owner has, and letting go of data that was kept of an instance that is gone.

use control_api::ids::{InstanceId, UserId};

use super::events::record;
use super::rows::InstanceRow;
use super::snapshots::forget_snapshots;
use super::{Store, StoreResult};
use crate::model::{Entry, Instance};

impl Store {
    /// Every instance of an owner of which something is left: one that is there or leaving, and one that is gone with
    /// its data kept.
    pub async fn all_of_owner(&self, owner: UserId) -> StoreResult<Vec<Instance>> {
        let owner = owner.to_string();
        let rows = sqlx::query_as!(
            InstanceRow,
            "SELECT * FROM instances WHERE owner_id = ? AND (desired <> 'purged' OR deleted_at IS NULL)",
            owner
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter().map(Instance::try_from).collect()
    }

    /// Writes down that the data kept of a deleted instance is gone too.
    pub async fn kept_data_gone(&self, id: InstanceId, entry: &Entry<'_>) -> StoreResult<()> {
        let (id, now) = (id.to_string(), self.now());
        let mut tx = self.begin().await?;
        let done = sqlx::query!(
            "UPDATE instances SET desired = 'purged'
             WHERE id = ? AND desired = 'deleted' AND deleted_at IS NOT NULL",
            id
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 1 {
            forget_snapshots(&mut tx, &id).await?;
            record(&mut tx, &id, entry, now).await?;
            tx.commit().await?;
            self.changed();
        }
        Ok(())
    }
}
