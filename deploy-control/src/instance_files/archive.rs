//! `data/` as a ZIP archive that is written as it is read, so that it takes neither disk nor memory. What lies there
//! is a stranger's and may change meanwhile: each name is opened in the folder that was opened before it, and no
//! symbolic link is followed, so that nothing outside can get in, whatever is put in the place of what.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::fd::{AsFd, OwnedFd};

use control_api::ids::InstanceId;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::InstanceFiles;

/// An archive has no more than this: files with holes in them can be larger than any disk.
const MAX_BYTES: u64 = 64 << 30;
const MAX_ENTRIES: usize = 1_000_000;
const MAX_DEPTH: usize = 64;
/// From this size on, ZIP needs its 64-bit fields.
const LARGE: u64 = 0xFFFF_FFFF;

impl InstanceFiles {
    /// Writes folders and files below `data/`, as they are when each is read; links, sockets, pipes and devices are
    /// left out. Names that a ZIP program could misread are changed. Blocking.
    pub fn archive(&self, id: InstanceId, out: impl Write) -> io::Result<()> {
        let root = open(CWD, self.data_dir(id), OFlags::DIRECTORY)?;
        let mut archive = Archive { zip: ZipWriter::new_stream(out), bytes: 0, entries: 0 };
        archive.folder(&root, "data", 1)?;
        archive.zip.finish()?;
        Ok(())
    }
}

struct Archive<W: Write> {
    zip: ZipWriter<zip::write::StreamWriter<W>>,
    bytes: u64,
    entries: usize,
}

