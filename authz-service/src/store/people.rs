//! People as administrators see them, and what is done with their accounts. Each act is one transaction that looks
//! again at who asks: a role that was taken away a moment ago does nothing any more, and of two administrators who
//! take it from each other one stays.

use std::ops::Range;

use control_api::authz::Role;
use control_api::ids::{SessionId, UserId};
use control_api::people::{PersonAction, PersonView, Standing};
use service_kit::clock::from_millis;
use sqlx::SqliteConnection;

use super::audit::Entry;
use super::revocations::{self, Kind};
use super::{Store, accounts, parsed};

/// Which people are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// As they are written; the end is not part of it.
    pub(crate) ids: Range<String>,
    /// In lower case.
    pub(crate) text: Option<String>,
    pub(crate) state: Option<Standing>,
    pub(crate) role: Option<Role>,
}

/// Something that is done with an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act<'a> {
    pub(crate) user_id: UserId,
    pub(crate) action: PersonAction,
    /// With [`PersonAction::Suspend`].
    pub(crate) reason: &'a str,
    /// The administrator's session; the operator has none, and may take the last administrator away.
    pub(crate) by: Option<SessionId>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done; the number of the last revocation, where there was one.
    Done(Option<i64>),
    /// It was so already.
    Same,
    /// There is no such account, or none that waits.
    Unknown,
    /// Who asks is no administrator (any more).
    NotAdmin,
    /// Nobody would be left who administers.
    LastAdmin,
}

impl Store {
    /// People, the newest first.
    pub(crate) async fn people(
        &self,
        wanted: &Wanted,
        now: i64,
        limit: i64,
    ) -> Result<Vec<PersonView>, sqlx::Error> {
        let (least, below) = (&wanted.ids.start, &wanted.ids.end);
        let (state, role) = (wanted.state.map(Standing::as_str), wanted.role.map(Role::as_str));
        let rows = sqlx::query!(
            r#"SELECT a.user_id, a.username, a.email, a.standing, a.role, a.created_at, a.suspended_at,
                    a.suspended_reason,
                    (SELECT max(s.last_used_at) FROM sessions s WHERE s.user_id = a.user_id
                        AND s.idle_ends_at > ?1 AND s.ends_at > ?1) AS "last_used_at: i64",
                    (SELECT count(*) FROM sessions s WHERE s.user_id = a.user_id
                        AND s.idle_ends_at > ?1 AND s.ends_at > ?1) AS "sessions!: u32",
                    (SELECT count(*) FROM api_keys k WHERE k.user_id = a.user_id
                        AND k.revoked_at IS NULL AND k.expires_at > ?1) AS "api_keys!: u32"
             FROM accounts a
             WHERE a.user_id >= ?2 AND a.user_id < ?3
               AND (?4 IS NULL OR instr(a.username, ?4) OR instr(a.email_key, ?4) OR a.user_id = upper(?4))
               AND (?5 IS NULL OR a.standing = ?5)
               AND (?6 IS NULL OR a.role = ?6)
             ORDER BY a.user_id DESC LIMIT ?7"#,
            now,
            least,
            below,
            wanted.text,
            state,
            role,
            limit
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(PersonView {
                    user_id: parsed("user_id", &row.user_id)?,
                    username: parsed("username", &row.username)?,
                    email: row.email,
                    state: accounts::standing(&row.standing),
                    role: accounts::role(&row.role),
                    created_at: from_millis(row.created_at),
                    last_used_at: row.last_used_at.map(from_millis),
                    sessions: row.sessions,
                    api_keys: row.api_keys,
                    suspended_at: row.suspended_at.map(from_millis),
                    suspended_reason: row.suspended_reason,
                })
            })
            .collect()
    }

    /// Why an account is suspended.
    pub(crate) async fn suspension(&self, user_id: UserId) -> Result<Option<String>, sqlx::Error> {
        let id = user_id.to_string();
        let row = sqlx::query!("SELECT suspended_reason FROM accounts WHERE user_id = ?", id)
            .fetch_optional(self.db.reader())
            .await?;
        Ok(row.and_then(|row| row.suspended_reason))
    }

    /// Does something with an account, or nothing. The entry is written where something changed.
    pub(crate) async fn act_on_account(
        &self,
        act: Act<'_>,
        audit: &Entry<'_>,
    ) -> Result<Outcome, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if let Some(sid) = act.by
            && !is_administrators(&mut tx, sid).await?
        {
            return Ok(Outcome::NotAdmin);
        }
        if !exists(&mut tx, act.user_id).await? {
            return Ok(Outcome::Unknown);
        }
        let takes_away =
            matches!(act.action, PersonAction::Suspend | PersonAction::Delete | PersonAction::Demote);
        if act.by.is_some() && takes_away && is_last_administrator(&mut tx, act.user_id).await? {
            return Ok(Outcome::LastAdmin);
        }
        let outcome = perform(&mut tx, act, audit.at).await?;
        if matches!(outcome, Outcome::Done(_)) {
            super::audit::insert(&mut tx, audit).await?;
            tx.commit().await?;
        }
        Ok(outcome)
    }

    /// Removes the account of a session whose password was checked. [`Outcome::Unknown`] where the password was
    /// changed or the session has ended in the meantime.
    pub(crate) async fn leave(
        &self,
        user_id: UserId,
        sid: SessionId,
        password_version: i64,
        audit: &Entry<'_>,
    ) -> Result<Outcome, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let session = sid.to_string();
        let living = sqlx::query!("SELECT 1 AS one FROM sessions WHERE sid = ?", session)
            .fetch_optional(&mut *tx)
            .await?;
        if living.is_none() || !accounts::is_password_version(&mut tx, user_id, password_version).await? {
            return Ok(Outcome::Unknown);
        }
        if is_last_administrator(&mut tx, user_id).await? {
            return Ok(Outcome::LastAdmin);
        }
        let seq = remove(&mut tx, user_id, audit.at).await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(Outcome::Done(Some(seq)))
    }
}

