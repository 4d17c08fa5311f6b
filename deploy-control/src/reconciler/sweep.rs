//! The full comparison: Docker's list against the rows. It names the instances that need a look and removes
//! containers of ours that no row wants any more. What it does not know it leaves alone, and so it does with
//! everything when Docker cannot give the list.

use std::collections::HashMap;

use control_api::ids::InstanceId;

use super::context::{Context, blocking};
use super::flight::container;
use crate::engine::ContainerInfo;
use crate::lifecycle::{Container, Desired, Observed, Policy, Step, next_step};
use crate::model::{Change, Goal, Instance};
use crate::store::StoreResult;

/// The instances that need a look.
pub(super) async fn sweep(context: &Context, at_work: impl Fn(InstanceId) -> bool) -> Vec<InstanceId> {
    // The list before the rows: a row that is newer than the list can only make a container stale.
    let list = match context.engine.list().await {
        Ok(list) => list,
        Err(error) => {
            context.availability.down(&error.to_string());
            return unfinished(context).await.unwrap_or_default();
        }
    };
    context.docker_answers().await;
    let (rows, operations) = match rows(context).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::error!(%error, "the database cannot be read");
            return Vec::new();
        }
    };
    remove_stale(context, &list, &rows, at_work).await;
    let by_name: HashMap<&str, &ContainerInfo> = list.iter().map(|info| (info.name.as_str(), info)).collect();
    // Also the operations of instances whose last trace is gone already.
    let mut found: Vec<InstanceId> = operations;
    found.extend(rows.values().filter(|row| needs_a_look(context, row, &by_name)).map(|row| row.id));
    found.extend(unsynced(context, rows).await);
    // Oldest first: ids are in the order of time.
    found.sort_unstable();
    found.dedup();
    tracing::debug!(to_look_at = found.len(), "compared with Docker's list");
    found
}

/// While Docker is away: those with an operation, so that each says what it waits for.
async fn unfinished(context: &Context) -> StoreResult<Vec<InstanceId>> {
    Ok(context.store.active_operations().await?.into_iter().map(|operation| operation.instance_id).collect())
}

type Rows = (HashMap<InstanceId, Instance>, Vec<InstanceId>);

/// The instances that are not deleted, and those with an operation that has not ended.
async fn rows(context: &Context) -> StoreResult<Rows> {
    let rows = context.store.live().await?.into_iter().map(|row| (row.id, row)).collect();
    Ok((rows, unfinished(context).await?))
}

fn needs_a_look(context: &Context, instance: &Instance, list: &HashMap<&str, &ContainerInfo>) -> bool {
    let name = instance.container_name(&context.config.installation);
    let own = list
        .get(name.as_str())
        .filter(|info| info.labels.as_ref().is_some_and(|labels| labels.instance_id == instance.id));
    let observed = Observed {
        container: own.map_or(Container::Gone, |info| container(info.state)),
        state: instance.state,
        container_made: instance.container_made,
        answered: false,
        registered: instance.owner_registered,
        erased: instance.deleted_at.is_some(),
    };
    let policy =
        Policy { asked: false, recent_failures: 0, last_failure: 0, image_failures: 0, back_off_ms: 0 };
    let desired = Desired { goal: instance.goal, change: instance.change, nap: instance.nap };
    next_step(desired, observed, &policy, context.clock.now_ms()) != Step::Settled
}

/// The instances whose route file is not as it must be. It is read here and written in the instance's own
/// flight alone, so that an old look never overwrites newer news.
async fn unsynced(context: &Context, rows: HashMap<InstanceId, Instance>) -> Vec<InstanceId> {
    let routes = context.routes.clone();
    let work = move || {
        Ok(rows.values().filter(|instance| !routes.is_synced(instance)).map(|instance| instance.id).collect())
    };
    blocking(work).await.unwrap_or_default()
}

/// Removes containers of instances that this database knows, where no row wants them: left by a crash, or of
/// a deleted instance. Containers of unknown instances stay: this database may be the one at fault.
async fn remove_stale(
    context: &Context,
    list: &[ContainerInfo],
    rows: &HashMap<InstanceId, Instance>,
    at_work: impl Fn(InstanceId) -> bool,
) {
    for info in list {
        let Some(labels) = &info.labels else { continue };
        let id = labels.instance_id;
        if at_work(id) {
            continue;
        }
        let stale = match rows.get(&id) {
            Some(instance) => !is_wanted(instance, labels.generation),
            None => matches!(context.store.instance(id).await, Ok(Some(row)) if row.deleted_at.is_some()),
        };
        if stale {
            tracing::warn!(container = info.name, instance = %id, "a stale container is removed");
            if let Err(error) = context.engine.remove(&info.id).await {
                tracing::warn!(container = info.name, %error, "a stale container cannot be removed");
            }
        }
    }
}

fn is_wanted(instance: &Instance, generation: u64) -> bool {
    if matches!(instance.goal, Goal::Deleted | Goal::Purged) {
        // The delete's own flight removes them.
        return true;
    }
    let upgrading = matches!(instance.change, Change::Restore | Change::UpgradeTry | Change::UpgradeBack);
    generation == instance.generation || (upgrading && generation + 1 == instance.generation)
}
