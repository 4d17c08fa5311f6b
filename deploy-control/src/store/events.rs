//! The reason ledger: append-only, read newest first or followed from a number on.

use control_api::deploy::EventView;
use control_api::ids::InstanceId;
use service_kit::clock::from_millis;
use sqlx::{Sqlite, Transaction};

use super::{Store, StoreResult};
use crate::model::{Actor, Entry};

struct EventRow {
    seq: i64,
    at: i64,
    what: String,
    cause: String,
    evidence: Option<String>,
    actor: String,
}

impl From<EventRow> for EventView {
    fn from(row: EventRow) -> Self {
        let EventRow { seq, at, what, cause, evidence, actor } = row;
        Self { seq, at: from_millis(at), what, cause, evidence, actor }
    }
}

/// Adds an entry as part of a transaction.
pub(super) async fn record(
    tx: &mut Transaction<'static, Sqlite>,
    id: &str,
    entry: &Entry<'_>,
    now: i64,
) -> StoreResult<()> {
    let (what, cause, evidence, actor) = (entry.what, entry.cause, entry.evidence, entry.actor.as_str());
    sqlx::query!(
        "INSERT INTO events (instance_id, at, what, cause, evidence, actor) VALUES (?, ?, ?, ?, ?, ?)",
        id,
        now,
        what,
        cause,
        evidence,
        actor
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// Adds an entry.
    pub async fn record(&self, id: InstanceId, entry: &Entry<'_>) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        record(&mut tx, &id.to_string(), entry, self.now()).await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// The newest entries of an instance, newest first.
    pub async fn newest_events(&self, id: InstanceId, limit: u32) -> StoreResult<Vec<EventView>> {
        let id = id.to_string();
        let rows = sqlx::query_as!(
            EventRow,
            "SELECT seq, at, what, cause, evidence, actor FROM events
             WHERE instance_id = ? ORDER BY seq DESC LIMIT ?",
            id,
            limit
        )
        .fetch_all(self.db.reader())
        .await?;
        Ok(rows.into_iter().map(EventView::from).collect())
    }

    /// Entries before `seq`, newest first.
    pub async fn events_before(&self, id: InstanceId, seq: i64, limit: u32) -> StoreResult<Vec<EventView>> {
        let id = id.to_string();
        let rows = sqlx::query_as!(
            EventRow,
            "SELECT seq, at, what, cause, evidence, actor FROM events
             WHERE instance_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            id,
            seq,
            limit
        )
        .fetch_all(self.db.reader())
        .await?;
        Ok(rows.into_iter().map(EventView::from).collect())
    }

    /// Entries after `seq`, oldest first.
    pub async fn events_after(&self, id: InstanceId, seq: i64, limit: u32) -> StoreResult<Vec<EventView>> {
        let id = id.to_string();
        let rows = sqlx::query_as!(
            EventRow,
            "SELECT seq, at, what, cause, evidence, actor FROM events
             WHERE instance_id = ? AND seq > ? ORDER BY seq LIMIT ?",
            id,
            seq,
            limit
        )
        .fetch_all(self.db.reader())
        .await?;
        Ok(rows.into_iter().map(EventView::from).collect())
    }
}

impl Actor {
    /// An entry by this actor without evidence.
    pub fn entry<'a>(self, what: &'a str, cause: &'a str) -> Entry<'a> {
        Entry { what, cause, evidence: None, actor: self }
    }
}
