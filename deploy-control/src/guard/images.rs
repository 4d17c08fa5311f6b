//! Which images may run: the ids that an allowed name has or had. Docker's answer to a name is asked again when
//! an id is not known, and what was learned is kept in `images.json` beside the socket, so that an instance can
//! be made again from the image of a name that has moved on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use service_kit::lifecycle::StartError;

use crate::image_name::ImageName;

/// Allowed names with the ids that they have had.
pub(crate) struct AllowedImages {
    file: PathBuf,
    known: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// Whether the text is an image's id.
pub(crate) fn is_id(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

impl AllowedImages {
    /// The names, with the ids that the file has for them. A file that does not parse is an error: to start
    /// without it could refuse images that run.
    pub(crate) fn open(file: PathBuf, names: &[String]) -> Result<Self, StartError> {
        let mut saved: BTreeMap<String, BTreeSet<String>> = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| StartError::Other(format!("{} is not readable: {e}", file.display())))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(StartError::Other(format!("{} cannot be read: {error}", file.display())));
            }
        };
        // A name that is no longer allowed loses its ids with it.
        let known = names.iter().map(|name| (name.clone(), saved.remove(name).unwrap_or_default())).collect();
        Ok(Self { file, known: Mutex::new(known) })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Whether the name or id may be looked at.
    pub(crate) fn may_inspect(&self, image: &str) -> bool {
        self.lock().contains_key(image) || self.allows(image)
    }

    /// Whether the image may be pulled: names alone, not what they have had.
    pub(crate) fn may_pull(&self, image: &ImageName) -> bool {
        self.lock().keys().any(|name| name.parse().as_ref() == Ok(image))
    }

    /// Whether a container may be made from this id.
    pub(crate) fn allows(&self, id: &str) -> bool {
        self.lock().values().any(|ids| ids.contains(id))
    }

    /// Notes what Docker said about a name. Blocking: writes the file if that was new.
    pub(crate) fn learn(&self, name: &str, id: &str) {
        let mut known = self.lock();
        let Some(ids) = known.get_mut(name) else { return };
        if !is_id(id) || !ids.insert(id.to_owned()) {
            return;
        }
        let written = serde_json::to_vec_pretty(&*known)
            .map_err(std::io::Error::other)
            .and_then(|bytes| service_kit::atomic_file::write(&self.file, &bytes, 0o600));
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.file.display(), "the image list is kept in memory alone");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_allowed_after_its_name_moved_on_and_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("images.json");
        let names = ["app:latest".to_owned()];
        let (old, new) = (format!("sha256:{}", "0".repeat(64)), format!("sha256:{}", "1".repeat(64)));
        let images = AllowedImages::open(file.clone(), &names).expect("open");
        assert!(!images.allows(&old) && images.may_inspect("app:latest") && !images.may_inspect("other"));
        images.learn("app:latest", &old);
        images.learn("app:latest", &new);
        images.learn("other", &format!("sha256:{}", "2".repeat(64)));
        images.learn("app:latest", "sha256:short");
        let images = AllowedImages::open(file.clone(), &names).expect("open");
        assert!(images.allows(&old) && images.allows(&new) && !images.allows("sha256:short"));
        assert!(!images.allows(&format!("sha256:{}", "2".repeat(64))));
        let may_pull = |name: &str| images.may_pull(&name.parse().expect("a name"));
        assert!(may_pull("app") && may_pull("app:latest"));
        assert!(!may_pull("app:1") && !may_pull("other") && !may_pull("evil.example.com/app"));
        let images = AllowedImages::open(file.clone(), &["another".to_owned()]).expect("open");
        assert!(!images.allows(&old));
        std::fs::write(&file, "{").expect("write");
        assert!(AllowedImages::open(file, &names).is_err());
    }
}
