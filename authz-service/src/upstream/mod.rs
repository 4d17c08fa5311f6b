//! Sign-in at another `OpenID` Connect issuer: authorization code with PKCE, state and nonce, as a client of
//! whatever issuer the environment names.
//!
//! ```text
//! start/link --> upstream_tries --(browser comes back)--> callback --> session, or linked, or refused
//!                                                            |
//!                                    nobody here has it --> upstream_arrivals --> name chosen --> account
//! ```
//!
//! What must stay true: an account is found by issuer and subject, never by an e-mail address; whatever was begun
//! belongs to one browser, works once and for ten minutes; the last way into an account stays.

mod arrival;
mod callback;
mod fetch;
mod id_token;
mod issuer;
mod link;
pub(crate) mod settings;

use control_api::upstream::{UpstreamLinkRequest, UpstreamStartRequest, UpstreamStarted};
use control_api::wire::WireSecret;
use service_kit::secret::{Secret, random_token, sha256, sha256_base64url};

pub(crate) use issuer::Upstream;

use crate::accounts::too_soon;
use crate::authz::Authz;
use crate::delays::Try;
use crate::error::Error;
use crate::store::upstream::UpstreamTry;
use fetch::Failure;
use issuer::Metadata;

/// How long a sign-in may take, and how long who arrived may think about a name.
const LIFETIME_MS: i64 = 10 * 60 * 1000;
/// Longest path that is carried along.
const NEXT_MAX: usize = 2048;
const CALLBACK: &str = "/login/upstream/callback";
/// A cookie's secret is one of ours: 256 bits.
const BROWSER_LEN: usize = 43;

impl Authz {
    /// The upstream, where there is one.
    fn upstream(&self) -> Result<&Upstream, Error> {
        self.upstream.as_ref().ok_or(Error::NotFound("No other issuer is set at which people may sign in."))
    }

    /// Where the upstream sends browsers back to.
    fn upstream_redirect(&self) -> String {
        format!("{}{CALLBACK}", self.config.portal_url.origin().ascii_serialization())
    }

    /// `POST /portal/upstream/start`.
    pub(crate) async fn start_upstream(
        &self,
        request: &UpstreamStartRequest,
    ) -> Result<UpstreamStarted, Error> {
        let upstream = self.upstream()?;
        if let Some(bucket) = self.bucket(Try::Upstream, request.client_addr) {
            too_soon(self.store.take_try(&bucket, self.now()).await?)?;
        }
        let next = request.next.clone().filter(|next| next.len() <= NEXT_MAX);
        let begun = self.new_try(upstream, next);
        self.begin(upstream, &request.browser, begun).await
    }

    /// `POST /portal/upstream/link`.
    pub(crate) async fn link_upstream(
        &self,
        request: &UpstreamLinkRequest,
    ) -> Result<UpstreamStarted, Error> {
        let upstream = self.upstream()?;
        let session = self.session(&request.session).await?;
        self.prove_ownership(&session, &request.password, request.client_addr).await?;
        let begun = UpstreamTry { link_sid: Some(session.sid), ..self.new_try(upstream, None) };
        self.begin(upstream, &request.browser, begun).await
    }

    fn new_try(&self, upstream: &Upstream, next: Option<String>) -> UpstreamTry {
        UpstreamTry {
            issuer: upstream.settings.issuer.clone(),
            nonce: random_token().expose().clone(),
            verifier: random_token().expose().clone(),
            next,
            link_sid: None,
            expires_at: self.now() + LIFETIME_MS,
        }
    }

    async fn begin(
        &self,
        upstream: &Upstream,
        browser: &WireSecret,
        begun: UpstreamTry,
    ) -> Result<UpstreamStarted, Error> {
        if browser.expose().len() < BROWSER_LEN {
            return Err(Error::Malformed("browser: must have at least 43 characters".to_owned()));
        }
        let _place = upstream.at_once.try_acquire().map_err(|_| Error::Busy)?;
        let metadata = upstream.metadata(self.now()).await.map_err(unavailable)?;
        let state = random_token();
        let to = self.authorization_url(upstream, &metadata, &state, &begun);
        self.store.put_upstream_try(&hash(state.expose()), &hash(browser.expose()), &begun).await?;
        Ok(UpstreamStarted { to: to.into() })
    }

    fn authorization_url(
        &self,
        upstream: &Upstream,
        metadata: &Metadata,
        state: &Secret<String>,
        begun: &UpstreamTry,
    ) -> Secret<String> {
        let mut url = metadata.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &upstream.settings.client_id)
            .append_pair("redirect_uri", &self.upstream_redirect())
            .append_pair("scope", &upstream.settings.scopes)
            .append_pair("state", state.expose())
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &sha256_base64url(begun.verifier.as_bytes()))
            .append_pair("code_challenge_method", "S256");
        Secret::new(url.into())
    }
}

fn hash(secret: &str) -> [u8; 32] {
    sha256(secret.as_bytes())
}

fn unavailable(failure: Failure) -> Error {
    let (Failure::Away(why) | Failure::Faulty(why)) = failure;
    tracing::warn!(why, "the upstream cannot be used");
    Error::UpstreamUnavailable(why)
}
