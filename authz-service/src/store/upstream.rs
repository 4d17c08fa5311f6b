//! Sign-ins at the upstream: those under way, who arrived without an account, and which identity opens which
//! account. What may be used once is deleted by whoever uses it.

use control_api::ids::{SessionId, UserId};
use sqlx::SqliteConnection;

use super::accounts::Account;
use super::audit::Entry;
use super::sessions::SignIn;
use super::{Store, is_unique_violation, parsed};

/// A sign-in under way.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamTry {
    pub(crate) issuer: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    pub(crate) next: Option<String>,
    /// The session that wants the identity for its account.
    pub(crate) link_sid: Option<SessionId>,
    pub(crate) expires_at: i64,
}

/// What came of asking for a sign-in under way.
#[derive(Debug)]
pub(crate) enum TakenTry {
    /// It is the caller's, who alone got it.
    Yours(UpstreamTry),
    /// Another browser began it; it goes on there.
    OtherBrowser,
    /// There is none (any more).
    Gone,
}

/// Somebody whom the upstream knows.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) label: Option<String>,
}

/// Somebody who has no account yet.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) identity: Identity,
    /// For the form.
    pub(crate) username: String,
    /// For the form.
    pub(crate) email: String,
    pub(crate) expires_at: i64,
}

/// An identity of an account.
#[derive(Clone, Debug)]
pub(crate) struct LinkedIdentity {
    pub(crate) label: Option<String>,
    pub(crate) linked_at: i64,
    pub(crate) last_used_at: Option<i64>,
}

/// The arrival that becomes an account: used up in the account's transaction.
pub(crate) struct NewIdentity<'a> {
    pub(crate) browser_hash: [u8; 32],
    pub(crate) identity: Identity,
    pub(crate) audit: Entry<'a>,
}

