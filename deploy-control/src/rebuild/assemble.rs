//! From evidence to rows: pure. Where pieces disagree, what runs counts more than what is written, and what keeps
//! data and containers more than what would do without them.

use std::collections::{BTreeMap, HashSet};
use std::net::Ipv4Addr;

use control_api::deploy::InstanceState;
use control_api::ids::InstanceId;
use control_api::route::RouteFile;

use super::evidence::Evidence;
use crate::address_plan::AddressPlan;
use crate::engine::{ContainerInfo, ContainerState, Limits, OwnLabels};
use crate::model::{Change, Goal, Instance, Place};

/// What is the same for all.
pub(super) struct Known<'a> {
    pub(super) plan: &'a AddressPlan,
    /// Of an instance whose folder does not say them.
    pub(super) limits: Limits,
    pub(super) now: i64,
}

/// The rows, and who could not be put on record, with the reason.
pub(super) fn assemble_all(
    evidence: &BTreeMap<InstanceId, Evidence>,
    known: &Known<'_>,
) -> (Vec<Instance>, Vec<(String, String)>) {
    let (mut rows, mut left_out) = (Vec::new(), Vec::new());
    for (id, evidence) in evidence {
        match assemble(*id, evidence, known) {
            Ok(row) => rows.push(row),
            Err(reason) => left_out.push((format!("instance {id}"), reason)),
        }
    }
    // Those with a container first: of two that claim the same, the one that may be running has it.
    rows.sort_by_key(|row| (!row.container_made, row.deleted_at.is_some(), row.id));
    let mut taken = Taken::default();
    let kept = rows.into_iter().filter_map(|row| match taken.claim(&row) {
        Ok(()) => Some(row),
        Err(reason) => {
            left_out.push((format!("instance {} ({})", row.id, row.slug), reason));
            None
        }
    });
    (kept.collect(), left_out)
}

/// What can belong to one instance alone.
#[derive(Default)]
struct Taken {
    slugs: HashSet<String>,
    owners: HashSet<String>,
    uids: HashSet<u32>,
    addresses: HashSet<Ipv4Addr>,
}

impl Taken {
    fn claim(&mut self, row: &Instance) -> Result<(), String> {
        let (slug, owner) = (row.slug.to_string(), row.owner_id.to_string());
        let clash = if row.deleted_at.is_none() && self.slugs.contains(&slug) {
            Some(format!("another instance has the name {slug}"))
        } else if self.owners.contains(&owner) {
            Some(format!("its owner {owner} has another instance"))
        } else if self.uids.contains(&row.uid) {
            Some(format!("another instance has the user id {}", row.uid))
        } else {
            let place = row.place.filter(|place| self.addresses.contains(&place.address));
            place.map(|place| format!("another instance has the address {}", place.address))
        };
        if let Some(clash) = clash {
            return Err(format!("{clash}; its container and folder are left as they are"));
        }
        if row.deleted_at.is_none() {
            self.slugs.insert(slug);
        }
        self.owners.insert(owner);
        self.uids.insert(row.uid);
        self.addresses.extend(row.place.map(|place| place.address));
        Ok(())
    }
}

fn assemble(id: InstanceId, evidence: &Evidence, known: &Known<'_>) -> Result<Instance, String> {
    let Evidence { manifest, route, .. } = evidence;
    let container = current(evidence);
    let labels = container.map(|(labels, _)| labels);
    let (slug, owner_id) = labels
        .map(|labels| (labels.slug.clone(), labels.owner_id))
        .or_else(|| manifest.as_ref().map(|m| (m.slug.clone(), m.owner_id)))
        .or_else(|| route.as_ref().map(|r| (r.slug.clone(), r.owner_id)))
        .ok_or("neither a container nor its folder nor a route says whose it is; its folder is kept")?;
    let uid = manifest.as_ref().map(|m| m.uid).or(evidence.folder_uid).ok_or("it has no folder")?;
    let username = match manifest {
        Some(manifest) => manifest.username.clone(),
        // By default the slug is the name.
        None => slug.as_str().parse().map_err(|_| "its owner's name is not known".to_owned())?,
    };
    let found = container.map(|(_, info)| info);
    let (goal, state) = wanted(found.map(|info| info.state), route.as_ref().map(|route| route.state));
    let is_deleted = goal == Goal::Deleted && found.is_none();
    let place = if is_deleted { None } else { place(found, route.as_ref(), known.plan)? };
    let generations = [labels.map(|l| l.generation), route.as_ref().map(|r| r.generation)];
    let written = manifest.as_ref().map_or(1, |m| m.generation);
    Ok(Instance {
        id,
        slug,
        owner_id,
        username,
        email: manifest.as_ref().map(|m| m.email.clone()).unwrap_or_default(),
        goal,
        change: Change::None,
        state,
        reason: reason(state, route.as_ref()),
        // Of the container that is there; without one, the highest that any of them has ever seen.
        generation: match (labels, generations.into_iter().flatten().max()) {
            (Some(labels), _) => labels.generation,
            (None, Some(seen)) => seen.max(written),
            (None, None) => written,
        },
        container_made: found.is_some(),
        image_id: found
            .map(|info| info.image_id.clone())
            .or_else(|| manifest.as_ref().and_then(|m| m.image_id.clone())),
        previous_image_id: None,
        target_image_id: None,
        place,
        uid,
        limits: manifest.as_ref().map_or(known.limits, crate::manifest::Manifest::limits),
        provider: evidence.provider.clone(),
        owner_registered: knows_its_owner(found, route.as_ref()) && !is_deleted,
        // Whatever it was: a start that fails must not take its data away.
        ever_ready: true,
        created_at: manifest.as_ref().map_or(known.now, |m| m.created_at),
        ready_at: Some(known.now),
        last_activity_at: None,
        deleted_at: is_deleted.then_some(known.now),
        nap: found.is_some_and(|info| info.state == ContainerState::Paused) && goal == Goal::Asleep,
        keep_awake_until: None,
        cpu: None,
        cpu_busy_at: None,
        disk: None,
        restore_generation: None,
    })
}

