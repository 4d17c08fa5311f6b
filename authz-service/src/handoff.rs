//! The hand-off between the portal's session and a slug's host: a code of 256 random bits that lives 60 s,
//! works once, and is bound to slug, challenge and session. A redemption uses the code up whether it succeeds
//! or not, so nothing can be tried twice.

use control_api::authz::{AppTokenRequest, HandoffAnswer, HandoffRequest, RedeemRequest, TokenSet};
use control_api::ids::{InstanceId, UserId};
use service_kit::secret::{Secret, random_token, sha256, sha256_base64url};

use crate::audit;
use crate::authz::Authz;
use crate::error::{Error, Faults};
use crate::store::handoffs::Handoff;
use crate::store::instances::Instance;
use crate::store::sessions::StoredSession;

const CODE_LIFETIME_MS: i64 = 60 * 1000;
/// SHA-256 in base64url without padding.
const CHALLENGE_CHARS: usize = 43;

impl Authz {
    /// `POST /portal/handoff`.
    pub(crate) async fn hand_off(&self, request: &HandoffRequest) -> Result<HandoffAnswer, Error> {
        if !is_challenge(&request.code_challenge) {
            let fault = "must be 43 characters of base64url: SHA-256 of the verifier (S256 of RFC 7636)";
            return Err(Error::Fields(Faults::one("code_challenge", fault)));
        }
        let session = self.session(&request.session).await?;
        let instance = self.owned(request.instance_id, session.user_id).await?;
        if instance.slug != request.slug {
            return Err(Error::NotYours("The address belongs to another instance."));
        }
        let (code, now) = (random_token(), self.now());
        let handoff = Handoff {
            sid: session.sid,
            instance_id: instance.id,
            slug: instance.slug.to_string(),
            challenge: request.code_challenge.clone(),
            expires_at: now + CODE_LIFETIME_MS,
        };
        let entry = audit::entry(now, &session.user_id, "handoff", &instance.id, None);
        self.store.put_handoff(&sha256(code.expose().as_bytes()), &handoff, &entry).await?;
        Ok(HandoffAnswer { code: code.into() })
    }

    /// `POST /router/redeem`.
    pub(crate) async fn redeem(&self, request: &RedeemRequest) -> Result<TokenSet, Error> {
        let hash = sha256(request.code.expose().as_bytes());
        let handoff = self.store.take_handoff(&hash).await?.ok_or(Error::CodeInvalid)?;
        let now = self.now();
        if let Err(why) = check(&handoff, request, now) {
            // Only a real code gets here, and each just once: strangers cannot fill the log with this.
            let entry = audit::entry(now, &"router", "redeem-refused", &why, None);
            self.store.append_audit(&entry).await?;
            return Err(Error::CodeInvalid);
        }
        let session = self.session_of_token(handoff.sid).await?;
        let instance = self.owned(handoff.instance_id, session.user_id).await?;
        let entry = audit::entry(now, &session.user_id, "redeem", &instance.id, None);
        self.store.append_audit(&entry).await?;
        self.token_set(&session, &instance)
    }

    /// `POST /router/renew`.
    pub(crate) async fn renew(&self, request: &AppTokenRequest) -> Result<TokenSet, Error> {
        let (session, instance) = self.behind_app_token(request).await?;
        self.token_set(&session, &self.owned(instance, session.user_id).await?)
    }

    /// `POST /router/logout`: the portal's session ends, and with it whatever hangs on it.
    pub(crate) async fn router_logout(&self, request: &AppTokenRequest) -> Result<(), Error> {
        match self.behind_app_token(request).await {
            Ok((session, _)) => self.end_session(&session).await,
            // Nothing is left to end; for a browser that is the same as signed out.
            Err(Error::SessionEnded) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The living session behind an app token, and the instance that the token names.
    async fn behind_app_token(
        &self,
        request: &AppTokenRequest,
    ) -> Result<(StoredSession, InstanceId), Error> {
        let Some(claims) = self.keys.app_token(request.app_token.expose(), self.now()) else {
            return Err(Error::SessionEnded);
        };
        let session = self.session_of_token(claims.sid).await?;
        if session.user_id != claims.sub {
            return Err(Error::SessionEnded);
        }
        Ok((session, claims.aud))
    }

    async fn owned(&self, id: InstanceId, user_id: UserId) -> Result<Instance, Error> {
        let instance = self.store.instance(id).await?.filter(|instance| instance.owner_id == user_id);
        instance.ok_or(Error::NotYours("The instance belongs to somebody else."))
    }

    fn token_set(&self, session: &StoredSession, instance: &Instance) -> Result<TokenSet, Error> {
        let tokens = self.keys.issue(session, instance.id, self.now())?;
        Ok(TokenSet {
            app_token: Secret::new(tokens.app_token).into(),
            assertion: Secret::new(tokens.assertion).into(),
            instance_id: instance.id,
            sid: session.sid,
            user: session.user(),
            expires_at: tokens.expires_at,
        })
    }
}

fn is_base64url(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether a text can be an `S256` challenge (RFC 7636, section 4.2).
pub(crate) fn is_challenge(text: &str) -> bool {
    text.len() == CHALLENGE_CHARS && is_base64url(text)
}

/// Whether a redemption fits what the code is bound to; the reason where it does not.
fn check(handoff: &Handoff, request: &RedeemRequest, now: i64) -> Result<(), &'static str> {
    let verifier = request.code_verifier.expose();
    if now >= handoff.expires_at {
        return Err("expired");
    }
    if request.slug.as_str() != handoff.slug {
        return Err("another slug");
    }
    // RFC 7636, section 4.1: 43 to 128 characters.
    if !(43..=128).contains(&verifier.len()) {
        return Err("malformed verifier");
    }
    if sha256_base64url(verifier.as_bytes()) != handoff.challenge {
        return Err("another verifier");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redemption_must_fit_in_every_part() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let handoff = Handoff {
            sid: control_api::ids::SessionId::generate(),
            instance_id: InstanceId::generate(),
            slug: "alice".to_owned(),
            challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
            expires_at: 1000,
        };
        let judge = |slug: &str, verifier: &str, now| {
            let request = RedeemRequest {
                code: "code".into(),
                code_verifier: verifier.into(),
                slug: slug.parse().expect("a slug"),
            };
            check(&handoff, &request, now)
        };
        assert_eq!(judge("alice", verifier, 999), Ok(()));
        assert_eq!(judge("alice", verifier, 1000), Err("expired"));
        assert_eq!(judge("bob", verifier, 999), Err("another slug"));
        assert_eq!(judge("alice", "", 999), Err("malformed verifier"));
        assert_eq!(judge("alice", &verifier.replace('d', "e"), 999), Err("another verifier"));
    }
}
