//! Sessions: found by the hash of their secret (the portal) or by their public id (the router).

use control_api::authz::Role;
use control_api::ids::{SessionId, UserId};
use control_api::names::Username;
use sqlx::SqliteConnection;

use super::audit::Entry;
use super::revocations::{self, Kind};
use super::{Store, parsed};

/// A session about to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) sid: SessionId,
    pub(crate) secret_hash: [u8; 32],
    pub(crate) user_id: UserId,
    pub(crate) created_at: i64,
    pub(crate) ends_at: i64,
}

/// A session and whose it is. Whether it is alive is for `crate::sessions` to say.
#[derive(Clone, Debug)]
pub(crate) struct StoredSession {
    pub(crate) sid: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) username: Username,
    pub(crate) email: String,
    /// What the account may do now.
    pub(crate) role: Role,
    pub(crate) last_used_at: i64,
    pub(crate) ends_at: i64,
}

/// What a sign-in writes besides the session.
pub(crate) struct SignIn<'a> {
    pub(crate) session: NewSession,
    /// The password's hash with the parameters of today.
    pub(crate) rehashed: Option<String>,
    /// Failure counters that the success clears.
    pub(crate) clear_delays: Vec<[u8; 32]>,
    /// Where the person is, if that is known.
    pub(crate) network: Option<String>,
    pub(crate) audit: Entry<'a>,
}

impl Store {
    /// Writes the session of a successful sign-in.
    pub(crate) async fn sign_in(&self, sign_in: SignIn<'_>) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (user_id, now) = (sign_in.session.user_id, sign_in.session.created_at);
        insert(&mut tx, &sign_in.session).await?;
        if let Some(hash) = &sign_in.rehashed {
            super::accounts::set_password_hash(&mut tx, user_id, hash).await?;
        }
        for key in &sign_in.clear_delays {
            super::delays::clear(&mut tx, key).await?;
        }
        if let Some(network) = &sign_in.network {
            super::delays::remember_network(&mut tx, user_id, network, now).await?;
        }
        super::audit::insert(&mut tx, &sign_in.audit).await?;
        tx.commit().await
    }

    /// By the hash of the secret; of active accounts alone.
    pub(crate) async fn session_by_secret(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<StoredSession>, sqlx::Error> {
        let hash = hash.as_slice();
        let row = sqlx::query!(
            "SELECT s.sid, s.user_id, a.username, a.email, a.role, s.last_used_at, s.ends_at
             FROM sessions s JOIN accounts a ON a.user_id = s.user_id
             WHERE s.secret_hash = ? AND a.state = 'active'",
            hash
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| {
            Ok(StoredSession {
                sid: parsed("sid", &row.sid)?,
                user_id: parsed("user_id", &row.user_id)?,
                username: parsed("username", &row.username)?,
                email: row.email,
                role: super::accounts::role(&row.role),
                last_used_at: row.last_used_at,
                ends_at: row.ends_at,
            })
        })
        .transpose()
    }

    /// By the public id; of active accounts alone.
    pub(crate) async fn session_by_sid(&self, sid: SessionId) -> Result<Option<StoredSession>, sqlx::Error> {
        let sid = sid.to_string();
        let row = sqlx::query!(
            "SELECT s.sid, s.user_id, a.username, a.email, a.role, s.last_used_at, s.ends_at
             FROM sessions s JOIN accounts a ON a.user_id = s.user_id
             WHERE s.sid = ? AND a.state = 'active'",
            sid
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| {
            Ok(StoredSession {
                sid: parsed("sid", &row.sid)?,
                user_id: parsed("user_id", &row.user_id)?,
                username: parsed("username", &row.username)?,
                email: row.email,
                role: super::accounts::role(&row.role),
                last_used_at: row.last_used_at,
                ends_at: row.ends_at,
            })
        })
        .transpose()
    }

    /// Notes that a session was used.
    pub(crate) async fn touch_session(&self, sid: SessionId, now: i64) -> Result<(), sqlx::Error> {
        let sid = sid.to_string();
        sqlx::query!("UPDATE sessions SET last_used_at = ?1 WHERE sid = ?2 AND last_used_at < ?1", now, sid)
            .execute(self.db.writer())
            .await
            .map(drop)
    }

    /// Ends a session and publishes it. Answers the revocation's number; `None` when it had ended before.
    pub(crate) async fn end_session(
        &self,
        sid: SessionId,
        audit: &Entry<'_>,
    ) -> Result<Option<i64>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let id = sid.to_string();
        let gone = sqlx::query!("DELETE FROM sessions WHERE sid = ?", id).execute(&mut *tx).await?;
        if gone.rows_affected() == 0 {
            return Ok(None);
        }
        let seq = revocations::insert(&mut tx, Kind::Session, &id, audit.at).await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(Some(seq))
    }
}

pub(super) async fn insert(conn: &mut SqliteConnection, session: &NewSession) -> Result<(), sqlx::Error> {
    let (sid, user_id) = (session.sid.to_string(), session.user_id.to_string());
    let hash = session.secret_hash.as_slice();
    sqlx::query!(
        "INSERT INTO sessions (sid, secret_hash, user_id, created_at, last_used_at, ends_at)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
        sid,
        hash,
        user_id,
        session.created_at,
        session.ends_at
    )
    .execute(conn)
    .await
    .map(drop)
}
