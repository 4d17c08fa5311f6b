//! Fencing: each process that opens the database counts its epoch on, and a write of an earlier epoch is refused.
//! A deploy-control that was thought dead and goes on (a suspended machine, a second copy started by mistake) so
//! changes nothing any more, and ends.

use service_kit::sqlite::Database;
use sqlx::{Sqlite, Transaction};
use tokio_util::sync::CancellationToken;

use super::{Store, StoreError, StoreResult};

/// The epoch of this process.
#[derive(Clone, Debug)]
pub(super) struct Fence {
    epoch: String,
    /// Cancelled once a write was refused.
    lost: CancellationToken,
}

impl Fence {
    /// Counts the epoch on.
    pub(super) async fn take(db: &Database) -> Result<Self, sqlx::Error> {
        let epoch = sqlx::query_scalar!(
            r#"INSERT INTO settings (name, value) VALUES ('epoch', '1')
               ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1
               RETURNING value AS "value!: String""#
        )
        .fetch_one(db.writer())
        .await?;
        Ok(Self { epoch, lost: CancellationToken::new() })
    }
}

impl Store {
    /// A write transaction of this process's epoch.
    pub(super) async fn begin(&self) -> StoreResult<Transaction<'static, Sqlite>> {
        let mut tx = self.db.begin().await?;
        let epoch = sqlx::query_scalar!("SELECT value FROM settings WHERE name = 'epoch'")
            .fetch_optional(&mut *tx)
            .await?;
        if epoch.as_deref() == Some(self.fence.epoch.as_str()) {
            return Ok(tx);
        }
        self.fence.lost.cancel();
        Err(StoreError::Fenced)
    }

    /// Waits until another process has taken the database over.
    pub async fn until_fenced(&self) {
        self.fence.lost.cancelled().await;
    }
}
