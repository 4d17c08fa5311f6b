//! The outbox of mails. A row goes when its mail was taken, refused for good, or would come too late; whoever writes
//! one does so in the transaction that it is about.

use sqlx::SqliteConnection;

use super::Store;
use super::mail_links::{self, NewLink};

/// A mail about to be written down.
#[derive(Clone, Debug)]
pub(crate) struct NewMail {
    pub(crate) mail_id: String,
    /// Sealed, bound to the id.
    pub(crate) sealed: Vec<u8>,
    pub(crate) due_at: i64,
    pub(crate) ends_at: i64,
}

/// A mail that is due.
#[derive(Clone, Debug)]
pub(crate) struct DueMail {
    pub(crate) mail_id: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) attempts: i64,
    pub(crate) ends_at: i64,
}

/// What is mailed with another write: a link, and the letters about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Post {
    pub(crate) link: Option<NewLink>,
    pub(crate) mails: Vec<NewMail>,
}

impl Store {
    /// Writes mails down that belong to no other write.
    pub(crate) async fn post(&self, post: &Post) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        write(&mut tx, post).await?;
        tx.commit().await
    }

    /// Mails that are due, the longest waiting first.
    pub(crate) async fn due_mails(&self, now: i64, limit: i64) -> Result<Vec<DueMail>, sqlx::Error> {
        sqlx::query_as!(
            DueMail,
            "SELECT mail_id, sealed, attempts, ends_at FROM mails WHERE due_at <= ? ORDER BY due_at LIMIT ?",
            now,
            limit
        )
        .fetch_all(self.db.reader())
        .await
    }

    /// Whether any mail waits, due or not.
    pub(crate) async fn has_mails(&self) -> Result<bool, sqlx::Error> {
        let row = sqlx::query!("SELECT 1 AS one FROM mails LIMIT 1").fetch_optional(self.db.reader()).await?;
        Ok(row.is_some())
    }

    /// Removes a mail.
    pub(crate) async fn drop_mail(&self, mail_id: &str) -> Result<(), sqlx::Error> {
        sqlx::query!("DELETE FROM mails WHERE mail_id = ?", mail_id).execute(self.db.writer()).await.map(drop)
    }

    /// Puts a mail off after a try.
    pub(crate) async fn postpone_mail(&self, mail_id: &str, due_at: i64) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "UPDATE mails SET attempts = attempts + 1, due_at = ? WHERE mail_id = ?",
            due_at,
            mail_id
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }

    /// Makes a mail another one, with a link of its own; not where the account has `most` of that kind that work.
    pub(crate) async fn resolve_mail(
        &self,
        mail_id: &str,
        sealed: &[u8],
        link: &NewLink,
        (now, most): (i64, i64),
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if mail_links::living(&mut tx, link, now).await? >= most {
            return Ok(false);
        }
        mail_links::insert(&mut tx, link).await?;
        let sealed = sealed.to_vec();
        sqlx::query!(
            "UPDATE mails SET sealed = ?, ends_at = ? WHERE mail_id = ?",
            sealed,
            link.expires_at,
            mail_id
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Writes a link and its mails.
pub(super) async fn write(conn: &mut SqliteConnection, post: &Post) -> Result<(), sqlx::Error> {
    if let Some(link) = &post.link {
        mail_links::insert(conn, link).await?;
    }
    for mail in &post.mails {
        sqlx::query!(
            "INSERT INTO mails (mail_id, sealed, attempts, due_at, ends_at) VALUES (?, ?, 0, ?, ?)",
            mail.mail_id,
            mail.sealed,
            mail.due_at,
            mail.ends_at
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}
