//! Route files: what the router knows of an instance. The folder follows the database: a file is brought up
//! to date whenever its instance is looked at, so that a file that could not be written, or was lost, mends
//! itself. A file of an instance that this database does not know is not ours to remove.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use control_api::ids::InstanceId;
use control_api::names::Slug;
use control_api::route::{Access, RouteFile, VERSION};
use service_kit::atomic_file;

use crate::model::Instance;

/// The router's folder.
#[derive(Clone, Debug)]
pub struct RouteFiles {
    folder: PathBuf,
}

impl RouteFiles {
    /// Makes the folder where it is missing.
    pub fn open(runtime: &Path) -> io::Result<Self> {
        let folder = runtime.join("router/conf.d");
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Brings the file of an instance up to date; blocking. Answers whether it had to be written. On an error
    /// (a full disk) the old file stands.
    pub fn sync(&self, instance: &Instance) -> io::Result<bool> {
        if instance.deleted_at.is_some() {
            return self.remove(&instance.slug, instance.id).map(|()| false);
        }
        if self.is_synced(instance) {
            return Ok(false);
        }
        let wanted = route(instance);
        let text = serde_json::to_vec(&wanted).map_err(io::Error::other)?;
        // No secret is in it, and the router runs as another user.
        atomic_file::write(&self.path(&instance.slug), &text, 0o644)?;
        Ok(true)
    }

    /// Whether the file of an instance is up to date; blocking.
    pub fn is_synced(&self, instance: &Instance) -> bool {
        self.read(&instance.slug).as_ref() == Some(&route(instance))
    }

    /// Removes the file of a slug where it belongs to the instance; blocking.
    pub fn remove(&self, slug: &Slug, id: InstanceId) -> io::Result<()> {
        if self.read(slug).is_none_or(|route| route.instance_id != id) {
            return Ok(());
        }
        match fs::remove_file(self.path(slug)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn read(&self, slug: &Slug) -> Option<RouteFile> {
        RouteFile::parse(slug.as_str(), &fs::read_to_string(self.path(slug)).ok()?).ok()
    }

    fn path(&self, slug: &Slug) -> PathBuf {
        self.folder.join(format!("{slug}.json"))
    }
}

/// What the router is to know of an instance.
fn route(instance: &Instance) -> RouteFile {
    RouteFile {
        version: VERSION,
        slug: instance.slug.clone(),
        instance_id: instance.id,
        generation: instance.generation,
        owner_id: instance.owner_id,
        state: instance.state,
        upstream: instance.upstream(),
        access: Access::Owner,
        first_byte: None,
        reason: instance.reason.clone(),
    }
}
