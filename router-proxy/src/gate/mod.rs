//! The access gate: who may pass to an instance. The signed cookie is verified here, without asking anybody;
//! where there is none, a navigation is sent to the portal and comes back through the callback. A program may
//! bring an API key instead, which decides alone, whatever cookies come with it. When in doubt (no keys, no
//! news of revocations, no assertion) nobody passes.

mod api_keys;
mod cookies;
mod credential;
mod handoff;
mod identities;
mod instance_login;
mod keys;
mod logout;
mod revocations;
mod seal;
mod token;
mod transactions;
mod wrong_keys;

use std::net::IpAddr;
use std::sync::Arc;

use control_api::authz_client::AuthzClient;
use control_api::claims::AppTokenClaims;
use control_api::public_url::{PublicUrl, Scheme};
use control_api::route::Access;
use http::{HeaderMap, HeaderValue, Method};
use service_kit::clock::Clock;
use service_kit::health::Health;
use service_kit::lifecycle::{Lifecycle, StartError};

use crate::config::Config;
use crate::error::Refusal;
use crate::metrics::RouterMetrics;
use crate::pages::{Answer, Pages};
use crate::request::host::Host;
use crate::request::kind::{Kind, is_foreign_with_key, is_forged};
use crate::routes::Route;
use api_keys::{ApiKeys, NoGrant, Presented};
use cookies::Cookies;
use credential::Root;
use identities::{Identities, NoIdentity};
use keys::Keys;
use seal::Seal;
use token::{TokenFault, Verified, Verifier};

pub(crate) use credential::Credential;
pub(crate) use identities::Identity;
pub(crate) use revocations::{Revocations, StreamGuard};

const NO_KEYS: &str = "The identity service's keys are not at hand.";
const NO_NEWS: &str = "The identity service has not been heard of for some time.";
const NO_ANSWER: &str = "The identity service cannot be asked about the API key.";
const NO_ASSERTION: &str = "The identity service does not answer.";

/// What the gate looks at.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    pub(crate) route: &'a Arc<Route>,
    pub(crate) host: &'a Host,
    /// How the client reached us.
    pub(crate) scheme: Scheme,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) kind: Kind,
    /// Who sent it, as far as trusted proxies say.
    pub(crate) client: IpAddr,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) request_id: &'a HeaderValue,
}

/// Somebody who may pass.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) credential: Credential,
    pub(crate) identity: Arc<Identity>,
    /// A newer token for the browser.
    pub(crate) set_cookie: Option<HeaderValue>,
}

/// What can be said of a request without asking anybody.
pub(crate) enum Known {
    /// The route is public.
    Anybody,
    Owner(Grant),
    /// [`Gate::admit`] must decide.
    No,
}

impl Grant {
    /// What is said when it is revoked while the request is under way.
    pub(crate) fn ended(&self) -> Refusal {
        match self.credential.root {
            Root::Session(_) => Refusal::SignedOut,
            Root::ApiKey(_) => Refusal::KeyInvalid,
        }
    }
}

/// What is answered instead of passing.
pub(crate) enum Denied {
    Refuse(Refusal),
    Answer(Answer),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// What the request's cookie says.
enum Session<'a> {
    Owner { verified: Arc<Verified>, token: &'a str },
    SomebodyElse,
    None,
}

/// The gate with all that it keeps.
pub(crate) struct Gate {
    cookies: Cookies,
    seal: Seal,
    keys: Arc<Keys>,
    verifier: Verifier,
    identities: Identities,
    api_keys: ApiKeys,
    revocations: Arc<Revocations>,
    authz: AuthzClient,
    public: PublicUrl,
    portal: String,
    pages: Pages,
    clock: Clock,
    metrics: RouterMetrics,
    times: crate::limits::Timeouts,
}

impl Gate {
    /// Reads the state folder. Blocking.
    pub(crate) fn new(
        config: &Config,
        authz: AuthzClient,
        clock: Clock,
        shared: (&Health, &RouterMetrics),
        lifecycle: &Lifecycle,
    ) -> Result<Self, StartError> {
        let (health, metrics) = shared;
        let key_file = config.state_dir.join("seal.key");
        let seal = std::fs::create_dir_all(&config.state_dir)
            .and_then(|()| Seal::open_or_create(&key_file))
            .map_err(|e| StartError::Other(format!("{} cannot be used: {e}", key_file.display())))?;
        let keys = Keys::load(config.state_dir.join("jwks.json"), authz.clone(), health.clone());
        let keys = Arc::new(keys);
        let stale = config.timeouts.stale_news;
        let revocations = Arc::new(Revocations::new(stale, clock.clone(), health.clone()));
        Ok(Self {
            cookies: Cookies::new(config.is_https()),
            seal,
            verifier: Verifier::new(Arc::clone(&keys), &config.issuer, clock.clone()),
            api_keys: ApiKeys::new(
                authz.clone(),
                Arc::clone(&revocations),
                clock.clone(),
                config.timeouts.key_cache,
            ),
            identities: Identities::new(authz.clone(), Arc::clone(&revocations), clock.clone(), lifecycle),
            keys,
            revocations,
            authz,
            public: config.public.clone(),
            portal: config.portal.clone(),
            pages: Pages::new(&config.portal),
            clock,
            metrics: metrics.clone(),
            times: config.timeouts.clone(),
        })
    }

