//! Access tokens that a client gave back before their time: kept until they would have expired.

use super::Store;
use super::audit::Entry;

impl Store {
    /// Notes that an access token is void; again is no error.
    pub(crate) async fn revoke_access_token(
        &self,
        jti: &str,
        expires_at: i64,
        audit: &Entry<'_>,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let written = sqlx::query!(
            "INSERT INTO revoked_tokens (jti, expires_at) VALUES (?, ?) ON CONFLICT (jti) DO NOTHING",
            jti,
            expires_at
        )
        .execute(&mut *tx)
        .await?;
        if written.rows_affected() > 0 {
            super::audit::insert(&mut tx, audit).await?;
        }
        tx.commit().await
    }

    /// Whether an access token was given back.
    pub(crate) async fn is_revoked(&self, jti: &str) -> Result<bool, sqlx::Error> {
        sqlx::query!("SELECT jti FROM revoked_tokens WHERE jti = ?", jti)
            .fetch_optional(self.db.reader())
            .await
            .map(|row| row.is_some())
    }
}
