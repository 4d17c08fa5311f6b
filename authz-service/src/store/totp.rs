//! One-time passwords: the sealed secret of an account, and the one that waits for its first code.

use control_api::ids::{SessionId, UserId};
use sqlx::SqliteConnection;

use super::Store;

/// The one-time passwords of an account.
#[derive(Clone, Debug)]
pub(crate) struct StoredTotp {
    pub(crate) secret_sealed: Vec<u8>,
    /// It and those before are spent.
    pub(crate) last_step: i64,
}

/// A secret that waits for its first code.
pub(crate) struct NewSetup {
    pub(crate) user_id: UserId,
    /// The session that sees it.
    pub(crate) sid: SessionId,
    pub(crate) secret_sealed: Vec<u8>,
    pub(crate) expires_at: i64,
}

impl Store {
    /// The one-time passwords of an account.
    pub(crate) async fn totp_of(&self, user_id: UserId) -> Result<Option<StoredTotp>, sqlx::Error> {
        let user = user_id.to_string();
        sqlx::query_as!(StoredTotp, "SELECT secret_sealed, last_step FROM totp WHERE user_id = ?", user)
            .fetch_optional(self.db.reader())
            .await
    }

    /// The sealed secret that waits for its first code, where this session began it.
    pub(crate) async fn totp_setup(
        &self,
        user_id: UserId,
        sid: SessionId,
        now: i64,
    ) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let (user, sid) = (user_id.to_string(), sid.to_string());
        sqlx::query_scalar!(
            "SELECT secret_sealed FROM totp_setups WHERE user_id = ? AND sid = ? AND expires_at > ?",
            user,
            sid,
            now
        )
        .fetch_optional(self.db.reader())
        .await
    }

    /// Keeps a secret until its first code, in place of any other.
    pub(crate) async fn put_totp_setup(&self, setup: &NewSetup) -> Result<(), sqlx::Error> {
        let (user, sid) = (setup.user_id.to_string(), setup.sid.to_string());
        sqlx::query!(
            "INSERT INTO totp_setups (user_id, sid, secret_sealed, expires_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (user_id) DO UPDATE SET sid = ?2, secret_sealed = ?3, expires_at = ?4",
            user,
            sid,
            setup.secret_sealed,
            setup.expires_at
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }
}

/// Puts a secret in force that waited, with the step of its first code; `false` where it does not wait any more, or
/// another is in force.
pub(super) async fn confirm(
    conn: &mut SqliteConnection,
    user: &str,
    sid: SessionId,
    (secret_sealed, step): (&[u8], i64),
    now: i64,
) -> Result<bool, sqlx::Error> {
    let sid = sid.to_string();
    let waited = sqlx::query!(
        "DELETE FROM totp_setups WHERE user_id = ? AND sid = ? AND secret_sealed = ?",
        user,
        sid,
        secret_sealed
    )
    .execute(&mut *conn)
    .await?;
    let made = sqlx::query!(
        "INSERT INTO totp (user_id, secret_sealed, confirmed_at, last_step) VALUES (?, ?, ?, ?)
         ON CONFLICT (user_id) DO NOTHING",
        user,
        secret_sealed,
        now,
        step
    )
    .execute(conn)
    .await?;
    Ok(waited.rows_affected() == 1 && made.rows_affected() == 1)
}
