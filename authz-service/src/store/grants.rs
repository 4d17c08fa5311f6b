//! Grants of people to clients, with the codes and refresh tokens that hang on them. A used code or token stays
//! until its grant ends, so that a second use is seen.

use control_api::ids::UserId;
use sqlx::SqliteConnection;

use super::audit::Entry;
use super::{Store, parsed};

/// A grant about to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewGrant {
    pub(crate) grant_id: String,
    pub(crate) client_id: String,
    pub(crate) user_id: UserId,
    pub(crate) sid: String,
    pub(crate) scope: String,
    pub(crate) created_at: i64,
    pub(crate) ends_at: i64,
}

/// A code about to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewCode {
    pub(crate) hash: [u8; 32],
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
    pub(crate) expires_at: i64,
}

/// A code, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct StoredCode {
    pub(crate) grant_id: String,
    pub(crate) client_id: String,
    pub(crate) sid: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
    pub(crate) expires_at: i64,
    pub(crate) used_at: Option<i64>,
}

/// A grant that holds: the account is active and owns the client's instance.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) user_id: UserId,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) email_verified: bool,
    pub(crate) sid: String,
    pub(crate) scope: String,
    pub(crate) auth_time: i64,
    pub(crate) created_at: i64,
}

/// A refresh token about to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewRefreshToken {
    pub(crate) hash: [u8; 32],
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
}

/// A refresh token.
#[derive(Clone, Debug)]
pub(crate) struct StoredRefreshToken {
    pub(crate) grant_id: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) used_at: Option<i64>,
}

