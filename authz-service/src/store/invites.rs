//! Invites: single use, stored hashed.

use control_api::ids::UserId;
use sqlx::SqliteConnection;

use super::Store;
use super::audit::Entry;

impl Store {
    /// Stores a new invite.
    pub(crate) async fn put_invite(
        &self,
        code_hash: &[u8; 32],
        expires_at: i64,
        audit: &Entry<'_>,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let hash = code_hash.as_slice();
        sqlx::query!(
            "INSERT INTO invites (code_hash, created_at, expires_at) VALUES (?, ?, ?)",
            hash,
            audit.at,
            expires_at
        )
        .execute(&mut *tx)
        .await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await
    }

    /// Whether an invite could be used now. Using it is [`consume`]'s work, in the account's transaction.
    pub(crate) async fn is_invite_open(&self, code_hash: &[u8; 32], now: i64) -> Result<bool, sqlx::Error> {
        let hash = code_hash.as_slice();
        let row = sqlx::query!(
            "SELECT 1 AS one FROM invites WHERE code_hash = ? AND used_at IS NULL AND expires_at > ?",
            hash,
            now
        )
        .fetch_optional(self.db.reader())
        .await?;
        Ok(row.is_some())
    }
}

/// Uses an invite up; `false` when it is used or expired.
pub(super) async fn consume(
    conn: &mut SqliteConnection,
    code_hash: &[u8; 32],
    user_id: UserId,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let (hash, user_id) = (code_hash.as_slice(), user_id.to_string());
    let done = sqlx::query!(
        "UPDATE invites SET used_at = ?1, used_by = ?2
         WHERE code_hash = ?3 AND used_at IS NULL AND expires_at > ?1",
        now,
        user_id,
        hash
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
