//! The folder of each instance: `config.json` with the provider's key (the only place that has it) and
//! `data/`. Owner is the instance's own user id and nobody else may look in. Everything here is blocking and
//! idempotent: doing it twice does it once, and a crash half-way is mended by doing it again. Nothing follows
//! a symbolic link, because what lies below `data/` is a stranger's.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use control_api::deploy::ProviderSummary;
use control_api::ids::{InstanceId, OperationId};
use control_api::instance::{AppConfig, McpServer, Provider};
use service_kit::atomic_file;

/// Below this much free space nothing new is made.
pub const WATERMARK_BYTES: u64 = 256 * 1024 * 1024;
/// Snapshots kept for each instance.
const SNAPSHOTS_KEPT: usize = 3;
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

    /// Copies `data/` aside under the generation's number, and forgets all but the newest snapshots. The copy
    /// has its name only once it is whole and on disk.
    pub fn snapshot(&self, id: InstanceId, generation: u64) -> io::Result<()> {
        let folder = self.snapshots.join(id.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let done = folder.join(generation.to_string());
        let temporary = folder.join(format!(".{generation}.tmp"));
        gone_is_fine(fs::remove_dir_all(&temporary))?;
        copy_tree(&self.data_dir(id), &temporary, self.chown)?;
        rustix::fs::syncfs(fs::File::open(&temporary)?)?;
        gone_is_fine(fs::remove_dir_all(&done))?;
        fs::rename(&temporary, &done)?;
        sync_folder(&folder)?;
        prune_snapshots(&folder)
    }

    /// Puts the data of a snapshot back; the snapshot stays.
    pub fn restore_data(&self, id: InstanceId, generation: u64) -> io::Result<()> {
        let source = self.snapshots.join(id.to_string()).join(generation.to_string());
        if !source.exists() {
            // The snapshot was never finished, so nothing was changed either.
            return Ok(());
        }
        let folder = self.config_dir(id);
        let (temporary, old) = (folder.join(".data.restored"), folder.join(".data.discarded"));
        gone_is_fine(fs::remove_dir_all(&temporary))?;
        copy_tree(&source, &temporary, self.chown)?;
        rustix::fs::syncfs(fs::File::open(&temporary)?)?;
        gone_is_fine(fs::remove_dir_all(&old))?;
        gone_is_fine(fs::rename(self.data_dir(id), &old))?;
        fs::rename(&temporary, self.data_dir(id))?;
        sync_folder(&folder)?;
        gone_is_fine(fs::remove_dir_all(&old))
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

/// Forgets all but the newest snapshots.
fn prune_snapshots(folder: &Path) -> io::Result<()> {
    let names = fs::read_dir(folder)?.filter_map(Result::ok);
    let mut generations: Vec<u64> =
        names.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok())).collect();
    generations.sort_unstable_by(|a, b| b.cmp(a));
    for generation in generations.into_iter().skip(SNAPSHOTS_KEPT) {
        gone_is_fine(fs::remove_dir_all(folder.join(generation.to_string())))?;
    }
    Ok(())
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

/// Copies folders, files and symbolic links (as links) with owner and mode; sockets, pipes and devices are
/// left out. The copy shares blocks where the file system can.
fn copy_tree(from: &Path, to: &Path, chown: bool) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        DirBuilder::new().mode(0o700).create(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()), chown)?;
        }
    } else if kind.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from)?, to)?;
    } else if kind.is_file() {
        fs::copy(from, to)?;
    } else {
        return Ok(());
    }
    if chown {
        std::os::unix::fs::lchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    if kind.is_symlink() { Ok(()) } else { fs::set_permissions(to, Permissions::from_mode(metadata.mode())) }
}

fn tree_bytes(path: &Path, left: &mut u32) -> io::Result<u64> {
    let metadata = match fs::symlink_metadata(path) {
        // Removed while we look.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        metadata => metadata?,
    };
    let own = metadata.blocks().saturating_mul(512);
    if !metadata.is_dir() || *left == 0 {
        return Ok(own);
    }
    let mut sum = own;
    for entry in fs::read_dir(path)? {
        *left = left.saturating_sub(1);
        sum = sum.saturating_add(tree_bytes(&entry?.path(), left)?);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use control_api::instance::ProviderKind;

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
    fn snapshots_bring_the_data_back_and_only_three_are_kept() {
        let (_folder, files, id) = files();
        let note = files.data_dir(id).join("note");
        std::os::unix::fs::symlink("/etc/passwd", files.data_dir(id).join("link")).expect("a link");
        for generation in 1..=5_u64 {
            fs::write(&note, generation.to_string()).expect("written");
            files.snapshot(id, generation).expect("a snapshot");
        }
        let folder = files.snapshots.join(id.to_string());
        assert_eq!(fs::read_dir(folder).expect("list").count(), 3);
        files.restore_data(id, 4).expect("restored");
        assert_eq!(fs::read_to_string(&note).expect("read"), "4");
        let link = files.data_dir(id).join("link");
        assert!(link.symlink_metadata().expect("metadata").is_symlink(), "a link is copied as a link");
    }
}
