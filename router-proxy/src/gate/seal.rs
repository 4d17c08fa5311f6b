//! Sealing of the transaction cookie: AES-256-GCM with a key that never leaves this machine. The slug is
//! part of what is authenticated, so that a cookie of one host means nothing at another.

use std::io;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use service_kit::secret::{Secret, random_bytes};

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 12;
const PURPOSE: &str = "beaver_tx 1 ";

/// Seals and opens. `Debug` shows nothing of the key.
pub(crate) struct Seal(RandomizedNonceKey);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// Reads the key, or makes one at the first start (0600). Two processes that start at once have the same key: the
    /// one of whoever was first. Blocking.
    pub(crate) fn open_or_create(path: &Path) -> io::Result<Self> {
        let key = match std::fs::read(path) {
            Ok(bytes) => Secret::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes = Secret::new(random_bytes::<KEY_LEN>().to_vec());
                let is_first = service_kit::atomic_file::write_new(path, bytes.expose(), 0o600)?;
                if is_first { bytes } else { Secret::new(std::fs::read(path)?) }
            }
            Err(error) => return Err(error),
        };
        if key.expose().len() != KEY_LEN {
            return Err(io::Error::other("it does not hold 32 bytes; remove it and a new one is made"));
        }
        RandomizedNonceKey::new(&AES_256_GCM, key.expose())
            .map(Self)
            .map_err(|_| io::Error::other("the key cannot be used"))
    }

    /// Base64url of nonce and sealed text.
    pub(crate) fn seal(&self, slug: &str, plain: &[u8]) -> Option<String> {
        let mut sealed = plain.to_vec();
        let nonce = self.0.seal_in_place_append_tag(aad(slug), &mut sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat()))
    }

    /// What was sealed for this slug, if the text is whole and ours.
    pub(crate) fn open(&self, slug: &str, text: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let plain = self.0.open_in_place(nonce, aad(slug), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

fn aad(slug: &str) -> Aad<Vec<u8>> {
    Aad::from([PURPOSE.as_bytes(), slug.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_key_is_kept_and_what_is_sealed_opens_for_its_slug_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seal.key");
        let sealed = Seal::open_or_create(&path).expect("a key").seal("alice", b"text").expect("sealed");
        assert_eq!(path.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
        let again = Seal::open_or_create(&path).expect("the same key");
        assert_eq!(again.open("alice", &sealed).expect("opened"), b"text");
        assert_eq!(again.open("bob", &sealed), None);
        for bad in ["", "x", &sealed[1..], &format!("{sealed}A"), "!!!!"] {
            assert_eq!(again.open("alice", bad), None, "{bad}");
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).expect("base64");
        bytes[NONCE_LEN] ^= 1;
        assert_eq!(again.open("alice", &URL_SAFE_NO_PAD.encode(bytes)), None);
    }

    #[test]
    fn routers_that_start_at_once_have_one_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = &folder.path().join("seal.key");
        let seals: Vec<Seal> = std::thread::scope(|scope| {
            let openers: Vec<_> =
                (0..8).map(|_| scope.spawn(move || Seal::open_or_create(path).expect("a key"))).collect();
            openers.into_iter().map(|opener| opener.join().expect("no panic")).collect()
        });
        let sealed = seals[0].seal("alice", b"text").expect("sealed");
        for seal in &seals {
            assert_eq!(seal.open("alice", &sealed).expect("opened"), b"text");
        }
    }

    #[test]
    fn a_broken_key_file_is_an_error_and_not_a_new_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seal.key");
        std::fs::write(&path, b"short").expect("written");
        assert!(Seal::open_or_create(&path).is_err());
        assert_eq!(std::fs::read(&path).expect("read"), b"short");
    }
}
