//! One-time passwords and recovery codes: what is set up, what is used up, and what a change of it ends.

use control_api::ids::{PasskeyId, SessionId, UserId};
use control_api::passkeys::MAX_PASSKEYS;
use sqlx::SqliteConnection;

use super::Store;
use super::audit::Entry;
use super::mails::{NewMail, Post};
use super::passkeys::NewPasskey;
use super::revocations::{self, Kind};
use super::sessions::NewSession;
use crate::delays::Bucket;

/// What an account has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Factors {
    /// When one-time passwords were set up.
    pub(crate) totp_since: Option<i64>,
    /// Those that are left.
    pub(crate) recovery_codes: u32,
}

/// A code that is right, to be used up by the one that wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    /// A one-time password, of this step.
    Step(i64),
    /// A recovery code, as it is stored.
    Recovery([u8; 32]),
    /// A passkey's answer, with its new counter.
    Passkey { passkey_id: PasskeyId, count: u32, at: i64 },
}

/// What is done to the factor.
pub(crate) enum Change {
    /// The secret that waited is in force; its first code was of this step.
    ConfirmTotp { secret_sealed: Vec<u8>, step: i64 },
    /// One-time passwords are off.
    RemoveTotp,
    /// A passkey is added.
    AddPasskey(NewPasskey),
    /// A passkey is removed.
    RemovePasskey(PasskeyId),
    /// Nothing but new recovery codes.
    NewCodes,
}

/// What a change writes.
pub(crate) struct FactorChange<'a> {
    pub(crate) change: Change,
    /// The code that shows that it may be.
    pub(crate) used: Option<Used>,
    /// A new set of recovery codes.
    pub(crate) recovery: Option<Vec<[u8; 32]>>,
    /// Of the password that was checked.
    pub(crate) password_version: i64,
    /// The session that asks.
    pub(crate) before: SessionId,
    /// What takes its place.
    pub(crate) renewed: NewSession,
    /// The network's tries, of which one is given back.
    pub(crate) bucket: Option<Bucket>,
    /// The failures that the success clears.
    pub(crate) key: Option<[u8; 32]>,
    pub(crate) entries: Vec<Entry<'a>>,
    /// A mail that tells of it.
    pub(crate) notice: Option<NewMail>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// The number of the last revocation.
    Done(i64),
    /// Another request used the code first.
    CodeUsed,
    /// The session, the password, or what was to be changed is not there any more.
    Ended,
}

impl Store {
    /// What an account has as second factor.
    pub(crate) async fn factors_of(&self, user_id: UserId) -> Result<Factors, sqlx::Error> {
        let user = user_id.to_string();
        let row = sqlx::query!(
            r#"SELECT (SELECT confirmed_at FROM totp WHERE user_id = ?1) AS "totp_since?: i64",
                    (SELECT COUNT(*) FROM recovery_codes WHERE user_id = ?1) AS "recovery_codes!: u32""#,
            user
        )
        .fetch_one(self.db.reader())
        .await?;
        Ok(Factors { totp_since: row.totp_since, recovery_codes: row.recovery_codes })
    }

    /// Whether a second factor is asked for when the account signs in.
    pub(crate) async fn has_second_factor(&self, user_id: UserId) -> Result<bool, sqlx::Error> {
        let mut conn = self.db.reader().acquire().await?;
        has_factor(&mut conn, &user_id.to_string()).await
    }

    /// Whether a recovery code of the account is there and unused.
    pub(crate) async fn is_recovery_code(
        &self,
        user_id: UserId,
        mac: &[u8; 32],
    ) -> Result<bool, sqlx::Error> {
        let (user, mac) = (user_id.to_string(), mac.as_slice());
        let row =
            sqlx::query!("SELECT 1 AS one FROM recovery_codes WHERE code_mac = ? AND user_id = ?", mac, user)
                .fetch_optional(self.db.reader())
                .await?;
        Ok(row.is_some())
    }

