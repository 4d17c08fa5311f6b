//! What can be known of the instances without the database: gathered, not judged.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use control_api::deploy::ProviderSummary;
use control_api::ids::InstanceId;
use control_api::route::RouteFile;

use crate::engine::{ContainerInfo, OwnLabels};
use crate::instance_files::InstanceFiles;
use crate::manifest::Manifest;

/// What points to one instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// Its containers.
    pub(super) containers: Vec<(OwnLabels, ContainerInfo)>,
    /// What its folder says.
    pub(super) manifest: Option<Manifest>,
    /// Whose user id the folder has.
    pub(super) folder_uid: Option<u32>,
    /// The provider in its configuration.
    pub(super) provider: Option<ProviderSummary>,
    /// Where the router looks for it.
    pub(super) route: Option<RouteFile>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) instances: BTreeMap<InstanceId, Evidence>,
    /// Files that point to an instance and cannot be read.
    pub(super) unreadable: Vec<(String, String)>,
}

/// Gathers it; blocking.
pub(super) fn gather(
    runtime: &Path,
    files: &InstanceFiles,
    containers: Vec<ContainerInfo>,
) -> io::Result<Gathered> {
    let mut gathered = Gathered::default();
    for container in containers {
        if let Some(labels) = container.labels.clone() {
            let of = gathered.instances.entry(labels.instance_id).or_default();
            of.containers.push((labels, container));
        }
    }
    for entry in fs::read_dir(runtime.join("instances"))? {
        let entry = entry?;
        let name = entry.file_name();
        // Folders of other names are nobody's.
        let Some(id) = name.to_str().and_then(|name| name.parse::<InstanceId>().ok()) else { continue };
        read_folder(&mut gathered, files, id, entry.metadata()?.uid());
    }
    let routes = runtime.join("router/conf.d");
    if routes.exists() {
        for entry in fs::read_dir(routes)? {
            read_route(&mut gathered, &entry?.path());
        }
    }
    Ok(gathered)
}

fn read_folder(gathered: &mut Gathered, files: &InstanceFiles, id: InstanceId, uid: u32) {
    let manifest = files.manifest(id).unwrap_or_else(|error| {
        gathered.unreadable.push((format!("instances/{id}/instance.json"), error.to_string()));
        None
    });
    let of = gathered.instances.entry(id).or_default();
    of.manifest = manifest;
    of.folder_uid = Some(uid);
    // A configuration that cannot be read is the instance's to complain about.
    of.provider = files.provider_summary(id).ok().flatten();
}

fn read_route(gathered: &mut Gathered, path: &Path) {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(slug) = name.strip_suffix(".json").filter(|slug| !slug.starts_with('.')) else { return };
    let text = fs::read_to_string(path).map_err(|error| error.to_string());
    match text.and_then(|text| RouteFile::parse(slug, &text)) {
        Ok(route) => {
            let of = gathered.instances.entry(route.instance_id).or_default();
            of.route = Some(route);
        }
        Err(error) => gathered.unreadable.push((format!("router/conf.d/{name}"), error)),
    }
}
