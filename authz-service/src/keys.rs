//! Signing keys: Ed25519, made at first start, the private half sealed with AES-256-GCM under `master.key`
//! (0600, beside the database). The schema holds several keys with states; all but unreadable ones are
//! published, one signs.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use service_kit::atomic_file;
use service_kit::secret::{Secret, random_bytes, sha256_base64url};

use crate::store::Store;
use crate::store::keys::StoredKey;

const MASTER_KEY_FILE: &str = "master.key";
const MASTER_KEY_LEN: usize = 32;

/// The keys in use.
pub(crate) struct Keys {
    pub(crate) issuer: String,
    pub(crate) active_kid: String,
    pub(crate) signing: EncodingKey,
    pub(crate) published: Vec<PublicKey>,
}

/// A key that verifies.
pub(crate) struct PublicKey {
    pub(crate) kid: String,
    /// The public half in base64url: `x` of RFC 8037, section 2.
    pub(crate) x: String,
    pub(crate) verifying: DecodingKey,
}

impl Keys {
    /// Reads the keys, or makes the first one.
    pub(crate) async fn load(
        store: &Store,
        data_dir: &Path,
        issuer: String,
        now: i64,
    ) -> Result<Self, String> {
        let database = |error: sqlx::Error| format!("the signing keys cannot be read: {error}");
        let mut stored = store.signing_keys().await.map_err(database)?;
        let master = master_key(data_dir, stored.is_empty())?;
        if !stored.iter().any(|key| key.state == "active") {
            let key = generate(&master)?;
            store.put_signing_key(&key, now).await.map_err(database)?;
            tracing::info!(kid = key.kid, "a signing key was made");
            stored.push(key);
        }
        let active = stored.iter().find(|key| key.state == "active").ok_or("no key signs")?;
        let pkcs8 = unseal(&master, active)?;
        Ok(Self {
            issuer,
            active_kid: active.kid.clone(),
            signing: EncodingKey::from_ed_der(pkcs8.expose()),
            published: stored.iter().map(PublicKey::of).collect::<Result<_, _>>()?,
        })
    }

    /// The public keys as RFC 7517 writes them.
    pub(crate) fn jwks(&self) -> Value {
        let keys: Vec<Value> = self
            .published
            .iter()
            .map(|key| {
                json!({"kty": "OKP", "crv": "Ed25519", "x": key.x, "kid": key.kid, "use": "sig", "alg": "EdDSA"})
            })
            .collect();
        json!({ "keys": keys })
    }
}

impl PublicKey {
    fn of(key: &StoredKey) -> Result<Self, String> {
        let x = URL_SAFE_NO_PAD.encode(&key.public_key);
        let verifying = DecodingKey::from_ed_components(&x)
            .map_err(|error| format!("the public key {} cannot be read: {error}", key.kid))?;
        Ok(Self { kid: key.kid.clone(), x, verifying })
    }
}

/// Reads `master.key`. It is made only while there is no key that would need the old one.
fn master_key(data_dir: &Path, may_create: bool) -> Result<Secret<Vec<u8>>, String> {
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

fn generate(master: &Secret<Vec<u8>>) -> Result<StoredKey, String> {
    let failed = |_| "a signing key could not be made".to_owned();
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failed)?;
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref())
        .map_err(|error| format!("a new signing key was rejected: {error}"))?;
    let public_key = pair.public_key().as_ref().to_vec();
    let kid = thumbprint(&public_key);
    let private_sealed = seal(master, &kid, pkcs8.as_ref())?;
    Ok(StoredKey { kid, state: "active".to_owned(), public_key, private_sealed })
}

/// RFC 7638 with the members of RFC 8037, appendix A.3.
fn thumbprint(public_key: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    sha256_base64url(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes())
}

fn sealing_key(master: &Secret<Vec<u8>>) -> Result<RandomizedNonceKey, String> {
    RandomizedNonceKey::new(&AES_256_GCM, master.expose()).map_err(|_| "the master key is no good".to_owned())
}

/// Nonce, ciphertext, tag; bound to the key's id.
fn seal(master: &Secret<Vec<u8>>, kid: &str, plain: &[u8]) -> Result<Vec<u8>, String> {
    let mut sealed = plain.to_vec();
    let nonce = sealing_key(master)?
        .seal_in_place_append_tag(Aad::from(kid), &mut sealed)
        .map_err(|_| "the signing key could not be sealed".to_owned())?;
    let mut out = nonce.as_ref().to_vec();
    out.append(&mut sealed);
    Ok(out)
}

fn unseal(master: &Secret<Vec<u8>>, key: &StoredKey) -> Result<Secret<Vec<u8>>, String> {
    let failed = || {
        format!(
            "the signing key {} cannot be unsealed: {MASTER_KEY_FILE} is not the one it was sealed with",
            key.kid
        )
    };
    let (nonce, sealed) = key.private_sealed.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
    let mut sealed = sealed.to_vec();
    let plain = sealing_key(master)?
        .open_in_place(nonce, Aad::from(key.kid.as_str()), &mut sealed)
        .map_err(|_| failed())?;
    let plain = Secret::new(plain.to_vec());
    zeroize::Zeroize::zeroize(&mut sealed);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_agree_with_rfc_8037_appendix_a_3() {
        let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").expect("a key");
        assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_sealed_key_opens_with_its_master_key_and_its_id_alone() {
        let master = Secret::new(vec![7; MASTER_KEY_LEN]);
        let key = generate(&master).expect("a key");
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
