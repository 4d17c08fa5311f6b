//! Invites: single use, stored hashed. One is open until it is used, withdrawn or expired, and each of these is
//! decided in one statement, so that of many at once one wins.

use control_api::ids::{InviteId, SessionId, UserId};
use control_api::invites::{InviteState, InviteView};
use service_kit::clock::from_millis;
use sqlx::SqliteConnection;

use super::audit::Entry;
use super::{Store, parsed, people};

/// An invite about to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewInvite<'a> {
    pub(crate) id: InviteId,
    pub(crate) code_hash: [u8; 32],
    pub(crate) audit: Entry<'a>,
}

/// What invites that are made at once have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) note: &'a str,
    /// The administrator and their session; absent where the operator makes them.
    pub(crate) by: Option<(UserId, SessionId)>,
}

/// What came of a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Withdrawal {
    Done,
    /// It is unknown, used, expired or withdrawn.
    NotOpen,
    /// Who asks is no administrator (any more).
    NotAdmin,
}

impl Store {
    /// Stores new invites, or none: answers `false` where who asks is no administrator (any more).
    pub(crate) async fn put_invites(
        &self,
        invites: &[NewInvite<'_>],
        batch: Batch<'_>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if let Some((_, sid)) = batch.by
            && !people::is_administrators(&mut tx, sid).await?
        {
            return Ok(false);
        }
        let made_by = batch.by.map(|(user_id, _)| user_id.to_string());
        for invite in invites {
            let (hash, id) = (invite.code_hash.as_slice(), invite.id.to_string());
            sqlx::query!(
                "INSERT INTO invites (code_hash, created_at, expires_at, invite_id, note, made_by)
                 VALUES (?, ?, ?, ?, ?, ?)",
                hash,
                batch.created_at,
                batch.expires_at,
                id,
                batch.note,
                made_by
            )
            .execute(&mut *tx)
            .await?;
            super::audit::insert(&mut tx, &invite.audit).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Whether an invite could be used now. Using it is [`consume`]'s work, in the account's transaction.
    pub(crate) async fn is_invite_open(&self, code_hash: &[u8; 32], now: i64) -> Result<bool, sqlx::Error> {
        let hash = code_hash.as_slice();
        let row = sqlx::query!(
            "SELECT 1 AS one FROM invites
             WHERE code_hash = ? AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > ?",
            hash,
            now
        )
        .fetch_optional(self.db.reader())
        .await?;
        Ok(row.is_some())
    }

    /// Invites before one, the newest first.
    pub(crate) async fn invites(
        &self,
        before: &str,
        now: i64,
        limit: i64,
    ) -> Result<Vec<InviteView>, sqlx::Error> {
        let rows = sqlx::query!(
            r#"SELECT i.invite_id AS "invite_id!", i.note, i.created_at, i.expires_at, i.used_at, i.withdrawn_at,
                    COALESCE(maker.username, i.made_by) AS "made_by?: String",
                    COALESCE(guest.username, i.used_by) AS "used_by?: String"
             FROM invites i
             LEFT JOIN accounts maker ON maker.user_id = i.made_by
             LEFT JOIN accounts guest ON guest.user_id = i.used_by
             WHERE i.invite_id < ?
             ORDER BY i.invite_id DESC LIMIT ?"#,
            before,
            limit
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter()
            .map(|row| {
                let state = match (row.used_at, row.withdrawn_at) {
                    (Some(_), _) => InviteState::Used,
                    (None, Some(_)) => InviteState::Withdrawn,
                    (None, None) if row.expires_at <= now => InviteState::Expired,
                    (None, None) => InviteState::Open,
                };
                Ok(InviteView {
                    invite_id: parsed("invite_id", &row.invite_id)?,
                    state,
                    note: row.note,
                    created_at: from_millis(row.created_at),
                    expires_at: from_millis(row.expires_at),
                    made_by: row.made_by,
                    used_at: row.used_at.map(from_millis),
                    used_by: row.used_by,
                })
            })
            .collect()
    }

    /// Takes an open invite back.
    pub(crate) async fn withdraw_invite(
        &self,
        id: InviteId,
        by: SessionId,
        audit: &Entry<'_>,
    ) -> Result<Withdrawal, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        if !people::is_administrators(&mut tx, by).await? {
            return Ok(Withdrawal::NotAdmin);
        }
        let id = id.to_string();
        let done = sqlx::query!(
            "UPDATE invites SET withdrawn_at = ?1
             WHERE invite_id = ?2 AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > ?1",
            audit.at,
            id
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(Withdrawal::NotOpen);
        }
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(Withdrawal::Done)
    }
}

/// Uses an invite up; `false` when it is used, withdrawn or expired.
pub(super) async fn consume(
    conn: &mut SqliteConnection,
    code_hash: &[u8; 32],
    user_id: UserId,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let (hash, user_id) = (code_hash.as_slice(), user_id.to_string());
    let done = sqlx::query!(
        "UPDATE invites SET used_at = ?1, used_by = ?2
         WHERE code_hash = ?3 AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > ?1",
        now,
        user_id,
        hash
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
