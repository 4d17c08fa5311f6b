//! The routes in force. Readers take a snapshot without a lock and look up by slug alone; one writer
//! replaces the whole map. What belongs to a container (its connections) is kept by instance and
//! generation; what belongs to an instance (its limits and counters) survives a new generation.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use control_api::deploy::InstanceState;
use control_api::route::RouteFile;
use tokio::sync::watch;

use super::files::Change;
use crate::activity::Activity;
use crate::admission::Admission;
use crate::upstream::Upstream;
use crate::wake::WakeOnce;

/// One route with what hangs on it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) file: RouteFile,
    /// Connections to this generation's container.
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// Limits of the instance.
    pub(crate) admission: Arc<Admission>,
    /// Use of the instance.
    pub(crate) activity: Arc<Activity>,
    /// One wake call at a time, for one sleep.
    pub(crate) wake: Arc<WakeOnce>,
}

impl Route {
    /// A route of `file` that takes over what still belongs to it.
    fn new(file: RouteFile, before: Option<&Route>) -> Self {
        let same_instance = before.filter(|b| b.file.instance_id == file.instance_id);
        let upstream = file.upstream.map(|address| {
            let kept = same_instance
                .filter(|b| b.file.generation == file.generation)
                .and_then(|b| b.upstream.as_ref())
                .filter(|u| u.address() == address);
            kept.map_or_else(|| Arc::new(Upstream::new(address)), Arc::clone)
        });
        Self {
            upstream,
            admission: same_instance.map_or_else(Arc::default, |b| Arc::clone(&b.admission)),
            activity: same_instance.map_or_else(
                || Arc::new(Activity::new(file.slug.clone(), file.instance_id)),
                |b| Arc::clone(&b.activity),
            ),
            // Of a sleep that has ended nothing counts for the next: that one is to be woken at once.
            wake: same_instance
                .filter(|b| b.file.state == InstanceState::Asleep)
                .map_or_else(Arc::default, |b| Arc::clone(&b.wake)),
            file,
        }
    }
}

type Map = HashMap<String, Arc<Route>>;

/// The table.
#[derive(Debug)]
pub(crate) struct RouteTable {
    current: ArcSwap<Map>,
    version: watch::Sender<u64>,
}

impl RouteTable {
    pub(crate) fn new() -> Self {
        Self { current: ArcSwap::default(), version: watch::Sender::new(0) }
    }

    /// The route of a slug.
    pub(crate) fn get(&self, slug: &str) -> Option<Arc<Route>> {
        self.current.load().get(slug).cloned()
    }

    /// All routes of this moment.
    pub(crate) fn all(&self) -> Vec<Arc<Route>> {
        self.current.load().values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.current.load().len()
    }

    /// Changes with each change of the table.
    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Takes over changes; the one writer calls this.
    pub(crate) fn apply(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let before = self.current.load_full();
        let mut map = Map::clone(&before);
        let mut touched = Vec::new();
        for change in changes {
            let slug = match change {
                Change::Set(file) => {
                    let slug = file.slug.to_string();
                    let old = map.get(&slug).cloned();
                    if old.as_ref().is_some_and(|old| old.file == *file) {
                        continue;
                    }
                    tracing::info!(slug, generation = file.generation, state = file.state.as_str(), "route");
                    map.insert(slug.clone(), Arc::new(Route::new(*file, old.as_deref())));
                    slug
                }
                Change::Gone(slug) => {
                    tracing::info!(slug, "route gone");
                    map.remove(&slug);
                    slug
                }
            };
            touched.push(slug);
        }
        let map = Arc::new(map);
        self.current.store(Arc::clone(&map));
        // Only now: whoever looks from here on finds the new route.
        for slug in touched {
            retire(before.get(&slug), map.get(&slug));
        }
        self.version.send_modify(|version| *version += 1);
    }
}

/// Ends the connections of a container that its slug no longer stands for.
fn retire(before: Option<&Arc<Route>>, after: Option<&Arc<Route>>) {
    let Some(old) = before.and_then(|b| b.upstream.as_ref()) else { return };
    match after.and_then(|a| a.upstream.as_ref()) {
        Some(new) if Arc::ptr_eq(old, new) => {
            if after.is_some_and(|a| a.file.state != InstanceState::Ready) {
                old.drop_idle();
            }
        }
        _ => old.retire(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// alice's route, ready.
    pub(crate) fn ready(generation: u64, upstream: &str, instance: &str) -> Change {
        let text = format!(
            r#"{{"version":1,"slug":"alice","instance_id":"{instance}","generation":{generation},
            "owner_id":"01JDF3X5S8Q4M7R2V6T9W0YZAC","state":"ready","upstream":"{upstream}"}}"#
        );
        Change::Set(Box::new(RouteFile::parse("alice", &text).expect("a route")))
    }

    const A: &str = "01JDF3X5S8Q4M7R2V6T9W0YZAB";
    const B: &str = "01JDF3X5S8Q4M7R2V6T9W0YZAD";

    #[test]
    fn connections_belong_to_one_instance_and_generation() {
        let table = RouteTable::new();
        let upstream = |t: &RouteTable| t.get("alice").and_then(|r| r.upstream.clone()).expect("an upstream");
        table.apply(vec![ready(1, "10.89.0.10:8080", A)]);
        let first = upstream(&table);
        table.apply(vec![ready(1, "10.89.0.10:8080", A)]);
        assert!(Arc::ptr_eq(&first, &upstream(&table)), "nothing changed");
        let admission = Arc::clone(&table.get("alice").expect("a route").admission);
        table.apply(vec![ready(2, "10.89.0.10:8080", A)]);
        let second = upstream(&table);
        assert!(!Arc::ptr_eq(&first, &second) && first.is_retired(), "same address, next generation");
        assert!(Arc::ptr_eq(&admission, &table.get("alice").expect("a route").admission));
        table.apply(vec![ready(2, "10.89.0.10:8080", B)]);
        assert!(second.is_retired(), "same address and generation, another instance");
        let third = upstream(&table);
        table.apply(vec![ready(2, "10.89.0.11:8080", B)]);
        assert!(third.is_retired(), "another address");
        let last = upstream(&table);
        table.apply(vec![Change::Gone("alice".into())]);
        assert!(last.is_retired() && table.get("alice").is_none() && table.len() == 0);
    }
}
