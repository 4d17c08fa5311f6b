//! What the housekeeping writes down about instances over time: their use of the processor and of the disk, and
//! until when somebody wants them kept awake.

use control_api::ids::InstanceId;
use sqlx::{Sqlite, Transaction};

use super::events::record;
use super::rows::InstanceRow;
use super::{Store, StoreError, StoreResult, int};
use crate::disk_use::FULL;
use crate::model::{Actor, CpuSample, DiskUse, Entry, Instance};

/// Ledger: the disk is nearly full.
const DISK_WARNING: &str = "disk nearly full";
/// The same warning is not given again within this time, should the use go up and down around the mark.
const WARN_AGAIN_MS: i64 = 24 * 60 * 60 * 1000;
/// Ledger: a process used up the memory.
const OUT_OF_MEMORY: &str = "out of memory";
/// One that is ended again and again for it must not fill the ledger.
const OOM_AGAIN_MS: i64 = 60 * 1000;

/// A measurement of an instance's processor time, and when it was last seen at work.
#[derive(Clone, Copy, Debug)]
pub struct CpuNote {
    /// The instance.
    pub id: InstanceId,
    /// The measurement.
    pub sample: CpuSample,
    /// When it was last seen at work.
    pub busy_at: i64,
}

impl Store {
    /// Instances that may go down the sleep ladder: ready ones and frozen ones, with no work under way.
    pub async fn on_the_ladder(&self) -> StoreResult<Vec<Instance>> {
        let rows = sqlx::query_as!(
            InstanceRow,
            "SELECT * FROM instances i
             WHERE deleted_at IS NULL AND change = 'none'
               AND ((state = 'ready' AND desired = 'awake')
                    OR (state = 'asleep' AND desired = 'asleep' AND nap = 1))
               AND NOT EXISTS (SELECT 1 FROM operations o
                               WHERE o.instance_id = i.id AND o.state IN ('queued', 'running'))"
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter().map(Instance::try_from).collect()
    }

    /// Writes down a round of measurements.
    pub async fn record_cpu(&self, notes: &[CpuNote]) -> StoreResult<()> {
        if notes.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for note in notes {
            let (id, total_ns) = (note.id.to_string(), int(note.sample.total_ns));
            sqlx::query!(
                "UPDATE instances SET cpu_total_ns = ?, cpu_sampled_at = ?, cpu_busy_at = ? WHERE id = ?",
                total_ns,
                note.sample.at,
                note.busy_at,
                id
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Instances whose disk was last measured before `before`, those that wait longest first. One that has rested
    /// ever since has what it had, unless it was full: somebody may have made room.
    pub async fn to_measure(&self, before: i64, limit: u32) -> StoreResult<Vec<Instance>> {
        let rows = sqlx::query_as!(
            InstanceRow,
            "SELECT * FROM instances i
             WHERE deleted_at IS NULL AND ever_ready = 1 AND COALESCE(disk_measured_at, 0) < ?1
               AND (disk_measured_at IS NULL OR state NOT IN ('asleep', 'stopped')
                    OR disk_used_bytes >= disk_bytes
                    OR disk_measured_at <= (SELECT MAX(o.finished_at) FROM operations o
                                            WHERE o.instance_id = i.id))
             ORDER BY COALESCE(disk_measured_at, 0), id LIMIT ?2",
            before,
            limit
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter().map(Instance::try_from).collect()
    }

    /// Writes down what lies on the disk of an instance. Where it has `room` again, one that sleeps for want of it
    /// says so no more. `warning` goes into the ledger, unless it is there since less than a day.
    pub async fn record_disk(
        &self,
        id: InstanceId,
        disk: DiskUse,
        room: bool,
        warning: Option<&str>,
    ) -> StoreResult<()> {
        let (id, bytes, now) = (id.to_string(), int(disk.bytes), self.now());
        let full = format!("{FULL}%");
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE instances
             SET disk_used_bytes = ?1, disk_measured_at = ?2,
                 reason = CASE WHEN ?3 AND state = 'asleep' AND reason LIKE ?4 THEN NULL ELSE reason END
             WHERE id = ?5",
            bytes,
            disk.at,
            room,
            full,
            id
        )
        .execute(&mut *tx)
        .await?;
        if let Some(warning) = warning
            && !told_since(&mut tx, &id, DISK_WARNING, now - WARN_AGAIN_MS).await?
        {
            record(&mut tx, &id, &Actor::Reconciler.entry(DISK_WARNING, warning), now).await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// A process in the container used up the memory: into the ledger, unless that was told less than a minute ago,
    /// and shown of an instance that goes on serving until it is started again.
    pub async fn record_oom(&self, id: InstanceId, reason: &str) -> StoreResult<()> {
        let (id, now) = (id.to_string(), self.now());
        let mut tx = self.begin().await?;
        sqlx::query!("UPDATE instances SET reason = ? WHERE id = ? AND state = 'ready'", reason, id)
            .execute(&mut *tx)
            .await?;
        if !told_since(&mut tx, &id, OUT_OF_MEMORY, now - OOM_AGAIN_MS).await? {
            record(&mut tx, &id, &Actor::Docker.entry(OUT_OF_MEMORY, reason), now).await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Keeps an instance awake until then, or no longer.
    pub async fn keep_awake(
        &self,
        id: InstanceId,
        until: Option<i64>,
        entry: &Entry<'_>,
    ) -> StoreResult<Instance> {
        let id = id.to_string();
        let mut tx = self.begin().await?;
        let row = sqlx::query_as!(
            InstanceRow,
            "UPDATE instances SET keep_awake_until = ? WHERE id = ? AND deleted_at IS NULL RETURNING *",
            until,
            id
        )
        .fetch_optional(&mut *tx)
        .await?;
        let instance = Instance::try_from(row.ok_or(StoreError::NoInstance)?)?;
        record(&mut tx, &id, entry, self.now()).await?;
        tx.commit().await?;
        self.changed();
        Ok(instance)
    }
}

/// Whether the ledger has such an entry from after `since`.
async fn told_since(
    tx: &mut Transaction<'static, Sqlite>,
    id: &str,
    what: &str,
    since: i64,
) -> StoreResult<bool> {
    let found = sqlx::query_scalar!(
        "SELECT seq FROM events WHERE instance_id = ? AND what = ? AND at > ? LIMIT 1",
        id,
        what,
        since
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.is_some())
}
