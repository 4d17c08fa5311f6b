//! The audit log: append-only (triggers refuse anything else).

use sqlx::SqliteConnection;

use super::Store;

/// One entry. Texts are short and clean already (`crate::audit`).
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) at: i64,
    pub(crate) actor: String,
    pub(crate) action: &'a str,
    pub(crate) target: String,
    pub(crate) address: Option<String>,
    pub(crate) request_id: Option<String>,
}

impl Store {
    /// Appends an entry that belongs to no other write.
    pub(crate) async fn append_audit(&self, entry: &Entry<'_>) -> Result<(), sqlx::Error> {
        let mut conn = self.db.writer().acquire().await?;
        insert(&mut conn, entry).await
    }
}

pub(super) async fn insert(conn: &mut SqliteConnection, entry: &Entry<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO audit (at, actor, action, target, address, request_id) VALUES (?, ?, ?, ?, ?, ?)",
        entry.at,
        entry.actor,
        entry.action,
        entry.target,
        entry.address,
        entry.request_id
    )
    .execute(conn)
    .await
    .map(drop)
}