async fn perform(conn: &mut SqliteConnection, act: Act<'_>, now: i64) -> Result<Outcome, sqlx::Error> {
    let user_id = act.user_id;
    let id = user_id.to_string();
    let changed = match act.action {
        PersonAction::Suspend => {
            sqlx::query!(
                "UPDATE accounts SET suspended_at = ?, suspended_reason = ?
                 WHERE user_id = ? AND suspended_at IS NULL",
                now,
                act.reason,
                id
            )
            .execute(&mut *conn)
            .await?
        }
        PersonAction::Lift => {
            sqlx::query!(
                "UPDATE accounts SET suspended_at = NULL, suspended_reason = NULL
                 WHERE user_id = ? AND suspended_at IS NOT NULL",
                id
            )
            .execute(&mut *conn)
            .await?
        }
        PersonAction::Promote | PersonAction::Demote => {
            let role = if act.action == PersonAction::Promote { Role::Admin } else { Role::User }.as_str();
            sqlx::query!("UPDATE accounts SET role = ?1 WHERE user_id = ?2 AND role <> ?1", role, id)
                .execute(&mut *conn)
                .await?
        }
        PersonAction::Approve => {
            sqlx::query!(
                "UPDATE accounts SET state = 'active' WHERE user_id = ? AND state = 'pending_approval'",
                id
            )
            .execute(&mut *conn)
            .await?
        }
        PersonAction::Reject if !waits(conn, &id).await? => return Ok(Outcome::Unknown),
        PersonAction::Reject | PersonAction::Delete => {
            return remove(conn, user_id, now).await.map(Some).map(Outcome::Done);
        }
        PersonAction::SignOut => {
            return end_sessions(conn, user_id, now).await.map(Some).map(Outcome::Done);
        }
    };
    if changed.rows_affected() == 0 {
        return Ok(Outcome::Same);
    }
    match act.action {
        PersonAction::Suspend => shut_out(conn, user_id, now).await.map(Some).map(Outcome::Done),
        PersonAction::Approve => {
            super::orders::renew(conn, user_id, None, now).await?;
            Ok(Outcome::Done(None))
        }
        _ => Ok(Outcome::Done(None)),
    }
}

