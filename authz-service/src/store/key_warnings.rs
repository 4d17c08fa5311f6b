//! API keys whose owner is to be told that they end.

use control_api::ids::{ApiKeyId, UserId};

use super::mails::{self, NewMail, Post};
use super::{Store, parsed};

/// A key that ends soon.
#[derive(Clone, Debug)]
pub(crate) struct EndingKey {
    pub(crate) key_id: ApiKeyId,
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) expires_at: i64,
    /// What the owner's mails are written in.
    pub(crate) language: String,
}

impl Store {
    /// Keys that end within `before` milliseconds and live longer than that, whose owner can be told and was not.
    pub(crate) async fn ending_keys(
        &self,
        now: i64,
        before: i64,
        most: i64,
    ) -> Result<Vec<EndingKey>, sqlx::Error> {
        let until = now + before;
        let rows = sqlx::query!(
            r#"SELECT k.key_id, k.user_id, k.name, k.expires_at AS "expires_at!", a.language
             FROM api_keys k JOIN accounts a ON a.user_id = k.user_id
             WHERE k.expires_at > ?1 AND k.expires_at <= ?2 AND k.expires_at - k.created_at > ?3
               AND k.revoked_at IS NULL AND k.warned_at IS NULL
               AND a.standing = 'active' AND a.email_verified_at IS NOT NULL
             ORDER BY k.expires_at LIMIT ?4"#,
            now,
            until,
            before,
            most
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(EndingKey {
                    key_id: parsed("key_id", &row.key_id)?,
                    user_id: parsed("user_id", &row.user_id)?,
                    name: row.name,
                    expires_at: row.expires_at,
                    language: row.language,
                })
            })
            .collect()
    }

    /// Marks a key's owner as told and writes the mail; `false`, with nothing written, where that was done.
    pub(crate) async fn warn_of_key(
        &self,
        key: ApiKeyId,
        now: i64,
        mails: Vec<NewMail>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let id = key.to_string();
        let done = sqlx::query!(
            "UPDATE api_keys SET warned_at = ? WHERE key_id = ? AND warned_at IS NULL AND revoked_at IS NULL",
            now,
            id
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        mails::write(&mut tx, &Post { link: None, mails }).await?;
        tx.commit().await?;
        Ok(true)
    }
}
