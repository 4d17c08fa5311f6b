//! What a token is worth now: introspection, revocation, userinfo. A client sees the tokens of its own instance
//! and no other; of anything else it hears that it is not active.

use serde::Serialize;
use service_kit::secret::sha256;
use utoipa::ToSchema;

use super::claims::AccessTokenClaims;
use super::{EMAIL, OPENID, PROFILE, has};
use crate::audit;
use crate::authz::Authz;
use crate::oauth_error::OauthError;
use crate::store::clients::StoredClient;
use crate::store::grants::Grant;

/// Answer of `POST /oauth/introspect` (RFC 7662, section 2.2). All but `active` is absent where that is false.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Introspection {
    pub(crate) active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jti: Option<String>,
}

/// Answer of `/oauth/userinfo` (`OpenID` Connect Core 1.0, section 5.3.2).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserInfo {
    pub(crate) sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email_verified: Option<bool>,
}

/// An access token that works, and what it hangs on where a person gave it.
struct Living {
    claims: AccessTokenClaims,
    grant: Option<Grant>,
}

impl Authz {
    /// `POST /oauth/introspect`.
    pub(crate) async fn introspect(
        &self,
        client: &StoredClient,
        token: &str,
    ) -> Result<Introspection, OauthError> {
        if let Some(Living { claims, grant }) = self.living(token).await? {
            if claims.instance_id != client.instance_id {
                return Ok(Introspection::default());
            }
            return Ok(Introspection {
                active: true,
                scope: Some(claims.scope),
                client_id: Some(claims.client_id),
                username: grant.map(|grant| grant.username),
                token_type: Some("Bearer".to_owned()),
                exp: Some(claims.exp),
                iat: Some(claims.iat),
                sub: Some(claims.sub),
                aud: Some(claims.aud),
                iss: Some(claims.iss),
                jti: Some(claims.jti),
            });
        }
        let Some(stored) = self.store.refresh_token(&sha256(token.as_bytes())).await? else {
            return Ok(Introspection::default());
        };
        let grant = self.store.grant(&stored.grant_id).await?;
        let usable = stored.used_at.is_none() && self.now() < stored.expires_at;
        let grant = grant.filter(|grant| usable && grant.client_id == client.client_id);
        Ok(grant.map_or_else(Introspection::default, |grant| Introspection {
            active: true,
            scope: Some(grant.scope),
            client_id: Some(grant.client_id),
            username: Some(grant.username),
            exp: Some(stored.expires_at.div_euclid(1000)),
            iat: Some(stored.created_at.div_euclid(1000)),
            sub: Some(grant.user_id.to_string()),
            iss: Some(self.config.issuer.clone()),
            ..Introspection::default()
        }))
    }

    /// `POST /oauth/revoke` (RFC 7009): an access token alone, or a refresh token with all that came of its
    /// grant. What is not the client's, or no token at all, is left as it is and is no error.
    pub(crate) async fn revoke_token(&self, client: &StoredClient, token: &str) -> Result<(), OauthError> {
        let now = self.now();
        if let Some(claims) = self.keys.access_token_claims(token, now) {
            if claims.client_id == client.client_id {
                let entry = audit::entry(now, &client.client_id, "oauth-revoke", &claims.jti, None);
                self.store.revoke_access_token(&claims.jti, claims.exp * 1000, &entry).await?;
            }
            return Ok(());
        }
        if let Some(stored) = self.store.refresh_token(&sha256(token.as_bytes())).await? {
            let grant = self.store.grant(&stored.grant_id).await?;
            if let Some(grant) = grant.filter(|grant| grant.client_id == client.client_id) {
                let entry = audit::entry(now, &client.client_id, "oauth-revoke", &grant.user_id, None);
                self.store.end_grant(&grant.id, &entry).await?;
            }
        }
        Ok(())
    }

    /// `/oauth/userinfo`: what the person let the client know.
    pub(crate) async fn user_info(&self, token: &str) -> Result<UserInfo, OauthError> {
        let living = self.living(token).await?.ok_or(OauthError::InvalidAccessToken)?;
        let grant = living.grant.filter(|_| has(&living.claims.scope, OPENID));
        let grant = grant.ok_or(OauthError::InsufficientScope)?;
        let scope = &living.claims.scope;
        Ok(UserInfo {
            sub: grant.user_id.to_string(),
            preferred_username: has(scope, PROFILE).then_some(grant.username),
            email: has(scope, EMAIL).then_some(grant.email),
            email_verified: has(scope, EMAIL).then_some(grant.email_verified),
        })
    }

    /// An access token that is signed, in time, not given back, and whose client, instance and grant are there.
    async fn living(&self, token: &str) -> Result<Option<Living>, OauthError> {
        let Some(claims) = self.keys.access_token_claims(token, self.now()) else {
            return Ok(None);
        };
        if self.store.is_revoked(&claims.jti).await? {
            return Ok(None);
        }
        let client = self.store.client(&claims.client_id).await?;
        if client.is_none_or(|client| client.instance_id != claims.instance_id) {
            return Ok(None);
        }
        let Some(id) = &claims.grant_id else {
            return Ok(Some(Living { claims, grant: None }));
        };
        let grant = self.store.grant(id).await?;
        Ok(grant.map(|grant| Living { claims, grant: Some(grant) }))
    }
}
