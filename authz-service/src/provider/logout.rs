//! Sign-out that a client asks for (`OpenID` Connect RP-Initiated Logout 1.0). The person is always asked: a
//! link alone, from wherever, ends nobody's session.

use control_api::oauth::{OauthLogoutOutcome, OauthLogoutRequest};

use super::request::{Query, answer_plain};
use crate::authz::Authz;
use crate::error::Error;
use crate::store::clients::StoredClient;

const UNKNOWN: Error = Error::ClientInvalid("The app that asks is not known here.");

impl Authz {
    /// `POST /portal/oauth/logout`.
    pub(crate) async fn oauth_logout(
        &self,
        request: &OauthLogoutRequest,
    ) -> Result<OauthLogoutOutcome, Error> {
        let query = Query::parse(&request.query);
        let client = self.logout_client(&query).await?;
        let to = match query.get("post_logout_redirect_uri") {
            Some(uri) => Some(self.proven_return(uri, query.get("state"), client.as_ref()).await?),
            None => None,
        };
        let session = match &request.session {
            Some(secret) => match self.session(secret).await {
                Err(Error::SessionEnded) => None,
                session => Some(session?),
            },
            None => None,
        };
        let Some(session) = session else {
            return Ok(OauthLogoutOutcome::Done { to });
        };
        if !request.confirmed {
            return Ok(OauthLogoutOutcome::Ask { client_name: client.map(|client| client.name) });
        }
        self.end_session(&session).await?;
        Ok(OauthLogoutOutcome::Done { to })
    }

    /// Who asks: the audience of a genuine hint, or the client that is named; both where both are given.
    async fn logout_client(&self, query: &Query) -> Result<Option<StoredClient>, Error> {
        let hint = match query.get("id_token_hint") {
            Some(token) => Some(self.keys.id_token_hint(token).ok_or(UNKNOWN)?.aud),
            None => None,
        };
        let named = query.get("client_id");
        if let (Some(hint), Some(named)) = (&hint, named)
            && hint != named
        {
            return Err(UNKNOWN);
        }
        match hint.as_deref().or(named) {
            Some(id) => self.store.client(id).await?.ok_or(UNKNOWN).map(Some),
            None => Ok(None),
        }
    }

    async fn proven_return(
        &self,
        uri: &str,
        state: Option<&str>,
        client: Option<&StoredClient>,
    ) -> Result<String, Error> {
        const FOREIGN: Error =
            Error::ClientInvalid("The app asks to go on at an address that is not its own.");
        let instance = match client {
            Some(client) => self.store.instance(client.instance_id).await?,
            None => None,
        };
        let own = instance
            .is_some_and(|instance| self.post_logout_redirect_uris(&instance).contains(&uri.to_owned()));
        if own { answer_plain(uri, state).ok_or(FOREIGN) } else { Err(FOREIGN) }
    }
}
