//! The one row about the first administrator. Triggers close it with the first account that has the role and keep
//! it closed.

use super::accounts::{Account, Creation};
use super::audit::Entry;
use super::sessions::NewSession;
use super::{Store, is_unique_violation};

/// The row, but for the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredSetup {
    pub(crate) closed: bool,
    /// Of the code; absent where there is none.
    pub(crate) expires_at: Option<i64>,
}

impl Store {
    /// How it stands.
    pub(crate) async fn setup(&self) -> Result<StoredSetup, sqlx::Error> {
        let row = sqlx::query!("SELECT closed, expires_at FROM setup").fetch_one(self.db.reader()).await?;
        Ok(StoredSetup { closed: row.closed != 0, expires_at: row.expires_at })
    }

    /// Stores a code in place of the one before; `false`, with nothing written, where it is closed.
    pub(crate) async fn put_setup_code(
        &self,
        code_hash: &[u8; 32],
        expires_at: i64,
        audit: &Entry<'_>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let hash = code_hash.as_slice();
        let done =
            sqlx::query!("UPDATE setup SET code_hash = ?, expires_at = ? WHERE closed = 0", hash, expires_at)
                .execute(&mut *tx)
                .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whether a code would do now. Using it is the work of [`Store::create_first_admin`].
    pub(crate) async fn is_setup_code(&self, code_hash: &[u8; 32], now: i64) -> Result<bool, sqlx::Error> {
        let hash = code_hash.as_slice();
        let row = sqlx::query!(
            "SELECT 1 AS one FROM setup WHERE closed = 0 AND code_hash = ? AND expires_at > ?",
            hash,
            now
        )
        .fetch_optional(self.db.reader())
        .await?;
        Ok(row.is_some())
    }

    /// Uses the code up and writes the account with the role, its session and the order of its instance; `None`, with
    /// nothing written, where the code will not do any more.
    pub(crate) async fn create_first_admin(
        &self,
        account: &Account,
        session: &NewSession,
        code_hash: &[u8; 32],
        audit: &Entry<'_>,
    ) -> Result<Option<Creation>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (hash, id, now) = (code_hash.as_slice(), account.user_id.to_string(), account.created_at);
        let used = sqlx::query!(
            "UPDATE setup SET code_hash = NULL, expires_at = NULL
             WHERE closed = 0 AND code_hash = ? AND expires_at > ?",
            hash,
            now
        )
        .execute(&mut *tx)
        .await?;
        if used.rows_affected() == 0 {
            return Ok(None);
        }
        match super::accounts::insert(&mut tx, account).await {
            Ok(()) => {}
            Err(error) if is_unique_violation(&error) => {
                return super::accounts::taken(&mut tx, account).await.map(Some);
            }
            Err(error) => return Err(error),
        }
        let role = account.role.as_str();
        sqlx::query!("UPDATE accounts SET role = ? WHERE user_id = ?", role, id).execute(&mut *tx).await?;
        super::sessions::insert(&mut tx, session).await?;
        super::orders::renew(&mut tx, account.user_id, None, now).await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(Some(Creation::Done))
    }
}