    /// Changes the factor, ends and publishes every session of the account, and begins the one that goes on: all of
    /// it or nothing.
    pub(crate) async fn change_factor(&self, change: FactorChange<'_>) -> Result<Changed, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let user_id = change.renewed.user_id;
        let user = user_id.to_string();
        // A sign-in under way was judged by the factor before: it is refused when it comes to write its session.
        let held = sqlx::query!(
            "UPDATE accounts SET password_version = password_version + 1
             WHERE user_id = ? AND password_version = ?",
            user,
            change.password_version
        )
        .execute(&mut *tx)
        .await?;
        if held.rows_affected() == 0 {
            return Ok(Changed::Ended);
        }
        if let Some(proof) = &change.used
            && !use_up(&mut tx, user_id, proof).await?
        {
            return Ok(Changed::CodeUsed);
        }
        if !apply(&mut tx, &user, &change).await? {
            return Ok(Changed::Ended);
        }
        if let Some(macs) = &change.recovery {
            put_recovery_codes(&mut tx, &user, macs).await?;
        }
        let now = change.renewed.last_used_at;
        let Some(seq) = super::sessions::replace_all(&mut tx, change.before, &change.renewed, now).await?
        else {
            return Ok(Changed::Ended);
        };
        if let Some(bucket) = &change.bucket {
            super::delays::give_back(&mut tx, bucket).await?;
        }
        if let Some(key) = &change.key {
            super::delays::clear(&mut tx, key).await?;
        }
        let mails = change.notice.into_iter().collect();
        super::mails::write(&mut tx, &Post { link: None, mails }).await?;
        for entry in &change.entries {
            super::audit::insert(&mut tx, entry).await?;
        }
        tx.commit().await?;
        Ok(Changed::Done(seq))
    }

    /// Uses up the code that somebody gave to show that they may begin something, and clears the failures before
    /// it; `false`, with nothing written, where another request used the code first.
    pub(crate) async fn accept_confirmation(
        &self,
        user_id: UserId,
        code: Option<&Used>,
        key: &[u8; 32],
        bucket: Option<&Bucket>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if let Some(code) = code
            && !use_up(&mut tx, user_id, code).await?
        {
            return Ok(false);
        }
        if let Some(bucket) = bucket {
            super::delays::give_back(&mut tx, bucket).await?;
        }
        super::delays::clear(&mut tx, key).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes every second factor of an account away and ends its sessions. `None` where there is no such account;
    /// within, the number of the last revocation, where a session was ended.
    pub(crate) async fn reset_second_factor(
        &self,
        user_id: UserId,
        audit: &Entry<'_>,
        notice: Option<NewMail>,
    ) -> Result<Option<Option<i64>>, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let user = user_id.to_string();
        let known = sqlx::query!(
            "UPDATE accounts SET password_version = password_version + 1 WHERE user_id = ?",
            user
        )
        .execute(&mut *tx)
        .await?;
        if known.rows_affected() == 0 {
            return Ok(None);
        }
        sqlx::query!("DELETE FROM totp WHERE user_id = ?", user).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM totp_setups WHERE user_id = ?", user).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM passkeys WHERE user_id = ?", user).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM recovery_codes WHERE user_id = ?", user).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM pending_logins WHERE user_id = ?", user).execute(&mut *tx).await?;
        let ids = sqlx::query_scalar!("DELETE FROM sessions WHERE user_id = ? RETURNING sid", user)
            .fetch_all(&mut *tx)
            .await?;
        let mut last = None;
        for sid in ids {
            last = Some(revocations::insert(&mut tx, Kind::Session, &sid, audit.at).await?);
        }
        super::mails::write(&mut tx, &Post { link: None, mails: notice.into_iter().collect() }).await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(Some(last))
    }
}

/// Uses a code up; `false` where another request was first.
pub(super) async fn use_up(
    conn: &mut SqliteConnection,
    user_id: UserId,
    proof: &Used,
) -> Result<bool, sqlx::Error> {
    let user = user_id.to_string();
    let done = match proof {
        Used::Step(step) => {
            sqlx::query!("UPDATE totp SET last_step = ?1 WHERE user_id = ?2 AND last_step < ?1", step, user)
                .execute(conn)
                .await?
        }
        Used::Passkey { passkey_id, count, at } => {
            return super::passkeys::count(conn, &user, *passkey_id, *count, *at).await;
        }
        Used::Recovery(mac) => {
            let mac = mac.as_slice();
            sqlx::query!("DELETE FROM recovery_codes WHERE code_mac = ? AND user_id = ?", mac, user)
                .execute(conn)
                .await?
        }
    };
    Ok(done.rows_affected() == 1)
}