    /// Starts what runs in the background.
    pub(crate) fn start(&self, lifecycle: &Lifecycle) {
        let keys = Arc::clone(&self.keys);
        lifecycle.spawn_critical("signing keys", keys.follow(lifecycle.stopping()));
        let revocations = Arc::clone(&self.revocations);
        let follow = revocations.follow(self.authz.clone(), self.times.clone(), lifecycle.stopping());
        lifecycle.spawn_critical("revocations", follow);
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&self) {
        self.verifier.sweep();
        self.identities.sweep();
        self.api_keys.sweep();
        self.revocations.sweep();
    }

    pub(crate) fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Lets a request pass (`None` on a public route: nobody in particular) or says what to answer.
    pub(crate) async fn admit(&self, visit: Visit<'_>) -> Result<Option<Grant>, Denied> {
        if visit.route.file.access == Access::Public {
            return Ok(None);
        }
        let outcome = match Presented::of(visit.headers) {
            Presented::None => self.admit_owner(visit).await,
            // Boxed, because most requests come without a key, and so need no room for it.
            Presented::Key(key) => Box::pin(self.admit_key(visit, key)).await.map_err(Denied::Refuse),
            Presented::Unclear => Err(Refusal::KeyInvalid.into()),
        };
        if let Err(denied) = &outcome {
            self.metrics.gate_refusal(match denied {
                Denied::Answer(_) => "sent-to-portal",
                Denied::Refuse(Refusal::SignedOut) => "signed-out",
                Denied::Refuse(Refusal::NotYours) => "not-yours",
                Denied::Refuse(Refusal::Forged) => "cross-site",
                Denied::Refuse(Refusal::KeyInvalid) => "key-invalid",
                Denied::Refuse(Refusal::KeyScope) => "key-scope",
                Denied::Refuse(Refusal::TooManyTries(_)) => "throttled",
                Denied::Refuse(_) => "closed",
            });
        }
        outcome.map(Some)
    }

    /// The same without asking anybody. `cookie` is the one `Cookie` line of
    /// a request behind which no other site can be, and which has no `Authorization`.
    pub(crate) fn admit_known(&self, route: &Route, cookie: Option<&str>) -> Known {
        let file = &route.file;
        if file.access == Access::Public {
            return Known::Anybody;
        }
        let token = cookie.and_then(|line| self.cookies.first_app_token(line));
        let verified = token.and_then(|token| self.verifier.known(token)).filter(|verified| {
            let claims = &verified.claims;
            let is_owner = claims.aud == file.instance_id && claims.sub == file.owner_id;
            is_owner && !self.revocations.is_revoked(claims) && !self.revocations.is_stale()
        });
        let identity = verified.as_ref().and_then(|verified| self.identities.known(verified));
        match verified.zip(identity) {
            Some((verified, identity)) => Known::Owner(self.grant(&verified.claims, identity)),
            None => Known::No,
        }
    }

    async fn admit_owner(&self, visit: Visit<'_>) -> Result<Grant, Denied> {
        if self.is_forged(visit) {
            return Err(Refusal::Forged.into());
        }
        match self.session(visit).await? {
            Session::SomebodyElse => Err(Refusal::NotYours.into()),
            Session::None => Err(self.not_signed_in(visit)),
            Session::Owner { verified, token } => {
                if self.revocations.is_stale() {
                    return Err(Refusal::GateClosed(NO_NEWS).into());
                }
                match self.identities.get(&verified, token).await {
                    Ok(identity) => Ok(self.grant(&verified.claims, identity)),
                    Err(NoIdentity::Ended) => Err(self.not_signed_in(visit)),
                    Err(NoIdentity::Unavailable) => Err(Refusal::GateClosed(NO_ASSERTION).into()),
                }
            }
        }
    }

