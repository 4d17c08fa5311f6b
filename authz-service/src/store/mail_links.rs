//! Links that were mailed to the owner of an account, by the hash of their token. The use that deletes the row is the
//! one that counts; a new password or another address voids those that are left.

use control_api::ids::UserId;
use control_api::mail::Language;
use sqlx::SqliteConnection;

use super::audit::Entry;
use super::mails::{self, NewMail, Post};
use super::{Store, is_unique_violation, parsed};

/// What a link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Proves an address, and makes it the account's.
    Verify,
    /// Sets a new password.
    Reset,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
        }
    }
}

/// A link about to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewLink {
    pub(crate) token_hash: [u8; 32],
    pub(crate) kind: Kind,
    pub(crate) user_id: UserId,
    pub(crate) email: String,
    pub(crate) expires_at: i64,
}

/// How an account is reached.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) verified: bool,
}

/// A link that works, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct LivingLink {
    pub(crate) user_id: UserId,
    pub(crate) contact: Contact,
}

/// What a use of a link has made of an address.
#[derive(Clone, Debug)]
pub(crate) struct Proved {
    pub(crate) user_id: UserId,
    /// The address before, where it was proved and is another one now.
    pub(crate) left: Option<String>,
    pub(crate) email: String,
}

impl Store {
    /// How an account is reached.
    pub(crate) async fn contact(&self, user_id: UserId) -> Result<Option<Contact>, sqlx::Error> {
        let id = user_id.to_string();
        let row = sqlx::query!(
            r#"SELECT username, email, email_verified_at IS NOT NULL AS "verified!: bool"
             FROM accounts WHERE user_id = ?"#,
            id
        )
        .fetch_optional(self.db.reader())
        .await?;
        Ok(row.map(|row| Contact { username: row.username, email: row.email, verified: row.verified }))
    }

    /// What the mails of an account are written in where no request says.
    pub(crate) async fn language_of(&self, user_id: UserId) -> Result<Language, sqlx::Error> {
        let id = user_id.to_string();
        let row = sqlx::query!("SELECT language FROM accounts WHERE user_id = ?", id)
            .fetch_optional(self.db.reader())
            .await?;
        Ok(row.map(|row| Language::of_tag(&row.language)).unwrap_or_default())
    }

    /// A link that works.
    pub(crate) async fn living_link(
        &self,
        token_hash: &[u8; 32],
        kind: Kind,
        now: i64,
    ) -> Result<Option<LivingLink>, sqlx::Error> {
        let (hash, kind) = (token_hash.as_slice(), kind.as_str());
        let row = sqlx::query!(
            r#"SELECT l.user_id, a.username, a.email, a.email_verified_at IS NOT NULL AS "verified!: bool"
             FROM mail_links l JOIN accounts a ON a.user_id = l.user_id
             WHERE l.token_hash = ? AND l.kind = ? AND l.expires_at > ?"#,
            hash,
            kind,
            now
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| {
            let contact = Contact { username: row.username, email: row.email, verified: row.verified };
            Ok(LivingLink { user_id: parsed("user_id", &row.user_id)?, contact })
        })
        .transpose()
    }

    /// Writes a link and its mails, unless the account has `most` of that kind that work: then answers `false`.
    pub(crate) async fn post_link(
        &self,
        link: NewLink,
        mails: Vec<NewMail>,
        audit: &Entry<'_>,
        most: i64,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if living(&mut tx, &link, audit.at).await? >= most {
            return Ok(false);
        }
        mails::write(&mut tx, &Post { link: Some(link), mails }).await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Uses a link that proves an address: it becomes the account's. `None` where the link is unknown, used or expired,
    /// or the address has become another account's in the meantime. Another address voids all links of the account.
    pub(crate) async fn prove_address(
        &self,
        token_hash: &[u8; 32],
        now: i64,
        then: impl FnOnce(&Proved) -> (Entry<'static>, Vec<NewMail>) + Send,
    ) -> Result<Option<Proved>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let Some((user_id, email)) = consume(&mut tx, token_hash, Kind::Verify, now).await? else {
            return Ok(None);
        };
        let id = user_id.to_string();
        let before = sqlx::query!("SELECT email, email_verified_at FROM accounts WHERE user_id = ?", id)
            .fetch_one(&mut *tx)
            .await?;
        let key = email.to_lowercase();
        let is_other = before.email.to_lowercase() != key;
        let done = sqlx::query!(
            "UPDATE accounts SET email = ?, email_key = ?, email_verified_at = ? WHERE user_id = ?",
            email,
            key,
            now,
            id
        )
        .execute(&mut *tx)
        .await;
        match done {
            Ok(_) => {}
            Err(error) if is_unique_violation(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
        if is_other {
            forget(&mut tx, user_id).await?;
        }
        let left = before.email_verified_at.filter(|_| is_other).map(|_| before.email);
        let proved = Proved { user_id, left, email };
        let (entry, mails) = then(&proved);
        super::audit::insert(&mut tx, &entry).await?;
        mails::write(&mut tx, &Post { link: None, mails }).await?;
        tx.commit().await?;
        Ok(Some(proved))
    }
}

/// How many links of the same kind and account work.
pub(super) async fn living(
    conn: &mut SqliteConnection,
    link: &NewLink,
    now: i64,
) -> Result<i64, sqlx::Error> {
    let (id, kind) = (link.user_id.to_string(), link.kind.as_str());
    let row = sqlx::query!(
        r#"SELECT COUNT(*) AS "count!: i64" FROM mail_links
         WHERE user_id = ? AND kind = ? AND expires_at > ?"#,
        id,
        kind,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(row.count)
}

pub(super) async fn insert(conn: &mut SqliteConnection, link: &NewLink) -> Result<(), sqlx::Error> {
    let (hash, kind, id) = (link.token_hash.as_slice(), link.kind.as_str(), link.user_id.to_string());
    sqlx::query!(
        "INSERT INTO mail_links (token_hash, kind, user_id, email, expires_at) VALUES (?, ?, ?, ?, ?)",
        hash,
        kind,
        id,
        link.email,
        link.expires_at
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Takes a link out where it works: of many at once one gets it. Answers whose it is and the address that it went to.
pub(super) async fn consume(
    conn: &mut SqliteConnection,
    token_hash: &[u8; 32],
    kind: Kind,
    now: i64,
) -> Result<Option<(UserId, String)>, sqlx::Error> {
    let (hash, kind) = (token_hash.as_slice(), kind.as_str());
    let row = sqlx::query!(
        "DELETE FROM mail_links WHERE token_hash = ? AND kind = ? AND expires_at > ? RETURNING user_id, email",
        hash,
        kind,
        now
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| Ok((parsed("user_id", &row.user_id)?, row.email))).transpose()
}

/// Voids every link of an account.
pub(super) async fn forget(conn: &mut SqliteConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    let id = user_id.to_string();
    sqlx::query!("DELETE FROM mail_links WHERE user_id = ?", id).execute(conn).await.map(drop)
}

/// Removes what expired before `before`, at most so many; answers how many.
pub(super) async fn sweep(conn: &mut SqliteConnection, before: i64, most: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM mail_links WHERE rowid IN
            (SELECT rowid FROM mail_links WHERE expires_at <= ? LIMIT ?)",
        before,
        most
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
