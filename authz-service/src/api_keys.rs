//! API keys: 256 random bits behind `bvr_`, shown once, their hash in the store. A key stands for its owner at
//! the owner's instance and nowhere else: never for a session of the portal. It outlives sign-outs and changes
//! of the password, and ends when it is revoked, when its time is over (after a year at most), or when nobody uses
//! it for 90 days.

use control_api::api_keys::{
    API_KEY_PREFIX, ApiKeyGrant, ApiKeyIntrospection, ApiKeyList, ApiKeyScope, ApiKeyState, ApiKeyView,
    CreateApiKeyAnswer, CreateApiKeyRequest, IntrospectApiKeyRequest, MAX_API_KEY_DAYS, MAX_API_KEY_NAME,
    RevokeApiKeyRequest, USUAL_API_KEY_DAYS, is_api_key,
};
use control_api::claims::TOKEN_LIFETIME_SECS;
use control_api::ids::{ApiKeyId, SessionId};
use control_api::wire::WireSecret;
use service_kit::clock::from_millis;
use service_kit::secret::{Secret, random_token, sha256};

use crate::audit;
use crate::authz::Authz;
use crate::error::{Error, Faults};
use crate::store::api_keys::{Revocation, StoredKey};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A key that nobody uses for this long does not work any more.
const UNUSED_MS: i64 = 90 * DAY_MS;
/// Use is written down at most this often: a write a request would be a disk sync a request.
const TOUCH_EVERY_MS: i64 = 60 * 1000;

impl StoredKey {
    fn state(&self, now: i64) -> ApiKeyState {
        if self.expires_at <= now {
            ApiKeyState::Expired
        } else if now - self.last_used_at.unwrap_or(self.created_at) >= UNUSED_MS {
            ApiKeyState::Unused
        } else {
            ApiKeyState::Active
        }
    }

    fn view(&self, now: i64) -> ApiKeyView {
        ApiKeyView {
            key_id: self.key_id,
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            state: self.state(now),
            created_at: from_millis(self.created_at),
            last_used_at: self.last_used_at.map(from_millis),
            expires_at: from_millis(self.expires_at),
        }
    }
}

/// What the owner wishes for, if it can be had.
struct Wish {
    name: String,
    scopes: Vec<ApiKeyScope>,
    days: u32,
}

impl Wish {
    fn parse(request: &CreateApiKeyRequest) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = request.name.trim();
        let length = name.chars().count();
        if length == 0 {
            faults.add("name", "is needed");
        } else if length > MAX_API_KEY_NAME {
            faults.add("name", format!("must have at most {MAX_API_KEY_NAME} characters"));
        } else if name.chars().any(char::is_control) {
            faults.add("name", "must not have control characters");
        }
        let mut scopes: Vec<ApiKeyScope> = Vec::new();
        for word in &request.scopes {
            match word.parse() {
                Ok(scope) if scopes.contains(&scope) => {}
                Ok(scope) => scopes.push(scope),
                Err(error) => faults.add("scopes", format!("{error}")),
            }
        }
        if request.scopes.is_empty() {
            faults.add("scopes", "needs at least one");
        }
        let days = request.expires_in_days.unwrap_or(USUAL_API_KEY_DAYS);
        if !(1..=MAX_API_KEY_DAYS).contains(&days) {
            faults.add("expires_in_days", format!("must be from 1 to {MAX_API_KEY_DAYS}"));
        }
        if faults.is_empty() { Ok(Self { name: name.to_owned(), scopes, days }) } else { Err(faults) }
    }
}

/// A new key, which is not kept.
fn generate() -> Secret<String> {
    Secret::new(format!("{API_KEY_PREFIX}{}", random_token().expose()))
}

impl Authz {
    /// `POST /portal/api-keys`.
    pub(crate) async fn create_api_key(
        &self,
        request: &CreateApiKeyRequest,
    ) -> Result<CreateApiKeyAnswer, Error> {
        let session = self.session(&request.session).await?;
        let wish = Wish::parse(request).map_err(Error::Fields)?;
        let (key, now) = (generate(), self.now());
        let stored = StoredKey {
            key_id: ApiKeyId::generate(),
            user_id: session.user_id,
            name: wish.name,
            scopes: wish.scopes,
            created_at: now,
            expires_at: now + i64::from(wish.days) * DAY_MS,
            last_used_at: None,
        };
        let entry =
            audit::entry(now, &session.user_id, "api-key-create", &stored.key_id, request.client_addr);
        let hash = sha256(key.expose().as_bytes());
        if !self.store.create_api_key(&stored, &hash, &entry).await? {
            return Err(Error::TooManyKeys);
        }
        Ok(CreateApiKeyAnswer { key: key.into(), api_key: stored.view(now) })
    }

    /// `POST /portal/api-keys/list`.
    pub(crate) async fn api_keys(&self, session: &WireSecret) -> Result<ApiKeyList, Error> {
        let session = self.session(session).await?;
        let (keys, now) = (self.store.api_keys_of(session.user_id).await?, self.now());
        Ok(ApiKeyList { api_keys: keys.iter().map(|key| key.view(now)).collect() })
    }

