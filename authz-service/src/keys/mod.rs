//! Signing keys: Ed25519, the private half sealed at rest (`sealing`). One signs, the next is published a day
//! before it does, an old one stays published until its last token is dead (`rotation`).
//!
//! What must stay true: nobody verifies with a key that is not in the set, and no key signs that verifiers
//! have not had time to fetch.

mod rotation;
mod sealing;

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use service_kit::secret::{Secret, sha256_base64url};

pub(crate) use rotation::run;

use crate::store::Store;
use crate::store::keys::StoredKey;

/// The keys in use. The set is replaced as a whole when a key comes or goes.
pub(crate) struct Keys {
    pub(crate) issuer: String,
    master: Secret<Vec<u8>>,
    set: ArcSwap<KeySet>,
}

/// The keys of one moment.
pub(crate) struct KeySet {
    pub(crate) active_kid: String,
    pub(crate) signing: EncodingKey,
    published: Vec<PublicKey>,
}

/// A key that verifies.
pub(crate) struct PublicKey {
    pub(crate) kid: String,
    /// The public half in base64url: `x` of RFC 8037, section 2.
    x: String,
    pub(crate) verifying: DecodingKey,
}

impl Keys {
    /// Reads the keys, makes the first one, and catches up with what was due while the process was down.
    pub(crate) async fn load(
        store: &Store,
        data_dir: &Path,
        issuer: String,
        now: i64,
    ) -> Result<Self, String> {
        let stored = store.signing_keys().await.map_err(|error| rotation::failed(&error))?;
        let master = sealing::master_key(data_dir, stored.is_empty())?;
        let stored = rotation::catch_up(store, &master, now).await?;
        let set = KeySet::of(&stored, &master)?;
        Ok(Self { issuer, master, set: ArcSwap::from_pointee(set) })
    }

    /// Seals a secret that must be read again, bound to an id of its own kind.
    pub(crate) fn seal(&self, id: &str, plain: &[u8]) -> Result<Vec<u8>, String> {
        sealing::seal(&self.master, id, plain)
    }

    /// Opens what [`Keys::seal`] made; `None` where it is damaged, of another id, or of another master key.
    pub(crate) fn unseal(&self, id: &str, sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        sealing::open(&self.master, id, sealed)
    }

    /// HMAC-SHA-256 under a key of its own for each purpose: for what is looked up and never read again.
    pub(crate) fn mac(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        let keyed = |key: &[u8], data: &[u8]| {
            let mut out = [0_u8; 32];
            out.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref());
            out
        };
        keyed(&keyed(self.master.expose(), purpose.as_bytes()), data)
    }

    /// The keys of this moment.
    pub(crate) fn set(&self) -> Arc<KeySet> {
        self.set.load_full()
    }

    /// The public keys as RFC 7517 writes them.
    pub(crate) fn jwks(&self) -> Value {
        let keys: Vec<Value> = self
            .set()
            .published
            .iter()
            .map(|key| {
                json!({"kty": "OKP", "crv": "Ed25519", "x": key.x, "kid": key.kid, "use": "sig", "alg": "EdDSA"})
            })
            .collect();
        json!({ "keys": keys })
    }
}

impl KeySet {
    fn of(stored: &[StoredKey], master: &Secret<Vec<u8>>) -> Result<Self, String> {
        let active = stored.iter().find(|key| key.state == "active").ok_or("no key signs")?;
        let pkcs8 = sealing::unseal(master, active)?;
        Ok(Self {
            active_kid: active.kid.clone(),
            signing: EncodingKey::from_ed_der(pkcs8.expose()),
            published: stored.iter().map(PublicKey::of).collect::<Result<_, _>>()?,
        })
    }

    /// The published key of an id.
    pub(crate) fn find(&self, kid: &str) -> Option<&PublicKey> {
        self.published.iter().find(|key| key.kid == kid)
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

/// A new key in a state, made now.
fn generate(master: &Secret<Vec<u8>>, state: &str, now: i64) -> Result<StoredKey, String> {
    let failed = |_| "a signing key could not be made".to_owned();
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failed)?;
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref())
        .map_err(|error| format!("a new signing key was rejected: {error}"))?;
    let public_key = pair.public_key().as_ref().to_vec();
    let kid = thumbprint(&public_key);
    let private_sealed = sealing::seal(master, &kid, pkcs8.as_ref())?;
    Ok(StoredKey {
        kid,
        state: state.to_owned(),
        public_key,
        private_sealed,
        created_at: now,
        activated_at: (state == "active").then_some(now),
        retired_at: None,
    })
}

/// RFC 7638 with the members of RFC 8037, appendix A.3.
fn thumbprint(public_key: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    sha256_base64url(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_agree_with_rfc_8037_appendix_a_3() {
        let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").expect("a key");
        assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
