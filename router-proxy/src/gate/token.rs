//! Verifies app tokens locally. What was verified is remembered by hash until it expires, because the same
//! token comes with every request of a page.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use control_api::claims::{APP_TOKEN_TYPE, AppTokenClaims};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use service_kit::clock::Clock;
use service_kit::secret::sha256;

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

/// Checks tokens.
pub(crate) struct Verifier {
    keys: Arc<Keys>,
    issuer: String,
    clock: Clock,
    remembered: RwLock<HashMap<[u8; 32], Arc<AppTokenClaims>>>,
}

impl Verifier {
    pub(crate) fn new(keys: Arc<Keys>, issuer: &str, clock: Clock) -> Self {
        Self { keys, issuer: issuer.to_owned(), clock, remembered: RwLock::default() }
    }

    /// Claims of a token whose signature, type and issuer hold. It may have expired: the session behind it
    /// decides whether there is a new one.
    pub(crate) async fn verify(&self, token: &str) -> Result<Arc<AppTokenClaims>, TokenFault> {
        if token.len() > MAX_TOKEN {
            return Err(TokenFault::Invalid);
        }
        let hash = sha256(token.as_bytes());
        let known = self.remembered.read().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        match known {
            Some(claims) => Ok(claims),
            None => self.check(token, hash).await,
        }
    }

    async fn check(&self, token: &str, hash: [u8; 32]) -> Result<Arc<AppTokenClaims>, TokenFault> {
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
        let claims = Arc::new(data.claims);
        self.remember(hash, &claims);
        Ok(claims)
    }

    fn remember(&self, hash: [u8; 32], claims: &Arc<AppTokenClaims>) {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            self.forget_expired(&mut remembered);
            if remembered.len() >= MAX_REMEMBERED {
                remembered.clear();
            }
        }
        remembered.insert(hash, Arc::clone(claims));
    }

    /// Forgets what has expired.
    pub(crate) fn sweep(&self) {
        self.forget_expired(&mut self.remembered.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn forget_expired(&self, remembered: &mut HashMap<[u8; 32], Arc<AppTokenClaims>>) {
        let now = self.clock.now_secs();
        remembered.retain(|_, claims| claims.exp > now);
    }
}
