//! API keys: authz-service is asked about one, and its answer holds for half a minute. An attacker who sends
//! keys that are none gains nothing: what cannot be a key is not asked about, refusals are remembered, one
//! question at a time is asked about a key and few in all, and whoever sends many wrong ones has to wait; a key
//! that was good lately does not wait behind those. When authz-service cannot be asked, nobody passes whom it
//! has not named within that half minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control_api::api_keys::{ApiKeyScope, IntrospectApiKeyRequest, is_api_key};
use control_api::authz_client::AuthzClient;
use control_api::ids::InstanceId;
use control_api::route::RouteFile;
use control_api::wire::WireSecret;
use http::{HeaderMap, Method, header};
use service_kit::clock::Clock;
use service_kit::secret::sha256;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::credential::Credential;
use super::identities::Identity;
use super::revocations::Revocations;
use super::wrong_keys::WrongKeys;
use crate::request::kind::Kind;
use crate::request::upstream_headers::names_api_key;

const ASK_WITHIN: Duration = Duration::from_secs(5);
/// After a question without an answer nobody asks again for this long.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// A refusal holds for this long.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// A key that was good within this time is asked about apart from those that nobody knows.
const GOOD_LATELY: Duration = Duration::from_mins(10);
/// Questions at a time, and requests that wait for theirs.
const MAX_QUESTIONS: usize = 8;
const MAX_WAITING: usize = 128;
/// Answers that are remembered; of refusals, any more are not.
const MAX_GRANTED: usize = 10_000;
const MAX_REFUSED: usize = 4_096;
/// An assertion must outlive the request that carries it by a little.
const MARGIN_SECS: i64 = 5;
/// With these a GET is something else to many frameworks.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// What a request says about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented<'a> {
    None,
    Key(&'a str),
    /// More than one, or one among other credentials: nobody could say which counts.
    Unclear,
}

impl<'a> Presented<'a> {
    /// Reads `Authorization` (RFC 6750, section 2.1). Bearer tokens that are no keys are the app's own.
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let first = values.next().and_then(|value| value.to_str().ok());
        if !headers.get_all(header::AUTHORIZATION).iter().any(|value| names_api_key(value.as_bytes())) {
            return Self::None;
        }
        let mut words = first.unwrap_or_default().split_ascii_whitespace().skip(1);
        match (words.next(), words.next(), values.next()) {
            (Some(key), None, None) => Self::Key(key),
            _ => Self::Unclear,
        }
    }
}

/// What an active key stands for.
#[derive(Debug)]
pub(crate) struct KeyGrant {
    pub(crate) credential: Credential,
    pub(crate) identity: Arc<Identity>,
    scopes: Vec<ApiKeyScope>,
}

impl KeyGrant {
    /// Whether the key may do that. To read is to use a method that changes nothing (RFC 9110, section 9.2.1),
    /// and to say so: a WebSocket is no reading, and neither is a method under another's name.
    pub(crate) fn may(&self, method: &Method, kind: Kind, headers: &HeaderMap) -> bool {
        let reads = || {
            matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
                && kind != Kind::WebSocket
                && METHOD_OVERRIDES.iter().all(|name| !headers.contains_key(*name))
        };
        self.scopes.iter().any(|scope| match scope {
            ApiKeyScope::Instance => true,
            ApiKeyScope::InstanceRead => reads(),
        })
    }
}

/// Why a key opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoGrant {
    /// It is none, or none for this instance.
    Invalid,
    /// This address has sent too many wrong ones: how long to wait.
    Throttled(Duration),
    /// Too many wait for an answer.
    Busy,
    /// authz-service cannot be asked.
    Unavailable,
}

/// A key by its hash, at an instance.
type Id = ([u8; 32], InstanceId);

#[derive(Default)]
struct Known {
    granted: HashMap<Id, (Arc<KeyGrant>, Instant)>,
    refused: HashMap<Id, Instant>,
    /// Held by the one who asks.
    turns: HashMap<Id, Arc<tokio::sync::Mutex<()>>>,
    failed: Option<Instant>,
}

