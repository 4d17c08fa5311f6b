//! The audit log: append-only (triggers refuse anything else), but for entries that are older than they are kept.

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

/// Which entries are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Older than this entry.
    pub(crate) before: i64,
    /// Milliseconds since 1970; the end is not part of it.
    pub(crate) time: std::ops::Range<i64>,
    pub(crate) action: Option<String>,
    /// As actor or as target.
    pub(crate) who: Option<String>,
}

/// An entry that was read.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) at: i64,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) address: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) actor_name: Option<String>,
    pub(crate) target_name: Option<String>,
}

impl Store {
    /// Entries, the newest first.
    pub(crate) async fn audit(&self, wanted: &Wanted, limit: i64) -> Result<Vec<Row>, sqlx::Error> {
        // A user is named by id in the log, and by name by people.
        let id = match &wanted.who {
            Some(who) => {
                sqlx::query_scalar!("SELECT user_id FROM accounts WHERE username = ?", who)
                    .fetch_optional(self.db.reader())
                    .await?
            }
            None => None,
        };
        let (since, until) = (wanted.time.start, wanted.time.end);
        sqlx::query_as!(
            Row,
            r#"SELECT a.id, a.at, a.actor, a.action, a.target, a.address, a.request_id,
                    actor.username AS "actor_name?", target.username AS "target_name?"
             FROM audit a
             LEFT JOIN accounts actor ON actor.user_id = a.actor
             LEFT JOIN accounts target ON target.user_id = a.target
             WHERE a.id < ?1 AND a.at >= ?2 AND a.at < ?3
               AND (?4 IS NULL OR a.action = ?4)
               AND (?5 IS NULL OR a.actor IN (?5, ?6) OR a.target IN (?5, ?6))
             ORDER BY a.id DESC LIMIT ?7"#,
            wanted.before,
            since,
            until,
            wanted.action,
            wanted.who,
            id,
            limit
        )
        .fetch_all(self.db.reader())
        .await
    }

    /// Lets go of at most `limit` entries from before a time; answers how many that were, and writes that down.
    pub(crate) async fn trim_audit(
        &self,
        before: i64,
        limit: i64,
        entry: impl FnOnce(u64) -> Entry<'static> + Send,
    ) -> Result<u64, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        sqlx::query!("UPDATE audit_retention SET before = ? WHERE before < ?", before, before)
            .execute(&mut *tx)
            .await?;
        let gone = sqlx::query!(
            "DELETE FROM audit WHERE id IN
             (SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ?)",
            before,
            limit
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if gone > 0 {
            insert(&mut tx, &entry(gone)).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }

    /// Appends an entry that belongs to no other write.
    pub(crate) async fn append_audit(&self, entry: &Entry<'_>) -> Result<(), sqlx::Error> {
        let mut conn = self.db.writer().acquire().await?;
        insert(&mut conn, entry).await
    }
}

pub(super) async fn insert(conn: &mut SqliteConnection, entry: &Entry<'_>) -> Result<(), sqlx::Error> {
    append(conn, entry).await.map(drop)
}

/// The same, where the entry's id is wanted.
pub(super) async fn append(conn: &mut SqliteConnection, entry: &Entry<'_>) -> Result<i64, sqlx::Error> {
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
    .map(|done| done.last_insert_rowid())
}
