//! Verifies app tokens locally. What was verified is remembered by hash until it expires, because the same
//! token comes with every request of a page.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use control_api::claims::{APP_TOKEN_TYPE, AppTokenClaims};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use service_kit::clock::Clock;
use service_kit::secret::sha256;

use super::identities::Slot;
use super::keys::{Keys, NoKey};

/// Longest token that is looked at.
const MAX_TOKEN: usize = 4096;
/// Remembered tokens; when there are more, those that expired are forgotten, then all.
const MAX_REMEMBERED: usize = 20_000;

/// Why a token says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// Not one of authz-service's app tokens.
    Invalid,
    /// The key to check it cannot be had.
    NoKeys,
}

/// A token that was found genuine.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) claims: AppTokenClaims,
    /// Where the identity behind it is kept, once that was looked up: then a request looks up one thing.
    pub(super) slot: OnceLock<Weak<Slot>>,
}

/// Checks tokens.
pub(crate) struct Verifier {
    keys: Arc<Keys>,
    issuer: String,
    clock: Clock,
    remembered: RwLock<Remembered>,
}

/// By the hash of the token.
type Remembered = HashMap<[u8; 32], Arc<Verified>, BuildHasherDefault<FirstBytes>>;

/// The keys are digests already, and only genuine tokens get in: eight bytes of one are as good as a hash of it.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {
        // The length in front of the bytes.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Verifier {
    pub(crate) fn new(keys: Arc<Keys>, issuer: &str, clock: Clock) -> Self {
        Self { keys, issuer: issuer.to_owned(), clock, remembered: RwLock::default() }
    }

    /// A token whose signature, type and issuer hold. It may have expired: the session behind it
    /// decides whether there is a new one.
    pub(crate) async fn verify(&self, token: &str) -> Result<Arc<Verified>, TokenFault> {
        if token.len() > MAX_TOKEN {
            return Err(TokenFault::Invalid);
        }
        let hash = sha256(token.as_bytes());
        match self.recall(hash) {
            Some(verified) => Ok(verified),
            None => self.check(token, hash).await,
        }
    }

    /// The same for a token that was verified before.
    pub(crate) fn known(&self, token: &str) -> Option<Arc<Verified>> {
        if token.len() > MAX_TOKEN { None } else { self.recall(sha256(token.as_bytes())) }
    }

    fn recall(&self, hash: [u8; 32]) -> Option<Arc<Verified>> {
        self.remembered.read().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned()
    }

    async fn check(&self, token: &str, hash: [u8; 32]) -> Result<Arc<Verified>, TokenFault> {
        let header = decode_header(token).map_err(|_| TokenFault::Invalid)?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(APP_TOKEN_TYPE) {
            return Err(TokenFault::Invalid);
        }
        let kid = header.kid.ok_or(TokenFault::Invalid)?;
        let key = self.keys.find(&kid).await.map_err(|missing| match missing {
            NoKey::Unknown => TokenFault::Invalid,
            NoKey::Unavailable => TokenFault::NoKeys,
        })?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The audience is compared with the route, and the time with our clock, by whoever asks.
        validation.validate_aud = false;
        validation.validate_exp = false;
        let data = decode::<AppTokenClaims>(token, &key, &validation).map_err(|_| TokenFault::Invalid)?;
        let verified = Arc::new(Verified { claims: data.claims, slot: OnceLock::new() });
        self.remember(hash, &verified);
        Ok(verified)
    }

    fn remember(&self, hash: [u8; 32], verified: &Arc<Verified>) {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            self.forget_expired(&mut remembered);
            if remembered.len() >= MAX_REMEMBERED {
                remembered.clear();
            }
        }
        remembered.insert(hash, Arc::clone(verified));
    }

    /// Forgets what has expired.
    pub(crate) fn sweep(&self) {
        self.forget_expired(&mut self.remembered.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn forget_expired(&self, remembered: &mut Remembered) {
        let now = self.clock.now_secs();
        remembered.retain(|_, verified| verified.claims.exp > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use control_api::authz_client::AuthzClient;
    use control_api::ids::{InstanceId, SessionId, UserId};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use service_kit::clock::from_millis;
    use service_kit::health::Health;
    use service_kit::secret::Secret;

    /// A verifier whose keys are on disk and whose authz-service nobody can reach, and a signer.
    fn verifier(folder: &std::path::Path, clock: Clock) -> (Verifier, EncodingKey) {
        let pair = Ed25519KeyPair::generate().expect("a key pair");
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwks =
            format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"1","x":"{x}"}}]}}"#);
        let file = folder.join("jwks.json");
        std::fs::write(&file, jwks).expect("written");
        let http = service_kit::http_client::build(service_kit::http_client::internal()).expect("a client");
        let nobody = AuthzClient::new(http, "http://127.0.0.1:9".parse().expect("a URL"), Secret::from("t"));
        let keys = Arc::new(Keys::load(file, nobody, Health::new()));
        let key = EncodingKey::from_ed_der(pair.to_pkcs8v1().expect("a document").as_ref());
        (Verifier::new(keys, "issuer", clock), key)
    }

    #[tokio::test]
    async fn what_was_verified_is_remembered_by_all_of_its_bytes_until_it_expires() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(from_millis(1_000_000));
        let (verifier, key) = verifier(folder.path(), clock.clone());
        let claims = AppTokenClaims {
            iss: "issuer".to_owned(),
            aud: InstanceId::generate(),
            sub: UserId::generate(),
            sid: SessionId::generate(),
            iat: 1_000,
            exp: 1_600,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        (header.typ, header.kid) = (Some(APP_TOKEN_TYPE.to_owned()), Some("1".to_owned()));
        let token = encode(&header, &claims, &key).expect("a token");
        let first = verifier.verify(&token).await.expect("genuine");
        assert!(Arc::ptr_eq(&first, &verifier.verify(&token).await.expect("genuine")), "not verified again");
        let fault = async |token: &str| verifier.verify(token).await.err();
        assert_eq!(fault(&format!("{token}A")).await, Some(TokenFault::Invalid));
        assert_eq!(fault(&token[..token.len() - 1]).await, Some(TokenFault::Invalid));
        let remembered = || verifier.remembered.read().expect("a lock").len();
        verifier.sweep();
        assert_eq!(remembered(), 1, "and nothing of what was refused");
        clock.advance(std::time::Duration::from_mins(10));
        verifier.sweep();
        assert_eq!(remembered(), 0);
    }
}
