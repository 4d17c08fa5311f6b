//! The limits of an instance, which go with its container: each new container gets those in force, and one that is gone
//! back to keeps its own.

use sqlx::{Sqlite, Transaction};

use super::{StoreResult, int};
use crate::engine::Limits;

/// What becomes of an instance's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsNews {
    /// The next container has these, and there is no way back.
    Taken(Limits),
    /// The next container is tried with these; the ones before are kept.
    Tried(Limits),
    /// The container before is back, and its limits with it.
    Returned,
}

/// Writes it down as part of a step's transaction.
pub(super) async fn note_limits(
    tx: &mut Transaction<'static, Sqlite>,
    id: &str,
    news: LimitsNews,
) -> StoreResult<()> {
    match news {
        LimitsNews::Taken(limits) => set(tx, id, limits).await,
        LimitsNews::Tried(limits) => {
            sqlx::query!(
                "INSERT OR REPLACE INTO limits_before (instance_id, memory_bytes, milli_cpus, pids, disk_bytes)
                 SELECT id, memory_bytes, milli_cpus, pids, disk_bytes FROM instances WHERE id = ?",
                id
            )
            .execute(&mut **tx)
            .await?;
            set(tx, id, limits).await
        }
        LimitsNews::Returned => {
            // Where none are kept the trial began with an older version of this program.
            sqlx::query!(
                "UPDATE instances SET (memory_bytes, milli_cpus, pids, disk_bytes) =
                     (SELECT memory_bytes, milli_cpus, pids, disk_bytes FROM limits_before WHERE instance_id = ?1)
                 WHERE id = ?1 AND EXISTS (SELECT 1 FROM limits_before WHERE instance_id = ?1)",
                id
            )
            .execute(&mut **tx)
            .await?;
            sqlx::query!("DELETE FROM limits_before WHERE instance_id = ?", id).execute(&mut **tx).await?;
            Ok(())
        }
    }
}

async fn set(tx: &mut Transaction<'static, Sqlite>, id: &str, limits: Limits) -> StoreResult<()> {
    let (memory, disk) = (int(limits.memory_bytes), int(limits.disk_bytes));
    sqlx::query!(
        "UPDATE instances SET memory_bytes = ?, milli_cpus = ?, pids = ?, disk_bytes = ? WHERE id = ?",
        memory,
        limits.milli_cpus,
        limits.pids,
        disk,
        id
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
