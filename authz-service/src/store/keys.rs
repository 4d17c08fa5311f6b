//! Signing keys: public halves in plain, private ones sealed (`crate::keys`).

use super::Store;
use super::audit::Entry;

/// A key as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    /// `next`, `active` or `retired`.
    pub(crate) state: String,
    pub(crate) public_key: Vec<u8>,
    pub(crate) private_sealed: Vec<u8>,
    pub(crate) created_at: i64,
    /// Since when it signs, or signed.
    pub(crate) activated_at: Option<i64>,
    /// Since when it does not sign any more.
    pub(crate) retired_at: Option<i64>,
}

impl Store {
    /// All keys, the oldest first.
    pub(crate) async fn signing_keys(&self) -> Result<Vec<StoredKey>, sqlx::Error> {
        sqlx::query_as!(
            StoredKey,
            "SELECT kid, state, public_key, private_sealed, created_at, activated_at, retired_at
             FROM signing_keys ORDER BY created_at, kid"
        )
        .fetch_all(self.db.reader())
        .await
    }

    /// Stores a new key.
    pub(crate) async fn put_signing_key(
        &self,
        key: &StoredKey,
        audit: Option<&Entry<'_>>,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        sqlx::query!(
            "INSERT INTO signing_keys
                 (kid, algorithm, state, public_key, private_sealed, created_at, activated_at)
             VALUES (?, 'EdDSA', ?, ?, ?, ?, ?)",
            key.kid,
            key.state,
            key.public_key,
            key.private_sealed,
            key.created_at,
            key.activated_at
        )
        .execute(&mut *tx)
        .await?;
        if let Some(audit) = audit {
            super::audit::insert(&mut tx, audit).await?;
        }
        tx.commit().await
    }

    /// The next key signs from now on, and the one that signed retires.
    pub(crate) async fn promote_signing_key(&self, kid: &str, audit: &Entry<'_>) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let now = audit.at;
        sqlx::query!("UPDATE signing_keys SET state = 'retired', retired_at = ? WHERE state = 'active'", now)
            .execute(&mut *tx)
            .await?;
        sqlx::query!(
            "UPDATE signing_keys SET state = 'active', activated_at = ? WHERE kid = ? AND state = 'next'",
            now,
            kid
        )
        .execute(&mut *tx)
        .await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await
    }

    /// Removes a key that has retired.
    pub(crate) async fn remove_signing_key(&self, kid: &str, audit: &Entry<'_>) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        sqlx::query!("DELETE FROM signing_keys WHERE kid = ? AND state = 'retired'", kid)
            .execute(&mut *tx)
            .await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await
    }
}
