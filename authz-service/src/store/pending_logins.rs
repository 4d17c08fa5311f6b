//! Sign-ins whose password was right and whose second factor is still asked for.

use control_api::ids::UserId;
use sqlx::SqliteConnection;

use super::audit::Entry;
use super::second_factor::{Used, use_up};
use super::sessions::SignIn;
use super::{Store, parsed};
use crate::delays::Bucket;

/// Sign-ins of one account that may wait at a time; the oldest makes room.
const AT_ONCE: i64 = 10;

/// About to be written.
pub(crate) struct NewPending {
    pub(crate) token_hash: [u8; 32],
    pub(crate) user_id: UserId,
    /// Of the password that was checked.
    pub(crate) password_version: i64,
    pub(crate) remember: bool,
    pub(crate) expires_at: i64,
    /// The password's hash with the parameters of today.
    pub(crate) rehashed: Option<String>,
    /// The network's tries, of which one is given back.
    pub(crate) bucket: Option<Bucket>,
    /// Failures of passwords that are cleared.
    pub(crate) clear_delays: Vec<[u8; 32]>,
}

/// As it is stored. Whether it is alive is for `crate::second_factor` to say.
#[derive(Clone, Debug)]
pub(crate) struct StoredPending {
    pub(crate) user_id: UserId,
    pub(crate) password_version: i64,
    pub(crate) remember: bool,
    pub(crate) tries: i64,
    pub(crate) expires_at: i64,
}

/// What the right code writes.
pub(crate) struct Finish<'a> {
    pub(crate) token_hash: [u8; 32],
    pub(crate) used: Used,
    /// Written down where a recovery code was used.
    pub(crate) recovery: Option<Entry<'a>>,
    pub(crate) sign_in: SignIn<'a>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    Done,
    /// Another request used the code first.
    CodeUsed,
    /// Another request finished this sign-in, or the password was changed.
    Ended,
}

impl Store {
    /// Writes a pending sign-in, unless the password was changed since it was checked: then answers `false`.
    pub(crate) async fn put_pending_login(&self, new: NewPending) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if !super::accounts::is_password_version(&mut tx, new.user_id, new.password_version).await? {
            return Ok(false);
        }
        if let Some(hash) = &new.rehashed {
            super::accounts::set_password_hash(&mut tx, new.user_id, hash).await?;
        }
        if let Some(bucket) = &new.bucket {
            super::delays::give_back(&mut tx, bucket).await?;
        }
        for key in &new.clear_delays {
            super::delays::clear(&mut tx, key).await?;
        }
        let (hash, user) = (new.token_hash.as_slice(), new.user_id.to_string());
        sqlx::query!(
            "INSERT INTO pending_logins (token_hash, user_id, password_version, remember, expires_at)
             VALUES (?, ?, ?, ?, ?)",
            hash,
            user,
            new.password_version,
            new.remember,
            new.expires_at
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "DELETE FROM pending_logins WHERE user_id = ?1 AND rowid NOT IN
                (SELECT rowid FROM pending_logins WHERE user_id = ?1 ORDER BY expires_at DESC, rowid DESC LIMIT ?2)",
            user,
            AT_ONCE
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// By the hash of the token.
    pub(crate) async fn pending_login(
        &self,
        token_hash: &[u8; 32],
    ) -> Result<Option<StoredPending>, sqlx::Error> {
        let hash = token_hash.as_slice();
        let row = sqlx::query!(
            r#"SELECT user_id, password_version, remember AS "remember: bool", tries, expires_at
             FROM pending_logins WHERE token_hash = ?"#,
            hash
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| {
            Ok(StoredPending {
                user_id: parsed("user_id", &row.user_id)?,
                password_version: row.password_version,
                remember: row.remember,
                tries: row.tries,
                expires_at: row.expires_at,
            })
        })
        .transpose()
    }

    /// Counts a try before it is made; `false` where none is left.
    pub(crate) async fn count_pending_try(
        &self,
        token_hash: &[u8; 32],
        most: i64,
    ) -> Result<bool, sqlx::Error> {
        let hash = token_hash.as_slice();
        let done = sqlx::query!(
            "UPDATE pending_logins SET tries = tries + 1 WHERE token_hash = ? AND tries < ?",
            hash,
            most
        )
        .execute(self.db.writer())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Uses the code and the pending sign-in up and writes the session, all of it or nothing.
    pub(crate) async fn finish_login(&self, finish: Finish<'_>) -> Result<Finished, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let user = finish.sign_in.session.user_id;
        let hash = finish.token_hash.as_slice();
        let gone =
            sqlx::query!("DELETE FROM pending_logins WHERE token_hash = ?", hash).execute(&mut *tx).await?;
        if gone.rows_affected() == 0 {
            return Ok(Finished::Ended);
        }
        if !use_up(&mut tx, user, &finish.used).await? {
            return Ok(Finished::CodeUsed);
        }
        if let Some(entry) = &finish.recovery {
            super::audit::insert(&mut tx, entry).await?;
        }
        if !super::sessions::write_sign_in(&mut tx, &finish.sign_in).await? {
            return Ok(Finished::Ended);
        }
        tx.commit().await?;
        Ok(Finished::Done)
    }
}

/// Removes what has expired; answers how many rows.
pub(super) async fn sweep(conn: &mut SqliteConnection, before: i64, batch: i64) -> Result<u64, sqlx::Error> {
    let logins = sqlx::query!(
        "DELETE FROM pending_logins WHERE rowid IN
            (SELECT rowid FROM pending_logins WHERE expires_at <= ? LIMIT ?)",
        before,
        batch
    )
    .execute(&mut *conn)
    .await?;
    let setups = sqlx::query!(
        "DELETE FROM totp_setups WHERE rowid IN
            (SELECT rowid FROM totp_setups WHERE expires_at <= ? LIMIT ?)",
        before,
        batch
    )
    .execute(conn)
    .await?;
    Ok(logins.rows_affected().max(setups.rows_affected()))
}
