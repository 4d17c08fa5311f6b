//! Failed sign-ins, and the networks where an account has signed in with success.

use control_api::ids::UserId;
use sqlx::SqliteConnection;

use super::Store;
use crate::delays::{Bucket, Failures, INTERVAL_MS, wait_ms};

impl Store {
    /// Whether the account has signed in from this network before.
    pub(crate) async fn is_known_network(&self, user_id: UserId, network: &str) -> Result<bool, sqlx::Error> {
        let user_id = user_id.to_string();
        let row = sqlx::query!(
            "SELECT 1 AS one FROM known_addresses WHERE user_id = ? AND network = ?",
            user_id,
            network
        )
        .fetch_optional(self.db.reader())
        .await?;
        Ok(row.is_some())
    }

    /// Takes a try of a network. Answers how long to wait, in milliseconds, where there is none left.
    pub(crate) async fn take_try(&self, bucket: &Bucket, now: i64) -> Result<Option<i64>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let wait = take(&mut tx, bucket, now).await?;
        tx.commit().await?;
        Ok(wait)
    }

    /// Gives a try of a network back: it succeeded.
    pub(crate) async fn give_back_try(&self, bucket: &Bucket) -> Result<(), sqlx::Error> {
        let mut conn = self.db.writer().acquire().await?;
        give_back(&mut conn, bucket).await
    }

    /// Takes a try of the network, and counts one of the account as failed before it is made, so that many at
    /// once cannot all pass; success takes both back. Answers how long to wait, in milliseconds, where the try
    /// may not be made yet.
    pub(crate) async fn reserve_try(
        &self,
        key: &[u8; 32],
        bucket: Option<&Bucket>,
        now: i64,
    ) -> Result<Option<i64>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if let Some(bucket) = bucket
            && let Some(wait) = take(&mut tx, bucket, now).await?
        {
            return Ok(Some(wait));
        }
        let hash = key.as_slice();
        let row = sqlx::query!("SELECT failures, last_failure_at FROM login_delays WHERE key = ?", hash)
            .fetch_optional(&mut *tx)
            .await?;
        let before =
            row.map(|row| Failures { count: row.failures, last_at: row.last_failure_at }).unwrap_or_default();
        let wait = wait_ms(before, now);
        if wait > 0 {
            // The network's try is used up all the same.
            tx.commit().await?;
            return Ok(Some(wait));
        }
        let count = before.current(now).saturating_add(1);
        sqlx::query!(
            "INSERT INTO login_delays (key, failures, last_failure_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET failures = ?2, last_failure_at = ?3",
            hash,
            count,
            now
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(None)
    }

    /// Takes a reserved try back, the network's too, and forgets the failures: it was right.
    pub(crate) async fn right_try(&self, key: &[u8; 32], bucket: Option<&Bucket>) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if let Some(bucket) = bucket {
            give_back(&mut tx, bucket).await?;
        }
        clear(&mut tx, key).await?;
        tx.commit().await
    }

    /// Takes a reserved try back: it was never made.
    pub(crate) async fn release_try(&self, key: &[u8; 32]) -> Result<(), sqlx::Error> {
        let hash = key.as_slice();
        sqlx::query!("UPDATE login_delays SET failures = failures - 1 WHERE key = ? AND failures > 0", hash)
            .execute(self.db.writer())
            .await
            .map(drop)
    }
}

async fn take(conn: &mut SqliteConnection, bucket: &Bucket, now: i64) -> Result<Option<i64>, sqlx::Error> {
    let key = bucket.key.as_slice();
    let row = sqlx::query!("SELECT full_at FROM address_delays WHERE key = ?", key)
        .fetch_optional(&mut *conn)
        .await?;
    match bucket.take(row.map_or(now, |row| row.full_at), now) {
        Err(wait) => Ok(Some(wait)),
        Ok(full_at) => {
            sqlx::query!(
                "INSERT INTO address_delays (key, full_at) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET full_at = ?2",
                key,
                full_at
            )
            .execute(conn)
            .await?;
            Ok(None)
        }
    }
}

pub(super) async fn give_back(conn: &mut SqliteConnection, bucket: &Bucket) -> Result<(), sqlx::Error> {
    let key = bucket.key.as_slice();
    sqlx::query!("UPDATE address_delays SET full_at = full_at - ? WHERE key = ?", INTERVAL_MS, key)
        .execute(conn)
        .await
        .map(drop)
}

pub(super) async fn clear(conn: &mut SqliteConnection, key: &[u8; 32]) -> Result<(), sqlx::Error> {
    let hash = key.as_slice();
    sqlx::query!("DELETE FROM login_delays WHERE key = ?", hash).execute(conn).await.map(drop)
}

pub(super) async fn remember_network(
    conn: &mut SqliteConnection,
    user_id: UserId,
    network: &str,
    now: i64,
) -> Result<(), sqlx::Error> {
    let user_id = user_id.to_string();
    sqlx::query!(
        "INSERT INTO known_addresses (user_id, network, last_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (user_id, network) DO UPDATE SET last_at = ?3",
        user_id,
        network,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}
