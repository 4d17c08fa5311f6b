//! The public keys of authz-service: in memory, on disk (so that a restart with authz-service down can
//! still verify), and fetched again when a token names one that is not known.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use control_api::authz_client::AuthzClient;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet};
use service_kit::health::{Check, Health};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A token with a key that is not known asks for the keys at most this often.
const REFRESH_AT_MOST: Duration = Duration::from_secs(5);
const REFRESH_EVERY: Duration = Duration::from_mins(10);
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LAST: Duration = Duration::from_secs(15);

type KeyMap = HashMap<String, Arc<DecodingKey>>;

/// Why a key is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// authz-service does not have it: the token is none of its own.
    Unknown,
    /// authz-service could not be asked.
    Unavailable,
}

#[derive(Default)]
struct Attempt {
    at: Option<Instant>,
    failed: bool,
}

/// The keys by `kid`.
pub(crate) struct Keys {
    current: ArcSwap<KeyMap>,
    cache: PathBuf,
    authz: AuthzClient,
    health: Health,
    attempt: Mutex<Attempt>,
}

impl Keys {
    /// Begins with what the cache file holds. Blocking.
    pub(crate) fn load(cache: PathBuf, authz: AuthzClient, health: Health) -> Self {
        let cached = std::fs::read_to_string(&cache).ok().and_then(|text| parse(&text));
        let check = match &cached {
            Some(_) => Check::Ok,
            None => Check::Failing("no signing keys from authz-service yet".to_owned()),
        };
        health.set("keys", check);
        let current = ArcSwap::from_pointee(cached.unwrap_or_default());
        Self { current, cache, authz, health, attempt: Mutex::default() }
    }

    /// The key of a token, fetched where it is not known yet.
    pub(crate) async fn find(&self, kid: &str) -> Result<Arc<DecodingKey>, NoKey> {
        if let Some(key) = self.current.load().get(kid) {
            return Ok(Arc::clone(key));
        }
        // One at a time: whoever waited here finds what the one before fetched.
        let mut attempt = self.attempt.lock().await;
        if let Some(key) = self.current.load().get(kid) {
            return Ok(Arc::clone(key));
        }
        if attempt.at.is_none_or(|at| at.elapsed() >= REFRESH_AT_MOST) {
            attempt.at = Some(Instant::now());
            attempt.failed = !self.fetch().await;
        }
        let failed = attempt.failed;
        self.current.load().get(kid).cloned().ok_or(if failed { NoKey::Unavailable } else { NoKey::Unknown })
    }

    /// Fetches until it succeeds, then now and then.
    pub(crate) async fn follow(self: Arc<Self>, stopping: CancellationToken) -> Result<(), String> {
        let mut pause = RETRY_FIRST;
        loop {
            let wait = if self.fetch().await {
                pause = RETRY_FIRST;
                REFRESH_EVERY
            } else {
                pause = (pause * 2).min(RETRY_LAST);
                pause
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => (),
                () = stopping.cancelled() => return Ok(()),
            }
        }
    }

    async fn fetch(&self) -> bool {
        let text = match self.authz.jwks().await {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(%error, "the signing keys could not be fetched");
                return false;
            }
        };
        let Some(keys) = parse(&text) else {
            tracing::error!("authz-service answered with no usable signing key");
            return false;
        };
        self.current.store(Arc::new(keys));
        self.health.set("keys", Check::Ok);
        let path = self.cache.clone();
        let write = tokio::task::spawn_blocking(move || {
            service_kit::atomic_file::write(&path, text.as_bytes(), 0o600)
        });
        if let Ok(Err(error)) = write.await {
            tracing::warn!(%error, "the signing keys could not be kept on disk");
        }
        true
    }
}

/// Ed25519 keys with an id; anything else is left out. `None` where nothing is left.
fn parse(text: &str) -> Option<KeyMap> {
    let set: JwkSet = serde_json::from_str(text).ok()?;
    let keys: KeyMap = set
        .keys
        .iter()
        .filter(|jwk| {
            matches!(&jwk.algorithm, AlgorithmParameters::OctetKeyPair(p) if p.curve == EllipticCurve::Ed25519)
        })
        .filter_map(|jwk| Some((jwk.common.key_id.clone()?, Arc::new(DecodingKey::from_jwk(jwk).ok()?))))
        .collect();
    (!keys.is_empty()).then_some(keys)
}
