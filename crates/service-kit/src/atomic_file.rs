//! Files that are either the old one or the new one, never half of each, also after a power cut.

use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path` with permission bits `mode`: a temporary file beside it, fsync, rename, fsync
/// of the folder. On any error (a full disk above all) the old file stands and the temporary one is gone.
/// Blocking: call it from `spawn_blocking` where the disk may be slow.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_then(path, bytes, mode, |_| Ok(()))
}

/// Writes a file that is not there yet. Where another process was faster, its file stands and the answer is `false`.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    match write_by(path, bytes, mode, |_| Ok(()), std::fs::hard_link) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// The same as [`write`], with a step on the temporary file (an owner, say) before it takes the place of the old one.
pub fn write_then(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    before_rename: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    write_by(path, bytes, mode, before_rename, std::fs::rename)
}

/// `place` gives the temporary file its name; one that is still there afterwards is removed.
fn write_by(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    before: impl FnOnce(&Path) -> io::Result<()>,
    place: impl FnOnce(PathBuf, PathBuf) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("the path has no folder"))?;
    let name = path.file_name().ok_or_else(|| io::Error::other("the path has no file name"))?;
    // A dot in front: readers of the folder skip it.
    let temporary = folder.join(format!(".{}.{}.tmp", name.to_string_lossy(), ulid::Ulid::generate()));
    let outcome = (|| {
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        // The umask may have taken bits away.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        before(&temporary)?;
        file.sync_all()?;
        place(temporary.clone(), path.to_owned())?;
        std::fs::File::open(folder)?.sync_all()
    })();
    // After a rename it is not there.
    let _ = std::fs::remove_file(&temporary);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_file_takes_the_old_ones_place_with_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        write(&path, b"old", 0o600).expect("written");
        write(&path, b"new", 0o640).expect("written");
        assert_eq!(std::fs::read(&path).expect("read"), b"new");
        assert_eq!(path.metadata().expect("metadata").permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1);
    }

    #[test]
    fn the_first_of_several_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let written: Vec<bool> = std::thread::scope(|scope| {
            let write = |byte: u8| {
                let path = &path;
                scope.spawn(move || write_new(path, &[byte; 32], 0o600).expect("written or there"))
            };
            let writers: Vec<_> = (0..8).map(write).collect();
            writers.into_iter().map(|writer| writer.join().expect("no panic")).collect()
        });
        assert_eq!(written.iter().filter(|first| **first).count(), 1);
        let first = written.iter().position(|first| *first).expect("one");
        assert_eq!(std::fs::read(&path).expect("read"), [u8::try_from(first).expect("small"); 32]);
        assert_eq!(path.metadata().expect("metadata").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        write(&path, b"old", 0o600).expect("written");
        let error = write_then(&path, b"new", 0o600, |_| Err(io::Error::other("disk full")));
        assert!(error.is_err());
        assert_eq!(std::fs::read(&path).expect("read"), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1);
    }
}
