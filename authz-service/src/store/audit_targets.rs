//! Which entries of the audit log its targets have. The writes move a target's row on; the log is never touched.

use control_api::audit_targets::AuditTargetName;

use super::Store;
use super::audit::{Entry, Row, append};

/// What is remembered of a target.
#[derive(Clone, Debug)]
pub(crate) struct TargetRow {
    pub(crate) cursor: i64,
    pub(crate) delivered: i64,
    pub(crate) failures: i64,
    pub(crate) attempts: i64,
    pub(crate) due_at: i64,
    pub(crate) last_delivered_at: Option<i64>,
    pub(crate) last_failed_at: Option<i64>,
    pub(crate) last_error: Option<String>,
}

impl Store {
    /// Remembers a target from now on, where it is new.
    pub(crate) async fn add_audit_target(&self, name: AuditTargetName) -> Result<(), sqlx::Error> {
        let name = name.as_str();
        sqlx::query!(
            "INSERT INTO audit_targets (name, cursor)
             SELECT ?, coalesce((SELECT max(id) FROM audit), 0) WHERE true ON CONFLICT (name) DO NOTHING",
            name
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }

    /// A target's row.
    pub(crate) async fn audit_target(&self, name: AuditTargetName) -> Result<TargetRow, sqlx::Error> {
        let name = name.as_str();
        sqlx::query_as!(
            TargetRow,
            "SELECT cursor, delivered, failures, attempts, due_at, last_delivered_at, last_failed_at, last_error
             FROM audit_targets WHERE name = ?",
            name
        )
        .fetch_one(self.db.reader())
        .await
    }

    /// Entries after one, the oldest first.
    pub(crate) async fn audit_after(&self, cursor: i64, limit: i64) -> Result<Vec<Row>, sqlx::Error> {
        sqlx::query_as!(
            Row,
            r#"SELECT a.id, a.at, a.actor, a.action, a.target, a.address, a.request_id,
                    actor.username AS "actor_name?", target.username AS "target_name?"
             FROM audit a
             LEFT JOIN accounts actor ON actor.user_id = a.actor
             LEFT JOIN accounts target ON target.user_id = a.target
             WHERE a.id > ? ORDER BY a.id LIMIT ?"#,
            cursor,
            limit
        )
        .fetch_all(self.db.reader())
        .await
    }

    /// The newest entry; 0 where there is none.
    pub(crate) async fn last_audit_id(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar!(r#"SELECT coalesce(max(id), 0) AS "id!: i64" FROM audit"#)
            .fetch_one(self.db.reader())
            .await
    }

    /// How many entries are after one, up to another.
    pub(crate) async fn audit_waiting(&self, cursor: i64, newest: i64) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!: i64" FROM audit WHERE id > ? AND id <= ?"#,
            cursor,
            newest
        )
        .fetch_one(self.db.reader())
        .await
    }

    /// The target has everything up to this entry.
    pub(crate) async fn audit_delivered(
        &self,
        name: AuditTargetName,
        cursor: i64,
        count: i64,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        let name = name.as_str();
        sqlx::query!(
            "UPDATE audit_targets SET cursor = ?, delivered = delivered + ?, attempts = 0, due_at = 0,
                    last_delivered_at = ? WHERE name = ?",
            cursor,
            count,
            now,
            name
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }

    /// It has to wait.
    pub(crate) async fn audit_failed(
        &self,
        name: AuditTargetName,
        now: i64,
        due_at: i64,
        reason: &str,
    ) -> Result<(), sqlx::Error> {
        let name = name.as_str();
        sqlx::query!(
            "UPDATE audit_targets SET failures = failures + 1, attempts = attempts + 1, due_at = ?,
                    last_failed_at = ?, last_error = ? WHERE name = ?",
            due_at,
            now,
            reason,
            name
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }

    /// Appends the entry of a test and makes the target due at once; answers the entry's id.
    pub(crate) async fn begin_audit_test(
        &self,
        name: AuditTargetName,
        entry: &Entry<'_>,
    ) -> Result<i64, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let id = append(&mut tx, entry).await?;
        let name = name.as_str();
        sqlx::query!("UPDATE audit_targets SET due_at = 0 WHERE name = ?", name).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(id)
    }
}
