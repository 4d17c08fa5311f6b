//! The authorization endpoint's judgement: the portal asks before it shows a page, and again with the person's
//! answer. Both times everything is looked at anew.

use control_api::ids::UserId;
use control_api::oauth::{ConsentView, OauthApproveRequest, OauthCheckRequest, OauthOutcome};
use service_kit::secret::{random_token, sha256};
use ulid::Ulid;

use super::CODE_LIFETIME_MS;
use super::request::{Asked, Query, Refusal, answer, judge, refusal};
use crate::audit;
use crate::authz::Authz;
use crate::error::Error;
use crate::store::clients::StoredClient;
use crate::store::grants::{NewCode, NewGrant};
use crate::store::instances::Instance;

const NOT_OWNER: Refusal = refusal("access_denied", "Only the owner of the instance signs in to its app.");
const DENIED: Refusal = refusal("access_denied", "The person said no.");

/// A request whose client and redirect URI are proven: errors may go there.
struct Proven {
    query: Query,
    client: StoredClient,
    instance: Instance,
    redirect_uri: String,
}

impl Authz {
    /// `POST /portal/oauth/check`.
    pub(crate) async fn check_authorization(
        &self,
        request: &OauthCheckRequest,
    ) -> Result<OauthOutcome, Error> {
        let proven = self.prove(&request.query).await?;
        let asked = match judge(&proven.query, &proven.client) {
            Ok(asked) => asked,
            Err(refused) => return self.refuse(&proven, refused),
        };
        let session = match &request.session {
            Some(secret) => match self.session(secret).await {
                Err(Error::SessionEnded) => None,
                session => Some(session?),
            },
            None => None,
        };
        let Some(session) = session else {
            let unknown = refusal("login_required", "Nobody is signed in.");
            return if asked.silent { self.refuse(&proven, unknown) } else { Ok(OauthOutcome::SignIn) };
        };
        if proven.instance.owner_id != session.user_id {
            return self.refuse(&proven, NOT_OWNER);
        }
        if asked.wants_sign_in(session.created_at, self.now()) {
            return self.again(proven, &asked);
        }
        if asked.silent {
            return self.refuse(&proven, refusal("consent_required", "The person has to be asked."));
        }
        Ok(OauthOutcome::Consent(ConsentView {
            client_name: proven.client.name,
            slug: proven.instance.slug,
            scopes: asked.scope.split(' ').map(str::to_owned).collect(),
        }))
    }

    /// `POST /portal/oauth/approve`.
    pub(crate) async fn approve_authorization(
        &self,
        request: &OauthApproveRequest,
    ) -> Result<OauthOutcome, Error> {
        let session = self.session(&request.session).await?;
        let proven = self.prove(&request.query).await?;
        let asked = match judge(&proven.query, &proven.client) {
            Ok(asked) => asked,
            Err(refused) => return self.refuse(&proven, refused),
        };
        if proven.instance.owner_id != session.user_id {
            return self.refuse(&proven, NOT_OWNER);
        }
        if asked.wants_sign_in(session.created_at, self.now()) {
            return self.again(proven, &asked);
        }
        if !request.allow {
            let entry =
                audit::entry(self.now(), &session.user_id, "oauth-deny", &proven.client.client_id, None);
            self.store.append_audit(&entry).await?;
            return self.refuse(&proven, DENIED);
        }
        self.give_code(&proven, asked, session.user_id, &session.sid.to_string()).await
    }

    async fn give_code(
        &self,
        proven: &Proven,
        asked: Asked,
        user_id: UserId,
        sid: &str,
    ) -> Result<OauthOutcome, Error> {
        let (code, now) = (random_token(), self.now());
        let grant = NewGrant {
            grant_id: Ulid::generate().to_string(),
            client_id: proven.client.client_id.clone(),
            user_id,
            sid: sid.to_owned(),
            scope: asked.scope,
            created_at: now,
            ends_at: now + CODE_LIFETIME_MS,
        };
        let new = NewCode {
            hash: sha256(code.expose().as_bytes()),
            redirect_uri: proven.redirect_uri.clone(),
            challenge: asked.challenge,
            nonce: asked.nonce,
            expires_at: now + CODE_LIFETIME_MS,
        };
        let entry = audit::entry(now, &user_id, "oauth-approve", &proven.client.client_id, None);
        if !self.store.put_grant(&grant, &new, &entry).await? {
            return Err(Error::SessionEnded);
        }
        self.back(proven, &[("code", code.expose())])
    }

    /// Client and redirect URI, or an error that the browser sees here and that no client hears of.
    async fn prove(&self, query: &str) -> Result<Proven, Error> {
        let query = Query::parse(query);
        let client = match query.get("client_id") {
            Some(id) => self.store.client(id).await?,
            None => None,
        };
        let client = client.ok_or(Error::ClientInvalid("The app that asks is not known here."))?;
        let given = query.get("redirect_uri").filter(|uri| client.redirects_to(uri));
        let redirect_uri = given
            .ok_or(Error::ClientInvalid("The app asks to be answered at an address that is not its own."))?
            .to_owned();
        let instance = self.store.instance(client.instance_id).await?;
        let instance = instance.ok_or(Error::ClientInvalid("The app's instance is gone."))?;
        Ok(Proven { query, client, instance, redirect_uri })
    }

    /// The sign-in of who is signed in is not enough for the client.
    fn again(&self, proven: Proven, asked: &Asked) -> Result<OauthOutcome, Error> {
        if asked.silent {
            return self.refuse(&proven, refusal("login_required", "The sign-in is too long ago."));
        }
        Ok(OauthOutcome::SignInAgain { client_name: proven.client.name })
    }

    fn refuse(&self, proven: &Proven, refused: Refusal) -> Result<OauthOutcome, Error> {
        self.back(proven, &[("error", refused.error), ("error_description", refused.description)])
    }

    fn back(&self, proven: &Proven, parameters: &[(&str, &str)]) -> Result<OauthOutcome, Error> {
        let state = proven.query.get("state");
        let to = answer(&proven.redirect_uri, state, &self.config.issuer, parameters)
            .ok_or_else(|| Error::Internal("a stored redirect URI is no URL".to_owned()))?;
        Ok(OauthOutcome::Redirect { to: to.into() })
    }
}
