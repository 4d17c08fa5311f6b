//! `/login/second`: a one-time password or a recovery code, once the password was right. What proves that is in a
//! cookie of its own for five minutes, is no session, and opens this page alone.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::IntoResponse as _;
use control_api::client::ApiError;
use control_api::codes;
use control_api::passkeys::{LoginOptions, LoginOptionsRequest};
use control_api::second_factor::{FinishLoginRequest, PendingLogin};
use control_api::wire::WireSecret;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::login::{signed_in, way_on};
use crate::agent;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::OpenForm;
use crate::next_path::NextPath;
use crate::session::{MaybeSession, VisitorForm};
use crate::text::texts;
use crate::view::{FormFaults, PageResult, Shell};

#[derive(Template)]
#[template(path = "login_second.html")]
struct SecondPage<'a> {
    shell: Shell,
    csrf: &'a str,
    faults: FormFaults,
    next: Option<&'a str>,
    /// Whether there is an authenticator app; else a recovery code is asked for.
    totp: bool,
    /// What the browser is to be asked, where there is a passkey.
    passkey: Option<String>,
}

/// Query of the page.
#[derive(Deserialize)]
pub(crate) struct SecondQuery {
    next: Option<String>,
}

/// Sends the browser here, after the password.
pub(super) fn ask(portal: &Portal, pending: &PendingLogin, next: Option<&NextPath>) -> PageResult {
    let cookie = portal.cookies.set_pending(&pending.pending, pending.expires_in_s)?;
    let there = next.map_or_else(
        || "/login/second".to_owned(),
        |next| {
            let next: String = url::form_urlencoded::byte_serialize(next.as_str().as_bytes()).collect();
            format!("/login/second?next={next}")
        },
    );
    Ok(([(header::SET_COOKIE, cookie)], redirect(&there)).into_response())
}

/// `GET /login/second`.
pub(crate) async fn show(
    State(portal): State<Portal>,
    MaybeSession(session): MaybeSession,
    query: Result<Query<SecondQuery>, QueryRejection>,
    headers: HeaderMap,
) -> PageResult {
    let next = query.ok().and_then(|Query(query)| NextPath::parse(query.next.as_deref()?));
    if let Some(session) = session {
        return Ok(redirect(&way_on(&portal, &session.view, next).await));
    }
    let Some(pending) = portal.cookies.pending(&headers) else { return Err(PageError::SignIn(next)) };
    let answer = (StatusCode::OK, FormFaults::default());
    form(&portal, &headers, pending, next.as_ref(), answer).await
}

/// `POST /login/second`.
pub(crate) async fn submit(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    OpenForm(mut fields): OpenForm,
) -> PageResult {
    let next = NextPath::parse(fields.text("next"));
    let Some(pending) = portal.cookies.pending(&headers) else { return ended(&portal) };
    let (code, passkey) = (fields.secret("code"), fields.optional("passkey"));
    if code.expose().trim().is_empty() && passkey.is_none() {
        let faults = FormFaults::field("code", texts().second_login.missing);
        let answer = (StatusCode::UNPROCESSABLE_ENTITY, faults);
        return form(&portal, &headers, pending, next.as_ref(), answer).await;
    }
    let with_passkey = passkey.is_some();
    let client_addr = Some(portal.config.trusted_proxies.client(peer, &headers));
    let agent = agent::of(&headers);
    let request =
        FinishLoginRequest { pending: pending.clone(), code: Some(code), passkey, client_addr, agent };
    match portal.authz.finish_login(&request).await {
        Ok(answer) => {
            let mut response = signed_in(&portal, answer, next).await?;
            response.headers_mut().append(header::SET_COOKIE, portal.cookies.clear_pending()?);
            Ok(response)
        }
        Err(error) if error.is(codes::LOGIN_ENDED) => ended(&portal),
        Err(error) => form(&portal, &headers, pending, next.as_ref(), judge(&error, with_passkey)).await,
    }
}

/// Back to the password, with the reason.
fn ended(portal: &Portal) -> PageResult {
    let cookie = portal.cookies.clear_pending()?;
    Ok(([(header::SET_COOKIE, cookie)], redirect("/login?again=1")).into_response())
}

/// What a refusal means for the form.
fn judge(error: &ApiError, with_passkey: bool) -> (StatusCode, FormFaults) {
    let t = texts();
    match error.problem() {
        Some(problem) if problem.kind == codes::SECOND_FACTOR_WRONG && with_passkey => {
            (StatusCode::UNAUTHORIZED, FormFaults::form(t.passkeys.wrong))
        }
        Some(problem) if problem.kind == codes::SECOND_FACTOR_WRONG => {
            (StatusCode::UNAUTHORIZED, FormFaults::field("code", t.second_login.wrong))
        }
        Some(problem) if problem.kind == codes::TOO_MANY_TRIES => {
            (StatusCode::TOO_MANY_REQUESTS, FormFaults::form(t.login.too_many))
        }
        _ => {
            tracing::warn!(%error, "nobody can be signed in");
            (StatusCode::SERVICE_UNAVAILABLE, FormFaults::form(t.second_login.unavailable))
        }
    }
}

async fn form(
    portal: &Portal,
    headers: &HeaderMap,
    pending: WireSecret,
    next: Option<&NextPath>,
    (status, faults): (StatusCode, FormFaults),
) -> PageResult {
    let options = match portal.authz.login_options(&LoginOptionsRequest { pending }).await {
        Ok(options) => options,
        Err(error) if error.is(codes::LOGIN_ENDED) => return ended(portal),
        Err(error) => {
            tracing::warn!(%error, "it is not known how somebody may sign in");
            LoginOptions { totp: true, passkey: None }
        }
    };
    let visitor = VisitorForm::new(portal, headers)?;
    let view = SecondPage {
        shell: Shell::visitor(),
        csrf: &visitor.csrf,
        faults,
        next: next.map(NextPath::as_str),
        totp: options.totp,
        passkey: options.passkey.map(|passkey| passkey.options.to_string()),
    };
    Ok(visitor.page(status, &view))
}
