//! The folder of certificates: `<name>.crt` with `<name>.key`, and sub-folders with `fullchain.pem` and
//! `privkey.pem`. Each pair has a last good certificate, which stays in force until a better one is there or both
//! files are gone. Reading is blocking.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use service_kit::secret::{Secret, sha256};

use super::certificate::Certificate;
use super::names::ByName;
use crate::limits::MAX_CERTIFICATE_FILE;

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    chain: PathBuf,
    key: PathBuf,
}

/// What is known of one pair.
#[derive(Default)]
struct Slot {
    digest: Option<[u8; 32]>,
    in_force: Option<Arc<Certificate>>,
    /// Why the files as they are now are not in force.
    fault: Option<String>,
    /// Others than owner and group may read the key.
    is_exposed: bool,
}

/// A certificate that is in force, as health and metrics want to know it.
pub(super) struct InForce<'a> {
    pub(super) name: &'a str,
    pub(super) not_after: i64,
}

/// The folder and what was found there.
pub(crate) struct CertificateFiles {
    folder: PathBuf,
    slots: BTreeMap<String, Slot>,
}

impl CertificateFiles {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, slots: BTreeMap::new() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads everything again; what has not changed is kept as it is. Answers how many faults are new. An error means
    /// that the folder cannot be read and nothing was changed.
    pub(super) fn scan(&mut self, now_secs: i64) -> io::Result<u64> {
        let pairs = list(&self.folder)?;
        self.slots.retain(|name, _| {
            let stays = pairs.contains_key(name);
            if !stays {
                tracing::info!(name, "a TLS certificate was removed");
            }
            stays
        });
        let mut new_faults = 0;
        for (name, pair) in pairs {
            let slot = self.slots.entry(name).or_default();
            new_faults += u64::from(slot.renew(&pair, now_secs));
        }
        Ok(new_faults)
    }

    /// All that are in force, by name. Where two have the same name, one that is valid comes first, then the one that
    /// is valid for longer.
    pub(super) fn table(&self, now_secs: i64) -> ByName<Certificate> {
        let mut all: Vec<_> = self.slots.values().filter_map(|slot| slot.in_force.clone()).collect();
        all.sort_by_key(|one| std::cmp::Reverse((one.is_valid_at(now_secs), one.not_after)));
        ByName::new(all.into_iter().map(|one| (one.names.clone(), one)))
    }

    pub(super) fn in_force(&self) -> impl Iterator<Item = InForce<'_>> {
        self.slots.iter().filter_map(|(name, slot)| {
            slot.in_force.as_ref().map(|one| InForce { name, not_after: one.not_after })
        })
    }

    /// Each fault with the file's name.
    pub(super) fn faults(&self) -> impl Iterator<Item = &str> {
        self.slots.values().filter_map(|slot| slot.fault.as_deref())
    }

    /// The names of those whose key anybody on the machine may read.
    pub(super) fn exposed(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().filter(|(_, slot)| slot.is_exposed).map(|(name, _)| name.as_str())
    }
}

impl Slot {
    /// Looks at the files. Answers whether there is a fault that was not there before.
    fn renew(&mut self, pair: &Pair, now_secs: i64) -> bool {
        let outcome = read(pair).map_err(|fault| (None, fault)).and_then(|files| {
            self.is_exposed = files.is_exposed;
            let digest = files.digest();
            if self.digest == Some(digest) && self.fault.is_none() {
                return Ok(None);
            }
            let read = self.parse(pair, &files, now_secs).map_err(|fault| (Some(digest), fault))?;
            Ok(Some((digest, read)))
        });
        match outcome {
            Ok(None) => false,
            Ok(Some((digest, read))) => {
                tracing::info!(file = %pair.chain.display(), "a TLS certificate is in force");
                (self.digest, self.in_force, self.fault) = (Some(digest), Some(Arc::new(read)), None);
                false
            }
            Err((digest, reason)) => {
                let fault = format!("{}: {reason}", pair.chain.display());
                let is_new = self.fault.as_ref() != Some(&fault) || self.digest != digest;
                if is_new {
                    let kept = self.in_force.is_some();
                    tracing::error!(file = %pair.chain.display(), reason, last_good_one_stays = kept, "a TLS certificate cannot be used");
                }
                (self.digest, self.fault) = (digest, Some(fault));
                is_new
            }
        }
    }

    fn parse(&self, pair: &Pair, files: &Files, now_secs: i64) -> Result<Certificate, String> {
        let read = Certificate::from_pem(&files.chain, files.key.expose())
            .map_err(|fault| format!("{fault} (key file {})", pair.key.display()))?;
        let replaces_a_valid_one = self.in_force.as_ref().is_some_and(|before| before.is_valid_at(now_secs));
        match replaces_a_valid_one && !read.is_valid_at(now_secs) {
            true if read.not_before > now_secs => {
                Err("it is not valid yet, and the one before is".to_owned())
            }
            true => Err("it has expired, and the one before has not".to_owned()),
            false => Ok(read),
        }
    }
}

/// What is in the two files.
struct Files {
    chain: Vec<u8>,
    key: Secret<Vec<u8>>,
    is_exposed: bool,
}

impl Files {
    fn digest(&self) -> [u8; 32] {
        sha256(&[sha256(&self.chain), sha256(self.key.expose())].concat())
    }
}

fn read(pair: &Pair) -> Result<Files, String> {
    let at_fault = |path: &Path, error: io::Error| format!("{} cannot be read: {error}", path.display());
    let chain = read_file(&pair.chain).map_err(|error| at_fault(&pair.chain, error))?;
    let key = read_file(&pair.key).map(Secret::new).map_err(|error| at_fault(&pair.key, error))?;
    let mode = std::fs::metadata(&pair.key).map(|data| data.permissions().mode());
    Ok(Files { chain, key, is_exposed: mode.is_ok_and(|mode| mode & 0o004 != 0) })
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let data = std::fs::metadata(path)?;
    if !data.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if data.len() > MAX_CERTIFICATE_FILE {
        return Err(io::Error::other("it is too long for a certificate or a key"));
    }
    std::fs::read(path)
}

/// The pairs by name. Half a pair counts, so that its fault is seen and its last good certificate stays.
fn list(folder: &Path) -> io::Result<BTreeMap<String, Pair>> {
    let mut pairs = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if file_name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            let pair = Pair { chain: path.join("fullchain.pem"), key: path.join("privkey.pem") };
            if pair.chain.exists() || pair.key.exists() {
                pairs.insert(format!("{file_name}/"), pair);
            }
        } else if let Some(name) = file_name.strip_suffix(".crt").or_else(|| file_name.strip_suffix(".key")) {
            let beside = |ending: &str| folder.join(format!("{name}.{ending}"));
            pairs.insert(name.to_owned(), Pair { chain: beside("crt"), key: beside("key") });
        }
    }
    Ok(pairs)
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
