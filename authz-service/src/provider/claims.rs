//! Claims of access and id tokens, and how access tokens and id token hints are verified.

use control_api::claims::{ACCESS_TOKEN_TYPE, TOKEN_LIFETIME_SECS};
use control_api::ids::InstanceId;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::{EMAIL, PROFILE, has};
use crate::error::Error;
use crate::keys::Keys;
use crate::store::grants::Grant;

/// `typ` of an id token; no other token of ours has it.
const ID_TOKEN_TYPE: &str = "JWT";

/// Claims of an access token (RFC 9068, section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccessTokenClaims {
    pub(super) iss: String,
    pub(super) aud: String,
    /// The person, or the client where it acts for itself.
    pub(super) sub: String,
    pub(super) client_id: String,
    pub(super) instance_id: InstanceId,
    pub(super) scope: String,
    /// What it hangs on, where a person gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) grant_id: Option<String>,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) jti: String,
}

/// Claims of an id token (`OpenID` Connect Core 1.0, section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IdTokenClaims {
    pub(super) iss: String,
    /// The person.
    pub(super) sub: String,
    /// The client.
    pub(super) aud: String,
    pub(super) exp: i64,
    pub(super) iat: i64,
    pub(super) auth_time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nonce: Option<String>,
    pub(super) sid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) preferred_username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) email_verified: Option<bool>,
}

impl Keys {
    /// An access token: of a client itself, or of a person's grant to it.
    pub(crate) fn access_token(
        &self,
        client: (&str, InstanceId),
        grant: Option<&Grant>,
        scope: &str,
        now: i64,
    ) -> Result<String, Error> {
        let iat = now.div_euclid(1000);
        let (client_id, instance_id) = client;
        let claims = AccessTokenClaims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: grant.map_or_else(|| client_id.to_owned(), |grant| grant.user_id.to_string()),
            client_id: client_id.to_owned(),
            instance_id,
            scope: scope.to_owned(),
            grant_id: grant.map(|grant| grant.id.clone()),
            iat,
            exp: iat + TOKEN_LIFETIME_SECS,
            jti: Ulid::generate().to_string(),
        };
        self.sign(ACCESS_TOKEN_TYPE, &claims)
    }

    /// Who the person is, for the client; `nonce` where it comes straight from the authorization request.
    pub(super) fn id_token(&self, grant: &Grant, nonce: Option<String>, now: i64) -> Result<String, Error> {
        let iat = now.div_euclid(1000);
        let claims = IdTokenClaims {
            iss: self.issuer.clone(),
            sub: grant.user_id.to_string(),
            aud: grant.client_id.clone(),
            exp: iat + TOKEN_LIFETIME_SECS,
            iat,
            auth_time: grant.auth_time.div_euclid(1000),
            nonce,
            sid: grant.sid.clone(),
            preferred_username: has(&grant.scope, PROFILE).then(|| grant.username.clone()),
            email: has(&grant.scope, EMAIL).then(|| grant.email.clone()),
            email_verified: has(&grant.scope, EMAIL).then_some(grant.email_verified),
        };
        self.sign(ID_TOKEN_TYPE, &claims)
    }

    /// The claims of an access token of ours that has not expired. Whether it was ended is for the store to say.
    pub(super) fn access_token_claims(&self, token: &str, now: i64) -> Option<AccessTokenClaims> {
        let claims: AccessTokenClaims = self.verified(token, ACCESS_TOKEN_TYPE)?;
        (claims.aud == self.issuer && now.div_euclid(1000) < claims.exp).then_some(claims)
    }

    /// The claims of an id token of ours. As a hint it may have expired
    /// (`OpenID` Connect RP-Initiated Logout 1.0, section 2).
    pub(super) fn id_token_hint(&self, token: &str) -> Option<IdTokenClaims> {
        self.verified(token, ID_TOKEN_TYPE)
    }
}