    /// Lets the owner's program in.
    async fn admit_key(&self, visit: Visit<'_>, key: &str) -> Result<Grant, Refusal> {
        if self.with_origins(visit, |origins| is_foreign_with_key(visit.kind, visit.headers, origins)) {
            return Err(Refusal::Forged);
        }
        if self.revocations.is_stale() {
            return Err(Refusal::GateClosed(NO_NEWS));
        }
        let grant =
            self.api_keys.get(key, &visit.route.file, visit.client).await.map_err(|why| match why {
                NoGrant::Invalid => Refusal::KeyInvalid,
                NoGrant::Throttled(wait) => Refusal::TooManyTries(wait),
                NoGrant::Busy => Refusal::Busy,
                NoGrant::Unavailable => Refusal::GateClosed(NO_ANSWER),
            })?;
        if !grant.may(visit.method, visit.kind, visit.headers) {
            return Err(Refusal::KeyScope);
        }
        Ok(Grant { credential: grant.credential, identity: Arc::clone(&grant.identity), set_cookie: None })
    }

    fn grant(&self, claims: &AppTokenClaims, identity: Arc<Identity>) -> Grant {
        let is_newer = identity.expires_at > claims.exp;
        let token = identity.app_token.as_ref().filter(|_| is_newer);
        let set_cookie = token.and_then(|token| self.cookies.set_app(token.expose()));
        Grant { credential: Credential::from(claims), identity, set_cookie }
    }

    fn is_forged(&self, visit: Visit<'_>) -> bool {
        self.with_origins(visit, |origins| is_forged(visit.kind, visit.method, visit.headers, origins))
    }

    /// Origins that are this host: the one that is published, and the one that was used.
    fn with_origins(&self, visit: Visit<'_>, judge: impl FnOnce(&[&str]) -> bool) -> bool {
        let published = self.public.origin(&visit.route.file.slug);
        let used = format!("{}://{}", visit.scheme.as_str(), visit.host.to_header());
        judge(&[&published, &used])
    }

    /// The first token that is genuine, for this instance, of its owner, and not revoked.
    async fn session<'a>(&self, visit: Visit<'a>) -> Result<Session<'a>, Refusal> {
        let file = &visit.route.file;
        let (mut somebody_else, mut no_keys) = (false, false);
        for token in self.cookies.app_tokens(visit.headers) {
            match self.verifier.verify(token).await {
                Ok(verified) if verified.claims.aud != file.instance_id => (),
                Ok(verified) if self.revocations.is_revoked(&verified.claims) => (),
                Ok(verified) if verified.claims.sub != file.owner_id => somebody_else = true,
                Ok(verified) => return Ok(Session::Owner { verified, token }),
                Err(TokenFault::Invalid) => (),
                Err(TokenFault::NoKeys) => no_keys = true,
            }
        }
        match (somebody_else, no_keys) {
            (true, _) => Ok(Session::SomebodyElse),
            (false, true) => Err(Refusal::GateClosed(NO_KEYS)),
            (false, false) => Ok(Session::None),
        }
    }

    /// A navigation goes to the portal; anything else could not follow.
    fn not_signed_in(&self, visit: Visit<'_>) -> Denied {
        if visit.kind == Kind::Navigation {
            Denied::Answer(self.begin_handoff(visit, visit.target))
        } else {
            Refusal::SignedOut.into()
        }
    }

    /// Answers a path below `/.beaver/`; it never reaches an instance.
    pub(crate) async fn own_path(&self, visit: Visit<'_>) -> Result<Answer, Refusal> {
        let (path, query) = visit.target.split_once('?').unwrap_or((visit.target, ""));
        match (path, visit.method) {
            ("/.beaver/callback", &Method::GET) => self.callback(visit, query).await,
            ("/.beaver/logout", &Method::GET) => {
                Ok(self.pages.logout(visit.request_id.to_str().unwrap_or_default()))
            }
            ("/.beaver/logout", &Method::POST) => self.logout(visit).await,
            _ => Err(Refusal::NoSuchPage),
        }
    }
}
