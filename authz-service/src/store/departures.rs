//! Accounts that are gone while something of theirs may still be at deploy-control. A row stays until there has been
//! nothing left for longer than an order could have been under way, whatever crashes in between.

use control_api::ids::UserId;
use sqlx::SqliteConnection;

use super::{Store, parsed};

/// An owner whose instances are to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departure {
    pub(crate) user_id: UserId,
    pub(crate) left_at: i64,
    pub(crate) attempts: i64,
}

impl Store {
    /// Departures that are due, the longest waiting first.
    pub(crate) async fn due_departures(&self, now: i64, limit: i64) -> Result<Vec<Departure>, sqlx::Error> {
        let rows = sqlx::query!(
            "SELECT user_id, left_at, attempts FROM departures WHERE due_at <= ? ORDER BY due_at LIMIT ?",
            now,
            limit
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter()
            .map(|row| {
                let user_id = parsed("user_id", &row.user_id)?;
                Ok(Departure { user_id, left_at: row.left_at, attempts: row.attempts })
            })
            .collect()
    }

    /// Whether any waits, due or not.
    pub(crate) async fn has_departures(&self) -> Result<bool, sqlx::Error> {
        let row =
            sqlx::query!("SELECT 1 AS one FROM departures LIMIT 1").fetch_optional(self.db.reader()).await?;
        Ok(row.is_some())
    }

    /// Stores when to ask again.
    pub(crate) async fn departure_postponed(
        &self,
        departure: Departure,
        due_at: i64,
    ) -> Result<(), sqlx::Error> {
        let id = departure.user_id.to_string();
        sqlx::query!(
            "UPDATE departures SET attempts = attempts + 1, due_at = ? WHERE user_id = ?",
            due_at,
            id
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }

    /// Stores that nothing is left, unless there was news since.
    pub(crate) async fn departed(&self, departure: Departure) -> Result<(), sqlx::Error> {
        let id = departure.user_id.to_string();
        sqlx::query!("DELETE FROM departures WHERE user_id = ? AND left_at = ?", id, departure.left_at)
            .execute(self.db.writer())
            .await
            .map(drop)
    }
}

/// Writes down that whatever the owner has is to go, from now on.
pub(super) async fn renew(conn: &mut SqliteConnection, owner: UserId, now: i64) -> Result<(), sqlx::Error> {
    let id = owner.to_string();
    sqlx::query!(
        "INSERT INTO departures (user_id, left_at, attempts, due_at) VALUES (?1, ?2, 0, ?2)
         ON CONFLICT (user_id) DO UPDATE SET left_at = ?2, attempts = 0, due_at = ?2",
        id,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The same where the owner has no account (any more).
pub(super) async fn renew_of_gone(
    conn: &mut SqliteConnection,
    owner: UserId,
    now: i64,
) -> Result<(), sqlx::Error> {
    let id = owner.to_string();
    let account = sqlx::query!("SELECT 1 AS one FROM accounts WHERE user_id = ?", id)
        .fetch_optional(&mut *conn)
        .await?;
    if account.is_some() { Ok(()) } else { renew(conn, owner, now).await }
}