impl Store {
    /// Writes a grant with its code. `false`: the session ended in the meantime.
    pub(crate) async fn put_grant(
        &self,
        grant: &NewGrant,
        code: &NewCode,
        audit: &Entry<'_>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let user_id = grant.user_id.to_string();
        let written = sqlx::query!(
            "INSERT INTO grants (grant_id, client_id, user_id, sid, scope, auth_time, created_at, ends_at)
             SELECT ?1, ?2, s.user_id, s.sid, ?3, s.created_at, ?4, ?5
             FROM sessions s WHERE s.sid = ?6 AND s.user_id = ?7",
            grant.grant_id,
            grant.client_id,
            grant.scope,
            grant.created_at,
            grant.ends_at,
            grant.sid,
            user_id
        )
        .execute(&mut *tx)
        .await?;
        if written.rows_affected() == 0 {
            return Ok(false);
        }
        let hash = code.hash.as_slice();
        sqlx::query!(
            "INSERT INTO authorization_codes (code_hash, grant_id, redirect_uri, challenge, nonce, expires_at)
             VALUES (?, ?, ?, ?, ?, ?)",
            hash,
            grant.grant_id,
            code.redirect_uri,
            code.challenge,
            code.nonce,
            code.expires_at
        )
        .execute(&mut *tx)
        .await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A code, used or not.
    pub(crate) async fn code(&self, hash: &[u8; 32]) -> Result<Option<StoredCode>, sqlx::Error> {
        let hash = hash.as_slice();
        sqlx::query_as!(
            StoredCode,
            "SELECT c.grant_id, g.client_id, g.sid, c.redirect_uri, c.challenge, c.nonce, c.expires_at, c.used_at
             FROM authorization_codes c JOIN grants g ON g.grant_id = c.grant_id WHERE c.code_hash = ?",
            hash
        )
        .fetch_optional(self.db.reader())
        .await
    }

    /// Uses a code up and writes what it gives. `false`: somebody else was first, or the grant has ended.
    pub(crate) async fn use_code(
        &self,
        hash: &[u8; 32],
        refresh: Option<&NewRefreshToken>,
        ends_at: i64,
        audit: &Entry<'_>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (hash, now) = (hash.as_slice(), audit.at);
        let used = sqlx::query!(
            "UPDATE authorization_codes SET used_at = ? WHERE code_hash = ? AND used_at IS NULL
             RETURNING grant_id",
            now,
            hash
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(used) = used else {
            return Ok(false);
        };
        prolong(&mut tx, &used.grant_id, ends_at).await?;
        if let Some(refresh) = refresh {
            put_refresh_token(&mut tx, &used.grant_id, refresh).await?;
        }
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A grant, where it holds.
    pub(crate) async fn grant(&self, grant_id: &str) -> Result<Option<Grant>, sqlx::Error> {
        let row = sqlx::query!(
            r#"SELECT g.grant_id, g.client_id, g.user_id, a.username, a.email, g.sid, g.scope, g.auth_time,
                    g.created_at, a.email_verified_at IS NOT NULL AS "email_verified!: bool"
             FROM grants g
             JOIN accounts a ON a.user_id = g.user_id
             JOIN clients c ON c.client_id = g.client_id
             JOIN instances i ON i.instance_id = c.instance_id AND i.owner_id = g.user_id
             WHERE g.grant_id = ? AND a.standing = 'active'"#,
            grant_id
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| {
            Ok(Grant {
                id: row.grant_id,
                client_id: row.client_id,
                user_id: parsed("user_id", &row.user_id)?,
                username: row.username,
                email: row.email,
                email_verified: row.email_verified,
                sid: row.sid,
                scope: row.scope,
                auth_time: row.auth_time,
                created_at: row.created_at,
            })
        })
        .transpose()
    }

    /// Ends a grant with its codes and tokens; one that has ended already is no error.
    pub(crate) async fn end_grant(&self, grant_id: &str, audit: &Entry<'_>) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let gone = sqlx::query!("DELETE FROM grants WHERE grant_id = ?", grant_id).execute(&mut *tx).await?;
        // Only a grant that was there is news: repetitions cannot fill the log.
        if gone.rows_affected() > 0 {
            super::audit::insert(&mut tx, audit).await?;
        }
        tx.commit().await
    }

    /// A refresh token, used or not.
    pub(crate) async fn refresh_token(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<StoredRefreshToken>, sqlx::Error> {
        let hash = hash.as_slice();
        sqlx::query_as!(
            StoredRefreshToken,
            "SELECT grant_id, created_at, expires_at, used_at FROM refresh_tokens WHERE token_hash = ?",
            hash
        )
        .fetch_optional(self.db.reader())
        .await
    }

    /// Marks a refresh token as used, where it is not yet, and writes the one that follows. `false`: the grant
    /// has ended.
    pub(crate) async fn rotate_refresh_token(
        &self,
        hash: &[u8; 32],
        next: &NewRefreshToken,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let hash = hash.as_slice();
        let used = sqlx::query!(
            "UPDATE refresh_tokens SET used_at = COALESCE(used_at, ?) WHERE token_hash = ? RETURNING grant_id",
            next.created_at,
            hash
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(used) = used else {
            return Ok(false);
        };
        prolong(&mut tx, &used.grant_id, next.expires_at).await?;
        put_refresh_token(&mut tx, &used.grant_id, next).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn put_refresh_token(
    conn: &mut SqliteConnection,
    grant_id: &str,
    token: &NewRefreshToken,
) -> Result<(), sqlx::Error> {
    let hash = token.hash.as_slice();
    sqlx::query!(
        "INSERT INTO refresh_tokens (token_hash, grant_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
        hash,
        grant_id,
        token.created_at,
        token.expires_at
    )
    .execute(conn)
    .await
    .map(drop)
}

async fn prolong(conn: &mut SqliteConnection, grant_id: &str, ends_at: i64) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE grants SET ends_at = MAX(ends_at, ?) WHERE grant_id = ?", ends_at, grant_id)
        .execute(conn)
        .await
        .map(drop)
}

/// Removes at most `limit` grants on which nothing alive hangs any more, and as many tokens that have expired.
pub(super) async fn sweep(conn: &mut SqliteConnection, now: i64, limit: i64) -> Result<u64, sqlx::Error> {
    let grants = sqlx::query!(
        "DELETE FROM grants WHERE rowid IN
            (SELECT rowid FROM grants WHERE ends_at <= ? LIMIT ?)",
        now,
        limit
    )
    .execute(&mut *conn)
    .await?;
    let tokens = sqlx::query!(
        "DELETE FROM revoked_tokens WHERE rowid IN
            (SELECT rowid FROM revoked_tokens WHERE expires_at <= ? LIMIT ?)",
        now,
        limit
    )
    .execute(&mut *conn)
    .await?;
    // The larger of both: the caller asks whether a batch was full.
    Ok(grants.rows_affected().max(tokens.rows_affected()))
}
