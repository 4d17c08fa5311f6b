//! What the folder of an instance says about it: `instance.json`, so that the database can be made again from what
//! lies on the disk and in Docker. It has no secret, belongs to this service and cannot be read by the instance,
//! whose `/config` the folder is.

use std::io;
use std::path::PathBuf;

use control_api::ids::{InstanceId, UserId};
use control_api::names::{Slug, Username};
use serde::{Deserialize, Serialize};
use service_kit::atomic_file;

use crate::engine::Limits;
use crate::instance_files::InstanceFiles;
use crate::model::Instance;

/// The version that this build writes and reads.
const VERSION: u32 = 1;
const FILE: &str = "instance.json";

/// What lets an instance be recognised without the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    /// The instance.
    pub instance_id: InstanceId,
    /// Its host label.
    pub slug: Slug,
    /// Who owns it.
    pub owner_id: UserId,
    /// The owner's name.
    pub username: Username,
    /// The owner's address; may be empty.
    pub email: String,
    /// User id of its own.
    pub uid: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Thousandths of a core.
    pub milli_cpus: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes below `data/`.
    pub disk_bytes: u64,
    /// The image that it runs or ran last.
    pub image_id: Option<String>,
    /// Counts its containers.
    pub generation: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

impl Manifest {
    /// Its limits.
    pub fn limits(&self) -> Limits {
        Limits {
            memory_bytes: self.memory_bytes,
            milli_cpus: self.milli_cpus,
            pids: self.pids,
            disk_bytes: self.disk_bytes,
        }
    }
}

impl From<&Instance> for Manifest {
    fn from(instance: &Instance) -> Self {
        let limits = instance.limits;
        Self {
            version: VERSION,
            instance_id: instance.id,
            slug: instance.slug.clone(),
            owner_id: instance.owner_id,
            username: instance.username.clone(),
            email: instance.email.clone(),
            uid: instance.uid,
            memory_bytes: limits.memory_bytes,
            milli_cpus: limits.milli_cpus,
            pids: limits.pids,
            disk_bytes: limits.disk_bytes,
            image_id: instance.image_id.clone(),
            generation: instance.generation,
            created_at: instance.created_at,
        }
    }
}

impl InstanceFiles {
    fn manifest_file(&self, id: InstanceId) -> PathBuf {
        self.config_dir(id).join(FILE)
    }

    /// Writes the manifest into the folder, which must be there; one that says the same stays. Blocking.
    pub fn write_manifest(&self, manifest: &Manifest) -> io::Result<()> {
        if self.manifest(manifest.instance_id).is_ok_and(|found| found.as_ref() == Some(manifest)) {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(manifest).map_err(io::Error::other)?;
        atomic_file::write(&self.manifest_file(manifest.instance_id), &text, 0o600)
    }

    /// The manifest of a folder; `None` where it has none. Blocking.
    pub fn manifest(&self, id: InstanceId) -> io::Result<Option<Manifest>> {
        let text = match std::fs::read(self.manifest_file(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let manifest: Manifest = serde_json::from_slice(&text).map_err(io::Error::other)?;
        if manifest.version != VERSION || manifest.instance_id != id {
            return Err(io::Error::other(format!("{FILE} is of another version or another instance")));
        }
        Ok(Some(manifest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_anothers_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = InstanceFiles::open(folder.path()).expect("folders");
        let id = InstanceId::generate();
        files.prepare(id, 4_321, None).expect("prepared");
        assert_eq!(files.manifest(id).expect("read"), None);
        let manifest = Manifest {
            version: VERSION,
            instance_id: id,
            slug: "alice".parse().expect("a slug"),
            owner_id: UserId::generate(),
            username: "alice".parse().expect("a name"),
            email: "alice@example.com".to_owned(),
            uid: 4_321,
            memory_bytes: 1 << 28,
            milli_cpus: 1_000,
            pids: 256,
            disk_bytes: 1 << 30,
            image_id: None,
            generation: 1,
            created_at: 1,
        };
        files.write_manifest(&manifest).expect("written");
        assert_eq!(files.manifest(id).expect("read").as_ref(), Some(&manifest));
        let other = InstanceId::generate();
        files.prepare(other, 4_322, None).expect("prepared");
        std::fs::copy(files.manifest_file(id), files.manifest_file(other)).expect("copied");
        assert!(files.manifest(other).is_err());
    }
}
