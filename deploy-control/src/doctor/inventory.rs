//! What is on record beside what is there, and what of the two does not agree.
//!
//! While the reconciler works the one is always a little ahead of the other, so what does not agree is looked at
//! twice, and only what both looks name is told.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use control_api::deploy::InstanceState;
use control_api::ids::InstanceId;
use control_api::route::RouteFile;

use crate::engine::ContainerInfo;
use crate::model::{Change, Goal, Instance, Operation};
use crate::reconciler::Context;
use crate::store::StoreResult;

/// Between the two looks: longer than a container takes to go and its route to be written.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// What is on record, and what is there.
#[derive(Default)]
pub(super) struct Inventory {
    /// Instances that are not deleted.
    pub(super) rows: Vec<Instance>,
    /// Ids that were ever on record.
    pub(super) known: HashSet<InstanceId>,
    /// Operations that have not ended.
    pub(super) operations: Vec<Operation>,
    /// Our containers.
    pub(super) containers: Vec<ContainerInfo>,
    /// Names below `runtime/instances`.
    pub(super) folders: Vec<String>,
    /// Route files by slug: what they say, or why they cannot be read.
    pub(super) routes: HashMap<String, Result<RouteFile, String>>,
    /// Prefix of our containers' names.
    pub(super) installation: String,
}

/// What does not agree, in words, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unaccounted {
    /// What is there and on no record.
    pub(super) orphans: Vec<String>,
    /// What is on record and not there.
    pub(super) missing: Vec<String>,
}

/// What does not agree in `first` and still does not in a second look.
pub(super) async fn unaccounted(context: &Context, first: &Inventory) -> Unaccounted {
    let first = Unaccounted::of(first);
    if first == Unaccounted::default() {
        return first;
    }
    tokio::time::sleep(SECOND_LOOK).await;
    match look(context).await {
        Some(second) => first.still_in(&Unaccounted::of(&second)),
        None => first,
    }
}

impl Unaccounted {
    fn of(inventory: &Inventory) -> Self {
        Self { orphans: orphans(inventory), missing: missing(inventory) }
    }

    fn still_in(mut self, later: &Self) -> Self {
        self.orphans.retain(|name| later.orphans.contains(name));
        self.missing.retain(|name| later.missing.contains(name));
        self
    }
}

fn orphans(inventory: &Inventory) -> Vec<String> {
    let knows = |id: InstanceId| inventory.known.contains(&id);
    let containers = inventory.containers.iter().filter_map(|container| {
        let of = container.labels.as_ref().map(|labels| labels.instance_id);
        (!of.is_some_and(knows)).then(|| format!("container {}", container.name))
    });
    let folders = inventory.folders.iter().filter_map(|name| {
        let of = name.parse::<InstanceId>().ok();
        (!of.is_some_and(knows)).then(|| format!("folder instances/{name}"))
    });
    let live = |slug: &str, id: InstanceId| {
        inventory.rows.iter().any(|row| row.id == id && row.slug.as_str() == slug)
    };
    let routes = inventory.routes.iter().filter_map(|(slug, route)| match route {
        Ok(route) if live(slug, route.instance_id) => None,
        Ok(_) => Some(format!("route {slug}.json")),
        Err(error) => Some(format!("route {slug}.json ({error})")),
    });
    let mut found: Vec<String> = containers.chain(folders).chain(routes).collect();
    found.sort_unstable();
    found
}

fn missing(inventory: &Inventory) -> Vec<String> {
    let mut found = Vec::new();
    for row in inventory.rows.iter().filter(|row| is_settled(row)) {
        let name = row.container_name(&inventory.installation);
        if row.container_made && !inventory.containers.iter().any(|container| container.name == name) {
            found.push(format!("container {name}"));
        }
        if !inventory.folders.contains(&row.id.to_string()) {
            found.push(format!("folder instances/{} of {}", row.id, row.slug));
        }
        if !inventory.routes.contains_key(row.slug.as_str()) {
            found.push(format!("route {}.json", row.slug));
        }
    }
    found.sort_unstable();
    found
}

/// What is on its way somewhere may well have nothing yet.
fn is_settled(row: &Instance) -> bool {
    row.change == Change::None
        && matches!(row.goal, Goal::Awake | Goal::Asleep | Goal::Stopped)
        && matches!(row.state, InstanceState::Ready | InstanceState::Asleep | InstanceState::Stopped)
}

/// The list of containers first: a row that is newer than the list is no orphan.
pub(super) async fn look(context: &Context) -> Option<Inventory> {
    let containers = context.engine.list().await.ok()?;
    let rows = records(context).await.ok()?;
    let runtime = context.config.runtime();
    let read = move || {
        let names = std::fs::read_dir(runtime.join("instances"))?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        let folders = names.collect::<io::Result<Vec<_>>>()?;
        let mut routes = HashMap::new();
        for entry in std::fs::read_dir(runtime.join("router/conf.d"))? {
            let path = entry?.path();
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let Some(slug) = name.strip_suffix(".json").filter(|slug| !slug.starts_with('.')) else {
                continue;
            };
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
            routes.insert(slug.to_owned(), text.and_then(|text| RouteFile::parse(slug, &text)));
        }
        Ok::<_, io::Error>((folders, routes))
    };
    let (folders, routes) = tokio::task::spawn_blocking(read).await.ok()?.ok()?;
    let (rows, known, operations) = rows;
    let installation = context.config.installation.clone();
    Some(Inventory { rows, known, operations, containers, folders, routes, installation })
}

type Records = (Vec<Instance>, HashSet<InstanceId>, Vec<Operation>);

async fn records(context: &Context) -> StoreResult<Records> {
    let store = &context.store;
    Ok((store.live().await?, store.known_ids().await?, store.active_operations().await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_both_looks_name_is_told() {
        let seen = |orphans: &[&str], missing: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
            Unaccounted { orphans: owned(orphans), missing: owned(missing) }
        };
        let first = seen(&["folder a", "route b"], &["container c", "route d"]);
        let second = seen(&["route b", "route e"], &["container c", "folder a"]);
        assert_eq!(first.still_in(&second), seen(&["route b"], &["container c"]));
    }
}
