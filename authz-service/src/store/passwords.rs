//! A new password, and what ends with the one before.

use control_api::ids::{SessionId, UserId};

use super::Store;
use super::audit::Entry;
use super::mails::{NewMail, Post};
use super::sessions::NewSession;
use crate::delays::Bucket;

/// A password as it is stored.
pub(crate) struct StoredPassword {
    pub(crate) hash: String,
    pub(crate) version: i64,
}

/// What a change of the password writes.
pub(crate) struct NewPassword<'a> {
    pub(crate) hash: String,
    /// Of the password that was checked.
    pub(crate) version: i64,
    /// The session that asks.
    pub(crate) before: SessionId,
    /// What takes its place.
    pub(crate) renewed: NewSession,
    /// The network's tries, of which one is given back.
    pub(crate) bucket: Option<Bucket>,
    /// The failures that the success clears.
    pub(crate) key: [u8; 32],
    /// Tells the person.
    pub(crate) notice: Option<NewMail>,
    pub(crate) audit: Entry<'a>,
}

impl Store {
    /// The password of an account.
    pub(crate) async fn password_of(&self, user_id: UserId) -> Result<Option<StoredPassword>, sqlx::Error> {
        let id = user_id.to_string();
        let row = sqlx::query!("SELECT password_hash, password_version FROM accounts WHERE user_id = ?", id)
            .fetch_optional(self.db.reader())
            .await?;
        Ok(row.map(|row| StoredPassword { hash: row.password_hash, version: row.password_version }))
    }

    /// Writes the new password, ends and publishes every session of the account, and begins the one that goes
    /// on. Answers the number of the last revocation; `None`, with nothing written, where the password was
    /// changed or the session has ended in the meantime.
    pub(crate) async fn change_password(&self, change: NewPassword<'_>) -> Result<Option<i64>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (user_id, now) = (change.renewed.user_id, change.audit.at);
        let (id, before) = (user_id.to_string(), change.before.to_string());
        let changed = sqlx::query!(
            "UPDATE accounts SET password_hash = ?1, password_version = password_version + 1
             WHERE user_id = ?2 AND password_version = ?3
             AND EXISTS (SELECT 1 FROM sessions WHERE sid = ?4 AND user_id = ?2)",
            change.hash,
            id,
            change.version,
            before
        )
        .execute(&mut *tx)
        .await?;
        if changed.rows_affected() == 0 {
            return Ok(None);
        }
        let seq = super::sessions::replace_all(&mut tx, change.before, &change.renewed, now).await?;
        if let Some(bucket) = &change.bucket {
            super::delays::give_back(&mut tx, bucket).await?;
        }
        super::delays::clear(&mut tx, &change.key).await?;
        super::mail_links::forget(&mut tx, user_id).await?;
        super::mails::write(&mut tx, &Post { link: None, mails: change.notice.into_iter().collect() })
            .await?;
        super::audit::insert(&mut tx, &change.audit).await?;
        tx.commit().await?;
        Ok(seq)
    }
}
