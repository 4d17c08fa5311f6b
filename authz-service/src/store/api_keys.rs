//! API keys: found by the hash of the key (the router) or by their owner (the portal).

use control_api::api_keys::{ApiKeyScope, MAX_API_KEYS};
use control_api::authz::UserView;
use control_api::ids::{ApiKeyId, UserId};
use sqlx::SqliteConnection;

use super::audit::Entry;
use super::revocations::{self, Kind};
use super::{Store, parsed};
use crate::tokens::words;

/// A key as it is stored. Whether it works is for `crate::api_keys` to say.
#[derive(Clone, Debug)]
pub(crate) struct StoredKey {
    pub(crate) key_id: ApiKeyId,
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) scopes: Vec<ApiKeyScope>,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) last_used_at: Option<i64>,
}

/// What came of a wish to revoke a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// The number of the revocation.
    Done(i64),
    Before,
    /// No such key of that owner.
    Unknown,
}

impl Store {
    /// Writes a key unless its owner has all that one may have: then answers `false`.
    pub(crate) async fn create_api_key(
        &self,
        key: &StoredKey,
        secret_hash: &[u8; 32],
        audit: &Entry<'_>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (id, user_id, hash) = (key.key_id.to_string(), key.user_id.to_string(), secret_hash.as_slice());
        let (scopes, limit) = (words(&key.scopes), i64::try_from(MAX_API_KEYS).unwrap_or(i64::MAX));
        // One statement counts and writes, so that two at once cannot both be the last.
        let done = sqlx::query!(
            "INSERT INTO api_keys (key_id, secret_hash, user_id, name, scopes, created_at, expires_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
             WHERE (SELECT COUNT(*) FROM api_keys WHERE user_id = ?3 AND revoked_at IS NULL) < ?8",
            id,
            hash,
            user_id,
            key.name,
            scopes,
            key.created_at,
            key.expires_at,
            limit
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The keys of an owner that are not revoked, the newest first.
    pub(crate) async fn api_keys_of(&self, owner: UserId) -> Result<Vec<StoredKey>, sqlx::Error> {
        let user_id = owner.to_string();
        let rows = sqlx::query!(
            r#"SELECT key_id, name, scopes, created_at, expires_at AS "expires_at!", last_used_at FROM api_keys
             WHERE user_id = ? AND revoked_at IS NULL ORDER BY created_at DESC, key_id DESC"#,
            user_id
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(StoredKey {
                    key_id: parsed("key_id", &row.key_id)?,
                    user_id: owner,
                    name: row.name,
                    scopes: scopes(&row.scopes)?,
                    created_at: row.created_at,
                    expires_at: row.expires_at,
                    last_used_at: row.last_used_at,
                })
            })
            .collect()
    }

    /// By the hash of the key, with whose it is; not where it is revoked or the account may not sign in.
    pub(crate) async fn api_key_by_secret(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<(StoredKey, UserView)>, sqlx::Error> {
        let hash = hash.as_slice();
        let row = sqlx::query!(
            r#"SELECT k.key_id, k.user_id, k.name, k.scopes, k.created_at, k.expires_at AS "expires_at!",
                    k.last_used_at, a.username, a.email
             FROM api_keys k JOIN accounts a ON a.user_id = k.user_id
             WHERE k.secret_hash = ? AND k.revoked_at IS NULL AND a.standing = 'active'"#,
            hash
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| {
            let user_id = parsed("user_id", &row.user_id)?;
            let username = parsed("username", &row.username)?;
            let key = StoredKey {
                key_id: parsed("key_id", &row.key_id)?,
                user_id,
                name: row.name,
                scopes: scopes(&row.scopes)?,
                created_at: row.created_at,
                expires_at: row.expires_at,
                last_used_at: row.last_used_at,
            };
            Ok((key, UserView { user_id, username, email: row.email }))
        })
        .transpose()
    }

    /// Notes that a key was used.
    pub(crate) async fn touch_api_key(&self, key: ApiKeyId, now: i64) -> Result<(), sqlx::Error> {
        let id = key.to_string();
        sqlx::query!("UPDATE api_keys SET last_used_at = ?1 WHERE key_id = ?2", now, id)
            .execute(self.db.writer())
            .await
            .map(drop)
    }

    /// Revokes a key of an owner and publishes it.
    pub(crate) async fn revoke_api_key(
        &self,
        owner: UserId,
        key: ApiKeyId,
        audit: &Entry<'_>,
    ) -> Result<Revocation, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (id, user_id) = (key.to_string(), owner.to_string());
        let done = sqlx::query!(
            "UPDATE api_keys SET revoked_at = ? WHERE key_id = ? AND user_id = ? AND revoked_at IS NULL",
            audit.at,
            id,
            user_id
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            let before =
                sqlx::query!("SELECT 1 AS one FROM api_keys WHERE key_id = ? AND user_id = ?", id, user_id)
                    .fetch_optional(&mut *tx)
                    .await?;
            return Ok(before.map_or(Revocation::Unknown, |_| Revocation::Before));
        }
        let seq = revocations::insert(&mut tx, Kind::ApiKey, &id, audit.at).await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(Revocation::Done(seq))
    }
}

/// Removes what was revoked or has expired before `before`, at most so many; answers how many.
pub(super) async fn sweep(conn: &mut SqliteConnection, before: i64, most: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM api_keys WHERE rowid IN
            (SELECT rowid FROM api_keys WHERE revoked_at <= ?1 OR expires_at <= ?1 LIMIT ?2)",
        before,
        most
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

fn scopes(text: &str) -> Result<Vec<ApiKeyScope>, sqlx::Error> {
    text.split(' ').map(|word| parsed("scopes", word)).collect()
}
