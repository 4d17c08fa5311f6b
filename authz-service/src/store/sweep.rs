//! Removal of what has expired. Nothing depends on it: every reader checks the time itself.

use super::Store;
use crate::delays::FORGET_AFTER_MS;
use crate::sessions::IDLE_MS;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Well beyond the longest life of a token (10 minutes) that a revocation could still be about.
const REVOCATION_MS: i64 = 60 * 60 * 1000;
const INVITE_MS: i64 = 30 * DAY_MS;
/// A key that is revoked, or has expired for this long, is not shown any more; the audit log has it.
const API_KEY_MS: i64 = 30 * DAY_MS;
const NETWORK_MS: i64 = 90 * DAY_MS;

impl Store {
    /// Removes expired rows; answers how many.
    pub(crate) async fn sweep(&self, now: i64) -> Result<u64, sqlx::Error> {
        let (idle, delay) = (now - IDLE_MS, now - FORGET_AFTER_MS);
        let (revocation, invite, network) = (now - REVOCATION_MS, now - INVITE_MS, now - NETWORK_MS);
        let mut tx = self.db.begin().await?;
        let mut gone = 0;
        gone += sqlx::query!("DELETE FROM handoffs WHERE expires_at <= ?", now)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        gone += sqlx::query!("DELETE FROM sessions WHERE ends_at <= ? OR last_used_at <= ?", now, idle)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        gone += sqlx::query!("DELETE FROM registration_tokens WHERE expires_at <= ?", now)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        gone += sqlx::query!("DELETE FROM revocations WHERE at <= ?", revocation)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        gone += sqlx::query!("DELETE FROM invites WHERE expires_at <= ?", invite)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        gone += sqlx::query!("DELETE FROM login_delays WHERE last_failure_at <= ?", delay)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        gone += sqlx::query!("DELETE FROM known_addresses WHERE last_at <= ?", network)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        gone += super::api_keys::sweep(&mut tx, now - API_KEY_MS).await?;
        tx.commit().await?;
        Ok(gone)
    }
}
