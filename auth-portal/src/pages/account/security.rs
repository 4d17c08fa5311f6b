//! `/account/security`: where a person is signed in, with a button to end each session, and one to end all but
//! the one that asks. The form of a new password is on the same page (`super::password`).

use std::net::SocketAddr;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::Response;
use control_api::authz::SessionRequest;
use control_api::sessions::{RevokeOthersRequest, RevokeSessionRequest, SessionItem};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::email::EmailForm;
use super::password::PasswordForm;
use super::second_factor::Standing;
use super::upstream::{self, Section};
use super::{AccountQuery, Message};
use crate::agent;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::moment::{Moment, moment, soon};
use crate::session::{Session, SignedIn};
use crate::text::{fill, texts};
use crate::view::{FormFaults, PageResult, Shell, page};

/// Longest part of an unknown browser's own words that is shown, in characters.
const MAX_SHOWN_AGENT: usize = 60;

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    shell: Shell,
    message: Option<Message>,
    /// Absent while authz-service does not answer.
    sessions: Option<Vec<Row>>,
    /// Absent while authz-service does not answer.
    factor: Option<Standing>,
    username: String,
    password: PasswordForm,
    /// The identity at another issuer, where one is set.
    upstream: Option<Section>,
    email: EmailForm,
}

/// What is wrong with the forms of the page.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) password: FormFaults,
    /// And what was typed as the address.
    pub(super) email: (FormFaults, String),
    pub(super) upstream: FormFaults,
}

impl From<FormFaults> for Faults {
    fn from(password: FormFaults) -> Self {
        Self { password, ..Self::default() }
    }
}

/// One session.
struct Row {
    sid: String,
    browser: String,
    from: String,
    begun: Moment,
    used: Moment,
    ends: Moment,
    current: bool,
    /// The person asked to stay signed in.
    kept: bool,
    /// The words on its button for those who do not see the row.
    sign_out: String,
}

/// `GET /account/security`.
pub(super) async fn show(
    State(portal): State<Portal>,
    SignedIn(session): SignedIn,
    query: Result<Query<AccountQuery>, QueryRejection>,
) -> PageResult {
    let done = query.ok().and_then(|Query(query)| query.done);
    let text = done.and_then(|what| match what.as_str() {
        "session" => Some(texts().security.done_session),
        "others" => Some(texts().security.done_others),
        "password" => Some(texts().security.done_password),
        "verify" => Some(texts().mail.done_verify),
        "email" => Some(texts().mail.done_change),
        "second-factor-off" => Some(texts().second_factor.done_off),
        "link" => Some(texts().upstream.done_link),
        "unlink" => Some(texts().upstream.done_unlink),
        _ => None,
    });
    let message = text.map(|text| Message { text: text.to_owned(), bad: false });
    Ok(render(&portal, &session, StatusCode::OK, message, FormFaults::default()).await)
}

/// The address of a form, loaded as a page.
pub(super) async fn to_security() -> Response {
    redirect("/account/security")
}

/// `POST /account/sessions/revoke`.
pub(super) async fn revoke(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let Ok(sid) = form.fields.text("sid").parse() else { return Err(PageError::NotFound) };
    let client_addr = Some(portal.config.trusted_proxies.client(peer, &headers));
    let request = RevokeSessionRequest { session: form.session.secret, sid, client_addr };
    portal.authz.revoke_session(&request).await.map_err(PageError::authz)?;
    Ok(redirect("/account/security?done=session"))
}

/// `POST /account/sessions/others`.
pub(super) async fn revoke_others(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let client_addr = Some(portal.config.trusted_proxies.client(peer, &headers));
    let request = RevokeOthersRequest { session: form.session.secret, client_addr };
    portal.authz.revoke_other_sessions(&request).await.map_err(PageError::authz)?;
    Ok(redirect("/account/security?done=others"))
}

/// The page, whatever of it can be had.
pub(super) async fn render(
    portal: &Portal,
    session: &Session,
    status: StatusCode,
    message: Option<Message>,
    faults: impl Into<Faults>,
) -> Response {
    let faults: Faults = faults.into();
    let request = SessionRequest { session: session.secret.clone() };
    let (answer, mut email, factor, standing) = tokio::join!(
        portal.authz.sessions(&request),
        EmailForm::load(portal, session, faults.email),
        portal.authz.second_factor(&request),
        upstream::standing(portal, session)
    );
    let factor =
        factor.inspect_err(|error| tracing::warn!(%error, "a second factor could not be shown")).ok();
    let least = factor.as_ref().map(|view| view.password_min);
    let mut password = PasswordForm::load(portal, faults.password, least).await;
    let factor = factor.map(|view| Standing::new(portal, &view));
    let answer = answer.inspect_err(|error| tracing::warn!(%error, "sessions could not be shown")).ok();
    let now = portal.clock.now();
    let sessions = answer.map(|list| list.sessions.iter().map(|session| row(session, now)).collect());
    let username = session.view.user.username.to_string();
    let upstream = standing.as_ref().and_then(|standing| Section::new(standing, faults.upstream, now));
    password.first = standing.filter(|standing| !standing.has_password).map(|standing| standing.fresh);
    email.has_password = password.first.is_none();
    let shell = session.shell();
    page(status, &SecurityPage { shell, message, sessions, factor, username, password, upstream, email })
}

fn row(session: &SessionItem, now: Timestamp) -> Row {
    let t = &texts().security;
    let browser = session.agent.as_deref().map_or_else(|| t.browser_unknown.to_owned(), browser);
    let address = session.address.clone().unwrap_or_else(|| t.from_unknown.to_owned());
    let sign_out = fill(t.sign_out_which, &[("browser", &browser), ("address", &address)]);
    Row {
        sid: session.sid.to_string(),
        browser,
        from: fill(t.from, &[("address", &address)]),
        begun: moment(session.created_at, now),
        used: moment(session.last_used_at, now),
        ends: soon(session.expires_at, now),
        current: session.current,
        kept: session.remember,
        sign_out,
    }
}

/// A browser in words; one that is not known in its own.
fn browser(agent: &str) -> String {
    match agent::names(agent) {
        (Some(browser), Some(system)) => {
            fill(texts().security.browser_on, &[("browser", browser), ("system", system)])
        }
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => agent.chars().take(MAX_SHOWN_AGENT).collect(),
    }
}
