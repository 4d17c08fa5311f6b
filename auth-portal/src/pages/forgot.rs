//! `/forgot` and `/reset`: a new password for somebody who has forgotten theirs. Asking is answered the same whether or
//! not there is such an account. A link is used by the form behind it, never by looking at it, so that a scanner of
//! links does not use it up.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::Response;
use control_api::client::ApiError;
use control_api::codes;
use control_api::mail::{ForgotRequest, ResetPasswordRequest};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::app::Portal;
use crate::error::PageError;
use crate::form::OpenForm;
use crate::session::VisitorForm;
use crate::text::{Language, fill, texts};
use crate::upstream::field_faults;
use crate::view::{FormFaults, PageResult, Shell, page};

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage<'a> {
    shell: Shell,
    csrf: &'a str,
    faults: FormFaults,
    login: &'a str,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage<'a> {
    shell: Shell,
    csrf: &'a str,
    faults: FormFaults,
    token: &'a str,
    min: usize,
    max: usize,
    hint: String,
}

#[derive(Template)]
#[template(path = "mail_notice.html")]
struct NoticePage {
    shell: Shell,
    title: &'static str,
    text: &'static str,
    link: &'static str,
    link_text: &'static str,
}

/// Query of a page that a mailed link leads to.
#[derive(Deserialize)]
pub(crate) struct LinkQuery {
    pub(crate) token: Option<String>,
}

/// Longest token that is shown in a form again; ours have 43 characters.
const MAX_TOKEN: usize = 100;

/// The token of a link: only what one of ours can look like.
pub(crate) fn token_of(query: Result<Query<LinkQuery>, QueryRejection>) -> Option<String> {
    let token = query.ok()?.0.token?;
    let ours = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (!token.is_empty() && token.len() <= MAX_TOKEN && token.bytes().all(ours)).then_some(token)
}

/// A page that says one thing, with a link to what comes next.
pub(crate) fn notice(
    status: StatusCode,
    title: &'static str,
    text: &'static str,
    (link, link_text): (&'static str, &'static str),
) -> Response {
    page(status, &NoticePage { shell: Shell::visitor(), title, text, link, link_text })
}

/// A link that does not work, and where another one is had.
pub(crate) fn dead_link(again: &'static str) -> Response {
    let t = &texts().mail;
    notice(StatusCode::BAD_REQUEST, t.dead_title, t.dead_text, (again, t.dead_again))
}

/// Nothing of the kind is mailed here.
fn off() -> Response {
    let t = texts();
    notice(StatusCode::OK, t.mail.off_title, t.mail.off_text, ("/login", t.common.sign_in))
}

/// `GET /forgot`.
pub(crate) async fn show(State(portal): State<Portal>, headers: HeaderMap) -> PageResult {
    let settings = portal.authz.mail_settings().await.map_err(PageError::authz)?;
    if !settings.sends {
        return Ok(off());
    }
    forgot_form(&portal, &headers, StatusCode::OK, "", FormFaults::default())
}

/// `POST /forgot`.
pub(crate) async fn submit(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    OpenForm(fields): OpenForm,
) -> PageResult {
    let login = fields.text("login").trim().to_owned();
    let request = ForgotRequest {
        login: login.clone(),
        language: Language::current().into(),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    let t = texts();
    match portal.authz.forgot(&request).await {
        Ok(()) => {
            let on = ("/login", t.common.sign_in);
            Ok(notice(StatusCode::ACCEPTED, t.mail.sent_title, t.mail.forgot_sent, on))
        }
        Err(error) if error.is(codes::MAIL_OFF) => Ok(off()),
        Err(error) => {
            let (status, faults) = judge(&error, ("login", t.login.name));
            forgot_form(&portal, &headers, status, &login, faults)
        }
    }
}

/// `GET /reset`.
pub(crate) async fn show_reset(
    State(portal): State<Portal>,
    query: Result<Query<LinkQuery>, QueryRejection>,
    headers: HeaderMap,
) -> PageResult {
    match token_of(query) {
        None => Ok(dead_link("/forgot")),
        Some(token) => reset_form(&portal, &headers, StatusCode::OK, &token, FormFaults::default()).await,
    }
}

/// `POST /reset`.
pub(crate) async fn reset(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    OpenForm(mut fields): OpenForm,
) -> PageResult {
    let token = fields.text("token").to_owned();
    let request = ResetPasswordRequest {
        token: token.as_str().into(),
        new_password: fields.secret("new_password"),
        language: Language::current().into(),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    let t = texts();
    match portal.authz.reset_password(&request).await {
        Ok(()) => {
            let on = ("/login", t.common.sign_in);
            Ok(notice(StatusCode::OK, t.mail.reset_title, t.mail.reset_done, on))
        }
        Err(error) if error.is(codes::CODE_INVALID) => Ok(dead_link("/forgot")),
        Err(error) => {
            let (status, faults) = judge(&error, ("new_password", t.mail.reset_new));
            reset_form(&portal, &headers, status, &token, faults).await
        }
    }
}

/// What a refusal means for a form with one field.
fn judge(error: &ApiError, label: (&'static str, &'static str)) -> (StatusCode, FormFaults) {
    match error.problem() {
        Some(problem) if problem.status == 422 => (problem.status_code(), field_faults(problem, &[label])),
        Some(problem) if problem.kind == codes::TOO_MANY_TRIES => {
            (problem.status_code(), FormFaults::form(texts().login.too_many))
        }
        _ => {
            tracing::warn!(%error, "a password could not be replaced");
            (StatusCode::SERVICE_UNAVAILABLE, FormFaults::form(texts().mail.unavailable))
        }
    }
}

fn forgot_form(
    portal: &Portal,
    headers: &HeaderMap,
    status: StatusCode,
    login: &str,
    faults: FormFaults,
) -> PageResult {
    let visitor = VisitorForm::new(portal, headers)?;
    let view = ForgotPage { shell: Shell::visitor(), csrf: &visitor.csrf, faults, login };
    Ok(visitor.page(status, &view))
}

async fn reset_form(
    portal: &Portal,
    headers: &HeaderMap,
    status: StatusCode,
    token: &str,
    faults: FormFaults,
) -> PageResult {
    let visitor = VisitorForm::new(portal, headers)?;
    let (min, max) = portal.authz.settings().await.map_or((8, 128), |s| (s.password_min, s.password_max));
    let hint = fill(texts().register.password_hint, &[("min", &min.to_string())]);
    let shell = Shell::visitor();
    Ok(visitor.page(status, &ResetPage { shell, csrf: &visitor.csrf, faults, token, min, max, hint }))
}
