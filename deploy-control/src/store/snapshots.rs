//! Which copies of an instance's data there are. A row is written together with the step that took the copy, and
//! goes before its files do, so that whatever has a row can be restored.

use control_api::ids::InstanceId;
use sqlx::{Sqlite, Transaction};

use super::update::SnapshotNews;
use super::{Store, StoreError, StoreResult, int};
use crate::model::Snapshot;

struct SnapshotRow {
    generation: i64,
    image_id: String,
    bytes: i64,
    taken_at: i64,
}

impl TryFrom<SnapshotRow> for Snapshot {
    type Error = StoreError;

    fn try_from(row: SnapshotRow) -> Result<Self, StoreError> {
        let number = |column: &str, value: i64| {
            u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column} holds {value}")))
        };
        Ok(Self {
            generation: number("generation", row.generation)?,
            image_id: row.image_id,
            bytes: number("bytes", row.bytes)?,
            taken_at: row.taken_at,
        })
    }
}

/// Writes down what became of a copy, as part of a step's transaction.
pub(super) async fn note_snapshot(
    tx: &mut Transaction<'static, Sqlite>,
    id: &str,
    news: SnapshotNews<'_>,
    now: i64,
) -> StoreResult<()> {
    match news {
        SnapshotNews::Taken { generation, image, bytes } => {
            let (generation, bytes) = (int(generation), int(bytes));
            sqlx::query!(
                "INSERT INTO snapshots (instance_id, generation, image_id, bytes, taken_at)
                 VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (instance_id, generation) DO UPDATE
                 SET image_id = excluded.image_id, bytes = excluded.bytes, taken_at = excluded.taken_at",
                id,
                generation,
                image,
                bytes,
                now
            )
            .execute(&mut **tx)
            .await?;
        }
        SnapshotNews::Returned { generation } => {
            let generation = int(generation);
            sqlx::query!("DELETE FROM snapshots WHERE instance_id = ? AND generation = ?", id, generation)
                .execute(&mut **tx)
                .await?;
        }
    }
    Ok(())
}

/// Forgets every copy of an instance, as part of a transaction.
pub(super) async fn forget_snapshots(tx: &mut Transaction<'static, Sqlite>, id: &str) -> StoreResult<()> {
    sqlx::query!("DELETE FROM snapshots WHERE instance_id = ?", id).execute(&mut **tx).await?;
    Ok(())
}

impl Store {
    /// The snapshots of an instance, newest first.
    pub async fn snapshots(&self, id: InstanceId) -> StoreResult<Vec<Snapshot>> {
        let id = id.to_string();
        let rows = sqlx::query_as!(
            SnapshotRow,
            "SELECT generation, image_id, bytes, taken_at FROM snapshots
             WHERE instance_id = ? ORDER BY generation DESC",
            id
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter().map(Snapshot::try_from).collect()
    }

    /// Forgets all but the newest snapshots of an instance.
    pub async fn keep_newest_snapshots(&self, id: InstanceId, kept: u32) -> StoreResult<()> {
        let id = id.to_string();
        let mut tx = self.begin().await?;
        sqlx::query!(
            "DELETE FROM snapshots WHERE instance_id = ?1 AND generation NOT IN (
                 SELECT generation FROM snapshots WHERE instance_id = ?1 ORDER BY generation DESC LIMIT ?2)",
            id,
            kept
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }
}