/// A way to authz-service, of a bounded width.
struct Lane {
    questions: Semaphore,
    waiting: Semaphore,
}

impl Lane {
    fn new() -> Self {
        Self { questions: Semaphore::new(MAX_QUESTIONS), waiting: Semaphore::new(MAX_WAITING) }
    }
}

/// All answers in memory.
pub(crate) struct ApiKeys {
    known: Mutex<Known>,
    wrong: WrongKeys,
    /// For keys that were good lately, and for all others.
    lanes: [Lane; 2],
    keep: Duration,
    authz: AuthzClient,
    revocations: Arc<Revocations>,
    clock: Clock,
}

impl ApiKeys {
    /// `keep` is for how long a yes holds.
    pub(crate) fn new(
        authz: AuthzClient,
        revocations: Arc<Revocations>,
        clock: Clock,
        keep: Duration,
    ) -> Self {
        Self {
            known: Mutex::default(),
            wrong: WrongKeys::default(),
            lanes: [Lane::new(), Lane::new()],
            keep,
            authz,
            revocations,
            clock,
        }
    }

    /// What a key opens at the instance of a route.
    pub(crate) async fn get(
        &self,
        key: &str,
        route: &RouteFile,
        client: IpAddr,
    ) -> Result<Arc<KeyGrant>, NoGrant> {
        if !is_api_key(key) {
            return Err(NoGrant::Invalid);
        }
        let id = (sha256(key.as_bytes()), route.instance_id);
        if let Some(known) = self.known(&id) {
            return known;
        }
        let was_good = self.was_good_lately(&id);
        let [good, others] = &self.lanes;
        let lane = if was_good { good } else { others };
        let _place = lane.waiting.try_acquire().map_err(|_| NoGrant::Busy)?;
        let turn = Turn { keys: self, id, lock: self.turn(id) };
        let _turn = turn.lock.lock().await;
        // Whoever waited finds what the one before was told.
        if let Some(known) = self.known(&id) {
            return known;
        }
        let _question = lane.questions.acquire().await.map_err(|_| NoGrant::Unavailable)?;
        if let Some(wait) = self.wrong.wait(client, Instant::now()).filter(|_| !was_good) {
            return Err(NoGrant::Throttled(wait));
        }
        if self.lock().failed.is_some_and(|at| at.elapsed() < AFTER_FAILURE) {
            return Err(NoGrant::Unavailable);
        }
        let outcome = self.ask(key, id, route).await;
        if outcome.as_ref().is_err_and(|why| *why == NoGrant::Invalid) {
            self.wrong.count(client, Instant::now());
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, id: Id) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.lock().turns.entry(id).or_default())
    }

    fn was_good_lately(&self, id: &Id) -> bool {
        self.lock().granted.get(id).is_some_and(|(_, at)| at.elapsed() < GOOD_LATELY)
    }

    /// What is remembered and still holds.
    fn known(&self, id: &Id) -> Option<Result<Arc<KeyGrant>, NoGrant>> {
        let known = self.lock();
        if known.refused.get(id).is_some_and(|at| at.elapsed() < REFUSED_FOR) {
            return Some(Err(NoGrant::Invalid));
        }
        let (grant, at) = known.granted.get(id)?;
        if self.revocations.is_ended(&grant.credential.root) {
            return Some(Err(NoGrant::Invalid));
        }
        let left = grant.identity.expires_at - self.clock.now_secs();
        // A revocation of the user or the instance does not end the key: authz-service has to say.
        let holds =
            at.elapsed() < self.keep && left > MARGIN_SECS && !self.revocations.is_revoked(grant.credential);
        holds.then(|| Ok(Arc::clone(grant)))
    }

    async fn ask(&self, key: &str, id: Id, route: &RouteFile) -> Result<Arc<KeyGrant>, NoGrant> {
        let asked_at = Instant::now();
        let body = IntrospectApiKeyRequest {
            key: WireSecret::from(key),
            instance_id: route.instance_id,
            slug: route.slug.clone(),
        };
        let answer = match tokio::time::timeout(ASK_WITHIN, self.authz.introspect_api_key(&body)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.failed(&error.to_string())),
            Err(_) => return Err(self.failed("no answer in time")),
        };
        let Some(grant) = answer.grant.filter(|_| answer.active) else {
            self.refuse(id);
            return Err(NoGrant::Invalid);
        };
        if grant.instance_id != route.instance_id {
            return Err(self.failed("it spoke of another instance"));
        }
        let credential = Credential::from(&grant);
        // The route may not know yet that the instance has another owner, or authz-service may not.
        if credential.user != route.owner_id {
            self.refuse(id);
            return Err(NoGrant::Invalid);
        }
        // It came while the answer was on its way; the next question is answered after it.
        if self.revocations.is_revoked(credential) {
            return Err(NoGrant::Invalid);
        }
        let scopes = grant.scopes.clone();
        let Some(identity) = Identity::of_key(grant) else {
            return Err(self.failed("its answer cannot be put into headers"));
        };
        let grant = Arc::new(KeyGrant { credential, identity: Arc::new(identity), scopes });
        self.remember(id, &grant, asked_at);
        Ok(grant)
    }

    fn failed(&self, why: &str) -> NoGrant {
        tracing::warn!(why, "authz-service could not be asked about an API key");
        self.lock().failed = Some(Instant::now());
        NoGrant::Unavailable
    }

    fn remember(&self, id: Id, grant: &Arc<KeyGrant>, asked_at: Instant) {
        let mut known = self.lock();
        known.failed = None;
        known.refused.remove(&id);
        if known.granted.len() >= MAX_GRANTED {
            known.granted.retain(|_, (_, at)| at.elapsed() < self.keep);
        }
        if known.granted.len() < MAX_GRANTED {
            known.granted.insert(id, (Arc::clone(grant), asked_at));
        }
    }

    fn refuse(&self, id: Id) {
        let mut known = self.lock();
        known.failed = None;
        known.granted.remove(&id);
        if known.refused.len() >= MAX_REFUSED {
            known.refused.retain(|_, at| at.elapsed() < REFUSED_FOR);
        }
        if known.refused.len() < MAX_REFUSED {
            known.refused.insert(id, Instant::now());
        }
    }

    /// Forgets what does not hold any more.
    pub(crate) fn sweep(&self) {
        let mut known = self.lock();
        known.granted.retain(|_, (_, at)| at.elapsed() < GOOD_LATELY);
        known.refused.retain(|_, at| at.elapsed() < REFUSED_FOR);
        drop(known);
        self.wrong.sweep(Instant::now());
    }
}

