//! Snapshots of `data/`: whole copies beside the instances, one a generation, with owners and modes. Which of them
//! count is in the database: a copy without a row is of no use to anybody and is removed.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use control_api::ids::InstanceId;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{COUNTED_ENTRIES, InstanceFiles, gone_is_fine, sync_folder, tree_bytes};

/// Snapshots kept for each instance.
pub const SNAPSHOTS_KEPT: u32 = 3;

impl InstanceFiles {
    /// Copies `data/` aside under the generation's number and answers the copy's bytes on disk. The copy has its
    /// name only once it is whole and on disk.
    pub fn snapshot(&self, id: InstanceId, generation: u64) -> io::Result<u64> {
        let folder = self.snapshots_of(id);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let done = folder.join(generation.to_string());
        let temporary = folder.join(format!(".{generation}.tmp"));
        gone_is_fine(fs::remove_dir_all(&temporary))?;
        copy_tree(&self.data_dir(id), &temporary, self.chown)?;
        rustix::fs::syncfs(fs::File::open(&temporary)?)?;
        gone_is_fine(fs::remove_dir_all(&done))?;
        fs::rename(&temporary, &done)?;
        sync_folder(&folder)?;
        tree_bytes(&done, &mut { COUNTED_ENTRIES })
    }

    /// Puts the data of a snapshot in the place of the present; the snapshot stays. `NotFound`: there is no such
    /// snapshot, and nothing was changed.
    pub fn restore_data(&self, id: InstanceId, generation: u64) -> io::Result<()> {
        let source = self.snapshots_of(id).join(generation.to_string());
        fs::symlink_metadata(&source)?;
        let folder = self.config_dir(id);
        let (temporary, old) = (folder.join(".data.restored"), folder.join(".data.discarded"));
        gone_is_fine(fs::remove_dir_all(&temporary))?;
        copy_tree(&source, &temporary, self.chown)?;
        rustix::fs::syncfs(fs::File::open(&temporary)?)?;
        gone_is_fine(fs::remove_dir_all(&old))?;
        exchange(&temporary, &self.data_dir(id), &old)?;
        sync_folder(&folder)?;
        gone_is_fine(fs::remove_dir_all(&temporary))?;
        gone_is_fine(fs::remove_dir_all(&old))
    }

    /// Removes every copy, whole or half, but those of the generations given.
    pub fn keep_snapshots(&self, id: InstanceId, generations: &BTreeSet<u64>) -> io::Result<()> {
        let entries = match fs::read_dir(self.snapshots_of(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let generation = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if !generation.is_some_and(|generation| generations.contains(&generation)) {
                gone_is_fine(fs::remove_dir_all(entry.path()))?;
            }
        }
        Ok(())
    }

    fn snapshots_of(&self, id: InstanceId) -> PathBuf {
        self.snapshots.join(id.to_string())
    }
}

/// Puts `new` in the place of `current`: in one step, so that there is never no data, where the file system can.
fn exchange(new: &Path, current: &Path, old: &Path) -> io::Result<()> {
    match renameat_with(CWD, new, CWD, current, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        // There is no current one, or the file system knows no exchange.
        Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            gone_is_fine(fs::rename(current, old))?;
            fs::rename(new, current)
        }
        Err(error) => Err(error.into()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> (tempfile::TempDir, InstanceFiles, InstanceId) {
        let folder = tempfile::tempdir().expect("a folder");
        let files = InstanceFiles::open(folder.path()).expect("folders");
        let id = InstanceId::generate();
        files.prepare(id, 4_321, None).expect("prepared");
        (folder, files, id)
    }

    #[test]
    fn snapshots_bring_the_data_back_and_only_three_are_kept() {
        let (_folder, files, id) = files();
        let note = files.data_dir(id).join("note");
        std::os::unix::fs::symlink("/etc/passwd", files.data_dir(id).join("link")).expect("a link");
        for generation in 1..=5_u64 {
            fs::write(&note, generation.to_string()).expect("written");
            assert!(files.snapshot(id, generation).expect("a snapshot") > 0);
        }
        fs::create_dir(files.snapshots_of(id).join(".6.tmp")).expect("one that was never finished");
        files.keep_snapshots(id, &BTreeSet::from([3, 4, 5])).expect("the others are removed");
        assert_eq!(fs::read_dir(files.snapshots_of(id)).expect("list").count(), 3);
        files.restore_data(id, 4).expect("restored");
        assert_eq!(fs::read_to_string(&note).expect("read"), "4");
        let link = files.data_dir(id).join("link");
        assert!(link.symlink_metadata().expect("metadata").is_symlink(), "a link is copied as a link");
        assert_eq!(fs::read_dir(files.config_dir(id)).expect("list").count(), 2, "nothing else is left");
    }

    #[test]
    fn data_is_restored_twice_and_also_where_there_is_none() {
        let (_folder, files, id) = files();
        let note = files.data_dir(id).join("note");
        fs::write(&note, "old").expect("written");
        files.snapshot(id, 1).expect("a snapshot");
        fs::write(&note, "new").expect("written");
        assert_eq!(files.restore_data(id, 2).expect_err("none").kind(), io::ErrorKind::NotFound);
        assert_eq!(fs::read_to_string(&note).expect("read"), "new", "nothing was changed");
        for _ in 0..2 {
            files.restore_data(id, 1).expect("restored");
            assert_eq!(fs::read_to_string(&note).expect("read"), "old");
        }
        fs::remove_dir_all(files.data_dir(id)).expect("removed");
        files.restore_data(id, 1).expect("restored");
        assert_eq!(fs::read_to_string(&note).expect("read"), "old");
        files.keep_snapshots(InstanceId::generate(), &BTreeSet::new()).expect("there is no folder");
    }
}
