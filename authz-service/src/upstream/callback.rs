//! The browser comes back from the upstream. First it is settled whose sign-in this is, then whether the upstream
//! itself answered, then what the answer is worth; only then is anybody looked for here.

use control_api::authz::RegistrationMode;
use control_api::ids::SessionId;
use control_api::names::Username;
use control_api::upstream::{UpstreamCallbackRequest, UpstreamOutcome, UpstreamRefusal};
use serde::Deserialize;

use super::fetch::{self, Failure};
use super::id_token::{self, Expected, Person};
use super::issuer::{Metadata, Upstream};
use super::{LIFETIME_MS, hash};
use crate::authz::Authz;
use crate::delays::{self, Try};
use crate::error::Error;
use crate::second_factor::Pending;
use crate::sessions::{self, Origin};
use crate::store::accounts::{Account, AccountState};
use crate::store::sessions::SignIn;
use crate::store::upstream::{Arrival, Identity, TakenTry, UpstreamTry};
use crate::{audit, email};

/// A query that the upstream sends is shorter.
const QUERY_MAX: usize = 8 * 1024;

/// Why a sign-in stops.
enum Stop {
    /// The person is told.
    Refused(UpstreamRefusal, Option<String>),
    /// The request failed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Away(why) => Self::Refused(UpstreamRefusal::Unavailable, Some(why)),
            Failure::Faulty(why) => faulty(why),
        }
    }
}

fn faulty(why: impl Into<String>) -> Stop {
    Stop::Refused(UpstreamRefusal::Faulty, Some(why.into()))
}

fn refused(reason: UpstreamRefusal) -> Stop {
    Stop::Refused(reason, None)
}

