//! Passkeys and the challenges that they answer.

use control_api::ids::{PasskeyId, SessionId, UserId};
use sqlx::SqliteConnection;

use super::{Store, parsed};

/// A passkey as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredPasskey {
    pub(crate) passkey_id: PasskeyId,
    pub(crate) credential_id: Vec<u8>,
    pub(crate) public_key: Vec<u8>,
    pub(crate) name: String,
    pub(crate) sign_count: u32,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: Option<i64>,
}

/// A passkey about to be added.
#[derive(Clone, Debug)]
pub(crate) struct NewPasskey {
    pub(crate) passkey_id: PasskeyId,
    pub(crate) credential_id: Vec<u8>,
    pub(crate) public_key: Vec<u8>,
    pub(crate) name: String,
    pub(crate) sign_count: u32,
}

/// Whom a challenge was given to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holder {
    /// A session, to add a passkey.
    Session(SessionId),
    /// A sign-in that waits, by the hash of its token.
    Pending([u8; 32]),
}

impl Holder {
    fn columns(self) -> (Option<String>, Option<Vec<u8>>) {
        match self {
            Self::Session(sid) => (Some(sid.to_string()), None),
            Self::Pending(hash) => (None, Some(hash.to_vec())),
        }
    }
}

impl Store {
    /// The passkeys of an account, the oldest first.
    pub(crate) async fn passkeys_of(&self, user_id: UserId) -> Result<Vec<StoredPasskey>, sqlx::Error> {
        let user = user_id.to_string();
        let rows = sqlx::query!(
            r#"SELECT passkey_id, credential_id, public_key, name, sign_count AS "sign_count: u32", created_at,
                    last_used_at
             FROM passkeys WHERE user_id = ? ORDER BY passkey_id"#,
            user
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(StoredPasskey {
                    passkey_id: parsed("passkey_id", &row.passkey_id)?,
                    credential_id: row.credential_id,
                    public_key: row.public_key,
                    name: row.name,
                    sign_count: row.sign_count,
                    created_at: row.created_at,
                    last_used_at: row.last_used_at,
                })
            })
            .collect()
    }

    /// Keeps a challenge, in place of the one that the same holder had. `false` where the holder is gone.
    pub(crate) async fn put_challenge(
        &self,
        hash: &[u8; 32],
        user_id: UserId,
        holder: Holder,
        expires_at: i64,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (sid, pending) = holder.columns();
        sqlx::query!("DELETE FROM passkey_challenges WHERE sid = ? OR pending_hash = ?", sid, pending)
            .execute(&mut *tx)
            .await?;
        let (hash, user) = (hash.as_slice(), user_id.to_string());
        sqlx::query!(
            "INSERT INTO passkey_challenges (challenge_hash, user_id, sid, pending_hash, expires_at)
             VALUES (?, ?, ?, ?, ?)",
            hash,
            user,
            sid,
            pending,
            expires_at
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Uses a challenge up, whatever becomes of its answer; `false` where this holder has no such challenge (any
    /// more).
    pub(crate) async fn take_challenge(
        &self,
        hash: &[u8; 32],
        user_id: UserId,
        holder: Holder,
        now: i64,
    ) -> Result<bool, sqlx::Error> {
        let (sid, pending) = holder.columns();
        let (hash, user) = (hash.as_slice(), user_id.to_string());
        let done = sqlx::query!(
            "DELETE FROM passkey_challenges WHERE challenge_hash = ?1 AND user_id = ?2
             AND (sid = ?3 OR pending_hash = ?4) AND expires_at > ?5",
            hash,
            user,
            sid,
            pending,
            now
        )
        .execute(self.db.writer())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Adds a passkey; `false` where there is no room for it, or it is there already.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    user: &str,
    passkey: &NewPasskey,
    most: usize,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let id = passkey.passkey_id.to_string();
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let done = sqlx::query!(
        "INSERT INTO passkeys (passkey_id, user_id, credential_id, public_key, name, sign_count, created_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE (SELECT COUNT(*) FROM passkeys WHERE user_id = ?2) < ?8
         ON CONFLICT (credential_id) DO NOTHING",
        id,
        user,
        passkey.credential_id,
        passkey.public_key,
        passkey.name,
        passkey.sign_count,
        now,
        most
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes a passkey of an account; `false` where it has no such.
pub(super) async fn delete(
    conn: &mut SqliteConnection,
    user: &str,
    passkey: PasskeyId,
) -> Result<bool, sqlx::Error> {
    let id = passkey.to_string();
    let done = sqlx::query!("DELETE FROM passkeys WHERE passkey_id = ? AND user_id = ?", id, user)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes a use and its counter; `false` where another use got ahead of it.
pub(super) async fn count(
    conn: &mut SqliteConnection,
    user: &str,
    passkey: PasskeyId,
    count: u32,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let id = passkey.to_string();
    let done = sqlx::query!(
        "UPDATE passkeys SET sign_count = ?1, last_used_at = ?2 WHERE passkey_id = ?3 AND user_id = ?4
         AND (sign_count < ?1 OR (sign_count = 0 AND ?1 = 0))",
        count,
        now,
        id,
        user
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes challenges that have expired; answers how many.
pub(super) async fn sweep(conn: &mut SqliteConnection, before: i64, batch: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM passkey_challenges WHERE rowid IN
            (SELECT rowid FROM passkey_challenges WHERE expires_at <= ? LIMIT ?)",
        before,
        batch
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
