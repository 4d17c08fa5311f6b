//! Who is behind a session, and the signed assertion of it for the instance: kept in memory by session and
//! instance, renewed over the back channel before it ends. Many requests of one page ask at once, so one
//! renewal serves them all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use control_api::api_keys::ApiKeyGrant;
use control_api::authz::{AppTokenRequest, TokenSet, UserView};
use control_api::authz_client::AuthzClient;
use control_api::claims::AppTokenClaims;
use control_api::codes;
use control_api::ids::{InstanceId, SessionId};
use control_api::wire::WireSecret;
use service_kit::clock::Clock;
use service_kit::lifecycle::Lifecycle;
use tokio::time::Instant;

use super::revocations::Revocations;
use super::token::Verified;
use crate::limits::RENEW_BEFORE_SECS;
use crate::request::upstream_headers::IdentityHeaders;

const RENEW_WITHIN: Duration = Duration::from_secs(5);
/// After a failed renewal nobody tries again for this long.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// An assertion must outlive the request that carries it by a little.
const MARGIN_SECS: i64 = 5;

/// A signed-in user at one instance.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) headers: IdentityHeaders,
    /// What renews it; none where an API key is behind it.
    pub(crate) app_token: Option<WireSecret>,
    pub(crate) assertion: WireSecret,
    /// When the tokens end, seconds since 1970.
    pub(crate) expires_at: i64,
}

impl Identity {
    fn new(set: TokenSet) -> Option<Self> {
        let headers = identity_headers(&set.user, &set.assertion)?;
        let app_token = Some(set.app_token);
        Some(Self { headers, app_token, assertion: set.assertion, expires_at: set.expires_at })
    }

    /// The owner of an API key.
    pub(super) fn of_key(grant: ApiKeyGrant) -> Option<Self> {
        let headers = identity_headers(&grant.user, &grant.assertion)?;
        Some(Self { headers, app_token: None, assertion: grant.assertion, expires_at: grant.expires_at })
    }
}

fn identity_headers(user: &UserView, assertion: &WireSecret) -> Option<IdentityHeaders> {
    let id = user.user_id.to_string();
    IdentityHeaders::new(&id, user.username.as_str(), &user.email, assertion.expose())
}

/// Why there is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoIdentity {
    /// The session is over.
    Ended,
    /// authz-service cannot be asked.
    Unavailable,
}

type Key = (SessionId, InstanceId);

/// The place of one identity.
#[derive(Default)]
pub(super) struct Slot {
    current: RwLock<Option<Arc<Identity>>>,
    /// Held by the one that renews; when the last renewal failed.
    renewal: tokio::sync::Mutex<Option<Instant>>,
    in_background: AtomicBool,
}

impl Slot {
    fn current(&self) -> Option<Arc<Identity>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, identity: Option<Arc<Identity>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}

/// All identities in memory. Clones share them.
#[derive(Clone)]
pub(crate) struct Identities {
    slots: Arc<Mutex<HashMap<Key, Arc<Slot>>>>,
    authz: AuthzClient,
    revocations: Arc<Revocations>,
    clock: Clock,
    lifecycle: Lifecycle,
}

impl Identities {
    pub(crate) fn new(
        authz: AuthzClient,
        revocations: Arc<Revocations>,
        clock: Clock,
        lifecycle: &Lifecycle,
    ) -> Self {
        Self { slots: Arc::default(), authz, revocations, clock, lifecycle: lifecycle.clone() }
    }

    /// Keeps what a hand-off or a renewal gave.
    pub(crate) fn keep(&self, set: TokenSet) -> Option<Arc<Identity>> {
        let slot = self.slot((set.sid, set.instance_id));
        let identity = Arc::new(Identity::new(set)?);
        slot.set(Some(Arc::clone(&identity)));
        Some(identity)
    }

    /// The identity behind a genuine token.
    pub(crate) async fn get(&self, verified: &Verified, token: &str) -> Result<Arc<Identity>, NoIdentity> {
        if let Some(identity) = self.known(verified) {
            return Ok(identity);
        }
        let claims = &verified.claims;
        let slot = self.slot((claims.sid, claims.aud));
        self.renew(&slot, claims, token).await
    }