/// A place among those who ask about one key; the last to leave takes it away.
struct Turn<'a> {
    keys: &'a ApiKeys,
    id: Id,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut known = self.keys.lock();
        // The map's and this one.
        if Arc::strong_count(&self.lock) <= 2 {
            known.turns.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const KEY: &str = "bvr_dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn presented(values: &[&str]) -> &'static str {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).expect("a value"));
        }
        match Presented::of(&headers) {
            Presented::None => "none",
            Presented::Key(KEY) => "key",
            Presented::Key(_) => "another key",
            Presented::Unclear => "unclear",
        }
    }

    #[test]
    fn keys_are_told_from_what_is_the_apps_own() {
        let bearer = format!("Bearer {KEY}");
        assert_eq!(presented(&[&bearer]), "key");
        assert_eq!(presented(&[&format!("bEARER   {KEY} ")]), "key");
        assert_eq!(presented(&["Bearer bvr_short"]), "another key");
        for own in
            [&[][..], &["Basic YWxpY2U6c2VjcmV0"], &["Bearer app-token"], &["Bearer app", "Basic x"], &[KEY]]
        {
            assert_eq!(presented(own), "none", "{own:?}");
        }
        for unclear in [
            &[bearer.as_str(), &bearer][..],
            &[&bearer, "Basic x"],
            &["Basic x", &bearer],
            &[&format!("{bearer} more")],
        ] {
            assert_eq!(presented(unclear), "unclear", "{unclear:?}");
        }
    }
}
