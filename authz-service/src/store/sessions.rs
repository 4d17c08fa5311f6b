//! Sessions: found by the hash of their secret (the portal) or by their public id (the router).

use control_api::authz::Role;
use control_api::ids::{SessionId, UserId};
use control_api::names::Username;
use sqlx::SqliteConnection;

use super::audit::Entry;
use super::revocations::{self, Kind};
use super::{Store, parsed};
use crate::delays::Bucket;
use crate::touches::Touch;

/// A session about to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) sid: SessionId,
    pub(crate) secret_hash: [u8; 32],
    pub(crate) user_id: UserId,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: i64,
    pub(crate) idle_ends_at: i64,
    pub(crate) ends_at: i64,
    pub(crate) address: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) remember: bool,
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
    pub(crate) created_at: i64,
    pub(crate) last_used_at: i64,
    pub(crate) idle_ends_at: i64,
    pub(crate) ends_at: i64,
    pub(crate) address: Option<String>,
    pub(crate) agent: Option<String>,
    /// Whether the person asked to stay signed in.
    pub(crate) remember: bool,
}

/// A session as it is on record, joined with its account.
struct SessionRow {
    sid: String,
    user_id: String,
    username: String,
    email: String,
    role: String,
    created_at: i64,
    last_used_at: i64,
    idle_ends_at: i64,
    ends_at: i64,
    address: Option<String>,
    agent: Option<String>,
    remember: bool,
}

impl SessionRow {
    fn parse(self) -> Result<StoredSession, sqlx::Error> {
        Ok(StoredSession {
            sid: parsed("sid", &self.sid)?,
            user_id: parsed("user_id", &self.user_id)?,
            username: parsed("username", &self.username)?,
            email: self.email,
            role: super::accounts::role(&self.role),
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            idle_ends_at: self.idle_ends_at,
            ends_at: self.ends_at,
            address: self.address,
            agent: self.agent,
            remember: self.remember,
        })
    }
}

/// A living session as its owner sees it.
#[derive(Clone, Debug)]
pub(crate) struct ListedSession {
    pub(crate) sid: SessionId,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: i64,
    /// If it is not used.
    pub(crate) expires_at: i64,
    pub(crate) address: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) remember: bool,
}

/// Sessions of one account that are listed: those used last.
const MAX_LISTED: i64 = 100;

/// What a sign-in writes besides the session.
pub(crate) struct SignIn<'a> {
    pub(crate) session: NewSession,
    /// Of the password that was checked.
    pub(crate) password_version: i64,
    /// The password's hash with the parameters of today.
    pub(crate) rehashed: Option<String>,
    /// The network's tries, of which one is given back.
    pub(crate) bucket: Option<Bucket>,
    /// Failure counters that the success clears.
    pub(crate) clear_delays: Vec<[u8; 32]>,
    /// Where the person is, if that is known.
    pub(crate) network: Option<String>,
    pub(crate) audit: Entry<'a>,
}

impl Store {
    /// Writes the session of a successful sign-in, unless the password was changed since it was checked, or the
    /// account shut out: then answers `false`.
    pub(crate) async fn sign_in(&self, sign_in: SignIn<'_>) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let written = write_sign_in(&mut tx, &sign_in).await?;
        if written {
            tx.commit().await?;
        }
        Ok(written)
    }

