//! What the reconciler writes after a step: one transaction for the instance, its operation and the ledger,
//! so that a crash sees either all of a step's outcome or nothing of it.

use control_api::deploy::{InstanceState, ProviderSummary};
use control_api::ids::{InstanceId, OperationId};

use super::events::record;
use super::limits::{LimitsNews, note_limits};
use super::snapshots::{forget_snapshots, note_snapshot};
use super::{ADDRESS_QUARANTINE_MS, SLUG_QUARANTINE_MS, Store, StoreResult, int};
use crate::model::{Change, Entry, Goal, Instance, Stage};

/// The outcome of a step; whatever is `None` stays as it is.
#[derive(Clone, Default)]
pub struct Update<'a> {
    /// What is published, and why it is so.
    pub state: Option<(InstanceState, Option<&'a str>)>,
    /// From this change to that one; nothing happens where it is another by now.
    pub change: Option<(Change, Change)>,
    /// From this goal to that one, likewise.
    pub goal: Option<(Goal, Goal)>,
    /// Whether a container of the generation exists.
    pub made: Option<bool>,
    /// The generation.
    pub generation: Option<u64>,
    /// The image that it runs or will run.
    pub image: Option<&'a str>,
    /// The image before.
    pub previous_image: Option<&'a str>,
    /// Where an upgrade goes; while it is tried, where it came from.
    pub target_image: Option<&'a str>,
    /// What the container was made from.
    pub spec_hash: Option<&'a str>,
    /// Whether it is frozen by us, or to be.
    pub nap: Option<bool>,
    /// The app knows its owner.
    pub registered: bool,
    /// It serves: sets `ready_at` and `ever_ready`.
    pub ready: bool,
    /// The provider as the configuration file says.
    pub provider: Option<Option<&'a ProviderSummary>>,
    /// It fell over, and what is to blame.
    pub failure: Option<Blame>,
    /// A copy of the data was taken, or is of no use any more.
    pub snapshot: Option<SnapshotNews<'a>>,
    /// Limits of the next container.
    pub limits: Option<LimitsNews>,
    /// The address goes back into quarantine.
    pub release: bool,
    /// How far the operation is; begins it where it was queued, and ends its waiting.
    pub stage: Option<(OperationId, Stage)>,
    /// Why the operation will end as failed.
    pub verdict: Option<(OperationId, &'a str)>,
    /// For the ledger.
    pub event: Option<Entry<'a>>,
}

/// What a failure is counted against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The instance alone: it served before, or what it was told is at fault.
    Instance,
    /// Its image too: the app did not come up.
    Image,
}

/// What became of a copy of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotNews<'a> {
    /// It is whole and on disk.
    Taken {
        /// Its number.
        generation: u64,
        /// What ran until then.
        image: &'a str,
        /// Its size.
        bytes: u64,
    },
    /// It is the present data again.
    Returned {
        /// Its number.
        generation: u64,
    },
}

