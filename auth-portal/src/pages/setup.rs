//! `/setup`: the first administrator, made with a code from the operator. Once there was an administrator the page
//! says that it is closed. Neither the code nor the password is sent back.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse as _, Response};
use control_api::authz::{PortalSettings, RegisterAccountRequest};
use control_api::client::ApiError;
use control_api::codes;
use control_api::setup::FirstAdminRequest;
use http::{HeaderMap, StatusCode, header};

use crate::agent;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::OpenForm;
use crate::session::VisitorForm;
use crate::text::{Language, fill, texts};
use crate::upstream::field_faults;
use crate::view::{FormFaults, PageResult, Shell, page};

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage<'a> {
    shell: Shell,
    csrf: &'a str,
    faults: FormFaults,
    username: &'a str,
    email: &'a str,
    password_min: usize,
    password_max: usize,
    password_hint: String,
}

#[derive(Template)]
#[template(path = "register_notice.html")]
struct ClosedPage {
    shell: Shell,
    title: &'static str,
    text: &'static str,
}

/// What was typed and may be shown again.
#[derive(Default)]
struct Typed {
    username: String,
    email: String,
}

/// `GET /setup`.
pub(crate) async fn show(State(portal): State<Portal>, headers: HeaderMap) -> PageResult {
    let settings = portal.authz.settings().await.map_err(PageError::authz)?;
    if !settings.setup_open {
        return Ok(closed(StatusCode::OK));
    }
    form(&portal, &headers, &settings, StatusCode::OK, (&Typed::default(), FormFaults::default()))
}

/// `POST /setup`.
pub(crate) async fn submit(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    OpenForm(mut fields): OpenForm,
) -> PageResult {
    let typed =
        Typed { username: fields.text("username").to_owned(), email: fields.text("email").to_owned() };
    let account = RegisterAccountRequest {
        username: typed.username.clone(),
        email: typed.email.clone(),
        password: fields.secret("password"),
        invite: None,
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
        agent: agent::of(&headers),
        language: Language::current().into(),
    };
    let request = FirstAdminRequest { code: fields.secret("code"), account };
    let error = match portal.authz.first_admin(&request).await {
        Ok(answer) => {
            let cookie = portal.cookies.set_session(&answer.session, None)?;
            return Ok(([(header::SET_COOKIE, cookie)], redirect("/provisioning")).into_response());
        }
        Err(error) if error.is(codes::SETUP_CLOSED) => return Ok(closed(StatusCode::FORBIDDEN)),
        Err(error) => error,
    };
    let settings = portal.authz.settings().await.map_err(PageError::authz)?;
    let (status, faults) = judge(&error);
    form(&portal, &headers, &settings, status, (&typed, faults))
}

/// What a refusal means for the form.
fn judge(error: &ApiError) -> (StatusCode, FormFaults) {
    let t = texts();
    let r = &t.register;
    let Some(problem) = error.problem().filter(|problem| problem.kind != codes::TOKEN_MISMATCH) else {
        tracing::warn!(%error, "the first administrator could not be made");
        return (StatusCode::SERVICE_UNAVAILABLE, FormFaults::form(t.setup.unavailable));
    };
    let faults = match problem.kind.as_str() {
        codes::TOO_MANY_TRIES => FormFaults::form(t.login.too_many),
        _ if problem.errors.contains_key("code") => FormFaults::field("code", t.setup.bad_code),
        _ => {
            let labels = [("username", r.username), ("email", r.email), ("password", r.password)];
            field_faults(problem, &labels)
        }
    };
    let status = match problem.status {
        // A conflict is a fault of a field to people.
        409 => StatusCode::UNPROCESSABLE_ENTITY,
        500..=599 => StatusCode::SERVICE_UNAVAILABLE,
        _ => problem.status_code(),
    };
    (status, faults)
}

fn form(
    portal: &Portal,
    headers: &HeaderMap,
    settings: &PortalSettings,
    status: StatusCode,
    (typed, faults): (&Typed, FormFaults),
) -> PageResult {
    let visitor = VisitorForm::new(portal, headers)?;
    let min = settings.password_min.to_string();
    let view = SetupPage {
        shell: Shell::anybody(),
        csrf: &visitor.csrf,
        faults,
        username: &typed.username,
        email: &typed.email,
        password_min: settings.password_min,
        password_max: settings.password_max,
        password_hint: fill(texts().register.password_hint, &[("min", &min)]),
    };
    let mut response = page(status, &view);
    if let Some(cookie) = visitor.set_cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn closed(status: StatusCode) -> Response {
    let (title, text) = (texts().setup.closed_title, texts().setup.closed_text);
    page(status, &ClosedPage { shell: Shell::visitor(), title, text })
}