    /// By the hash of the secret; of active accounts alone.
    pub(crate) async fn session_by_secret(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<StoredSession>, sqlx::Error> {
        let hash = hash.as_slice();
        let row = sqlx::query_as!(
            SessionRow,
            r#"SELECT s.sid, s.user_id, a.username, a.email, a.role,
                    s.created_at, s.last_used_at, s.idle_ends_at, s.ends_at,
                    s.address, s.agent, s.remember AS "remember: bool"
             FROM sessions s JOIN accounts a ON a.user_id = s.user_id
             WHERE s.secret_hash = ? AND a.standing = 'active'"#,
            hash
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(SessionRow::parse).transpose()
    }

    /// By the public id; of active accounts alone.
    pub(crate) async fn session_by_sid(&self, sid: SessionId) -> Result<Option<StoredSession>, sqlx::Error> {
        let sid = sid.to_string();
        let row = sqlx::query_as!(
            SessionRow,
            r#"SELECT s.sid, s.user_id, a.username, a.email, a.role,
                    s.created_at, s.last_used_at, s.idle_ends_at, s.ends_at,
                    s.address, s.agent, s.remember AS "remember: bool"
             FROM sessions s JOIN accounts a ON a.user_id = s.user_id
             WHERE s.sid = ? AND a.standing = 'active'"#,
            sid
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(SessionRow::parse).transpose()
    }

    /// The living sessions of an account, the one that was used last first; at most 100.
    pub(crate) async fn sessions_of(
        &self,
        user_id: UserId,
        now: i64,
    ) -> Result<Vec<ListedSession>, sqlx::Error> {
        let user_id = user_id.to_string();
        let rows = sqlx::query!(
            r#"SELECT sid, created_at, last_used_at, min(idle_ends_at, ends_at) AS "expires_at!: i64",
                    address, agent, remember AS "remember: bool"
             FROM sessions WHERE user_id = ?1 AND idle_ends_at > ?2 AND ends_at > ?2
             ORDER BY last_used_at DESC, sid DESC LIMIT ?3"#,
            user_id,
            now,
            MAX_LISTED
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(ListedSession {
                    sid: parsed("sid", &row.sid)?,
                    created_at: row.created_at,
                    last_used_at: row.last_used_at,
                    expires_at: row.expires_at,
                    address: row.address,
                    agent: row.agent,
                    remember: row.remember,
                })
            })
            .collect()
    }

    /// Notes that sessions were used, and when each ends without further use. One that has ended stays so.
    pub(crate) async fn touch_sessions(&self, touches: &[(SessionId, Touch)]) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        for (sid, touch) in touches {
            let sid = sid.to_string();
            sqlx::query!(
                "UPDATE sessions SET last_used_at = ?1, idle_ends_at = ?2 WHERE sid = ?3 AND last_used_at < ?1",
                touch.used_at,
                touch.idle_ends_at,
                sid
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
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

    /// Ends a session of an account and publishes it. Answers the revocation's number; `None` where the account
    /// has no such session (any more).
    pub(crate) async fn end_session_of(
        &self,
        user_id: UserId,
        sid: SessionId,
        audit: &Entry<'_>,
    ) -> Result<Option<i64>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (user_id, id) = (user_id.to_string(), sid.to_string());
        let gone = sqlx::query!("DELETE FROM sessions WHERE sid = ? AND user_id = ?", id, user_id)
            .execute(&mut *tx)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(None);
        }
        let seq = revocations::insert(&mut tx, Kind::Session, &id, audit.at).await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(Some(seq))
    }

    /// Ends every session of an account but one and publishes each. Answers the number of the last revocation;
    /// `None` where there was no other.
    pub(crate) async fn end_other_sessions(
        &self,
        user_id: UserId,
        kept: SessionId,
        audit: &Entry<'_>,
    ) -> Result<Option<i64>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let seq = end_all_but(&mut tx, user_id, kept, audit.at).await?;
        if seq.is_some() {
            super::audit::insert(&mut tx, audit).await?;
        }
        tx.commit().await?;
        Ok(seq)
    }
}

/// The rows of a successful sign-in; `false` where the password was changed since it was checked.
pub(super) async fn write_sign_in(
    conn: &mut SqliteConnection,
    sign_in: &SignIn<'_>,
) -> Result<bool, sqlx::Error> {
    let (user_id, now) = (sign_in.session.user_id, sign_in.session.created_at);
    if !super::accounts::is_password_version(conn, user_id, sign_in.password_version).await? {
        return Ok(false);
    }
    insert(conn, &sign_in.session).await?;
    if let Some(hash) = &sign_in.rehashed {
        super::accounts::set_password_hash(conn, user_id, hash).await?;
    }
    if let Some(bucket) = &sign_in.bucket {
        super::delays::give_back(conn, bucket).await?;
    }
    for key in &sign_in.clear_delays {
        super::delays::clear(conn, key).await?;
    }
    if let Some(network) = &sign_in.network {
        super::delays::remember_network(conn, user_id, network, now).await?;
    }
    super::audit::insert(conn, &sign_in.audit).await?;
    Ok(true)
}

/// Ends and publishes every session of an account and begins the one that takes the place of `before`. Answers the
/// number of the last revocation; `None`, with nothing written, where that session has ended in the meantime.
pub(super) async fn replace_all(
    conn: &mut SqliteConnection,
    before: SessionId,
    renewed: &NewSession,
    now: i64,
) -> Result<Option<i64>, sqlx::Error> {
    end_all_but(conn, renewed.user_id, before, now).await?;
    let (id, user_id) = (before.to_string(), renewed.user_id.to_string());
    let gone = sqlx::query!("DELETE FROM sessions WHERE sid = ? AND user_id = ?", id, user_id)
        .execute(&mut *conn)
        .await?;
    if gone.rows_affected() == 0 {
        return Ok(None);
    }
    let seq = revocations::insert(conn, Kind::Session, &id, now).await?;
    insert(conn, renewed).await?;
    Ok(Some(seq))
}

/// Ends and publishes every session of an account but one; none where that one has ended itself, so that of two
/// who end each other one stays. One revocation a session, never one of the whole account: that would also hit
/// the session that stays.
pub(super) async fn end_all_but(
    conn: &mut SqliteConnection,
    user_id: UserId,
    kept: SessionId,
    now: i64,
) -> Result<Option<i64>, sqlx::Error> {
    let (user_id, kept) = (user_id.to_string(), kept.to_string());
    let published = sqlx::query!(
        "INSERT INTO revocations (kind, id, at)
         SELECT 'session', sid, ?1 FROM sessions WHERE user_id = ?2 AND sid <> ?3
         AND EXISTS (SELECT 1 FROM sessions WHERE sid = ?3)",
        now,
        user_id,
        kept
    )
    .execute(&mut *conn)
    .await?;
    if published.rows_affected() == 0 {
        return Ok(None);
    }
    sqlx::query!("DELETE FROM sessions WHERE user_id = ? AND sid <> ?", user_id, kept).execute(conn).await?;
    Ok(Some(published.last_insert_rowid()))
}

pub(super) async fn insert(conn: &mut SqliteConnection, session: &NewSession) -> Result<(), sqlx::Error> {
    let (sid, user_id) = (session.sid.to_string(), session.user_id.to_string());
    let hash = session.secret_hash.as_slice();
    sqlx::query!(
        "INSERT INTO sessions (sid, secret_hash, user_id, created_at, last_used_at, idle_ends_at, ends_at,
                               address, agent, remember)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        sid,
        hash,
        user_id,
        session.created_at,
        session.last_used_at,
        session.idle_ends_at,
        session.ends_at,
        session.address,
        session.agent,
        session.remember
    )
    .execute(conn)
    .await
    .map(drop)
}
