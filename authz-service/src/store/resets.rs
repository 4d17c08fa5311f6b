//! A new password by a link, and what ends with the one before.

use control_api::ids::UserId;

use super::Store;
use super::audit::Entry;
use super::mail_links::{self, Kind, NewLink};
use super::mails::{self, NewMail, Post};

/// What a reset writes.
pub(crate) struct Reset<'a> {
    pub(crate) token_hash: [u8; 32],
    pub(crate) user_id: UserId,
    pub(crate) password_hash: String,
    pub(crate) mails: Vec<NewMail>,
    pub(crate) audit: Entry<'a>,
}

impl Store {
    /// Writes a link that the operator hands over, in place of any before.
    pub(crate) async fn hand_over_link(&self, link: NewLink, audit: &Entry<'_>) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let id = link.user_id.to_string();
        sqlx::query!("DELETE FROM mail_links WHERE user_id = ? AND kind = 'reset'", id)
            .execute(&mut *tx)
            .await?;
        mail_links::insert(&mut tx, &link).await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await
    }

    /// Uses a link: the new password holds, every session and every grant to an app of the account ends and is
    /// published, and every other link of it is void. Of many at once one does. Answers the number of the last
    /// revocation, 0 where there was no session; `None`, with nothing written, where the link does not work.
    pub(crate) async fn reset_password(&self, reset: Reset<'_>) -> Result<Option<i64>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let now = reset.audit.at;
        let Some((user_id, email)) =
            mail_links::consume(&mut tx, &reset.token_hash, Kind::Reset, now).await?
        else {
            return Ok(None);
        };
        if user_id != reset.user_id {
            return Ok(None);
        }
        let id = user_id.to_string();
        // A link that came by mail has proved the address that it went to.
        sqlx::query!(
            "UPDATE accounts SET password_hash = ?1, password_version = password_version + 1,
                    email_verified_at = iif(email = ?2, coalesce(email_verified_at, ?3), email_verified_at)
             WHERE user_id = ?4",
            reset.password_hash,
            email,
            now,
            id
        )
        .execute(&mut *tx)
        .await?;
        let published = sqlx::query!(
            "INSERT INTO revocations (kind, id, at) SELECT 'session', sid, ?1 FROM sessions WHERE user_id = ?2",
            now,
            id
        )
        .execute(&mut *tx)
        .await?;
        let seq = if published.rows_affected() == 0 { 0 } else { published.last_insert_rowid() };
        sqlx::query!("DELETE FROM sessions WHERE user_id = ?", id).execute(&mut *tx).await?;
        // A grant can outlive the idle end of its session.
        sqlx::query!("DELETE FROM grants WHERE user_id = ?", id).execute(&mut *tx).await?;
        mail_links::forget(&mut tx, user_id).await?;
        super::audit::insert(&mut tx, &reset.audit).await?;
        mails::write(&mut tx, &Post { link: None, mails: reset.mails }).await?;
        tx.commit().await?;
        Ok(Some(seq))
    }
}
