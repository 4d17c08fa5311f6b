//! Removal of what has expired. Nothing depends on it: every reader checks the time itself. One call removes a
//! bounded batch in one short transaction, because all other writes wait behind it; what goes is found by an
//! index, so that a large table costs nothing while nothing in it has expired.

use sqlx::SqliteConnection;

use super::Store;
use crate::delays::FORGET_AFTER_MS;

/// Rows of one kind that one call removes.
const BATCH: i64 = 500;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Well beyond the longest life of a token (10 minutes) that a revocation could still be about.
const REVOCATION_MS: i64 = 60 * 60 * 1000;
const INVITE_MS: i64 = 30 * DAY_MS;
/// A key that is revoked, or has expired for this long, is not shown any more; the audit log has it.
const API_KEY_MS: i64 = 30 * DAY_MS;
const NETWORK_MS: i64 = 90 * DAY_MS;

/// What one call removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) rows: u64,
    /// There may be more to remove.
    pub(crate) more: bool,
}

impl Store {
    /// Removes a batch of expired rows.
    pub(crate) async fn sweep(&self, now: i64) -> Result<Swept, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let removed = [
            handoffs(&mut tx, now).await?,
            sessions(&mut tx, now).await?,
            registration_tokens(&mut tx, now).await?,
            revocations(&mut tx, now - REVOCATION_MS).await?,
            invites(&mut tx, now - INVITE_MS).await?,
            login_delays(&mut tx, now - FORGET_AFTER_MS).await?,
            known_addresses(&mut tx, now - NETWORK_MS).await?,
            address_delays(&mut tx, now).await?,
            super::api_keys::sweep(&mut tx, now - API_KEY_MS, BATCH).await?,
            super::grants::sweep(&mut tx, now, BATCH).await?,
            super::mail_links::sweep(&mut tx, now, BATCH).await?,
            super::registrations::sweep(&mut tx, now, BATCH).await?,
            super::pending_logins::sweep(&mut tx, now, BATCH).await?,
            super::passkeys::sweep(&mut tx, now, BATCH).await?,
            super::upstream::sweep(&mut tx, now, BATCH).await?,
        ];
        tx.commit().await?;
        let full = u64::try_from(BATCH).unwrap_or(u64::MAX);
        Ok(Swept { rows: removed.iter().sum(), more: removed.iter().any(|rows| *rows >= full) })
    }
}

async fn handoffs(conn: &mut SqliteConnection, before: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM handoffs WHERE rowid IN
            (SELECT rowid FROM handoffs WHERE expires_at <= ? LIMIT ?)",
        before,
        BATCH
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// An expired session is not published: whatever hangs on it expires no later.
async fn sessions(conn: &mut SqliteConnection, before: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM sessions WHERE rowid IN
            (SELECT rowid FROM sessions WHERE idle_ends_at <= ?1 OR ends_at <= ?1 LIMIT ?2)",
        before,
        BATCH
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

async fn registration_tokens(conn: &mut SqliteConnection, before: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM registration_tokens WHERE rowid IN
            (SELECT rowid FROM registration_tokens WHERE expires_at <= ? LIMIT ?)",
        before,
        BATCH
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

async fn revocations(conn: &mut SqliteConnection, before: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM revocations WHERE rowid IN
            (SELECT rowid FROM revocations WHERE at <= ? LIMIT ?)",
        before,
        BATCH
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

async fn invites(conn: &mut SqliteConnection, before: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM invites WHERE rowid IN
            (SELECT rowid FROM invites WHERE expires_at <= ? LIMIT ?)",
        before,
        BATCH
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

async fn login_delays(conn: &mut SqliteConnection, before: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM login_delays WHERE rowid IN
            (SELECT rowid FROM login_delays WHERE last_failure_at <= ? LIMIT ?)",
        before,
        BATCH
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

async fn known_addresses(conn: &mut SqliteConnection, before: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM known_addresses WHERE rowid IN
            (SELECT rowid FROM known_addresses WHERE last_at <= ? LIMIT ?)",
        before,
        BATCH
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

async fn address_delays(conn: &mut SqliteConnection, before: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM address_delays WHERE rowid IN
            (SELECT rowid FROM address_delays WHERE full_at <= ? LIMIT ?)",
        before,
        BATCH
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store_with_sessions(folder: &tempfile::TempDir, expired: i64) -> Store {
        let store = Store::open(&folder.path().join("authz.db")).await.expect("a store");
        sqlx::query(
            "INSERT INTO accounts (user_id, username, email, email_key, password_hash, state, created_at)
             VALUES ('u', 'alice', 'a', 'a', 'h', 'active', 1)",
        )
        .execute(store.db.writer())
        .await
        .expect("an account");
        // Half of the expired ones by their end, half by their idle time; five that live.
        sqlx::query(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + 5)
             INSERT INTO sessions (sid, secret_hash, user_id, created_at, last_used_at, idle_ends_at, ends_at)
             SELECT i, CAST(i AS BLOB), 'u', 1, 1, iif(i > ?1 OR i % 2, 2000, 500), iif(i > ?1, 2000, 900 + i % 2)
             FROM n",
        )
        .bind(expired)
        .execute(store.db.writer())
        .await
        .expect("sessions");
        store
    }

    #[tokio::test]
    async fn one_call_removes_a_bounded_batch_and_says_whether_there_is_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store_with_sessions(&folder, 1200).await;
        for expected in [(500, true), (500, true), (200, false), (0, false)] {
            let swept = store.sweep(1000).await.expect("swept");
            assert_eq!((swept.rows, swept.more), expected);
        }
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sessions")
            .fetch_one(store.db.reader())
            .await
            .expect("a count");
        assert_eq!(left, 5);
    }

    #[tokio::test]
    async fn what_has_expired_is_found_by_an_index() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store_with_sessions(&folder, 0).await;
        for (table, condition) in [
            ("sessions", "idle_ends_at <= 1 OR ends_at <= 1"),
            ("revocations", "at <= 1"),
            ("login_delays", "last_failure_at <= 1"),
            ("known_addresses", "last_at <= 1"),
            ("address_delays", "full_at <= 1"),
            ("mail_links", "expires_at <= 1"),
            ("registrations", "expires_at <= 1"),
            ("pending_logins", "expires_at <= 1"),
            ("totp_setups", "expires_at <= 1"),
            ("passkey_challenges", "expires_at <= 1"),
        ] {
            let sql = format!("EXPLAIN QUERY PLAN SELECT rowid FROM {table} WHERE {condition} LIMIT 500");
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(store.db.reader()).await.expect("a plan");
            assert!(!plan.iter().any(|step| step.3.starts_with("SCAN")), "{table}: {plan:?}");
        }
    }
}
