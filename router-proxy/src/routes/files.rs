//! Reads route files. A file that cannot be read or parsed is reported and the last good one of that slug
//! stays in force; a file that is gone takes its route with it. Blocking.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use control_api::route::RouteFile;

use crate::limits::MAX_ROUTE_FILE;

/// What became of one slug.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// There is a (new) good file.
    Set(Box<RouteFile>),
    /// The file is gone.
    Gone(String),
}

/// Tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    is_bad: bool,
}

/// The folder and what was last seen in it.
#[derive(Debug)]
pub(crate) struct RouteFiles {
    folder: PathBuf,
    seen: HashMap<String, Seen>,
}

impl RouteFiles {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, seen: HashMap::new() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Slugs whose file is there and cannot be used.
    pub(crate) fn bad_count(&self) -> usize {
        self.seen.values().filter(|seen| seen.is_bad).count()
    }

    /// Everything that is not as it was last seen.
    pub(crate) fn scan(&mut self) -> io::Result<Vec<Change>> {
        let mut present = HashSet::new();
        let mut changes = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Some(slug) = slug_of(Path::new(&entry.file_name())) else { continue };
            let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
            let known = self.seen.get(&slug).is_some_and(|seen| seen.stamp == Stamp::of(&metadata));
            if !known {
                changes.extend(self.read(&slug));
            }
            present.insert(slug);
        }
        let gone: Vec<_> = self.seen.keys().filter(|slug| !present.contains(*slug)).cloned().collect();
        changes.extend(gone.into_iter().filter_map(|slug| self.read(&slug)));
        Ok(changes)
    }

    /// Reads the file at `path` again, if it is a route file of this folder.
    pub(crate) fn look(&mut self, path: &Path) -> Option<Change> {
        slug_of(Path::new(path.file_name()?)).and_then(|slug| self.read(&slug))
    }

    fn read(&mut self, slug: &str) -> Option<Change> {
        match read_file(&self.folder.join(format!("{slug}.json"))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.seen.remove(slug).map(|_| Change::Gone(slug.to_owned()))
            }
            Err(error) => {
                self.report(slug, None, &format!("{slug}.json cannot be read: {error}"));
                None
            }
            Ok((stamp, text)) => match RouteFile::parse(slug, &text) {
                Ok(route) => {
                    let seen = Seen { stamp, is_bad: false };
                    if self.seen.insert(slug.to_owned(), seen).is_some_and(|before| before.is_bad) {
                        tracing::info!(slug, "the route file is good again");
                    }
                    Some(Change::Set(Box::new(route)))
                }
                Err(reason) => {
                    self.report(slug, Some(stamp), &reason);
                    None
                }
            },
        }
    }

    fn report(&mut self, slug: &str, stamp: Option<Stamp>, reason: &str) {
        tracing::error!(slug, reason, "a route file is at fault; the last good one stays in force");
        let stamp = stamp.unwrap_or(Stamp { inode: 0, size: 0, modified: (0, 0) });
        self.seen.insert(slug.to_owned(), Seen { stamp, is_bad: true });
    }
}

/// `alice.json` -> `alice`. Temporary files begin with a dot.
fn slug_of(name: &Path) -> Option<String> {
    let text = name.to_str()?;
    text.strip_suffix(".json").filter(|stem| !stem.is_empty() && !stem.starts_with('.')).map(str::to_owned)
}

fn read_file(path: &Path) -> io::Result<(Stamp, String)> {
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_ROUTE_FILE {
        return Err(io::Error::other("it is no file of a sensible size"));
    }
    let mut text = String::new();
    file.take(MAX_ROUTE_FILE).read_to_string(&mut text)?;
    Ok((Stamp::of(&metadata), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"version":1,"slug":"alice","instance_id":"01JDF3X5S8Q4M7R2V6T9W0YZAB","generation":7,
        "owner_id":"01JDF3X5S8Q4M7R2V6T9W0YZAC","state":"ready","upstream":"10.89.0.10:8080"}"#;

    #[test]
    fn files_come_change_break_mend_and_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("alice.json");
        let mut files = RouteFiles::new(folder.path().to_owned());
        assert_eq!(files.scan().expect("a scan"), []);
        std::fs::write(&path, TEXT).expect("written");
        std::fs::write(folder.path().join(".alice.json.tmp"), "{").expect("written");
        std::fs::write(folder.path().join("README.md"), "x").expect("written");
        assert!(matches!(&files.scan().expect("a scan")[..], [Change::Set(r)] if r.generation == 7));
        assert_eq!(files.scan().expect("a scan"), [], "unchanged");
        std::fs::write(&path, "{").expect("written");
        assert_eq!(files.scan().expect("a scan"), [], "the last good one stays");
        assert_eq!(files.bad_count(), 1);
        std::fs::write(&path, TEXT.replace(":7,", ":8,")).expect("written");
        assert!(matches!(files.look(&path), Some(Change::Set(r)) if r.generation == 8));
        assert_eq!(files.bad_count(), 0);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(files.look(&path), Some(Change::Gone("alice".into())));
        assert_eq!(files.look(&path), None);
    }
}
