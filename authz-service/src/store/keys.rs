//! Signing keys: public halves in plain, private ones sealed (`crate::keys`).

use super::Store;

/// A key as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    /// `next`, `active` or `retired`.
    pub(crate) state: String,
    pub(crate) public_key: Vec<u8>,
    pub(crate) private_sealed: Vec<u8>,
}

impl Store {
    /// All keys, the oldest first.
    pub(crate) async fn signing_keys(&self) -> Result<Vec<StoredKey>, sqlx::Error> {
        sqlx::query_as!(
            StoredKey,
            "SELECT kid, state, public_key, private_sealed FROM signing_keys ORDER BY created_at, kid"
        )
        .fetch_all(self.db.reader())
        .await
    }

    /// Stores the key that signs.
    pub(crate) async fn put_signing_key(&self, key: &StoredKey, now: i64) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO signing_keys (kid, algorithm, state, public_key, private_sealed, created_at)
             VALUES (?, 'EdDSA', ?, ?, ?, ?)",
            key.kid,
            key.state,
            key.public_key,
            key.private_sealed,
            now
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }
}
