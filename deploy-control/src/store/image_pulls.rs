//! Pulls of images: at most one that has not ended for each image (an index sees to that).

use control_api::deploy::OperationState;
use control_api::ids::OperationId;

use super::rows::{operation_state, parsed};
use super::{Store, StoreError, StoreResult};
use crate::image_name::ImageName;
use crate::model::{ImagePull, OPERATION_STATES};

/// A row of `image_pulls`.
struct PullRow {
    id: String,
    image: String,
    state: String,
    percent: i64,
    cancel: i64,
    waiting: Option<String>,
    verdict: Option<String>,
    created_at: i64,
    started_at: Option<i64>,
    deadline: i64,
    finished_at: Option<i64>,
}

impl TryFrom<PullRow> for ImagePull {
    type Error = StoreError;

    fn try_from(row: PullRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed("id", &row.id)?,
            image: parsed("image", &row.image)?,
            state: operation_state(&row.state)?,
            percent: u8::try_from(row.percent).unwrap_or(100),
            cancel: row.cancel != 0,
            waiting: row.waiting,
            verdict: row.verdict,
            created_at: row.created_at,
            started_at: row.started_at,
            deadline: row.deadline,
            finished_at: row.finished_at,
        })
    }
}

impl Store {
    /// Writes a pull down, or answers with the one of the same image that has not ended.
    pub async fn order_pull(&self, image: &ImageName, allowance_ms: i64) -> StoreResult<OperationId> {
        let (image, now) = (image.to_string(), self.now());
        let mut tx = self.begin().await?;
        let active = sqlx::query_scalar!(
            "SELECT id FROM image_pulls WHERE image = ? AND state IN ('queued', 'running')",
            image
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(active) = active {
            return parsed("id", &active);
        }
        let new = OperationId::generate();
        let (id, deadline) = (new.to_string(), now.saturating_add(allowance_ms));
        sqlx::query!(
            "INSERT INTO image_pulls (id, image, state, created_at, deadline) VALUES (?, ?, 'queued', ?, ?)",
            id,
            image,
            now,
            deadline
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.changed();
        Ok(new)
    }

    /// One pull.
    pub async fn image_pull(&self, id: OperationId) -> StoreResult<Option<ImagePull>> {
        let id = id.to_string();
        let row = sqlx::query_as!(PullRow, "SELECT * FROM image_pulls WHERE id = ?", id)
            .fetch_optional(self.db.reader())
            .await?;
        row.map(ImagePull::try_from).transpose()
    }

    /// Every pull that has not ended, in the order in which they were asked for.
    pub async fn active_pulls(&self) -> StoreResult<Vec<ImagePull>> {
        let rows = sqlx::query_as!(
            PullRow,
            "SELECT * FROM image_pulls WHERE state IN ('queued', 'running') ORDER BY id"
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter().map(ImagePull::try_from).collect()
    }

    /// Puts back what an earlier process had begun, with all its time before it: it is started anew.
    pub async fn restart_pulls(&self, allowance_ms: i64) -> StoreResult<()> {
        let deadline = self.now().saturating_add(allowance_ms);
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE image_pulls SET state = 'queued', percent = 0, waiting = NULL, deadline = ?
             WHERE state IN ('queued', 'running')",
            deadline
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Work on a pull is under way, and this far.
    pub async fn pull_progress(&self, id: OperationId, percent: u8) -> StoreResult<()> {
        let (id, now, percent) = (id.to_string(), self.now(), i64::from(percent));
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE image_pulls
             SET state = 'running', percent = ?, waiting = NULL, started_at = COALESCE(started_at, ?)
             WHERE id = ? AND state IN ('queued', 'running')",
            percent,
            now,
            id
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Says what a pull waits for.
    pub async fn pull_waits(&self, id: OperationId, reason: &str) -> StoreResult<()> {
        let id = id.to_string();
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE image_pulls SET waiting = ? WHERE id = ? AND state IN ('queued', 'running')",
            reason,
            id
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Time in which Docker could not be reached does not count.
    pub async fn extend_pull(&self, id: OperationId, by_ms: i64) -> StoreResult<()> {
        let id = id.to_string();
        let mut tx = self.begin().await?;
        sqlx::query!("UPDATE image_pulls SET deadline = deadline + ? WHERE id = ?", by_ms, id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Asks for a pull to be cancelled. One that has ended stays as it is.
    pub async fn cancel_pull(&self, id: OperationId) -> StoreResult<()> {
        let id = id.to_string();
        let mut tx = self.begin().await?;
        sqlx::query!("UPDATE image_pulls SET cancel = 1 WHERE id = ? AND state IN ('queued', 'running')", id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Ends a pull.
    pub async fn finish_pull(
        &self,
        id: OperationId,
        state: OperationState,
        verdict: Option<&str>,
    ) -> StoreResult<()> {
        let (id, now) = (id.to_string(), self.now());
        let state =
            OPERATION_STATES.into_iter().find(|(s, _)| *s == state).map_or("failed", |(_, text)| text);
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE image_pulls
             SET state = ?1, percent = CASE ?1 WHEN 'succeeded' THEN 100 ELSE percent END, waiting = NULL,
                 verdict = ?2, finished_at = ?3
             WHERE id = ?4 AND state IN ('queued', 'running')",
            state,
            verdict,
            now,
            id
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }
}
