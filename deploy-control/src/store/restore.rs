//! The database made again: rows that were assembled from what is left of them.

use sqlx::{Sqlite, Transaction};

use super::events::record;
use super::operations::{NewOperation, finish_in, insert};
use super::orders::take_address;
use super::{ADDRESS_QUARANTINE_MS, SLUG_QUARANTINE_MS, Store, StoreResult, int};
use crate::address_plan::AddressPlan;
use crate::model::{Actor, Instance};
use control_api::deploy::{OperationKind, OperationState};
use control_api::ids::OperationId;

type Tx = Transaction<'static, Sqlite>;

impl Store {
    /// Looks through the whole file for damage and counts the instances in it, deleted ones too.
    pub async fn check_and_count(&self) -> StoreResult<usize> {
        let verdict =
            sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(self.db.reader()).await?;
        if verdict != "ok" {
            return Err(super::StoreError::Corrupt(verdict));
        }
        let count = sqlx::query_scalar!(r#"SELECT COUNT(*) AS "count!: i64" FROM instances"#)
            .fetch_one(self.db.reader())
            .await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Puts instances on record that a lost database held: all of them, or on an error none.
    pub async fn restore(&self, instances: &[Instance], plan: &AddressPlan) -> StoreResult<()> {
        let now = self.now();
        let mut tx = self.begin().await?;
        for instance in instances {
            insert_row(&mut tx, instance).await?;
        }
        fill_addresses(&mut tx, instances, plan, now).await?;
        for instance in instances {
            let id = instance.id.to_string();
            if instance.deleted_at.is_some() {
                keep_slug(&mut tx, instance, now).await?;
            } else if instance.place.is_none() {
                take_address(&mut tx, &id, plan, now).await?;
            }
            // Every instance has been ordered once: whoever orders it again is answered with that.
            let operation = NewOperation {
                id: OperationId::generate(),
                kind: OperationKind::Register,
                actor: Actor::Operator,
                undo: None,
                allowance_ms: 0,
            };
            insert(&mut tx, &id, &operation, now).await?;
            finish_in(&mut tx, operation.id, OperationState::Succeeded, None, now).await?;
            let cause =
                "the database was lost; this was read from Docker's labels, the folders and the routes";
            record(&mut tx, &id, &Actor::Operator.entry("put on record again", cause), now).await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(())
    }
}

async fn insert_row(tx: &mut Tx, row: &Instance) -> StoreResult<()> {
    let (id, slug, owner) = (row.id.to_string(), row.slug.as_str(), row.owner_id.to_string());
    let (username, goal, state) = (row.username.as_str(), row.goal.as_str(), row.state.as_str());
    let (generation, memory, disk) =
        (int(row.generation), int(row.limits.memory_bytes), int(row.limits.disk_bytes));
    let (shard, address) = (row.place.map(|p| p.shard), row.place.map(|p| p.address.to_string()));
    let provider = row.provider.as_ref();
    let (kind, model, base_url) = (
        provider.map(|p| p.kind.as_str()),
        provider.and_then(|p| p.model.as_deref()),
        provider.and_then(|p| p.base_url.as_deref()),
    );
    sqlx::query!(
        "INSERT INTO instances (id, slug, owner_id, username, email, desired, state, reason, generation,
                                container_made, image_id, shard, address, uid, memory_bytes, milli_cpus, pids,
                                disk_bytes, provider_kind, provider_model, provider_base_url, owner_registered,
                                ever_ready, created_at, ready_at, deleted_at, nap)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        id,
        slug,
        owner,
        username,
        row.email,
        goal,
        state,
        row.reason,
        generation,
        row.container_made,
        row.image_id,
        shard,
        address,
        row.uid,
        memory,
        row.limits.milli_cpus,
        row.limits.pids,
        disk,
        kind,
        model,
        base_url,
        row.owner_registered,
        row.ever_ready,
        row.created_at,
        row.ready_at,
        row.deleted_at,
        row.nap
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Every address up to the last that is in use: the next one is found by counting them. Those in between rest,
/// because who had them is not known.
async fn fill_addresses(tx: &mut Tx, rows: &[Instance], plan: &AddressPlan, now: i64) -> StoreResult<()> {
    let mut places: Vec<(u32, String)> = rows
        .iter()
        .filter_map(|row| Some((plan.index_of(row.place?.address)?, row.id.to_string())))
        .collect();
    places.sort_unstable();
    let mut next = 0;
    for (index, id) in places {
        for rests in next..index {
            note_address(tx, plan, rests, None, now).await?;
        }
        note_address(tx, plan, index, Some(&id), now).await?;
        next = index + 1;
    }
    Ok(())
}

async fn note_address(
    tx: &mut Tx,
    plan: &AddressPlan,
    index: u32,
    instance: Option<&str>,
    now: i64,
) -> StoreResult<()> {
    let Some(place) = plan.place(index) else { return Ok(()) };
    let address = place.address.to_string();
    let free_at = instance.is_none().then_some(now + ADDRESS_QUARANTINE_MS);
    sqlx::query!(
        "INSERT INTO addresses (address, shard, instance_id, free_at) VALUES (?, ?, ?, ?)",
        address,
        place.shard,
        instance,
        free_at
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn keep_slug(tx: &mut Tx, instance: &Instance, now: i64) -> StoreResult<()> {
    let (slug, owner) = (instance.slug.as_str(), instance.owner_id.to_string());
    let free_at = now + SLUG_QUARANTINE_MS;
    sqlx::query!(
        "INSERT INTO slugs (slug, last_owner, free_at) VALUES (?, ?, ?) ON CONFLICT (slug) DO NOTHING",
        slug,
        owner,
        free_at
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
