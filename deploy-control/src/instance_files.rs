//! The folder of each instance: `config.json` with the provider's key (the only place that has it) and
//! `data/`. Owner is the instance's own user id and nobody else may look in. Everything here is blocking and
//! idempotent: doing it twice does it once, and a crash half-way is mended by doing it again. Nothing follows
//! a symbolic link, because what lies below `data/` is a stranger's.

mod archive;
mod snapshots;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use control_api::deploy::ProviderSummary;
use control_api::ids::{InstanceId, OperationId};
use control_api::instance::{AppConfig, McpServer, Provider};
use service_kit::atomic_file;
pub use snapshots::SNAPSHOTS_KEPT;

/// Below this much free space nothing new is made.
pub const WATERMARK_BYTES: u64 = 256 * 1024 * 1024;
/// More entries than this are not counted for the statistics.
const COUNTED_ENTRIES: u32 = 200_000;

/// The folders below `runtime/` that belong to instances.
#[derive(Clone, Debug)]
pub struct InstanceFiles {
    instances: PathBuf,
    snapshots: PathBuf,
    /// Whether this process may give files away; a test without root keeps them.
    chown: bool,
}

impl InstanceFiles {
    /// Makes the two folders where they are missing.
    pub fn open(runtime: &Path) -> io::Result<Self> {
        let this = Self {
            instances: runtime.join("instances"),
            snapshots: runtime.join("snapshots"),
            chown: rustix::process::geteuid().is_root(),
        };
        for folder in [&this.instances, &this.snapshots] {
            DirBuilder::new().recursive(true).mode(0o711).create(folder)?;
        }
        Ok(this)
    }

    /// The folder that becomes `/config`.
    pub fn config_dir(&self, id: InstanceId) -> PathBuf {
        self.instances.join(id.to_string())
    }

    /// The folder that becomes `/data`.
    pub fn data_dir(&self, id: InstanceId) -> PathBuf {
        self.config_dir(id).join("data")
    }

    /// Free bytes where instances are kept.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.instances)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Bytes of the file system where instances are kept.
    pub fn total_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.instances)?;
        Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
    }

    /// Makes the folders and a first `config.json`; what is there stays.
    pub fn prepare(&self, id: InstanceId, uid: u32, mcp: Option<&McpServer>) -> io::Result<()> {
        for folder in [self.config_dir(id), self.data_dir(id)] {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => self.give(&folder, uid)?,
            }
        }
        let path = self.config_file(id);
        if path.exists() {
            return Ok(());
        }
        let config = AppConfig { mcp_servers: mcp.cloned().into_iter().collect(), ..AppConfig::default() };
        self.write_config(&path, &config, uid)
    }

    /// Removes the folder of an instance, its keys and snapshots with it.
    pub fn purge(&self, id: InstanceId) -> io::Result<()> {
        for folder in [self.config_dir(id), self.snapshots.join(id.to_string())] {
            gone_is_fine(fs::remove_dir_all(folder))?;
        }
        Ok(())
    }

    /// Writes the configuration with a new provider beside the one in force; the MCP servers stay.
    pub fn stage_provider(
        &self,
        id: InstanceId,
        uid: u32,
        operation: OperationId,
        provider: &Provider,
    ) -> io::Result<()> {
        let config = AppConfig { provider: Some(provider.clone()), ..self.read_config(id)? };
        self.write_config(&self.staged_file(id, operation), &config, uid)
    }

    /// Forgets a staged configuration.
    pub fn unstage(&self, id: InstanceId, operation: OperationId) -> io::Result<()> {
        gone_is_fine(fs::remove_file(self.staged_file(id, operation)))
    }

    /// Keeps the configuration in force as `config.json.previous`: the first half of the swap.
    pub fn keep_config(&self, id: InstanceId, uid: u32, operation: OperationId) -> io::Result<()> {
        if !self.staged_file(id, operation).exists() {
            // The swap was done before a crash.
            return Ok(());
        }
        let current = fs::read(self.config_file(id))?;
        self.write_bytes(&self.previous_file(id), &current, uid)
    }

    /// Puts the staged configuration in force: the second half of the swap.
    pub fn swap_config(&self, id: InstanceId, operation: OperationId) -> io::Result<()> {
        gone_is_fine(fs::rename(self.staged_file(id, operation), self.config_file(id)))?;
        sync_folder(&self.config_dir(id))
    }

    /// The new configuration works: the old one is not needed any more.
    pub fn commit_config(&self, id: InstanceId) -> io::Result<()> {
        gone_is_fine(fs::remove_file(self.previous_file(id)))
    }

    /// Puts the old configuration back in force.
    pub fn restore_config(&self, id: InstanceId) -> io::Result<()> {
        gone_is_fine(fs::rename(self.previous_file(id), self.config_file(id)))?;
        sync_folder(&self.config_dir(id))
    }

    /// Removes staged configurations that belong to none of the operations: a crash left them.
    pub fn remove_stale_stages(&self, id: InstanceId, active: Option<OperationId>) -> io::Result<()> {
        let keep = active.map(|operation| self.staged_file(id, operation));
        let entries = match fs::read_dir(self.config_dir(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // A staged file, or the temporary one of a write that never ended.
            let staged = name.strip_prefix("config.json.").and_then(|rest| rest.strip_suffix(".next"));
            let half = name.strip_prefix(".config.json.").and_then(|rest| rest.strip_suffix(".tmp"));
            let ours = staged.is_some() || half.is_some();
            if ours && keep.as_ref() != Some(&path) {
                gone_is_fine(fs::remove_file(path))?;
            }
        }
        Ok(())
    }

    /// The provider in force, without its key.
    pub fn provider_summary(&self, id: InstanceId) -> io::Result<Option<ProviderSummary>> {
        Ok(self.read_config(id)?.provider.map(|provider| ProviderSummary {
            kind: provider.kind.as_str().to_owned(),
            model: provider.model.clone(),
            base_url: provider.base_url.clone(),
        }))
    }

    /// Bytes on disk below `data/`.
    pub fn data_bytes(&self, id: InstanceId) -> io::Result<u64> {
        let mut left = COUNTED_ENTRIES;
        tree_bytes(&self.data_dir(id), &mut left)
    }

    fn read_config(&self, id: InstanceId) -> io::Result<AppConfig> {
        let text = fs::read(self.config_file(id))?;
        // The error must not repeat what is in the file.
        serde_json::from_slice(&text).map_err(|_| io::Error::other("config.json is not what it must be"))
    }

    fn write_config(&self, path: &Path, config: &AppConfig, uid: u32) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(config).map_err(io::Error::other)?;
        self.write_bytes(path, &text, uid)
    }

    fn write_bytes(&self, path: &Path, bytes: &[u8], uid: u32) -> io::Result<()> {
        atomic_file::write_then(path, bytes, 0o600, |temporary| self.give(temporary, uid))
    }

    fn give(&self, path: &Path, uid: u32) -> io::Result<()> {
        if self.chown { std::os::unix::fs::lchown(path, Some(uid), Some(uid)) } else { Ok(()) }
    }

    fn config_file(&self, id: InstanceId) -> PathBuf {
        self.config_dir(id).join("config.json")
    }

    fn previous_file(&self, id: InstanceId) -> PathBuf {
        self.config_dir(id).join("config.json.previous")
    }

    fn staged_file(&self, id: InstanceId, operation: OperationId) -> PathBuf {
        self.config_dir(id).join(format!("config.json.{operation}.next"))
    }
}

