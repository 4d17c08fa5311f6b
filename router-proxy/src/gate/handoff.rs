//! The hand-off of a signed-in browser from the portal to a slug's host: out with a sealed transaction, back
//! with a one-time code. However it goes wrong, the person gets a page that leads on.

use control_api::authz::{RedeemRequest, TokenSet};
use control_api::client::ApiError;
use control_api::wire::WireSecret;
use http::{StatusCode, header};
use url::form_urlencoded;

use super::transactions::{Transaction, Transactions};
use super::{Gate, NO_KEYS, Session, TokenFault, Visit};
use crate::error::Refusal;
use crate::limits::{MAX_TX_COOKIE, TRANSACTION_SECS};
use crate::pages::{Answer, see_other};

/// What the portal sends back.
#[derive(Default)]
struct Callback {
    code: String,
    state: String,
}

impl Callback {
    fn parse(query: &str) -> Self {
        let mut this = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "code" => this.code = value.into_owned(),
                "state" => this.state = value.into_owned(),
                _ => (),
            }
        }
        this
    }
}

impl Gate {
    /// Sends the browser to the portal, to come back to `path`.
    pub(super) fn begin_handoff(&self, visit: Visit<'_>, path: &str) -> Answer {
        let mut transactions = self.transactions(visit);
        let transaction = Transaction::begin(path, self.clock.now_secs());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("slug", visit.route.file.slug.as_str());
        query.append_pair("state", &transaction.state);
        query.append_pair("code_challenge", &transaction.challenge());
        let mut answer = see_other(&format!("{}/app/authorize?{}", self.portal, query.finish()));
        transactions.push(transaction);
        self.set_transactions(&mut answer, visit, transactions);
        answer
    }

    fn transactions(&self, visit: Visit<'_>) -> Transactions {
        let (slug, now) = (visit.route.file.slug.as_str(), self.clock.now_secs());
        let mut all = Transactions::default();
        for sealed in self.cookies.transactions(visit.headers) {
            if let Some(bytes) = self.seal.open(slug, sealed) {
                all.merge(Transactions::parse(&bytes, now));
            }
        }
        all
    }

    fn set_transactions(&self, answer: &mut Answer, visit: Visit<'_>, mut transactions: Transactions) {
        let slug = visit.route.file.slug.as_str();
        let cookie = if transactions.is_empty() {
            self.cookies.clear_transaction()
        } else {
            let mut sealed = self.seal.seal(slug, &transactions.to_bytes());
            while sealed.as_ref().is_some_and(|s| s.len() > MAX_TX_COOKIE) && transactions.drop_oldest() {
                sealed = self.seal.seal(slug, &transactions.to_bytes());
            }
            sealed.and_then(|sealed| self.cookies.set_transaction(&sealed, TRANSACTION_SECS))
        };
        if let Some(cookie) = cookie {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }

    /// `GET /.beaver/callback?code=&state=`.
    pub(super) async fn callback(&self, visit: Visit<'_>, query: &str) -> Result<Answer, Refusal> {
        let callback = Callback::parse(query);
        let mut transactions = self.transactions(visit);
        let Some(transaction) = transactions.take(&callback.state) else {
            return self.callback_without_transaction(visit, &transactions).await;
        };
        let path = transaction.path.clone();
        match self.redeem(visit, transaction, callback.code).await {
            Ok(set) => {
                let mut answer = self.welcome(visit, set, &path).await?;
                self.set_transactions(&mut answer, visit, transactions);
                Ok(answer)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// An old address from the history, a second click, a tab whose turn is over, or no cookies at all.
    async fn callback_without_transaction(
        &self,
        visit: Visit<'_>,
        others: &Transactions,
    ) -> Result<Answer, Refusal> {
        if matches!(self.session(visit).await?, Session::Owner { .. }) {
            return Ok(see_other("/"));
        }
        // Where a cookie came, the next round will find its own; where none did, there would be no end.
        if !others.is_empty() {
            return Ok(self.begin_handoff(visit, "/"));
        }
        Err(Refusal::HandoffFailed {
            reason: "The sign-in took too long, or this browser did not keep the cookie that it began with.",
            retry: "/".to_owned(),
            status: StatusCode::BAD_REQUEST,
        })
    }

    async fn redeem(
        &self,
        visit: Visit<'_>,
        transaction: Transaction,
        code: String,
    ) -> Result<TokenSet, Refusal> {
        let failed =
            |reason, status| Refusal::HandoffFailed { reason, retry: transaction.path.clone(), status };
        if code.is_empty() {
            return Err(failed("The portal sent no code.", StatusCode::BAD_REQUEST));
        }
        let request = RedeemRequest {
            code: WireSecret::new(code),
            code_verifier: WireSecret::new(transaction.verifier.clone()),
            slug: visit.route.file.slug.clone(),
        };
        match self.authz.redeem(&request).await {
            Ok(set) if set.instance_id == visit.route.file.instance_id => Ok(set),
            Ok(_) => Err(failed("The code was for another app.", StatusCode::BAD_REQUEST)),
            Err(ApiError::Problem(problem)) if problem.status < 500 => {
                tracing::info!(slug = %visit.route.file.slug, %problem, "a code was refused");
                Err(failed("The sign-in code was used already or is too old.", StatusCode::BAD_REQUEST))
            }
            Err(error) => {
                tracing::error!(slug = %visit.route.file.slug, %error, "a code could not be redeemed");
                Err(failed(
                    "The identity service does not answer at the moment.",
                    StatusCode::SERVICE_UNAVAILABLE,
                ))
            }
        }
    }

    /// Checks what authz-service gave like any other token, tells the instance, and goes on to the path.
    async fn welcome(&self, visit: Visit<'_>, set: TokenSet, path: &str) -> Result<Answer, Refusal> {
        let file = &visit.route.file;
        let verified = self.verifier.verify(set.app_token.expose()).await.map_err(|fault| match fault {
            TokenFault::NoKeys => Refusal::GateClosed(NO_KEYS),
            TokenFault::Invalid => Refusal::HandoffFailed {
                reason: "The identity service gave a token that cannot be verified.",
                retry: path.to_owned(),
                status: StatusCode::BAD_GATEWAY,
            },
        })?;
        let claims = &verified.claims;
        if claims.aud != file.instance_id || claims.sub != file.owner_id {
            return Err(Refusal::NotYours);
        }
        let cookie = self.cookies.set_app(set.app_token.expose());
        let identity = self.identities.keep(set);
        let landing = match &identity {
            Some(identity) => self.login_at_instance(visit, identity).await,
            None => None,
        };
        let goal = if path == "/" { landing.as_deref().unwrap_or("/") } else { path };
        let mut answer = see_other(goal);
        if let Some(cookie) = cookie {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(answer)
    }
}
