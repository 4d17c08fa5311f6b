//! The token endpoint's grants of people: a code or a refresh token for new tokens. Whatever is presented
//! wrongly or twice ends the grant, so nothing can be tried again.

use control_api::claims::TOKEN_LIFETIME_SECS;
use control_api::wire::WireSecret;
use serde::Serialize;
use service_kit::secret::{Secret, random_token, sha256, sha256_base64url};
use utoipa::ToSchema;

use super::{GRANT_LIFETIME_MS, OPENID, REFRESH_LIFETIME_MS, REUSE_GRACE_MS, SECOND_MS, has};
use crate::audit;
use crate::authz::Authz;
use crate::client_metadata::REFRESH_GRANT;
use crate::clients::granted_scope;
use crate::error::Error;
use crate::oauth_error::OauthError;
use crate::store::clients::StoredClient;
use crate::store::grants::{Grant, NewRefreshToken, StoredCode};

/// Answer of `POST /oauth/token` (RFC 6749, section 5.1; `OpenID` Connect Core 1.0, section 3.1.3.3).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: WireSecret,
    /// Always `Bearer`.
    pub(crate) token_type: String,
    /// Seconds.
    pub(crate) expires_in: i64,
    pub(crate) scope: String,
    /// For a person's grant, where the client registered for `refresh_token`. Works once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<WireSecret>,
    /// For a person's grant with `openid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id_token: Option<WireSecret>,
}

/// What comes with a code.
pub(crate) struct CodePresented<'a> {
    pub(crate) code: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) verifier: &'a str,
}

/// A refresh token about to be given out, and its secret.
struct Refresh {
    secret: Secret<String>,
    row: NewRefreshToken,
}

impl Refresh {
    fn new(grant: &Grant, now: i64) -> Self {
        let secret = random_token();
        let expires_at = (now + REFRESH_LIFETIME_MS).min(grant.created_at + GRANT_LIFETIME_MS);
        let row = NewRefreshToken { hash: sha256(secret.expose().as_bytes()), created_at: now, expires_at };
        Self { secret, row }
    }
}

impl Authz {
    /// `POST /oauth/token` with a code (RFC 6749, section 4.1.3).
    pub(crate) async fn exchange_code(
        &self,
        client: &StoredClient,
        presented: &CodePresented<'_>,
    ) -> Result<TokenAnswer, OauthError> {
        let hash = sha256(presented.code.as_bytes());
        let stored = self.store.code(&hash).await?.ok_or(OauthError::InvalidGrant)?;
        let now = self.now();
        let grant = match check(&stored, client, presented, now) {
            Ok(()) => self.grant_of_code(&stored).await?.ok_or("session or account"),
            Err(why) => Err(why),
        };
        let grant = match grant {
            Ok(grant) => grant,
            Err(why) => {
                return Err(self.end_grant(client, &stored.grant_id, ("oauth-code-refused", why)).await?);
            }
        };
        let refresh = client.may(REFRESH_GRANT).then(|| Refresh::new(&grant, now));
        let ends_at = refresh.as_ref().map_or(now + TOKEN_LIFETIME_SECS * SECOND_MS, |r| r.row.expires_at);
        let entry = audit::entry(now, &client.client_id, "oauth-exchange", &grant.user_id, None);
        let row = refresh.as_ref().map(|refresh| &refresh.row);
        if !self.store.use_code(&hash, row, ends_at, &entry).await? {
            return Err(self.end_grant(client, &stored.grant_id, ("oauth-code-refused", "twice")).await?);
        }
        self.token_answer(client, &grant, grant.scope.clone(), refresh, stored.nonce)
    }

    /// The grant behind a code: the session must live, and the grant hold.
    async fn grant_of_code(&self, stored: &StoredCode) -> Result<Option<Grant>, Error> {
        let sid = stored.sid.parse().map_err(|_| Error::Internal("a stored sid is none".to_owned()))?;
        match self.session_of_token(sid).await {
            Ok(_) => Ok(self.store.grant(&stored.grant_id).await?),
            Err(Error::SessionEnded) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `POST /oauth/token` with a refresh token (RFC 6749, section 6; RFC 9700, section 4.14.2).
    pub(crate) async fn refresh(
        &self,
        client: &StoredClient,
        token: &str,
        scope: Option<&str>,
    ) -> Result<TokenAnswer, OauthError> {
        let (hash, now) = (sha256(token.as_bytes()), self.now());
        let stored = self.store.refresh_token(&hash).await?.ok_or(OauthError::InvalidGrant)?;
        let grant = self.store.grant(&stored.grant_id).await?;
        let grant = grant.filter(|grant| grant.client_id == client.client_id);
        let grant = grant.filter(|_| now < stored.expires_at).ok_or(OauthError::InvalidGrant)?;
        if stored.used_at.is_some_and(|at| now - at > REUSE_GRACE_MS) {
            return Err(self.end_grant(client, &grant.id, ("oauth-refresh-refused", "twice")).await?);
        }
        let scope = granted_scope(scope, &grant.scope).ok_or(OauthError::InvalidScope)?;
        let refresh = Refresh::new(&grant, now);
        if !self.store.rotate_refresh_token(&hash, &refresh.row).await? {
            return Err(OauthError::InvalidGrant);
        }
        self.token_answer(client, &grant, scope, Some(refresh), None)
    }

    fn token_answer(
        &self,
        client: &StoredClient,
        grant: &Grant,
        scope: String,
        refresh: Option<Refresh>,
        nonce: Option<String>,
    ) -> Result<TokenAnswer, OauthError> {
        let now = self.now();
        let of = (client.client_id.as_str(), client.instance_id);
        let access_token = self.keys.access_token(of, Some(grant), &scope, now)?;
        let id_token = if has(&scope, OPENID) { Some(self.keys.id_token(grant, nonce, now)?) } else { None };
        Ok(TokenAnswer {
            access_token: Secret::new(access_token).into(),
            token_type: "Bearer".to_owned(),
            expires_in: TOKEN_LIFETIME_SECS,
            scope,
            refresh_token: refresh.map(|refresh| refresh.secret.into()),
            id_token: id_token.map(|token| Secret::new(token).into()),
        })
    }

    /// Ends a grant with all that hangs on it; answers what the client hears of it.
    async fn end_grant(
        &self,
        client: &StoredClient,
        grant_id: &str,
        (action, why): (&'static str, &'static str),
    ) -> Result<OauthError, OauthError> {
        let entry = audit::entry(self.now(), &client.client_id, action, &why, None);
        self.store.end_grant(grant_id, &entry).await?;
        Ok(OauthError::InvalidGrant)
    }
}

/// Whether a code is presented as it was asked for; the reason where it is not.
fn check(
    stored: &StoredCode,
    client: &StoredClient,
    presented: &CodePresented<'_>,
    now: i64,
) -> Result<(), &'static str> {
    if stored.used_at.is_some() {
        return Err("twice");
    }
    if now >= stored.expires_at {
        return Err("expired");
    }
    if stored.client_id != client.client_id {
        return Err("another client");
    }
    if stored.redirect_uri != presented.redirect_uri {
        return Err("another redirect URI");
    }
    // RFC 7636, section 4.1: 43 to 128 characters.
    if !(43..=128).contains(&presented.verifier.len()) {
        return Err("malformed verifier");
    }
    if sha256_base64url(presented.verifier.as_bytes()) != stored.challenge {
        return Err("another verifier");
    }
    Ok(())
}
