//! Reads of instances, and what the router and the housekeeping write about them.

use std::collections::HashSet;

use control_api::deploy::{InstanceState, StateCount};
use control_api::ids::{InstanceId, UserId};
use control_api::names::{Slug, Username};

use super::operations::active_in;
use super::rows::{InstanceRow, parsed};
use super::{Store, StoreResult};
use crate::model::{Instance, Operation};

/// Which instances to list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Only those in this state.
    pub state: Option<InstanceState>,
    /// Only those of this owner.
    pub owner: Option<UserId>,
    /// At most this many.
    pub limit: u32,
    /// Continue after this instance.
    pub after: Option<InstanceId>,
}

impl Store {
    /// One instance, deleted or not.
    pub async fn instance(&self, id: InstanceId) -> StoreResult<Option<Instance>> {
        let id = id.to_string();
        let row = sqlx::query_as!(InstanceRow, "SELECT * FROM instances WHERE id = ?", id)
            .fetch_optional(self.db.reader())
            .await?;
        row.map(Instance::try_from).transpose()
    }

    /// An instance and the operation on it, as of one moment: an operation must never be judged by a row from
    /// before it was asked for.
    pub async fn view(&self, id: InstanceId) -> StoreResult<Option<(Instance, Option<Operation>)>> {
        let id = id.to_string();
        let mut tx = self.db.reader().begin().await?;
        let row = sqlx::query_as!(InstanceRow, "SELECT * FROM instances WHERE id = ?", id)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let operation = active_in(&mut tx, &id).await?;
        Ok(Some((row.try_into()?, operation)))
    }

    /// The instance that has the slug now.
    pub async fn by_slug(&self, slug: &Slug) -> StoreResult<Option<Instance>> {
        let slug = slug.as_str();
        let row = sqlx::query_as!(
            InstanceRow,
            "SELECT * FROM instances WHERE slug = ? AND deleted_at IS NULL",
            slug
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(Instance::try_from).transpose()
    }

    /// The instance of an owner.
    pub async fn by_owner(&self, owner: UserId) -> StoreResult<Option<Instance>> {
        let owner = owner.to_string();
        let row = sqlx::query_as!(
            InstanceRow,
            "SELECT * FROM instances WHERE owner_id = ? AND deleted_at IS NULL",
            owner
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(Instance::try_from).transpose()
    }

    /// The instance of an owner, by the owner's name.
    pub async fn by_username(&self, username: &Username) -> StoreResult<Option<Instance>> {
        let username = username.as_str();
        let row = sqlx::query_as!(
            InstanceRow,
            "SELECT * FROM instances WHERE username = ? AND deleted_at IS NULL ORDER BY id DESC LIMIT 1",
            username
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(Instance::try_from).transpose()
    }

    /// Instances that are not deleted, in the order of their ids.
    pub async fn page(&self, page: Page) -> StoreResult<Vec<Instance>> {
        let state = page.state.map(InstanceState::as_str);
        let owner = page.owner.map(|id| id.to_string());
        let after = page.after.map(|id| id.to_string()).unwrap_or_default();
        let rows = sqlx::query_as!(
            InstanceRow,
            "SELECT * FROM instances
             WHERE deleted_at IS NULL AND (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR owner_id = ?2)
               AND id > ?3
             ORDER BY id LIMIT ?4",
            state,
            owner,
            after,
            page.limit
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter().map(Instance::try_from).collect()
    }

    /// How many instances that are not deleted are in each state, in the order of the contract.
    pub async fn count_by_state(&self) -> StoreResult<Vec<StateCount>> {
        let rows = sqlx::query!(
            "SELECT state, COUNT(*) AS count FROM instances WHERE deleted_at IS NULL GROUP BY state"
        )
        .fetch_all(self.db.reader())
        .await?;
        let count = |state: InstanceState| {
            let row = rows.iter().find(|row| row.state == state.as_str())?;
            Some(StateCount { state, count: u64::try_from(row.count).unwrap_or(0) })
        };
        Ok(InstanceState::ALL.into_iter().filter_map(count).collect())
    }

    /// Every instance that is not deleted: what a sweep compares with Docker's list.
    pub async fn live(&self) -> StoreResult<Vec<Instance>> {
        let rows = sqlx::query_as!(InstanceRow, "SELECT * FROM instances WHERE deleted_at IS NULL")
            .fetch_all(self.db.reader())
            .await?;
        rows.into_iter().map(Instance::try_from).collect()
    }

    /// The ids of all that were ever on record.
    pub async fn known_ids(&self) -> StoreResult<HashSet<InstanceId>> {
        let ids = sqlx::query_scalar!("SELECT id FROM instances").fetch_all(self.db.reader()).await?;
        ids.iter().map(|id| parsed("id", id)).collect()
    }

    /// Writes down use that the router saw, never backwards and never from the future; and that the router
    /// has reported.
    pub async fn record_activity(&self, uses: &[(InstanceId, i64)]) -> StoreResult<()> {
        let now = self.now();
        let mut tx = self.begin().await?;
        for (id, at) in uses {
            let (id, at) = (id.to_string(), (*at).min(now));
            sqlx::query!(
                "UPDATE instances SET last_activity_at = MAX(COALESCE(last_activity_at, 0), ?) WHERE id = ?",
                at,
                id
            )
            .execute(&mut *tx)
            .await?;
        }
        let now = now.to_string();
        sqlx::query!(
            "INSERT INTO settings (name, value) VALUES ('router_reported_at', ?)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            now
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// When the router last reported.
    pub async fn router_reported_at(&self) -> StoreResult<Option<i64>> {
        let value = self.setting("router_reported_at").await?;
        value.map(|text| parsed("router_reported_at", &text)).transpose()
    }

    /// A value kept over restarts.
    pub async fn setting(&self, name: &str) -> StoreResult<Option<String>> {
        Ok(sqlx::query_scalar!("SELECT value FROM settings WHERE name = ?", name)
            .fetch_optional(self.db.reader())
            .await?)
    }

    /// Keeps a value over restarts.
    pub async fn set_setting(&self, name: &str, value: &str) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "INSERT INTO settings (name, value) VALUES (?, ?)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            name,
            value
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Forgets every address that was ever given out: there is no instance, and the subnet is another.
    pub async fn forget_addresses(&self) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        sqlx::query!("DELETE FROM addresses WHERE instance_id IS NULL").execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// Deleted instances that authz-service has not been told about.
    pub async fn to_forget(&self) -> StoreResult<Vec<InstanceId>> {
        let ids = sqlx::query_scalar!("SELECT id FROM instances WHERE forget_pending = 1")
            .fetch_all(self.db.reader())
            .await?;
        ids.iter().map(|id| parsed("id", id)).collect()
    }

    /// authz-service knows.
    pub async fn forgotten(&self, id: InstanceId) -> StoreResult<()> {
        let id = id.to_string();
        let mut tx = self.begin().await?;
        sqlx::query!("UPDATE instances SET forget_pending = 0 WHERE id = ?", id).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }
}
