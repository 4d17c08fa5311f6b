//! `register`: who gets an instance, with which slug, address and user id. One transaction decides, so that
//! two orders at once never share any of the three.

use control_api::deploy::{InstanceState, OperationKind, OperationState};
use control_api::ids::{InstanceId, OperationId, UserId};
use control_api::names::{Slug, Username};
use sqlx::{Sqlite, Transaction};

use super::events::record;
use super::operations::{NewOperation, active_in, insert};
use super::rows::{InstanceRow, parsed};
use super::{Store, StoreError, StoreResult, int};
use crate::address_plan::AddressPlan;
use crate::engine::Limits;
use crate::model::{Actor, Goal, Instance, Place};

/// What is asked for.
pub struct Order<'a> {
    /// Who will own it.
    pub owner: UserId,
    /// The owner's name.
    pub username: &'a Username,
    /// The slug, where it is not to be the name.
    pub slug: Option<&'a Slug>,
    /// The owner's address.
    pub email: &'a str,
    /// For the pages.
    pub display_name: Option<&'a str>,
    /// The image of a new instance, where it could be resolved already.
    pub image_id: Option<&'a str>,
    /// Limits of a new instance.
    pub limits: Limits,
    /// User id of the first instance.
    pub uid_base: u32,
    /// Where addresses come from.
    pub plan: &'a AddressPlan,
    /// How long it may take.
    pub allowance_ms: i64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The instance.
    pub instance: InstanceId,
    /// The work under way, or the last.
    pub operation: OperationId,
    /// Whether there is new work.
    pub fresh: bool,
}

type Tx = Transaction<'static, Sqlite>;

impl Store {
    /// Orders an instance: a new one, the one that the owner has, or one that failed or was deleted with its
    /// data kept, again.
    pub async fn order(&self, order: &Order<'_>) -> StoreResult<Ordered> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let owner = order.owner.to_string();
        let row = sqlx::query_as!(
            InstanceRow,
            "SELECT * FROM instances WHERE owner_id = ? AND desired <> 'purged'",
            owner
        )
        .fetch_optional(&mut *tx)
        .await?;
        let existing = row.map(Instance::try_from).transpose()?;
        let (instance, undo) = match existing {
            None => (insert_instance(&mut tx, order, now).await?, None),
            Some(old) => {
                let active = active_in(&mut tx, &old.id.to_string()).await?;
                let deleted = matches!(old.goal, Goal::Deleted | Goal::Purged);
                if !deleted && (active.is_some() || old.state != InstanceState::Failed) {
                    let operation = match active {
                        Some(operation) => operation.id,
                        None => newest_in(&mut tx, &old.id.to_string()).await?,
                    };
                    return Ok(Ordered { instance: old.id, operation, fresh: false });
                }
                if let Some(operation) = active {
                    // A delete that has not ended: it is called off.
                    let state = OperationState::Cancelled;
                    super::operations::finish_in(&mut tx, operation.id, state, None, now).await?;
                }
                (revive(&mut tx, &old, order, now).await?, Some(old.goal))
            }
        };
        let new = NewOperation {
            id: OperationId::generate(),
            kind: OperationKind::Register,
            actor: Actor::User,
            undo,
            allowance_ms: order.allowance_ms,
        };
        insert(&mut tx, &instance.to_string(), &new, now).await?;
        let cause = if undo.is_some() { "registered again" } else { "registered" };
        record(&mut tx, &instance.to_string(), &Actor::User.entry("ordered", cause), now).await?;
        tx.commit().await?;
        self.changed();
        Ok(Ordered { instance, operation: new.id, fresh: true })
    }
}

async fn insert_instance(tx: &mut Tx, order: &Order<'_>, now: i64) -> StoreResult<InstanceId> {
    let owner = order.owner.to_string();
    let leaving = sqlx::query_scalar!(
        r#"SELECT COUNT(*) AS "count!: i64" FROM instances
           WHERE owner_id = ? AND desired = 'purged' AND deleted_at IS NULL"#,
        owner
    )
    .fetch_one(&mut **tx)
    .await?;
    if leaving > 0 {
        return Err(StoreError::BeingRemoved);
    }
    let slug = order.slug.cloned().unwrap_or_else(|| order.username.clone().into());
    check_quarantine(tx, &slug, order.owner, now).await?;
    let id = InstanceId::generate();
    let base = i64::from(order.uid_base);
    let uid = sqlx::query_scalar!(
        r#"SELECT MAX(COALESCE(MAX(uid) + 1, ?1), ?1) AS "uid!: i64" FROM instances"#,
        base
    )
    .fetch_one(&mut **tx)
    .await?;
    let (id_text, slug, username) = (id.to_string(), slug.as_str(), order.username.as_str());
    let (memory, disk) = (int(order.limits.memory_bytes), int(order.limits.disk_bytes));
    sqlx::query!(
        "INSERT INTO instances (id, slug, owner_id, username, email, display_name, desired, state, image_id,
                                uid, memory_bytes, milli_cpus, pids, disk_bytes, created_at)
         VALUES (?, ?, ?, ?, ?, ?, 'awake', 'pending', ?, ?, ?, ?, ?, ?, ?)",
        id_text,
        slug,
        owner,
        username,
        order.email,
        order.display_name,
        order.image_id,
        uid,
        memory,
        order.limits.milli_cpus,
        order.limits.pids,
        disk,
        now
    )
    .execute(&mut **tx)
    .await
    .map_err(slug_taken)?;
    take_address(tx, &id_text, order.plan, now).await?;
    Ok(id)
}

