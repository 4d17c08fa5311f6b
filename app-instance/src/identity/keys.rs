//! The issuer's public keys (RFC 7517): kept on disk, so that a restarted instance can verify at once, and
//! fetched again when a token names a key that is not known, at most once in ten seconds. A set that is an
//! hour old is fetched anew in the background, so that keys that were withdrawn are forgotten.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use service_kit::atomic_file;
use service_kit::lifecycle::Lifecycle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Denied;
use crate::issuer_client::IssuerClient;

/// Shortest time between two fetches: tokens with invented key ids must not flood the issuer.
const MIN_INTERVAL: Duration = Duration::from_secs(10);
/// Age at which the set is fetched anew.
const MAX_AGE: Duration = Duration::from_hours(1);
/// Largest set that is taken.
const MAX_BYTES: usize = 64 * 1024;
/// The issuer is on this machine.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The keys. Clones share them.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Inner>);

struct Inner {
    url: String,
    file: PathBuf,
    lifecycle: Lifecycle,
    http: IssuerClient,
    set: Mutex<KeySet>,
    /// One fetch at a time.
    fetching: Semaphore,
}

#[derive(Default)]
struct KeySet {
    keys: HashMap<String, DecodingKey>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
    /// Whether the last try succeeded.
    answered: bool,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// The members that matter; keys of other kinds are passed over.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    x: Option<String>,
}

impl Keys {
    /// Reads what is on disk; a missing or faulty file is an empty set.
    pub(crate) fn load(issuer: &str, file: PathBuf, http: IssuerClient, lifecycle: Lifecycle) -> Self {
        let keys = std::fs::read(&file).ok().and_then(|text| parse(&text)).unwrap_or_default();
        Self(Arc::new(Inner {
            url: format!("{issuer}/.well-known/jwks.json"),
            file,
            lifecycle,
            http,
            set: Mutex::new(KeySet { keys, ..KeySet::default() }),
            fetching: Semaphore::new(1),
        }))
    }

    /// The key of this id.
    pub(crate) async fn find(&self, kid: &str) -> Result<DecodingKey, Denied> {
        if let Some(key) = self.known(kid) {
            if self.is_stale() {
                self.refresh_in_background();
            }
            return Ok(key);
        }
        self.refresh().await;
        let answered = self.lock().answered;
        self.known(kid).ok_or(if answered { Denied::Invalid("kid") } else { Denied::NoKeys })
    }

    /// Fetches the set without anybody waiting for it.
    pub(crate) fn refresh_in_background(&self) {
        let this = self.clone();
        self.0.lifecycle.spawn("keys", async move { this.refresh().await });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, KeySet> {
        self.0.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        self.lock().keys.get(kid).cloned()
    }

    fn is_stale(&self) -> bool {
        let set = self.lock();
        let old = |at: Option<Instant>, age| at.is_none_or(|at| at.elapsed() >= age);
        old(set.fetched, MAX_AGE) && old(set.tried, MIN_INTERVAL)
    }

    /// Fetches the set, unless that was tried just now. Whoever comes while it is being fetched waits for it.
    async fn refresh(&self) {
        let Ok(_permit) = self.0.fetching.acquire().await else { return };
        {
            let mut set = self.lock();
            if set.tried.is_some_and(|tried| tried.elapsed() < MIN_INTERVAL) {
                return;
            }
            set.tried = Some(Instant::now());
        }
        let outcome = self.fetch().await;
        let mut set = self.lock();
        set.answered = outcome.is_ok();
        match outcome {
            Ok(keys) => {
                set.keys = keys;
                set.fetched = Some(Instant::now());
            }
            Err(error) => tracing::warn!(error, "the issuer's keys could not be fetched"),
        }
    }

    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>, String> {
        let http = self.0.http.get().await?;
        let said = |error: reqwest::Error| error.without_url().to_string();
        let request = http.get(&self.0.url).timeout(TIMEOUT).send().await.map_err(said)?;
        let mut response = request.error_for_status().map_err(said)?;
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(said)? {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_BYTES {
                return Err("the set is too large".to_owned());
            }
        }
        let keys = parse(&text).filter(|keys| !keys.is_empty()).ok_or("it has no key that can be used")?;
        if let Err(error) = atomic_file::write(&self.0.file, &text, 0o600) {
            tracing::warn!(%error, "the issuer's keys could not be kept on disk");
        }
        Ok(keys)
    }
}

fn parse(text: &[u8]) -> Option<HashMap<String, DecodingKey>> {
    let jwks: Jwks = serde_json::from_slice(text).ok()?;
    let usable = jwks.keys.into_iter().filter_map(|jwk| {
        if jwk.kty != "OKP" || jwk.crv.as_deref() != Some("Ed25519") {
            return None;
        }
        Some((jwk.kid?, DecodingKey::from_ed_components(&jwk.x?).ok()?))
    });
    Some(usable.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let text = br#"{"keys":[
            {"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"},
            {"kty":"oct","kid":"b","k":"c2VjcmV0"},
            {"kty":"OKP","crv":"X25519","kid":"c","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            {"kty":"OKP","crv":"Ed25519","kid":"d","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let keys = parse(text).expect("a set");
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["d"]);
        assert!(parse(b"{}").is_none());
    }
}