/// The parameters of an authorization response.
#[derive(Debug, Default, PartialEq, Eq)]
struct Response {
    state: String,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

impl Response {
    /// Nothing where a parameter comes twice (RFC 6749, section 3.1) or `state` is missing.
    fn parse(query: &str) -> Option<Self> {
        if query.len() > QUERY_MAX {
            return None;
        }
        let (mut state, mut this) = (None, Self::default());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match name.as_ref() {
                "state" => &mut state,
                "code" => &mut this.code,
                "error" => &mut this.error,
                "iss" => &mut this.iss,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        this.state = state.filter(|state| !state.is_empty())?;
        Some(this)
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

impl Authz {
    /// `POST /portal/upstream/callback`.
    pub(crate) async fn end_upstream(
        &self,
        request: &UpstreamCallbackRequest,
    ) -> Result<UpstreamOutcome, Error> {
        match self.arrive(request).await {
            Ok(outcome) => Ok(outcome),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Refused(reason, detail)) => {
                tracing::info!(reason = reason.as_str(), detail, "nobody was signed in through the upstream");
                let target = reason.as_str();
                let entry =
                    audit::entry(self.now(), &"anonymous", "upstream-refused", &target, request.client_addr);
                self.store.append_audit(&entry).await?;
                Ok(UpstreamOutcome::Refused { reason, detail })
            }
        }
    }

    async fn arrive(&self, request: &UpstreamCallbackRequest) -> Result<UpstreamOutcome, Stop> {
        let upstream = self.upstream()?;
        let response =
            Response::parse(request.query.expose()).ok_or_else(|| refused(UpstreamRefusal::Expired))?;
        let browser = request.browser.as_ref().map(|browser| hash(browser.expose()));
        let browser = browser.ok_or_else(|| refused(UpstreamRefusal::OtherBrowser))?;
        let taken = self.store.take_upstream_try(&hash(&response.state), &browser, self.now()).await?;
        let begun = match taken {
            TakenTry::Yours(begun) => begun,
            TakenTry::OtherBrowser => return Err(refused(UpstreamRefusal::OtherBrowser)),
            TakenTry::Gone => return Err(refused(UpstreamRefusal::Expired)),
        };
        let _place = upstream.at_once.try_acquire().map_err(|_| Error::Busy)?;
        let person = self.asserted(upstream, &begun, response).await?;
        let identity = Identity {
            issuer: begun.issuer,
            label: person.email.as_deref().or(person.username.as_deref()).map(audit::stranger),
            subject: person.subject.clone(),
        };
        match begun.link_sid {
            Some(sid) => self.link_arrived(sid, &identity, request).await,
            None => self.welcome(&browser, person, identity, (begun.next, request)).await,
        }
    }

    /// Who the upstream says it is, where that is believed.
    async fn asserted(
        &self,
        upstream: &Upstream,
        begun: &UpstreamTry,
        response: Response,
    ) -> Result<Person, Stop> {
        let settings = &upstream.settings;
        if begun.issuer != settings.issuer {
            return Err(faulty("another issuer was set meanwhile"));
        }
        let metadata = upstream.metadata(self.now()).await?;
        // RFC 9207, section 2.4: before anything else of the answer is believed.
        match &response.iss {
            Some(iss) if *iss != settings.issuer => return Err(faulty("the answer is another issuer's")),
            None if metadata.names_itself => return Err(faulty("the answer does not say whose it is")),
            _ => {}
        }
        let code = match (response.code, response.error.as_deref()) {
            (Some(code), None) => code,
            (None, Some("access_denied")) => return Err(refused(UpstreamRefusal::Denied)),
            (None, Some("temporarily_unavailable" | "server_error")) => {
                let why = "it says that it cannot sign anybody in just now".to_owned();
                return Err(Stop::Refused(UpstreamRefusal::Unavailable, Some(why)));
            }
            (None, Some(error)) => return Err(faulty(format!("it answered {}", audit::stranger(error)))),
            _ => return Err(faulty("the answer has no code")),
        };
        let token = self.exchange(upstream, &metadata, begun, &code).await?;
        let header = id_token::header(&token).map_err(faulty)?;
        let keys = upstream.keys(&metadata, header.kid.as_deref(), self.now()).await?;
        let expected = Expected {
            issuer: &settings.issuer,
            client_id: &settings.client_id,
            nonce: &begun.nonce,
            now: self.now().div_euclid(1000),
        };
        id_token::verify(&token, &header, &keys, expected).map_err(faulty)
    }

    /// The id token for a code (RFC 6749, section 4.1.3). The access token that comes with it is not kept.
    async fn exchange(
        &self,
        upstream: &Upstream,
        metadata: &Metadata,
        begun: &UpstreamTry,
        code: &str,
    ) -> Result<String, Stop> {
        let settings = &upstream.settings;
        let redirect = self.upstream_redirect();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect.as_str()),
            ("code_verifier", begun.verifier.as_str()),
        ];
        let (id, secret) = (settings.client_id.as_str(), settings.client_secret.expose());
        let mut call = upstream.http.post(metadata.token_endpoint.clone());
        if metadata.secret_in_form {
            form.extend([("client_id", id), ("client_secret", secret)]);
        } else {
            // RFC 6749, section 2.3.1: both are encoded like a form first.
            let encoded =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            call = call.basic_auth(encoded(id), Some(encoded(secret)));
        }
        let answer = fetch::send(call.header(http::header::ACCEPT, "application/json").form(&form)).await?;
        if answer.status >= 400 {
            let error = answer.json::<TokenError>().map_or_else(|| answer.status.to_string(), |e| e.error);
            return Err(faulty(format!("it took the code with {}", audit::stranger(&error))));
        }
        let tokens: TokenAnswer = answer.json().ok_or_else(|| faulty("it gave no id token"))?;
        Ok(tokens.id_token)
    }