async fn exists(conn: &mut SqliteConnection, user_id: UserId) -> Result<bool, sqlx::Error> {
    let id = user_id.to_string();
    let row =
        sqlx::query!("SELECT 1 AS one FROM accounts WHERE user_id = ?", id).fetch_optional(conn).await?;
    Ok(row.is_some())
}

/// Whether the account waits for approval.
async fn waits(conn: &mut SqliteConnection, id: &str) -> Result<bool, sqlx::Error> {
    let row =
        sqlx::query!("SELECT 1 AS one FROM accounts WHERE user_id = ? AND state = 'pending_approval'", id)
            .fetch_optional(conn)
            .await?;
    Ok(row.is_some())
}

/// Whether the session is there and its account an administrator's that may be used.
pub(super) async fn is_administrators(
    conn: &mut SqliteConnection,
    sid: SessionId,
) -> Result<bool, sqlx::Error> {
    let sid = sid.to_string();
    let row = sqlx::query!(
        "SELECT 1 AS one FROM sessions s JOIN accounts a ON a.user_id = s.user_id
         WHERE s.sid = ? AND a.role = 'admin' AND a.standing = 'active'",
        sid
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.is_some())
}

/// Whether the account is an administrator's that may be used, and no other is.
async fn is_last_administrator(conn: &mut SqliteConnection, user_id: UserId) -> Result<bool, sqlx::Error> {
    let id = user_id.to_string();
    let rows = sqlx::query!(
        "SELECT user_id FROM accounts WHERE role = 'admin' AND standing = 'active'
         ORDER BY user_id <> ? LIMIT 2",
        id
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.len() == 1 && rows[0].user_id == id)
}

/// Ends every session of an account, and what hangs on them (a trigger ends the grants). One revocation of the user
/// covers them all, and the connections that are open in their name.
async fn end_sessions(conn: &mut SqliteConnection, user_id: UserId, now: i64) -> Result<i64, sqlx::Error> {
    let id = user_id.to_string();
    sqlx::query!("DELETE FROM sessions WHERE user_id = ?", id).execute(&mut *conn).await?;
    revocations::insert(conn, Kind::User, &id, now).await
}

/// Ends sessions, grants and keys of an account, the keys for good. Answers the newest revocation.
async fn shut_out(conn: &mut SqliteConnection, user_id: UserId, now: i64) -> Result<i64, sqlx::Error> {
    let id = user_id.to_string();
    sqlx::query!(
        "INSERT INTO revocations (kind, id, at)
         SELECT 'api_key', key_id, ?1 FROM api_keys WHERE user_id = ?2 AND revoked_at IS NULL",
        now,
        id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("UPDATE api_keys SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL", now, id)
        .execute(&mut *conn)
        .await?;
    end_sessions(conn, user_id, now).await
}

/// Removes an account with all that hangs on it, and writes down that its instance is to go. The instance's own
/// tokens end at once.
async fn remove(conn: &mut SqliteConnection, user_id: UserId, now: i64) -> Result<i64, sqlx::Error> {
    let id = user_id.to_string();
    sqlx::query!(
        "INSERT INTO revocations (kind, id, at)
         SELECT 'instance', instance_id, ?1 FROM instances WHERE owner_id = ?2",
        now,
        id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM instances WHERE owner_id = ?", id).execute(&mut *conn).await?;
    super::departures::renew(conn, user_id, now).await?;
    let seq = shut_out(conn, user_id, now).await?;
    sqlx::query!("DELETE FROM accounts WHERE user_id = ?", id).execute(conn).await?;
    Ok(seq)
}
