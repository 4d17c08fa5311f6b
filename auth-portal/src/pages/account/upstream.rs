//! The identity at another issuer, on the security page: linking it and taking it away, both with the password.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use control_api::authz::SessionRequest;
use control_api::client::ApiError;
use control_api::codes;
use control_api::upstream::{UpstreamLinkRequest, UpstreamStanding, UpstreamUnlinkRequest};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::Message;
use super::security::{self, Faults};
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::frame::Frame;
use crate::moment::{Moment, moment};
use crate::pages::upstream::{browser, go, named, refusal};
use crate::session::Session;
use crate::text::{fill, texts};
use crate::view::{FormFaults, PageResult};

/// The one field of its form.
pub(super) const PASSWORD: &str = "upstream_password";

/// What the page shows of it.
pub(super) struct Section {
    pub(super) title: String,
    pub(super) lead: String,
    pub(super) linked: Option<Linked>,
    pub(super) has_password: bool,
    /// Where the form goes.
    pub(super) action: &'static str,
    pub(super) button: String,
    pub(super) faults: FormFaults,
}

/// An identity that is there.
pub(super) struct Linked {
    pub(super) label: String,
    pub(super) since: Moment,
    pub(super) used: Option<Moment>,
}

impl Section {
    /// Nothing where no issuer is set.
    pub(super) fn new(standing: &UpstreamStanding, faults: FormFaults, now: Timestamp) -> Option<Self> {
        Frame::current().upstream?;
        let t = &texts().upstream;
        let linked = standing.identity.as_ref().map(|identity| Linked {
            label: identity
                .label
                .as_ref()
                .map_or_else(|| t.linked.to_owned(), |label| fill(t.linked_as, &[("label", label)])),
            since: moment(identity.linked_at, now),
            used: identity.last_used_at.map(|used| moment(used, now)),
        });
        let (action, button) = match linked {
            Some(_) => ("/account/upstream/unlink", t.unlink),
            None => ("/account/upstream/link", t.link),
        };
        Some(Self {
            title: named(t.section),
            lead: named(t.section_lead),
            linked,
            has_password: standing.has_password,
            action,
            button: named(button),
            faults,
        })
    }
}

/// The ways into the session's account; as with a password where authz-service does not say.
pub(super) async fn standing(portal: &Portal, session: &Session) -> Option<UpstreamStanding> {
    let request = SessionRequest { session: session.secret.clone() };
    let answer = portal.authz.upstream_identity(&request).await;
    answer.inspect_err(|error| tracing::warn!(%error, "the ways into an account could not be shown")).ok()
}

/// What a password confirms is not offered to an account that has none: people are told to set one first.
pub(super) async fn require_password(portal: &Portal, session: &Session) -> Result<(), PageError> {
    match standing(portal, session).await {
        Some(standing) if !standing.has_password => Err(PageError::PasswordNeeded),
        _ => Ok(()),
    }
}

/// `POST /account/upstream/link`.
pub(super) async fn link(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let SessionForm { session, mut fields } = form;
    let browser = browser(&portal, &headers);
    let request = UpstreamLinkRequest {
        browser: browser.clone(),
        session: session.secret.clone(),
        password: fields.secret(PASSWORD),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    match portal.authz.upstream_link(&request).await {
        Ok(started) => go(&portal, &browser, &started.to),
        Err(error) => refused(&portal, &session, error).await,
    }
}

/// `POST /account/upstream/unlink`.
pub(super) async fn unlink(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let SessionForm { session, mut fields } = form;
    let request = UpstreamUnlinkRequest {
        session: session.secret.clone(),
        password: fields.secret(PASSWORD),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    match portal.authz.upstream_unlink(&request).await {
        Ok(()) => Ok(redirect("/account/security?done=unlink")),
        Err(error) => refused(&portal, &session, error).await,
    }
}

/// What a refusal means for the page.
async fn refused(portal: &Portal, session: &Session, error: ApiError) -> PageResult {
    if error.is(codes::NOT_FOUND) {
        return Err(PageError::NotFound);
    }
    if error.is(codes::SESSION_ENDED) {
        return Err(PageError::authz(error));
    }
    let t = &texts().upstream;
    let over = |text: String| Some(Message { text, bad: true });
    let (status, message, faults) = match error.problem() {
        Some(problem) if problem.status == 422 => {
            (problem.status_code(), None, FormFaults::field(PASSWORD, t.wrong_password))
        }
        Some(problem) if problem.kind == codes::SIGN_IN_AGAIN => {
            (problem.status_code(), over(t.again.to_owned()), FormFaults::default())
        }
        Some(problem)
            if matches!(problem.kind.as_str(), codes::TOO_MANY_TRIES | codes::UPSTREAM_UNAVAILABLE) =>
        {
            let (status, text) = refusal(&error);
            (status, over(text), FormFaults::default())
        }
        _ => {
            tracing::warn!(%error, "an identity could not be linked or unlinked");
            let text = t.section_unavailable.to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, over(text), FormFaults::default())
        }
    };
    let faults = Faults { upstream: faults, ..Faults::default() };
    Ok(security::render(portal, session, status, message, faults).await)
}