impl Store {
    /// Writes the outcome of a step.
    pub async fn apply(&self, id: InstanceId, update: &Update<'_>) -> StoreResult<()> {
        let (id, now) = (id.to_string(), self.now());
        let mut tx = self.begin().await?;
        let (state, reason) = update.state.map_or((None, None), |(s, reason)| (Some(s.as_str()), reason));
        let (from, to) = update.change.map_or((None, None), |(a, b)| (Some(a.as_str()), Some(b.as_str())));
        let (goal_from, goal_to) =
            update.goal.map_or((None, None), |(a, b)| (Some(a.as_str()), Some(b.as_str())));
        let generation = update.generation.map(int);
        let (made, registered, ready, nap) = (update.made, update.registered, update.ready, update.nap);
        let new_provider = update.provider.is_some();
        let provider = update.provider.flatten();
        let (kind, model, base_url) = (
            provider.map(|p| p.kind.as_str()),
            provider.and_then(|p| p.model.as_deref()),
            provider.and_then(|p| p.base_url.as_deref()),
        );
        sqlx::query!(
            "UPDATE instances SET
                 state = COALESCE(?2, state),
                 reason = CASE WHEN ?2 IS NULL THEN reason ELSE ?3 END,
                 change = CASE WHEN change = ?4 THEN ?5 ELSE change END,
                 desired = CASE WHEN desired = ?6 THEN ?7 ELSE desired END,
                 container_made = COALESCE(?8, container_made),
                 generation = COALESCE(?9, generation),
                 image_id = COALESCE(?10, image_id),
                 previous_image_id = COALESCE(?11, previous_image_id),
                 spec_hash = COALESCE(?12, spec_hash),
                 owner_registered = CASE WHEN ?13 THEN 1 ELSE owner_registered END,
                 ever_ready = CASE WHEN ?14 THEN 1 ELSE ever_ready END,
                 ready_at = CASE WHEN ?14 THEN ?15 ELSE ready_at END,
                 provider_kind = CASE WHEN ?16 THEN ?17 ELSE provider_kind END,
                 provider_model = CASE WHEN ?16 THEN ?18 ELSE provider_model END,
                 provider_base_url = CASE WHEN ?16 THEN ?19 ELSE provider_base_url END,
                 target_image_id = COALESCE(?20, target_image_id),
                 restore_generation =
                     CASE WHEN change = ?4 AND ?5 = 'none' THEN NULL ELSE restore_generation END,
                 nap = COALESCE(?21, nap)
             WHERE id = ?1",
            id,
            state,
            reason,
            from,
            to,
            goal_from,
            goal_to,
            made,
            generation,
            update.image,
            update.previous_image,
            update.spec_hash,
            registered,
            ready,
            now,
            new_provider,
            kind,
            model,
            base_url,
            update.target_image,
            nap
        )
        .execute(&mut *tx)
        .await?;
        if let Some(blame) = update.failure {
            count_failure(&mut tx, &id, blame, now).await?;
        }
        if update.ready {
            clear_image(&mut tx, &id).await?;
        }
        if let Some(news) = update.snapshot {
            note_snapshot(&mut tx, &id, news, now).await?;
        }
        if let Some(news) = update.limits {
            note_limits(&mut tx, &id, news).await?;
        }
        if update.release {
            release_address(&mut tx, &id, now).await?;
        }
        if let Some((operation, stage)) = update.stage {
            let (operation, step) = (operation.to_string(), stage.as_str());
            sqlx::query!(
                "UPDATE operations
                 SET state = 'running', step = ?, started_at = COALESCE(started_at, ?), waiting = NULL
                 WHERE id = ? AND state IN ('queued', 'running')",
                step,
                now,
                operation
            )
            .execute(&mut *tx)
            .await?;
        }
        if let Some((operation, verdict)) = update.verdict {
            note_verdict(&mut tx, operation, verdict).await?;
        }
        if let Some(entry) = &update.event {
            record(&mut tx, &id, entry, now).await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Writes down that the last trace of an instance is gone, unless it was revived meanwhile (answers
    /// whether it was not). The slug is kept for its owner, the address rests, and authz-service is to be
    /// told.
    pub async fn erased(&self, instance: &Instance, entry: &Entry<'_>) -> StoreResult<bool> {
        let (id, slug, owner) =
            (instance.id.to_string(), instance.slug.as_str(), instance.owner_id.to_string());
        let now = self.now();
        let mut tx = self.begin().await?;
        let desired = instance.goal.as_str();
        let done = sqlx::query!(
            "UPDATE instances
             SET deleted_at = ?, state = 'deleting', reason = NULL, container_made = 0, change = 'none',
                 owner_registered = 0, forget_pending = 1
             WHERE id = ? AND desired = ? AND deleted_at IS NULL",
            now,
            id,
            desired
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        release_address(&mut tx, &id, now).await?;
        if instance.goal == Goal::Purged {
            forget_snapshots(&mut tx, &id).await?;
        }
        let free_at = now + SLUG_QUARANTINE_MS;
        sqlx::query!(
            "INSERT INTO slugs (slug, last_owner, free_at) VALUES (?, ?, ?)
             ON CONFLICT (slug) DO UPDATE SET last_owner = excluded.last_owner, free_at = excluded.free_at",
            slug,
            owner,
            free_at
        )
        .execute(&mut *tx)
        .await?;
        record(&mut tx, &id, entry, now).await?;
        tx.commit().await?;
        self.changed();
        Ok(true)
    }
}

async fn count_failure(
    tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    id: &str,
    blame: Blame,
    now: i64,
) -> StoreResult<()> {
    let image = blame == Blame::Image;
    sqlx::query!(
        "INSERT INTO failures (instance_id, at, image_id)
         SELECT id, ?, CASE WHEN ? THEN image_id END FROM instances WHERE id = ?",
        now,
        image,
        id
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whatever was the matter with the image: it comes up.
async fn clear_image(tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>, id: &str) -> StoreResult<()> {
    sqlx::query!(
        "UPDATE failures SET image_id = NULL
         WHERE image_id = (SELECT image_id FROM instances WHERE id = ?)",
        id
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Why an operation will end as failed: the first reason stays.
async fn note_verdict(
    tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    operation: OperationId,
    verdict: &str,
) -> StoreResult<()> {
    let operation = operation.to_string();
    sqlx::query!(
        "UPDATE operations SET verdict = COALESCE(verdict, ?), waiting = NULL WHERE id = ?",
        verdict,
        operation
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn release_address(
    tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    id: &str,
    now: i64,
) -> StoreResult<()> {
    let free_at = now + ADDRESS_QUARANTINE_MS;
    sqlx::query!("UPDATE addresses SET instance_id = NULL, free_at = ? WHERE instance_id = ?", free_at, id)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("UPDATE instances SET shard = NULL, address = NULL WHERE id = ?", id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