fn gone_is_fine(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

fn tree_bytes(path: &Path, left: &mut u32) -> io::Result<u64> {
    let metadata = match fs::symlink_metadata(path) {
        // Removed while we look; or deeper than a path can be long: the rest is to be counted all the same.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename) => {
            return Ok(0);
        }
        metadata => metadata?,
    };
    let own = metadata.blocks().saturating_mul(512);
    if !metadata.is_dir() || *left == 0 {
        return Ok(own);
    }
    let mut sum = own;
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(own),
        entries => entries?,
    };
    for entry in entries {
        *left = left.saturating_sub(1);
        sum = sum.saturating_add(tree_bytes(&entry?.path(), left)?);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use control_api::instance::ProviderKind;
    use std::os::unix::fs::PermissionsExt as _;

    fn files() -> (tempfile::TempDir, InstanceFiles, InstanceId) {
        let folder = tempfile::tempdir().expect("a folder");
        let files = InstanceFiles::open(folder.path()).expect("folders");
        let id = InstanceId::generate();
        files.prepare(id, 4_321, None).expect("prepared");
        (folder, files, id)
    }

    fn echo() -> Provider {
        Provider { kind: ProviderKind::Echo, base_url: None, model: None, api_key: Some("k3y".into()) }
    }

    #[test]
    fn folders_and_file_are_the_instances_own() {
        let (_folder, files, id) = files();
        let mode = |path: PathBuf| path.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode(files.config_dir(id)), 0o700);
        assert_eq!(mode(files.data_dir(id)), 0o700);
        assert_eq!(mode(files.config_file(id)), 0o600);
        if files.chown {
            assert_eq!(files.config_file(id).metadata().expect("metadata").uid(), 4_321);
            assert_eq!(files.data_dir(id).metadata().expect("metadata").uid(), 4_321);
        }
    }

    #[test]
    fn a_swap_can_be_done_twice_and_undone() {
        let (_folder, files, id) = files();
        let operation = OperationId::generate();
        files.stage_provider(id, 4_321, operation, &echo()).expect("staged");
        for _ in 0..2 {
            files.keep_config(id, 4_321, operation).expect("kept");
            files.swap_config(id, operation).expect("swapped");
        }
        assert_eq!(files.provider_summary(id).expect("read").expect("a provider").kind, "echo");
        for _ in 0..2 {
            files.restore_config(id).expect("restored");
        }
        assert_eq!(files.provider_summary(id).expect("read"), None);
        assert_eq!(fs::read_dir(files.config_dir(id)).expect("list").count(), 2, "no key is left behind");
    }

    #[test]
    fn a_stage_without_an_operation_is_removed() {
        let (_folder, files, id) = files();
        let (kept, stale) = (OperationId::generate(), OperationId::generate());
        files.stage_provider(id, 4_321, kept, &echo()).expect("staged");
        files.stage_provider(id, 4_321, stale, &echo()).expect("staged");
        files.remove_stale_stages(id, Some(kept)).expect("removed");
        assert!(files.staged_file(id, kept).exists());
        assert!(!files.staged_file(id, stale).exists());
    }

    #[test]
    fn data_is_counted_also_beside_what_no_path_reaches() {
        let (_folder, files, id) = files();
        let data = files.data_dir(id);
        fs::write(data.join("blob"), vec![1; 1 << 20]).expect("written");
        std::os::unix::fs::symlink("/usr", data.join("link")).expect("a link");
        // A chain of folders that is longer than a path may be, made as a program does that steps into each.
        let name = "d".repeat(200);
        let mut at = fs::File::open(&data).expect("a folder");
        for _ in 0..25 {
            rustix::fs::mkdirat(&at, &name, 0o700.into()).expect("made");
            let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
            at = rustix::fs::openat(&at, &name, flags, 0.into()).expect("opened").into();
        }
        let counted = files.data_bytes(id).expect("counted");
        assert!((1 << 20..2 << 20).contains(&counted), "{counted}");
    }
}
