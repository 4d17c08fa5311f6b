//! `/login/upstream`: sign-in at another issuer. A form begins it, the browser goes there and comes back to the
//! callback; somebody new chooses a name. What was begun belongs to the browser: its secret is in a cookie.
//!
//! What must stay true: the browser leaves by a page and not by a redirect after the form, because browsers hold
//! such redirects, and all that follow them, to `form-action`.

use std::net::SocketAddr;

use askama::Template;
use axum::Router;
use axum::extract::{ConnectInfo, OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use control_api::authz::{LoginAccountAnswer, RegistrationMode};
use control_api::client::ApiError;
use control_api::codes;
use control_api::upstream::{
    UpstreamArrival, UpstreamArrivalRequest, UpstreamCallbackRequest, UpstreamOutcome, UpstreamRefusal,
    UpstreamRegisterRequest, UpstreamStartRequest,
};
use control_api::wire::WireSecret;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use service_kit::secret::random_token;

use super::{login, new_account, register, second_login};
use crate::agent;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::OpenForm;
use crate::frame::Frame;
use crate::next_path::NextPath;
use crate::session::VisitorForm;
use crate::text::{Language, fill, services, texts};
use crate::view::{FormFaults, PageResult, Shell, page};

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/login/upstream", get(async || redirect("/login")).post(start))
        .route("/login/upstream/callback", get(callback))
        .route("/login/upstream/name", get(show_name).post(submit_name))
}

#[derive(Template)]
#[template(path = "upstream_go.html")]
struct GoPage<'a> {
    shell: Shell,
    title: String,
    to: &'a str,
}

#[derive(Template)]
#[template(path = "upstream_name.html")]
struct NamePage<'a> {
    shell: Shell,
    csrf: &'a str,
    faults: FormFaults,
    lead: String,
    no_password: String,
    username: &'a str,
    email: &'a str,
    asks_invite: bool,
    needs_approval: bool,
}

/// A text with the issuer's name in it.
pub(crate) fn named(text: &str) -> String {
    let name = Frame::current().upstream.unwrap_or_default();
    fill(text, &[("name", &name)])
}

/// The words on the button, where there is an issuer.
pub(crate) fn button() -> Option<String> {
    let name = Frame::current().upstream?;
    Some(fill(texts().upstream.sign_in_with, &[("name", &name)]))
}

/// The secret of this browser: the one that it has, so that sign-ins in several tabs do not end each other.
pub(crate) fn browser(portal: &Portal, headers: &HeaderMap) -> WireSecret {
    portal.cookies.upstream(headers).unwrap_or_else(|| random_token().into())
}

/// The page that leads to the issuer.
pub(crate) fn go(portal: &Portal, browser: &WireSecret, to: &WireSecret) -> PageResult {
    let (to, title) = (to.expose(), named(texts().upstream.going));
    let mut refresh = HeaderValue::from_str(&format!("0; url={to}"))
        .map_err(|_| PageError::Internal("the issuer's address is no header".to_owned()))?;
    refresh.set_sensitive(true);
    let cookie = portal.cookies.set_upstream(browser)?;
    let view = GoPage { shell: Shell::anybody(), title, to };
    Ok(([(header::REFRESH, refresh), (header::SET_COOKIE, cookie)], page(StatusCode::OK, &view))
        .into_response())
}

