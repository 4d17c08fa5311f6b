//! Secrets that must be read again, private halves of keys above all, at rest: AES-256-GCM under `master.key` (0600, beside the database), bound to the
//! id of what they are.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use service_kit::atomic_file;
use service_kit::secret::{Secret, random_bytes};

use crate::store::keys::StoredKey;

const MASTER_KEY_FILE: &str = "master.key";
const MASTER_KEY_LEN: usize = 32;

/// Reads `master.key`. It is made only while there is no key that would need the old one.
pub(super) fn master_key(data_dir: &Path, may_create: bool) -> Result<Secret<Vec<u8>>, String> {
    let path = data_dir.join(MASTER_KEY_FILE);
    let shown = path.display();
    match std::fs::read(&path) {
        Ok(bytes) if bytes.len() == MASTER_KEY_LEN => {
            let mode = path.metadata().map_err(|e| format!("{shown}: {e}"))?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(format!("{shown} can be read by others (mode {mode:o}); run chmod 600 on it"));
            }
            Ok(Secret::new(bytes))
        }
        Ok(_) => Err(format!("{shown} is damaged: it must hold {MASTER_KEY_LEN} bytes; restore it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_create => {
            let key = Secret::new(random_bytes::<MASTER_KEY_LEN>().to_vec());
            atomic_file::write(&path, key.expose(), 0o600)
                .map_err(|error| format!("{shown} cannot be written: {error}"))?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
            "{shown} is missing, and without it the signing keys in the database cannot be read; restore it \
             from the backup that the database came from"
        )),
        Err(error) => Err(format!("{shown} cannot be read: {error}")),
    }
}

fn sealing_key(master: &Secret<Vec<u8>>) -> Result<RandomizedNonceKey, String> {
    RandomizedNonceKey::new(&AES_256_GCM, master.expose()).map_err(|_| "the master key is no good".to_owned())
}

/// Nonce, ciphertext, tag; bound to the key's id.
pub(super) fn seal(master: &Secret<Vec<u8>>, kid: &str, plain: &[u8]) -> Result<Vec<u8>, String> {
    let mut sealed = plain.to_vec();
    let nonce = sealing_key(master)?
        .seal_in_place_append_tag(Aad::from(kid), &mut sealed)
        .map_err(|_| "a secret could not be sealed".to_owned())?;
    let mut out = nonce.as_ref().to_vec();
    out.append(&mut sealed);
    Ok(out)
}

pub(super) fn unseal(master: &Secret<Vec<u8>>, key: &StoredKey) -> Result<Secret<Vec<u8>>, String> {
    open(master, &key.kid, &key.private_sealed).ok_or_else(|| {
        format!(
            "the signing key {} cannot be unsealed: {MASTER_KEY_FILE} is not the one it was sealed with",
            key.kid
        )
    })
}

/// What [`seal`] made; `None` where it is damaged, of another id, or of another key.
pub(super) fn open(master: &Secret<Vec<u8>>, id: &str, sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut sealed = sealed.to_vec();
    let plain = sealing_key(master).ok()?.open_in_place(nonce, Aad::from(id), &mut sealed).ok()?;
    let plain = Secret::new(plain.to_vec());
    zeroize::Zeroize::zeroize(&mut sealed);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::super::generate;
    use super::*;

    #[test]
    fn a_sealed_key_opens_with_its_master_key_and_its_id_alone() {
        let master = Secret::new(vec![7; MASTER_KEY_LEN]);
        let key = generate(&master, "active", 0).expect("a key");
        assert!(unseal(&master, &key).is_ok());
        assert!(unseal(&Secret::new(vec![8; MASTER_KEY_LEN]), &key).is_err());
        let renamed = StoredKey { kid: "other".to_owned(), ..key.clone() };
        assert!(unseal(&master, &renamed).is_err());
        let cut = StoredKey { private_sealed: vec![1, 2, 3], ..key };
        assert!(unseal(&master, &cut).is_err());
    }

    #[test]
    fn the_master_key_is_made_once_kept_private_and_missed_when_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = master_key(folder.path(), true).expect("made");
        assert_eq!(master_key(folder.path(), false).expect("read").expose(), first.expose());
        let path = folder.path().join(MASTER_KEY_FILE);
        assert_eq!(path.metadata().expect("metadata").permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        assert!(master_key(folder.path(), false).expect_err("open to others").contains("chmod 600"));
        std::fs::remove_file(&path).expect("removed");
        assert!(master_key(folder.path(), false).expect_err("missing").contains("backup"));
    }
}