    /// `POST /portal/api-keys/revoke`.
    pub(crate) async fn revoke_api_key(&self, request: &RevokeApiKeyRequest) -> Result<(), Error> {
        let session = self.session(&request.session).await?;
        let (owner, key) = (session.user_id, request.key_id);
        let entry = audit::entry(self.now(), &owner, "api-key-revoke", &key, request.client_addr);
        match self.store.revoke_api_key(owner, key, &entry).await? {
            Revocation::Done(seq) => {
                self.announce_revocation(seq);
                Ok(())
            }
            Revocation::Before => Ok(()),
            Revocation::Unknown => Err(Error::NotFound("The account has no such API key.")),
        }
    }

    /// `POST /router/api-key`.
    pub(crate) async fn introspect_api_key(
        &self,
        request: &IntrospectApiKeyRequest,
    ) -> Result<ApiKeyIntrospection, Error> {
        let grant = self.api_key_grant(request).await?;
        Ok(ApiKeyIntrospection { active: grant.is_some(), grant })
    }

    async fn api_key_grant(&self, request: &IntrospectApiKeyRequest) -> Result<Option<ApiKeyGrant>, Error> {
        let text = request.key.expose();
        if !is_api_key(text) {
            return Ok(None);
        }
        let Some((key, user)) = self.store.api_key_by_secret(&sha256(text.as_bytes())).await? else {
            return Ok(None);
        };
        let now = self.now();
        let instance = self.store.instance(request.instance_id).await?;
        let is_theirs = instance.is_some_and(|i| i.owner_id == key.user_id && i.slug == request.slug);
        if !is_theirs || key.state(now) != ApiKeyState::Active {
            return Ok(None);
        }
        if key.last_used_at.is_none_or(|at| now - at >= TOUCH_EVERY_MS) {
            self.store.touch_api_key(key.key_id, now).await?;
        }
        let issued_at = now.div_euclid(1000);
        let key_expires_at = key.expires_at.div_euclid(1000);
        let expires_at = (issued_at + TOKEN_LIFETIME_SECS).min(key_expires_at);
        // An assertion names what it hangs on as `sid`, whatever that is.
        let root = (SessionId::from(key.key_id), Some(key.scopes.as_slice()));
        let assertion = self.keys.assertion(&user, request.instance_id, root, (issued_at, expires_at))?;
        Ok(Some(ApiKeyGrant {
            key_id: key.key_id,
            instance_id: request.instance_id,
            user,
            scopes: key.scopes,
            assertion: Secret::new(assertion).into(),
            issued_at,
            expires_at,
            key_expires_at: Some(key_expires_at),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control_api::ids::UserId;

    fn key(expires_at: i64, last_used_at: Option<i64>) -> StoredKey {
        StoredKey {
            key_id: ApiKeyId::generate(),
            user_id: UserId::generate(),
            name: "backup".to_owned(),
            scopes: vec![ApiKeyScope::Instance],
            created_at: 0,
            expires_at,
            last_used_at,
        }
    }

    #[test]
    fn a_key_ends_with_its_time_and_when_nobody_uses_it() {
        let year = 365 * DAY_MS;
        assert_eq!(key(year, None).state(UNUSED_MS - 1), ApiKeyState::Active);
        assert_eq!(key(year, None).state(UNUSED_MS), ApiKeyState::Unused);
        assert_eq!(key(year, Some(1)).state(UNUSED_MS), ApiKeyState::Active);
        assert_eq!(key(1000, Some(999)).state(999), ApiKeyState::Active);
        assert_eq!(key(1000, Some(999)).state(1000), ApiKeyState::Expired);
    }

    #[test]
    fn every_key_has_the_form_and_is_another() {
        let (a, b) = (generate(), generate());
        assert!(is_api_key(a.expose()) && a.expose() != b.expose());
    }

    #[test]
    fn every_fault_of_a_wish_is_told_at_its_field() {
        let wish = |name: &str, scopes: &[&str], days| {
            Wish::parse(&CreateApiKeyRequest {
                session: "s".into(),
                name: name.to_owned(),
                scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
                expires_in_days: days,
                client_addr: None,
            })
        };
        let good = wish("  nightly backup ", &["instance:read", "instance:read"], Some(365)).expect("good");
        assert_eq!((good.name.as_str(), good.scopes.len()), ("nightly backup", 1));
        assert_eq!(good.days, 365);
        assert_eq!(wish("x", &["instance"], None).expect("good").days, USUAL_API_KEY_DAYS);
        let faults = wish(" ", &[], Some(0)).err().expect("faults");
        for field in ["name", "scopes", "expires_in_days"] {
            assert!(format!("{faults:?}").contains(field), "{field}");
        }
        for (name, scopes, days) in [
            ("x\ny", &["instance"][..], None),
            (&"x".repeat(51), &["instance"], None),
            ("x", &["admin"], None),
            ("x", &["instance"], Some(366)),
        ] {
            assert!(wish(name, scopes, days).is_err(), "{name} {scopes:?} {days:?}");
        }
    }
}