/// `POST /login/upstream`.
async fn start(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    OpenForm(fields): OpenForm,
) -> PageResult {
    let next = NextPath::parse(fields.text("next"));
    let browser = browser(&portal, &headers);
    let request = UpstreamStartRequest {
        browser: browser.clone(),
        next: next.as_ref().map(|next| next.as_str().to_owned()),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    match portal.authz.upstream_start(&request).await {
        Ok(started) => go(&portal, &browser, &started.to),
        Err(error) if error.is(codes::NOT_FOUND) => Err(PageError::NotFound),
        Err(error) => {
            let (status, text) = refusal(&error);
            login::refused(&portal, &headers, status, next, &text)
        }
    }
}

/// What a refusal to begin means for a form.
pub(crate) fn refusal(error: &ApiError) -> (StatusCode, String) {
    let t = texts();
    match error.problem() {
        Some(problem) if problem.kind == codes::TOO_MANY_TRIES => {
            (StatusCode::TOO_MANY_REQUESTS, t.login.too_many.to_owned())
        }
        Some(problem) if problem.kind == codes::UPSTREAM_UNAVAILABLE => {
            let reason = services::problem(problem);
            (StatusCode::SERVICE_UNAVAILABLE, fill(&named(t.upstream.unavailable), &[("reason", &reason)]))
        }
        _ => {
            tracing::warn!(%error, "a sign-in at the other issuer could not begin");
            (StatusCode::SERVICE_UNAVAILABLE, t.login.unavailable.to_owned())
        }
    }
}

/// `GET /login/upstream/callback`.
async fn callback(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> PageResult {
    let request = UpstreamCallbackRequest {
        browser: portal.cookies.upstream(&headers),
        session: portal.cookies.session(&headers),
        query: uri.query().unwrap_or_default().into(),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
        agent: agent::of(&headers),
    };
    match portal.authz.upstream_callback(&request).await.map_err(not_there)? {
        UpstreamOutcome::SignedIn { user_id, session, next } => {
            let next = next.as_deref().and_then(NextPath::parse);
            let answer = LoginAccountAnswer { user_id, session, cookie_max_age_s: None };
            done(&portal, login::signed_in(&portal, answer, next).await?)
        }
        UpstreamOutcome::SecondFactor { pending, next } => {
            let next = next.as_deref().and_then(NextPath::parse);
            done(&portal, second_login::ask(&portal, &pending, next.as_ref())?)
        }
        UpstreamOutcome::ChooseName => Ok(redirect("/login/upstream/name")),
        UpstreamOutcome::Linked => done(&portal, redirect("/account/security?done=link")),
        UpstreamOutcome::Refused { reason, detail } => {
            Err(PageError::UpstreamRefused { reason, detail: detail.as_deref().map(services::said) })
        }
    }
}

/// The browser's secret has served.
fn done(portal: &Portal, mut response: Response) -> PageResult {
    response.headers_mut().append(header::SET_COOKIE, portal.cookies.clear_upstream()?);
    Ok(response)
}

fn not_there(error: ApiError) -> PageError {
    if error.is(codes::NOT_FOUND) { PageError::NotFound } else { PageError::authz(error) }
}

fn expired() -> PageError {
    PageError::UpstreamRefused { reason: UpstreamRefusal::Expired, detail: None }
}

async fn arrival(portal: &Portal, browser: &WireSecret) -> Result<UpstreamArrival, PageError> {
    let request = UpstreamArrivalRequest { browser: browser.clone() };
    match portal.authz.upstream_arrival(&request).await {
        Err(error) if error.is(codes::CODE_INVALID) => Err(expired()),
        other => other.map_err(not_there),
    }
}

/// `GET /login/upstream/name`.
async fn show_name(State(portal): State<Portal>, headers: HeaderMap) -> PageResult {
    let browser = portal.cookies.upstream(&headers).ok_or_else(expired)?;
    let arrival = arrival(&portal, &browser).await?;
    name_form(&portal, &headers, &arrival, (StatusCode::OK, FormFaults::default()))
}

/// `POST /login/upstream/name`.
async fn submit_name(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    OpenForm(fields): OpenForm,
) -> PageResult {
    let browser = portal.cookies.upstream(&headers).ok_or_else(expired)?;
    let request = UpstreamRegisterRequest {
        browser: browser.clone(),
        username: fields.text("username").to_owned(),
        email: fields.text("email").to_owned(),
        invite: fields.optional("invite").map(|code| code.as_str().into()),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
        agent: agent::of(&headers),
        language: Language::current().into(),
    };
    let error = match portal.authz.upstream_register(&request).await {
        Ok(answer) => return done(&portal, new_account::welcome(&portal, &answer.session)?),
        Err(error) if error.is(codes::APPROVAL_PENDING) => return done(&portal, register::pending()),
        Err(error) if error.is(codes::CODE_INVALID) => return Err(expired()),
        Err(error) => error,
    };
    let asked = arrival(&portal, &browser).await?;
    let verdict = register::judge(&error, asked.registration, texts());
    let typed = UpstreamArrival { username: request.username, email: request.email, ..asked };
    name_form(&portal, &headers, &typed, verdict)
}

fn name_form(
    portal: &Portal,
    headers: &HeaderMap,
    arrival: &UpstreamArrival,
    (status, faults): (StatusCode, FormFaults),
) -> PageResult {
    let visitor = VisitorForm::new(portal, headers)?;
    let view = NamePage {
        shell: Shell::visitor(),
        csrf: &visitor.csrf,
        faults,
        lead: named(texts().upstream.name_lead),
        no_password: named(texts().upstream.no_password),
        username: &arrival.username,
        email: &arrival.email,
        asks_invite: arrival.registration == RegistrationMode::Invite,
        needs_approval: arrival.registration == RegistrationMode::Approval,
    };
    Ok(visitor.page(status, &view))
}
