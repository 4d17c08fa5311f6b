//! Sign-ups whose address is not proved yet. They take no name and no address: whoever uses a link first has both.

use control_api::mail::Language;
use control_api::names::Username;
use sqlx::SqliteConnection;

use super::accounts::{self, Account, Alongside, Creation};
use super::audit::Entry;
use super::mails::{self, Post};
use super::{Store, parsed};

/// A sign-up that waits.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) username: Username,
    pub(crate) email: String,
    pub(crate) password_hash: String,
    pub(crate) invite_hash: Option<[u8; 32]>,
    pub(crate) language: Language,
    pub(crate) expires_at: i64,
}

impl Store {
    /// Writes a sign-up and its mail. Whether the address has an account is not looked at. Answers `false` where the
    /// name is an account's.
    pub(crate) async fn register_later(
        &self,
        token_hash: &[u8; 32],
        new: &Registration,
        post: &Post,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let name = new.username.as_str();
        let taken = sqlx::query!("SELECT 1 AS one FROM accounts WHERE username = ?", name)
            .fetch_optional(&mut *tx)
            .await?;
        if taken.is_some() {
            return Ok(false);
        }
        let (hash, key, language) = (token_hash.as_slice(), new.email.to_lowercase(), new.language.as_str());
        let invite = new.invite_hash.as_ref().map(<[u8; 32]>::as_slice);
        sqlx::query!(
            "INSERT INTO registrations
                (token_hash, username, email, email_key, password_hash, invite_hash, language, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            hash,
            name,
            new.email,
            key,
            new.password_hash,
            invite,
            language,
            new.expires_at
        )
        .execute(&mut *tx)
        .await?;
        mails::write(&mut tx, post).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The sign-up of a link that works.
    pub(crate) async fn registration(
        &self,
        token_hash: &[u8; 32],
        now: i64,
    ) -> Result<Option<Registration>, sqlx::Error> {
        let hash = token_hash.as_slice();
        let row = sqlx::query!(
            "SELECT username, email, password_hash, invite_hash, language, expires_at FROM registrations
             WHERE token_hash = ? AND expires_at > ?",
            hash,
            now
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| {
            Ok(Registration {
                username: parsed("username", &row.username)?,
                email: row.email,
                password_hash: row.password_hash,
                invite_hash: row.invite_hash.and_then(|hash| hash.try_into().ok()),
                language: Language::of_tag(&row.language),
                expires_at: row.expires_at,
            })
        })
        .transpose()
    }

    /// Makes the account of a sign-up; of many at once one does. `None` where the link was
    /// used in the meantime.
    pub(crate) async fn finish_registration(
        &self,
        token_hash: &[u8; 32],
        account: &Account,
        alongside: &Alongside<'_>,
        audit: &Entry<'_>,
    ) -> Result<Option<Creation>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let hash = token_hash.as_slice();
        let gone =
            sqlx::query!("DELETE FROM registrations WHERE token_hash = ?", hash).execute(&mut *tx).await?;
        if gone.rows_affected() == 0 {
            return Ok(None);
        }
        let creation = accounts::create(&mut tx, account, alongside, audit).await?;
        if creation == Creation::Done {
            tx.commit().await?;
        }
        Ok(Some(creation))
    }

    /// The place of a sign-up among those for its address within `within` milliseconds; `None` where it does not wait any
    /// more. Of each only those before it count, so that whoever is refused does not block who came first.
    pub(crate) async fn place_of_registration(
        &self,
        token_hash: &[u8; 32],
        within: i64,
    ) -> Result<Option<i64>, sqlx::Error> {
        let hash = token_hash.as_slice();
        let row = sqlx::query!(
            r#"SELECT COUNT(*) AS "place!: i64" FROM registrations r JOIN registrations own ON own.token_hash = ?
             WHERE r.email_key = own.email_key AND r.rowid <= own.rowid AND r.expires_at > own.expires_at - ?"#,
            hash,
            within
        )
        .fetch_one(self.db.reader())
        .await?;
        Ok((row.place > 0).then_some(row.place))
    }
}

/// Removes what expired before `before`, at most so many; answers how many.
pub(super) async fn sweep(conn: &mut SqliteConnection, before: i64, most: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM registrations WHERE rowid IN
            (SELECT rowid FROM registrations WHERE expires_at <= ? LIMIT ?)",
        before,
        most
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