impl<W: Write> Archive<W> {
    fn folder(&mut self, folder: &OwnedFd, name: &str, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other(format!("folders are nested deeper than {MAX_DEPTH}")));
        }
        self.zip.add_directory(name, options(fstat(folder)?.st_mtime, 0o700))?;
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let file_name = entry.file_name();
            if matches!(file_name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(io::Error::other(format!("there are more than {MAX_ENTRIES} files")));
            }
            let name = format!("{name}/{}", harmless(&file_name.to_string_lossy()));
            match kind(folder, file_name) {
                Some(FileType::Directory) => {
                    if let Some(inner) = gone(open(folder, file_name, OFlags::DIRECTORY))? {
                        self.folder(&inner, &name, depth + 1)?;
                    }
                }
                Some(FileType::RegularFile) => {
                    // A pipe that took its place would otherwise be waited for.
                    if let Some(file) = gone(open(folder, file_name, OFlags::NONBLOCK))? {
                        self.file(File::from(file), &name)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, file: File, name: &str) -> io::Result<()> {
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let bytes = u64::try_from(stat.st_size).unwrap_or_default();
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_BYTES {
            return Err(io::Error::other(format!("there are more than {MAX_BYTES} bytes")));
        }
        self.zip.start_file(name, options(stat.st_mtime, 0o600).large_file(bytes >= LARGE))?;
        // One that grows meanwhile ends where it ended.
        io::copy(&mut file.take(bytes), &mut self.zip)?;
        Ok(())
    }
}

fn open(folder: impl AsFd, name: impl rustix::path::Arg, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    openat(folder, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | flags, Mode::empty())
}

/// What a name stands for; nothing where it is gone.
fn kind(folder: &OwnedFd, name: &std::ffi::CStr) -> Option<FileType> {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

/// What is gone, or has become something else since its kind was asked for, is left out.
fn gone(opened: rustix::io::Result<OwnedFd>) -> io::Result<Option<OwnedFd>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A name without what some programs take for a path or cannot write.
fn harmless(name: &str) -> String {
    let is_bad =
        |c: char| c.is_control() || matches!(c, '\\' | '/' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    name.chars().map(|c| if is_bad(c) { '_' } else { c }).collect()
}

fn options(modified_s: i64, mode: u32) -> SimpleFileOptions {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1))
        .unix_permissions(mode);
    match date(modified_s) {
        Some(date) => options.last_modified_time(date),
        None => options,
    }
}

/// In UTC; ZIP knows no time before 1980 and none after 2107.
fn date(seconds: i64) -> Option<DateTime> {
    let at = Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::UTC);
    let small = |value: i8| u8::try_from(value).unwrap_or_default();
    let (day, clock) = (at.date(), at.time());
    DateTime::from_date_and_time(
        u16::try_from(day.year()).ok()?,
        small(day.month()),
        small(day.day()),
        small(clock.hour()),
        small(clock.minute()),
        small(clock.second()),
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;

    use zip::ZipArchive;

    use super::*;

    fn files() -> (tempfile::TempDir, InstanceFiles, InstanceId) {
        let folder = tempfile::tempdir().expect("a folder");
        let files = InstanceFiles::open(folder.path()).expect("folders");
        let id = InstanceId::generate();
        files.prepare(id, 4_321, None).expect("prepared");
        (folder, files, id)
    }

    /// Names and contents of an archive.
    fn read(files: &InstanceFiles, id: InstanceId) -> BTreeMap<String, String> {
        let mut bytes = Vec::new();
        files.archive(id, &mut bytes).expect("an archive");
        let mut archive = ZipArchive::new(io::Cursor::new(bytes)).expect("a ZIP file");
        let mut found = BTreeMap::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).expect("an entry");
            let mut text = String::new();
            file.read_to_string(&mut text).expect("text");
            found.insert(file.name().expect("a name").into_owned(), text);
        }
        found
    }

    #[test]
    fn everything_of_the_persons_is_in_it_and_nothing_else() {
        let (folder, files, id) = files();
        let data = files.data_dir(id);
        fs::write(folder.path().join("secret"), "the machine's").expect("written");
        fs::write(data.join("note.txt"), "hello").expect("written");
        fs::create_dir_all(data.join("a/b")).expect("folders");
        fs::write(data.join("a/b/deep"), "x".repeat(100_000)).expect("written");
        fs::create_dir(data.join("empty")).expect("a folder");
        symlink(folder.path().join("secret"), data.join("link")).expect("a link");
        symlink(folder.path(), data.join("folder-link")).expect("a link");
        rustix::fs::mknodat(CWD, data.join("pipe"), FileType::Fifo, Mode::RUSR, 0).expect("a pipe");
        fs::write(data.join("..\\..\\evil\n"), "named to get out").expect("written");
        let found = read(&files, id);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "data/",
                "data/.._.._evil_",
                "data/a/",
                "data/a/b/",
                "data/a/b/deep",
                "data/empty/",
                "data/note.txt"
            ]
        );
        assert_eq!(found["data/note.txt"], "hello");
        assert_eq!(found["data/a/b/deep"].len(), 100_000);
        assert!(!found.values().any(|text| text.contains("the machine's")));
    }

    #[test]
    fn a_data_folder_that_is_a_link_is_refused() {
        let (folder, files, id) = files();
        let data = files.data_dir(id);
        fs::remove_dir(&data).expect("removed");
        symlink(folder.path(), &data).expect("a link");
        assert!(files.archive(id, Vec::new()).is_err());
    }

    #[test]
    fn a_file_with_a_hole_larger_than_any_archive_breaks_it_off() {
        let (_folder, files, id) = files();
        let file = File::create(files.data_dir(id).join("hole")).expect("a file");
        file.set_len(MAX_BYTES + 1).expect("a hole");
        assert!(files.archive(id, io::sink()).expect_err("too large").to_string().contains("bytes"));
    }

    #[test]
    fn times_are_kept_where_zip_knows_them() {
        let date = date(1_732_190_399).expect("a date");
        assert_eq!((date.year(), date.month(), date.day(), date.hour()), (2024, 11, 21, 11));
        assert!(super::date(0).is_none(), "1970");
    }
}