/// A failed or deleted instance of the same owner is wanted again.
async fn revive(tx: &mut Tx, old: &Instance, order: &Order<'_>, now: i64) -> StoreResult<InstanceId> {
    let id = old.id.to_string();
    // A container, and a route, may still bear the old slug until the delete has ended.
    let wanted = order.slug.cloned().unwrap_or_else(|| order.username.clone().into());
    let slug = if old.deleted_at.is_some() { wanted } else { old.slug.clone() };
    if slug != old.slug {
        check_quarantine(tx, &slug, order.owner, now).await?;
    }
    let image = if old.ever_ready { None } else { order.image_id };
    let (slug, username) = (slug.as_str(), order.username.as_str());
    // After a delete the next container counts on; before its end the old one may still be there.
    let step = i64::from(old.deleted_at.is_some());
    sqlx::query!(
        "UPDATE instances
         SET desired = 'awake', change = 'none', state = 'pending', reason = NULL, deleted_at = NULL, slug = ?1,
             username = ?2, email = ?3, forget_pending = 0, image_id = COALESCE(?4, image_id),
             generation = generation + ?5
         WHERE id = ?6",
        slug,
        username,
        order.email,
        image,
        step,
        id
    )
    .execute(&mut **tx)
    .await
    .map_err(slug_taken)?;
    sqlx::query!("DELETE FROM failures WHERE instance_id = ?", id).execute(&mut **tx).await?;
    if old.place.is_none() {
        take_address(tx, &id, order.plan, now).await?;
    }
    Ok(old.id)
}

async fn newest_in(tx: &mut Tx, id: &str) -> StoreResult<OperationId> {
    let newest = sqlx::query_scalar!(
        "SELECT id FROM operations WHERE instance_id = ? ORDER BY created_at DESC, id DESC LIMIT 1",
        id
    )
    .fetch_one(&mut **tx)
    .await?;
    parsed("id", &newest)
}

async fn check_quarantine(tx: &mut Tx, slug: &Slug, owner: UserId, now: i64) -> StoreResult<()> {
    let (slug, owner) = (slug.as_str(), owner.to_string());
    let held = sqlx::query_scalar!(
        r#"SELECT COUNT(*) AS "count!: i64" FROM slugs WHERE slug = ? AND last_owner <> ? AND free_at > ?"#,
        slug,
        owner,
        now
    )
    .fetch_one(&mut **tx)
    .await?;
    if held > 0 { Err(StoreError::SlugTaken) } else { Ok(()) }
}

/// The address that has rested longest, or else one that was never used.
pub(super) async fn take_address(
    tx: &mut Tx,
    instance: &str,
    plan: &AddressPlan,
    now: i64,
) -> StoreResult<()> {
    let rested = sqlx::query!(
        "SELECT address, shard FROM addresses
         WHERE instance_id IS NULL AND free_at <= ? ORDER BY free_at LIMIT 1",
        now
    )
    .fetch_optional(&mut **tx)
    .await?;
    let place = if let Some(row) = rested {
        let shard = u16::try_from(row.shard);
        let shard = shard.map_err(|_| StoreError::Corrupt(format!("shard holds {}", row.shard)))?;
        Place { shard, address: parsed("address", &row.address)? }
    } else {
        let given = sqlx::query_scalar!(r#"SELECT COUNT(*) AS "count!: i64" FROM addresses"#)
            .fetch_one(&mut **tx)
            .await?;
        plan.place(u32::try_from(given).unwrap_or(u32::MAX)).ok_or(StoreError::AddressesExhausted)?
    };
    let (address, shard) = (place.address.to_string(), place.shard);
    sqlx::query!(
        "INSERT INTO addresses (address, shard, instance_id) VALUES (?, ?, ?)
         ON CONFLICT (address) DO UPDATE SET instance_id = excluded.instance_id, free_at = NULL",
        address,
        shard,
        instance
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("UPDATE instances SET shard = ?, address = ? WHERE id = ?", shard, address, instance)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The live slug is the one thing about an order that can clash; the owner was looked up in the same
/// transaction, and ids and user ids are new.
fn slug_taken(error: sqlx::Error) -> StoreError {
    let clash = error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
    if clash { StoreError::SlugTaken } else { StoreError::Sql(error) }
}
