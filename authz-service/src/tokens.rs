//! Signed tokens: app tokens for the router's cookie, assertions for instances; those of OAuth clients are in
//! `crate::provider`.
//! All are `EdDSA` with `kid` and `typ`. Verification takes the algorithm from here and the key from the
//! published ones; whatever else a header says (`jku`, `jwk`, `alg`) is not asked.

use control_api::api_keys::ApiKeyScope;
use control_api::authz::UserView;
use control_api::claims::{
    APP_TOKEN_TYPE, ASSERTION_TYPE, AppTokenClaims, AssertionClaims, LEEWAY_SECS, TOKEN_LIFETIME_SECS,
};
use control_api::ids::{InstanceId, SessionId};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ulid::Ulid;

use crate::error::Error;
use crate::keys::Keys;
use crate::sessions::LONGEST_MS;
use crate::store::sessions::StoredSession;

/// Tokens of one session for one instance.
pub(crate) struct Issued {
    pub(crate) app_token: String,
    pub(crate) assertion: String,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
}

/// Scopes as they are stored and signed: separated by spaces (RFC 6749, section 3.3).
pub(crate) fn words(scopes: &[ApiKeyScope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

impl Keys {
    /// App token and assertion. They expire with the session where that ends sooner.
    pub(crate) fn issue(
        &self,
        session: &StoredSession,
        instance_id: InstanceId,
        now: i64,
    ) -> Result<Issued, Error> {
        let iat = now.div_euclid(1000);
        let exp = (iat + TOKEN_LIFETIME_SECS).min(session.ends_at.div_euclid(1000));
        let app = AppTokenClaims {
            iss: self.issuer.clone(),
            aud: instance_id,
            sub: session.user_id,
            sid: session.sid,
            iat,
            exp,
        };
        Ok(Issued {
            app_token: self.sign(APP_TOKEN_TYPE, &app)?,
            assertion: self.assertion(&session.user(), instance_id, (session.sid, None), (iat, exp))?,
            expires_at: exp,
        })
    }

    /// What tells an instance who it is; `root` is what it hangs on and, for an API key, what that may do.
    /// `iat` and `exp` are seconds since 1970.
    pub(crate) fn assertion(
        &self,
        user: &UserView,
        instance_id: InstanceId,
        root: (SessionId, Option<&[ApiKeyScope]>),
        (iat, exp): (i64, i64),
    ) -> Result<String, Error> {
        let (sid, scopes) = root;
        let claims = AssertionClaims {
            iss: self.issuer.clone(),
            aud: instance_id,
            sub: user.user_id,
            sid,
            scope: scopes.map(words),
            preferred_username: user.username.to_string(),
            email: user.email.clone(),
            iat,
            exp,
            jti: Ulid::generate().to_string(),
        };
        self.sign(ASSERTION_TYPE, &claims)
    }

    /// Signs with the key of the moment.
    pub(crate) fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, Error> {
        let set = self.set();
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.to_owned());
        header.kid = Some(set.active_kid.clone());
        encode(&header, claims, &set.signing)
            .map_err(|error| Error::Internal(format!("a token could not be signed: {error}")))
    }

    /// The claims of an app token of ours. It may have expired (the session decides), but it cannot be older
    /// than any session.
    pub(crate) fn app_token(&self, token: &str, now: i64) -> Option<AppTokenClaims> {
        // The audience is an instance: the caller checks whose it is.
        let claims: AppTokenClaims = self.verified(token, APP_TOKEN_TYPE)?;
        let now = now.div_euclid(1000);
        let oldest = now - LONGEST_MS.div_euclid(1000);
        let newest = now + i64::try_from(LEEWAY_SECS).unwrap_or(0);
        (oldest..=newest).contains(&claims.iat).then_some(claims)
    }

    /// The claims of a token of one type that a published key signed. Audience and time are for the caller,
    /// who has the clock.
    pub(crate) fn verified<T: DeserializeOwned>(&self, token: &str, typ: &str) -> Option<T> {
        let header = decode_header(token).ok()?;
        if header.typ.as_deref() != Some(typ) || header.crit.is_some() {
            return None;
        }
        let set = self.set();
        let key = set.find(&header.kid?)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        validation.validate_exp = false;
        validation.validate_aud = false;
        decode::<T>(token, &key.verifying, &validation).ok().map(|data| data.claims)
    }
}