    /// The same where it is in memory; one that ends soon is renewed in the background.
    pub(crate) fn known(&self, verified: &Verified) -> Option<Arc<Identity>> {
        let slot = self.find(verified)?;
        let (identity, left) = self.usable(&slot)?;
        if left < RENEW_BEFORE_SECS {
            self.renew_in_background(slot, &verified.claims, &identity);
        }
        Some(identity)
    }

    fn find(&self, verified: &Verified) -> Option<Arc<Slot>> {
        // One that was forgotten meanwhile is not there any more.
        if let Some(slot) = verified.slot.get().and_then(Weak::upgrade) {
            return Some(slot);
        }
        let claims = &verified.claims;
        let slot = Arc::clone(self.lock().get(&(claims.sid, claims.aud))?);
        let _ = verified.slot.set(Arc::downgrade(&slot));
        Some(slot)
    }

    /// Forgets a session.
    pub(crate) fn forget(&self, claims: &AppTokenClaims) {
        self.lock().remove(&(claims.sid, claims.aud));
    }

    /// Forgets what has expired and nobody asks for.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now_secs();
        self.lock().retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.current().is_some_and(|identity| identity.expires_at > now)
        });
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        Arc::clone(self.lock().entry(key).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there and good for this request, and for how many seconds more.
    fn usable(&self, slot: &Slot) -> Option<(Arc<Identity>, i64)> {
        let identity = slot.current()?;
        let left = identity.expires_at - self.clock.now_secs();
        (left > MARGIN_SECS).then_some((identity, left))
    }

    fn renew_in_background(&self, slot: Arc<Slot>, claims: &AppTokenClaims, identity: &Identity) {
        let Some(token) = identity.app_token.clone() else { return };
        if slot.in_background.swap(true, Ordering::AcqRel) {
            return;
        }
        let (this, claims) = (self.clone(), claims.clone());
        self.lifecycle.spawn("renew", async move {
            // The one in use stays until there is a new one.
            if !this.failed_lately(&slot).await {
                let _ = this.ask(&slot, &claims, token.expose()).await;
            }
            slot.in_background.store(false, Ordering::Release);
        });
    }

    async fn failed_lately(&self, slot: &Slot) -> bool {
        slot.renewal.lock().await.is_some_and(|at| at.elapsed() < AFTER_FAILURE)
    }

    async fn renew(
        &self,
        slot: &Slot,
        claims: &AppTokenClaims,
        token: &str,
    ) -> Result<Arc<Identity>, NoIdentity> {
        let mut failed = slot.renewal.lock().await;
        if let Some((identity, _)) = self.usable(slot) {
            return Ok(identity);
        }
        if self.revocations.is_revoked(claims) {
            return Err(NoIdentity::Ended);
        }
        if failed.is_some_and(|at| at.elapsed() < AFTER_FAILURE) {
            return Err(NoIdentity::Unavailable);
        }
        let outcome = self.ask(slot, claims, token).await;
        *failed = (outcome == Err(NoIdentity::Unavailable)).then(Instant::now);
        outcome.and_then(|()| slot.current().ok_or(NoIdentity::Unavailable))
    }

    async fn ask(&self, slot: &Slot, claims: &AppTokenClaims, token: &str) -> Result<(), NoIdentity> {
        let body = AppTokenRequest { app_token: WireSecret::from(token) };
        let answer = tokio::time::timeout(RENEW_WITHIN, self.authz.renew(&body)).await;
        match answer {
            Ok(Ok(set))
                if set.sid == claims.sid
                    && set.instance_id == claims.aud
                    && set.user.user_id == claims.sub =>
            {
                let identity = Identity::new(set).ok_or(NoIdentity::Unavailable)?;
                slot.set(Some(Arc::new(identity)));
                Ok(())
            }
            Ok(Ok(_)) => {
                tracing::error!(sid = %claims.sid, "authz-service renewed another session than was asked for");
                Err(NoIdentity::Unavailable)
            }
            Ok(Err(error)) if error.is(codes::SESSION_ENDED) => {
                // A session never comes back: its next request need not ask.
                self.revocations.end_session(claims.sid);
                slot.set(None);
                Err(NoIdentity::Ended)
            }
            Ok(Err(error)) => {
                tracing::warn!(sid = %claims.sid, %error, "a session could not be renewed");
                Err(NoIdentity::Unavailable)
            }
            Err(_) => {
                tracing::warn!(sid = %claims.sid, "a session could not be renewed: no answer in time");
                Err(NoIdentity::Unavailable)
            }
        }
    }
}