impl Store {
    /// Notes that a sign-in began.
    pub(crate) async fn put_upstream_try(
        &self,
        state_hash: &[u8; 32],
        browser_hash: &[u8; 32],
        begun: &UpstreamTry,
    ) -> Result<(), sqlx::Error> {
        let (state_hash, browser_hash) = (state_hash.as_slice(), browser_hash.as_slice());
        let sid = begun.link_sid.map(|sid| sid.to_string());
        sqlx::query!(
            "INSERT INTO upstream_tries
                (state_hash, browser_hash, issuer, nonce, verifier, next, link_sid, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            state_hash,
            browser_hash,
            begun.issuer,
            begun.nonce,
            begun.verifier,
            begun.next,
            sid,
            begun.expires_at
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }

    /// Takes a sign-in out: whoever gets the row has its only use, whatever comes of it.
    pub(crate) async fn take_upstream_try(
        &self,
        state_hash: &[u8; 32],
        browser_hash: &[u8; 32],
        now: i64,
    ) -> Result<TakenTry, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (state_hash, browser_hash) = (state_hash.as_slice(), browser_hash.as_slice());
        let row = sqlx::query!(
            "DELETE FROM upstream_tries WHERE state_hash = ? AND browser_hash = ? AND expires_at > ?
             RETURNING issuer, nonce, verifier, next, link_sid, expires_at",
            state_hash,
            browser_hash,
            now
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else {
            let there = sqlx::query!(
                "SELECT 1 AS one FROM upstream_tries WHERE state_hash = ? AND expires_at > ?",
                state_hash,
                now
            )
            .fetch_optional(&mut *tx)
            .await?;
            return Ok(if there.is_some() { TakenTry::OtherBrowser } else { TakenTry::Gone });
        };
        tx.commit().await?;
        Ok(TakenTry::Yours(UpstreamTry {
            issuer: row.issuer,
            nonce: row.nonce,
            verifier: row.verifier,
            next: row.next,
            link_sid: row.link_sid.map(|sid| parsed("link_sid", &sid)).transpose()?,
            expires_at: row.expires_at,
        }))
    }

    /// The account that an identity opens.
    pub(crate) async fn account_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Account>, sqlx::Error> {
        let row = sqlx::query!(
            "SELECT a.username FROM upstream_identities i JOIN accounts a ON a.user_id = i.user_id
             WHERE i.issuer = ? AND i.subject = ?",
            issuer,
            subject
        )
        .fetch_optional(self.db.reader())
        .await?;
        match row {
            Some(row) => self.account_by_login(&row.username).await,
            None => Ok(None),
        }
    }

    /// Remembers who arrived with a browser, in the place of whoever did before.
    pub(crate) async fn put_arrival(
        &self,
        browser_hash: &[u8; 32],
        arrival: &Arrival,
    ) -> Result<(), sqlx::Error> {
        let browser_hash = browser_hash.as_slice();
        sqlx::query!(
            "INSERT OR REPLACE INTO upstream_arrivals
                (browser_hash, issuer, subject, label, username, email, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            browser_hash,
            arrival.identity.issuer,
            arrival.identity.subject,
            arrival.identity.label,
            arrival.username,
            arrival.email,
            arrival.expires_at
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }

    /// Who arrived with a browser. Using that up is [`make`]'s work, in the account's transaction.
    pub(crate) async fn arrival(
        &self,
        browser_hash: &[u8; 32],
        now: i64,
    ) -> Result<Option<Arrival>, sqlx::Error> {
        let browser_hash = browser_hash.as_slice();
        let row = sqlx::query!(
            "SELECT issuer, subject, label, username, email, expires_at FROM upstream_arrivals
             WHERE browser_hash = ? AND expires_at > ?",
            browser_hash,
            now
        )
        .fetch_optional(self.db.reader())
        .await?;
        Ok(row.map(|row| Arrival {
            identity: Identity { issuer: row.issuer, subject: row.subject, label: row.label },
            username: row.username,
            email: row.email,
            expires_at: row.expires_at,
        }))
    }

    /// Writes the session of a sign-in, unless the identity was unlinked, or the account changed in a way that
    /// stops any sign-in, since they were looked at: then answers `false`.
    pub(crate) async fn sign_in_upstream(
        &self,
        sign_in: &SignIn<'_>,
        identity: &Identity,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (id, now) = (sign_in.session.user_id.to_string(), sign_in.session.created_at);
        let used = sqlx::query!(
            "UPDATE upstream_identities SET last_used_at = ?1
             WHERE issuer = ?2 AND subject = ?3 AND user_id = ?4",
            now,
            identity.issuer,
            identity.subject,
            id
        )
        .execute(&mut *tx)
        .await?;
        if used.rows_affected() == 0 || !super::sessions::write_sign_in(&mut tx, sign_in).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Gives an identity to an account. Answers `false` where it is another account's, or the account has another
    /// one; what is there already stays and is no fault.
    pub(crate) async fn link_identity(
        &self,
        user_id: UserId,
        identity: &Identity,
        audit: &Entry<'_>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        match insert(&mut tx, user_id, identity, (audit.at, None)).await {
            Ok(()) => {}
            Err(error) if is_unique_violation(&error) => {
                let id = user_id.to_string();
                let own = sqlx::query!(
                    "SELECT 1 AS one FROM upstream_identities
                     WHERE issuer = ? AND subject = ? AND user_id = ?",
                    identity.issuer,
                    identity.subject,
                    id
                )
                .fetch_optional(&mut *tx)
                .await?;
                return Ok(own.is_some());
            }
            Err(error) => return Err(error),
        }
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The identity of an account at an issuer.
    pub(crate) async fn identity_of(
        &self,
        user_id: UserId,
        issuer: &str,
    ) -> Result<Option<LinkedIdentity>, sqlx::Error> {
        let id = user_id.to_string();
        let row = sqlx::query!(
            "SELECT label, linked_at, last_used_at FROM upstream_identities WHERE user_id = ? AND issuer = ?",
            id,
            issuer
        )
        .fetch_optional(self.db.reader())
        .await?;
        Ok(row.map(|row| LinkedIdentity {
            label: row.label,
            linked_at: row.linked_at,
            last_used_at: row.last_used_at,
        }))
    }

    /// Takes its identity at an issuer from an account, as long as the account has the password of this version:
    /// the last way in stays. Answers whether it was done.
    pub(crate) async fn unlink_identity(
        &self,
        user_id: UserId,
        issuer: &str,
        password_version: i64,
        audit: &Entry<'_>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if !super::accounts::is_password_version(&mut tx, user_id, password_version).await? {
            return Ok(false);
        }
        let id = user_id.to_string();
        let gone =
            sqlx::query!("DELETE FROM upstream_identities WHERE user_id = ? AND issuer = ?", id, issuer)
                .execute(&mut *tx)
                .await?;
        if gone.rows_affected() > 0 {
            super::audit::insert(&mut tx, audit).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// Uses an arrival up for an account that was just written. `false` where it is used or over, or where its identity
/// has an account by now.
pub(super) async fn make(
    conn: &mut SqliteConnection,
    user_id: UserId,
    new: &NewIdentity<'_>,
) -> Result<bool, sqlx::Error> {
    let (browser_hash, now) = (new.browser_hash.as_slice(), new.audit.at);
    let taken = sqlx::query!(
        "DELETE FROM upstream_arrivals
         WHERE browser_hash = ? AND issuer = ? AND subject = ? AND expires_at > ?",
        browser_hash,
        new.identity.issuer,
        new.identity.subject,
        now
    )
    .execute(&mut *conn)
    .await?;
    if taken.rows_affected() == 0 {
        return Ok(false);
    }
    match insert(conn, user_id, &new.identity, (now, Some(now))).await {
        Ok(()) => {}
        Err(error) if is_unique_violation(&error) => return Ok(false),
        Err(error) => return Err(error),
    }
    super::audit::insert(conn, &new.audit).await?;
    Ok(true)
}

async fn insert(
    conn: &mut SqliteConnection,
    user_id: UserId,
    identity: &Identity,
    (linked_at, last_used_at): (i64, Option<i64>),
) -> Result<(), sqlx::Error> {
    let id = user_id.to_string();
    sqlx::query!(
        "INSERT INTO upstream_identities (issuer, subject, user_id, label, linked_at, last_used_at)
         VALUES (?, ?, ?, ?, ?, ?)",
        identity.issuer,
        identity.subject,
        id,
        identity.label,
        linked_at,
        last_used_at
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Removes a batch of what is over, of both kinds. Answers how many of the kind that had more.
pub(super) async fn sweep(conn: &mut SqliteConnection, now: i64, batch: i64) -> Result<u64, sqlx::Error> {
    let tries = sqlx::query!(
        "DELETE FROM upstream_tries WHERE rowid IN
            (SELECT rowid FROM upstream_tries WHERE expires_at <= ? LIMIT ?)",
        now,
        batch
    )
    .execute(&mut *conn)
    .await?;
    let arrivals = sqlx::query!(
        "DELETE FROM upstream_arrivals WHERE rowid IN
            (SELECT rowid FROM upstream_arrivals WHERE expires_at <= ? LIMIT ?)",
        now,
        batch
    )
    .execute(conn)
    .await?;
    Ok(tries.rows_affected().max(arrivals.rows_affected()))
}