    /// The identity becomes one of the account whose session asked for it.
    async fn link_arrived(
        &self,
        sid: SessionId,
        identity: &Identity,
        request: &UpstreamCallbackRequest,
    ) -> Result<UpstreamOutcome, Stop> {
        let ended = || refused(UpstreamRefusal::SessionEnded);
        let session = match &request.session {
            Some(secret) => match self.session(secret).await {
                Ok(session) if session.sid == sid => session,
                Ok(_) | Err(Error::SessionEnded) => return Err(ended()),
                Err(error) => return Err(error.into()),
            },
            None => return Err(ended()),
        };
        let user = session.user_id;
        let target = audit::stranger(&identity.subject);
        let entry = audit::entry(self.now(), &user, "upstream-link", &target, request.client_addr);
        if self.store.link_identity(user, identity, &entry).await? {
            Ok(UpstreamOutcome::Linked)
        } else {
            Err(refused(UpstreamRefusal::Taken))
        }
    }

    /// Signs in whoever has the identity; somebody new is remembered until a name is chosen.
    async fn welcome(
        &self,
        browser: &[u8; 32],
        person: Person,
        identity: Identity,
        (next, request): (Option<String>, &UpstreamCallbackRequest),
    ) -> Result<UpstreamOutcome, Stop> {
        if let Some(account) = self.store.account_by_identity(&identity.issuer, &identity.subject).await? {
            return self.let_in(&account, &identity, next, request).await;
        }
        if self.registration() == RegistrationMode::Closed {
            return Err(refused(UpstreamRefusal::RegistrationClosed));
        }
        let username = person.username.unwrap_or_default().to_lowercase();
        let username = username.parse::<Username>().map(|name| name.to_string()).unwrap_or_default();
        let address = person.email.filter(|_| person.email_verified).unwrap_or_default();
        let email = email::parse(&address).unwrap_or_default();
        let arrival = Arrival { identity, username, email, expires_at: self.now() + LIFETIME_MS };
        self.store.put_arrival(browser, &arrival).await?;
        Ok(UpstreamOutcome::ChooseName)
    }

    async fn let_in(
        &self,
        account: &Account,
        identity: &Identity,
        next: Option<String>,
        request: &UpstreamCallbackRequest,
    ) -> Result<UpstreamOutcome, Stop> {
        if account.state != AccountState::Active {
            return Err(match self.shut_out(account.user_id, account.state).await? {
                Error::Suspended(why) => Stop::Refused(UpstreamRefusal::Suspended, Some(why)),
                _ => refused(UpstreamRefusal::ApprovalPending),
            });
        }
        let (now, address) = (self.now(), request.client_addr);
        let bucket = self.bucket(Try::Upstream, address);
        if self.store.has_second_factor(account.user_id).await? {
            let pending = Pending { rehashed: None, clear_delays: Vec::new(), bucket, remember: false };
            let pending = self.ask_for_second_factor(account, pending).await?;
            return Ok(UpstreamOutcome::SecondFactor { pending, next });
        }
        let origin = Origin::new(address, request.agent.as_deref(), false);
        let (session, secret) = sessions::start(account.user_id, origin, now);
        let sign_in = SignIn {
            audit: audit::entry(now, &account.user_id, "upstream-login", &session.sid, address),
            session,
            password_version: account.password_version,
            rehashed: None,
            bucket,
            clear_delays: Vec::new(),
            network: address.map(delays::network),
        };
        if !self.store.sign_in_upstream(&sign_in, identity).await? {
            return Err(refused(UpstreamRefusal::Expired));
        }
        Ok(UpstreamOutcome::SignedIn { user_id: account.user_id, session: secret.into(), next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_comes_once_and_state_always() {
        let parsed = Response::parse("code=a%20b&state=s&iss=https%3A%2F%2Fi&session_state=x").expect("good");
        assert_eq!((parsed.code.as_deref(), parsed.state.as_str()), (Some("a b"), "s"));
        assert_eq!(parsed.iss.as_deref(), Some("https://i"));
        for bad in
            ["", "code=a", "code=a&state=", "state=s&state=t", "state=s&code=a&code=b", "state=s&iss=a&iss=a"]
        {
            assert_eq!(Response::parse(bad), None, "{bad}");
        }
        assert_eq!(Response::parse(&format!("state={}", "s".repeat(QUERY_MAX))), None);
    }
}