/// The container that counts. Two are there in the middle of an upgrade: the older one is known to work, unless
/// the router was told that the newer one does.
fn current(evidence: &Evidence) -> Option<&(OwnLabels, ContainerInfo)> {
    let ready = evidence.route.as_ref().filter(|route| route.state == InstanceState::Ready);
    let told = ready.and_then(|route| {
        evidence.containers.iter().find(|(labels, _)| labels.generation == route.generation)
    });
    told.or_else(|| evidence.containers.iter().min_by_key(|(labels, _)| labels.generation))
}

/// Where it should be, from what its container does and what the router was told.
fn wanted(container: Option<ContainerState>, route: Option<InstanceState>) -> (Goal, InstanceState) {
    use InstanceState::{Asleep, Deleting, Failed, Ready, Starting, Stopped};
    match (container, route) {
        // Nothing but a folder: it was deleted, and its data kept.
        (_, Some(Deleting)) | (None, None) => (Goal::Deleted, Deleting),
        (Some(ContainerState::Paused), Some(Asleep)) => (Goal::Asleep, Asleep),
        (Some(ContainerState::Running | ContainerState::Paused), _) => (Goal::Awake, Ready),
        // A request wakes it, which nothing else is known to do.
        (_, None | Some(Asleep)) => (Goal::Asleep, Asleep),
        (_, Some(Stopped)) => (Goal::Stopped, Stopped),
        (_, Some(Failed)) => (Goal::Awake, Failed),
        (_, Some(_)) => (Goal::Awake, Starting),
    }
}

fn reason(state: InstanceState, route: Option<&RouteFile>) -> Option<String> {
    let told = route.filter(|route| route.state == state).and_then(|route| route.reason.clone());
    match state {
        InstanceState::Failed | InstanceState::Stopped => told,
        _ => None,
    }
}

/// Whether the app was told whose it is: it was ready once. One that is told again does no harm.
fn knows_its_owner(container: Option<&ContainerInfo>, route: Option<&RouteFile>) -> bool {
    use InstanceState::{Asleep, Ready, Stopped, Unknown};
    container.is_some_and(|info| info.state == ContainerState::Running)
        || route.is_some_and(|route| matches!(route.state, Ready | Asleep | Stopped | Unknown))
}

/// Its address: the container's, or the one that the router was told. `None`: it will be given one.
fn place(
    container: Option<&ContainerInfo>,
    route: Option<&RouteFile>,
    plan: &AddressPlan,
) -> Result<Option<Place>, String> {
    let told = route.and_then(|route| route.upstream).map(|upstream| *upstream.ip());
    let Some(address) = container.and_then(|info| info.address).or(told) else { return Ok(None) };
    match plan.place_of(address) {
        Some(place) => Ok(Some(place)),
        None if container.is_none() => Ok(None),
        None => Err(format!(
            "its container has the address {address}, which is not in BEAVER_INSTANCE_SUBNET ({})",
            plan.instances
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstanceState::{Asleep, Creating, Deleting, Failed, Ready, Starting, Stopped};

    #[test]
    fn what_is_wanted_by_table() {
        let exited = ContainerState::Exited { code: 0, oom_killed: false };
        for (container, route, expected) in [
            (Some(ContainerState::Running), Some(Ready), (Goal::Awake, Ready)),
            (Some(ContainerState::Running), Some(Asleep), (Goal::Awake, Ready)),
            (Some(ContainerState::Running), None, (Goal::Awake, Ready)),
            (Some(ContainerState::Running), Some(Deleting), (Goal::Deleted, Deleting)),
            (Some(ContainerState::Paused), Some(Asleep), (Goal::Asleep, Asleep)),
            (Some(ContainerState::Paused), Some(Ready), (Goal::Awake, Ready)),
            (Some(exited), Some(Asleep), (Goal::Asleep, Asleep)),
            (Some(exited), Some(Stopped), (Goal::Stopped, Stopped)),
            (Some(exited), Some(Failed), (Goal::Awake, Failed)),
            (Some(exited), Some(Ready), (Goal::Awake, Starting)),
            (Some(exited), None, (Goal::Asleep, Asleep)),
            (Some(ContainerState::Created), Some(Creating), (Goal::Awake, Starting)),
            (None, Some(Ready), (Goal::Awake, Starting)),
            (None, Some(Asleep), (Goal::Asleep, Asleep)),
            (None, None, (Goal::Deleted, Deleting)),
        ] {
            assert_eq!(wanted(container, route), expected, "{container:?} {route:?}");
        }
    }
}