/// Whether a second factor is asked for when the account signs in.
async fn has_factor(conn: &mut SqliteConnection, user: &str) -> Result<bool, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT 1 AS one FROM totp WHERE user_id = ?1
         UNION ALL SELECT 1 FROM passkeys WHERE user_id = ?1 LIMIT 1",
        user
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.is_some())
}

/// `false` where what was to be changed is not there any more.
async fn apply(
    conn: &mut SqliteConnection,
    user: &str,
    change: &FactorChange<'_>,
) -> Result<bool, sqlx::Error> {
    match &change.change {
        Change::ConfirmTotp { secret_sealed, step } => {
            let now = change.renewed.last_used_at;
            super::totp::confirm(conn, user, change.before, (secret_sealed.as_slice(), *step), now).await
        }
        Change::RemoveTotp => {
            let gone = sqlx::query!("DELETE FROM totp WHERE user_id = ?", user).execute(&mut *conn).await?;
            forget_codes_of_no_factor(conn, user).await?;
            Ok(gone.rows_affected() == 1)
        }
        Change::AddPasskey(passkey) => {
            let now = change.renewed.last_used_at;
            super::passkeys::insert(conn, user, passkey, MAX_PASSKEYS, now).await
        }
        Change::RemovePasskey(passkey) => {
            let gone = super::passkeys::delete(conn, user, *passkey).await?;
            forget_codes_of_no_factor(conn, user).await?;
            Ok(gone)
        }
        Change::NewCodes => has_factor(conn, user).await,
    }
}

/// Recovery codes stand in for a factor; where there is none they open nothing.
async fn forget_codes_of_no_factor(conn: &mut SqliteConnection, user: &str) -> Result<(), sqlx::Error> {
    if has_factor(conn, user).await? { Ok(()) } else { put_recovery_codes(conn, user, &[]).await }
}

/// Puts a set in place of the one before.
async fn put_recovery_codes(
    conn: &mut SqliteConnection,
    user: &str,
    macs: &[[u8; 32]],
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM recovery_codes WHERE user_id = ?", user).execute(&mut *conn).await?;
    for mac in macs {
        let mac = mac.as_slice();
        sqlx::query!("INSERT INTO recovery_codes (code_mac, user_id) VALUES (?, ?)", mac, user)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store_with_alice(folder: &tempfile::TempDir) -> (Store, UserId) {
        let store = Store::open(&folder.path().join("authz.db")).await.expect("a store");
        let alice = UserId::generate();
        for sql in [
            "INSERT INTO accounts (user_id, username, email, email_key, password_hash, state, created_at)
             VALUES (?, 'alice', 'a', 'a', 'h', 'active', 1)",
            "INSERT INTO totp (user_id, secret_sealed, confirmed_at, last_step) VALUES (?, x'00', 1, 100)",
            "INSERT INTO recovery_codes (code_mac, user_id) VALUES (zeroblob(32), ?)",
        ] {
            sqlx::query(sql).bind(alice.to_string()).execute(store.db.writer()).await.expect("a row");
        }
        (store, alice)
    }

    /// 50 transactions at once; nothing but the store stands between them.
    async fn race(store: &Store, owner: UserId, code: Used) -> usize {
        let tries = (0..50).map(|_| async move {
            let mut tx = store.db.begin().await.expect("a transaction");
            let won = use_up(&mut tx, owner, &code).await.expect("an answer");
            tx.commit().await.expect("written");
            won
        });
        futures_util::future::join_all(tries).await.into_iter().filter(|won| *won).count()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_fifty_that_use_a_code_at_once_exactly_one_wins() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, alice) = store_with_alice(&folder).await;
        assert_eq!(race(&store, alice, Used::Step(100)).await, 0, "used before");
        assert_eq!(race(&store, alice, Used::Step(101)).await, 1);
        assert_eq!(race(&store, alice, Used::Step(101)).await, 0);
        assert_eq!(race(&store, alice, Used::Step(99)).await, 0, "older than one that was used");
        assert_eq!(race(&store, alice, Used::Recovery([1; 32])).await, 0, "unknown");
        assert_eq!(race(&store, UserId::generate(), Used::Recovery([0; 32])).await, 0, "another's");
        assert_eq!(race(&store, alice, Used::Recovery([0; 32])).await, 1);
    }
}
