//! Operations: at most one that has not ended for each instance (an index sees to that).

use control_api::deploy::{OperationKind, OperationState};
use control_api::ids::{InstanceId, OperationId};
use sqlx::{Sqlite, Transaction};

use super::events::record;
use super::rows::{OperationRow, parsed};
use super::{Store, StoreResult};
use crate::lifecycle::{BREAKER_SHARE, BREAKER_WINDOW_MS};
use crate::model::{Actor, Goal, OPERATION_STATES, Operation, Stage, kind_str};

/// How often an instance fell over lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Within the breaker's window.
    pub recent: u32,
    /// The last of them.
    pub last: i64,
    /// Failed starts of its image, by all its instances, each counted [`BREAKER_SHARE`] times at most.
    pub image: u32,
}

/// An operation that is to be made.
pub(super) struct NewOperation {
    pub(super) id: OperationId,
    pub(super) kind: OperationKind,
    pub(super) actor: Actor,
    pub(super) undo: Option<Goal>,
    pub(super) allowance_ms: i64,
}

pub(super) async fn insert(
    tx: &mut Transaction<'static, Sqlite>,
    instance_id: &str,
    new: &NewOperation,
    now: i64,
) -> StoreResult<()> {
    let (id, kind, actor) = (new.id.to_string(), kind_str(new.kind), new.actor.as_str());
    let (undo, step) = (new.undo.map(Goal::as_str), Stage::Queued.as_str());
    let deadline = now.saturating_add(new.allowance_ms);
    sqlx::query!(
        "INSERT INTO operations (id, instance_id, kind, state, step, actor, undo, allowance, created_at, deadline)
         VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?)",
        id,
        instance_id,
        kind,
        step,
        actor,
        undo,
        new.allowance_ms,
        now,
        deadline
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn active_in(
    tx: &mut Transaction<'static, Sqlite>,
    instance_id: &str,
) -> StoreResult<Option<Operation>> {
    let row = sqlx::query_as!(
        OperationRow,
        "SELECT * FROM operations WHERE instance_id = ? AND state IN ('queued', 'running')",
        instance_id
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(Operation::try_from).transpose()
}

/// Ends an operation as part of a transaction.
pub(super) async fn finish_in(
    tx: &mut Transaction<'static, Sqlite>,
    id: OperationId,
    state: OperationState,
    verdict: Option<&str>,
    now: i64,
) -> StoreResult<()> {
    let (id, step) = (id.to_string(), Stage::Done.as_str());
    let state = OPERATION_STATES.into_iter().find(|(s, _)| *s == state).map_or("failed", |(_, text)| text);
    sqlx::query!(
        "UPDATE operations
         SET state = ?1, step = CASE ?1 WHEN 'succeeded' THEN ?2 ELSE step END, waiting = NULL,
             verdict = COALESCE(?3, verdict), finished_at = ?4
         WHERE id = ?5 AND state IN ('queued', 'running')",
        state,
        step,
        verdict,
        now,
        id
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// One operation.
    pub async fn operation(&self, id: OperationId) -> StoreResult<Option<Operation>> {
        let id = id.to_string();
        let row = sqlx::query_as!(OperationRow, "SELECT * FROM operations WHERE id = ?", id)
            .fetch_optional(self.db.reader())
            .await?;
        row.map(Operation::try_from).transpose()
    }

    /// The operation on an instance that has not ended.
    pub async fn active_operation(&self, instance: InstanceId) -> StoreResult<Option<Operation>> {
        let id = instance.to_string();
        let row = sqlx::query_as!(
            OperationRow,
            "SELECT * FROM operations WHERE instance_id = ? AND state IN ('queued', 'running')",
            id
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(Operation::try_from).transpose()
    }

    /// Every operation that has not ended.
    pub async fn active_operations(&self) -> StoreResult<Vec<Operation>> {
        let rows = sqlx::query_as!(
            OperationRow,
            "SELECT * FROM operations WHERE state IN ('queued', 'running') ORDER BY id"
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter().map(Operation::try_from).collect()
    }

    /// The newest operation on an instance.
    pub async fn newest_operation(&self, instance: InstanceId) -> StoreResult<Option<OperationId>> {
        let id = instance.to_string();
        let newest = sqlx::query_scalar!(
            "SELECT id FROM operations WHERE instance_id = ? ORDER BY created_at DESC, id DESC LIMIT 1",
            id
        )
        .fetch_optional(self.db.reader())
        .await?;
        newest.map(|id| parsed("id", &id)).transpose()
    }

    /// Says what an operation waits for. With `extend`, the time in which Docker cannot be reached does not
    /// count against its deadline.
    pub async fn wait(&self, id: OperationId, reason: &str, extend: bool) -> StoreResult<()> {
        let (id, now) = (id.to_string(), self.now());
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE operations
             SET waiting = ?1, deadline = CASE WHEN ?2 THEN MAX(deadline, ?3 + allowance) ELSE deadline END
             WHERE id = ?4 AND state IN ('queued', 'running')",
            reason,
            extend,
            now,
            id
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Asks for an operation to be cancelled. Answers whether it had not ended yet.
    pub async fn cancel(&self, id: OperationId) -> StoreResult<bool> {
        let id = id.to_string();
        let mut tx = self.begin().await?;
        let done = sqlx::query!(
            "UPDATE operations SET cancel = 1 WHERE id = ? AND state IN ('queued', 'running')",
            id
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.changed();
        Ok(done.rows_affected() > 0)
    }

    /// Ends an operation, with an entry in the ledger where it did not go well.
    pub async fn finish(
        &self,
        operation: &Operation,
        state: OperationState,
        verdict: Option<&str>,
    ) -> StoreResult<()> {
        let now = self.now();
        let mut tx = self.begin().await?;
        finish_in(&mut tx, operation.id, state, verdict, now).await?;
        let what = match state {
            OperationState::Failed => Some("failed"),
            OperationState::Cancelled => Some("cancelled"),
            _ => None,
        };
        if let Some(what) = what {
            let cause = verdict.or(operation.verdict.as_deref()).unwrap_or("on request");
            let cause = format!("{}: {cause}", kind_str(operation.kind));
            let entry = operation.actor.entry(what, &cause);
            record(&mut tx, &operation.instance_id.to_string(), &entry, now).await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Forgets that instances fell over since then; that an image did not come up stays.
    pub async fn forgive_losses(&self, since: i64) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        sqlx::query!("DELETE FROM failures WHERE image_id IS NULL AND at >= ?", since)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// How often the instance fell over lately, and how often its image did not come up.
    pub async fn failures(&self, instance: InstanceId) -> StoreResult<Failures> {
        let (id, since) = (instance.to_string(), self.now() - BREAKER_WINDOW_MS);
        let row = sqlx::query!(
            r#"SELECT COUNT(*) AS "count!: i64", COALESCE(MAX(at), 0) AS "last!: i64"
               FROM failures WHERE instance_id = ? AND at > ?"#,
            id,
            since
        )
        .fetch_one(self.db.reader())
        .await?;
        let image = sqlx::query_scalar!(
            r#"SELECT COALESCE(SUM(MIN(n, ?)), 0) AS "count!: i64" FROM (
                   SELECT COUNT(*) AS n FROM failures
                   WHERE image_id = (SELECT image_id FROM instances WHERE id = ?) AND at > ?
                   GROUP BY instance_id)"#,
            BREAKER_SHARE,
            id,
            since
        )
        .fetch_one(self.db.reader())
        .await?;
        let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Failures { recent: count(row.count), last: row.last, image: count(image) })
    }
}
