//! `/register`: a new account. authz-service judges every field; here its answers become messages at the
//! fields. The password and the invite are never sent back.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use control_api::authz::{PortalSettings, RegistrationMode};
use control_api::client::ApiError;
use control_api::codes;
use http::{HeaderMap, StatusCode};

use super::new_account::{self, Typed};
use super::upstream;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::OpenForm;
use crate::session::{MaybeSession, VisitorForm};
use crate::text::{Texts, fill, services, texts};
use crate::upstream::field_faults;
use crate::view::{FormFaults, PageResult, Shell, page};

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage<'a> {
    shell: Shell,
    csrf: &'a str,
    faults: FormFaults,
    username: &'a str,
    email: &'a str,
    password_min: usize,
    password_max: usize,
    password_hint: String,
    asks_invite: bool,
    needs_approval: bool,
    /// Leads to another issuer.
    upstream_button: Option<String>,
    /// For that form: there is nowhere else to go.
    next: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "register_notice.html")]
struct NoticePage {
    shell: Shell,
    title: &'static str,
    text: &'static str,
}

/// `GET /register`.
pub(crate) async fn show(
    State(portal): State<Portal>,
    MaybeSession(session): MaybeSession,
    headers: HeaderMap,
) -> PageResult {
    if session.is_some() {
        return Ok(redirect("/account"));
    }
    let settings = portal.authz.settings().await.map_err(PageError::authz)?;
    if settings.registration == RegistrationMode::Closed {
        return Ok(closed(StatusCode::OK));
    }
    form(&portal, &headers, &settings, StatusCode::OK, &Typed::default(), FormFaults::default())
}

/// `POST /register`.
pub(crate) async fn submit(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    OpenForm(mut fields): OpenForm,
) -> PageResult {
    let request = new_account::read(&portal, peer, &headers, &mut fields);
    let error = match portal.authz.register(&request).await {
        Ok(answer) => return new_account::welcome(&portal, &answer.session),
        Err(error) if error.is(codes::APPROVAL_PENDING) => return Ok(pending()),
        Err(error) if error.is(codes::VERIFICATION_PENDING) => return Ok(sent()),
        Err(error) => error,
    };
    // Down between two calls: the form is shown with what is most often true.
    let usual = PortalSettings {
        registration: RegistrationMode::Open,
        password_min: 8,
        password_max: 128,
        setup_open: false,
        banner: String::new(),
        upstream: None,
    };
    let settings = portal.authz.settings().await.unwrap_or(usual);
    let (status, faults) = judge(&error, settings.registration, texts());
    if settings.registration == RegistrationMode::Closed {
        return Ok(closed(StatusCode::FORBIDDEN));
    }
    form(&portal, &headers, &settings, status, &Typed::of(&request), faults)
}

/// What a refusal means for the form.
pub(crate) fn judge(error: &ApiError, registration: RegistrationMode, t: &Texts) -> (StatusCode, FormFaults) {
    let Some(problem) = error.problem().filter(|problem| problem.kind != codes::TOKEN_MISMATCH) else {
        tracing::warn!(%error, "an account could not be made");
        return (StatusCode::SERVICE_UNAVAILABLE, FormFaults::form(t.register.unavailable));
    };
    let faults = match problem.kind.as_str() {
        // What authz-service says about a field is more exact than what we would.
        _ if !problem.errors.is_empty() => field_faults(problem, &labels(t)),
        codes::USERNAME_TAKEN | codes::SLUG_TAKEN => FormFaults::field("username", t.register.username_taken),
        codes::EMAIL_TAKEN => FormFaults::field("email", t.register.email_taken),
        codes::WEAK_PASSWORD => FormFaults::field(
            "password",
            problem
                .detail
                .as_ref()
                .map_or_else(|| t.register.weak_password.to_owned(), |_| services::problem(problem)),
        ),
        codes::REGISTRATION_CLOSED if registration == RegistrationMode::Invite => {
            FormFaults::field("invite", t.register.bad_invite)
        }
        codes::REGISTRATION_CLOSED => FormFaults::form(t.register.closed_text),
        codes::TOO_MANY_TRIES => FormFaults::form(t.login.too_many),
        _ => FormFaults::form(services::problem(problem)),
    };
    (new_account::status(problem), faults)
}

fn labels(t: &Texts) -> [(&'static str, &'static str); 4] {
    let t = &t.register;
    [("username", t.username), ("email", t.email), ("password", t.password), ("invite", t.invite)]
}

fn form(
    portal: &Portal,
    headers: &HeaderMap,
    settings: &PortalSettings,
    status: StatusCode,
    typed: &Typed,
    faults: FormFaults,
) -> PageResult {
    let visitor = VisitorForm::new(portal, headers)?;
    let min = settings.password_min.to_string();
    let view = RegisterPage {
        shell: Shell::visitor(),
        csrf: &visitor.csrf,
        faults,
        username: &typed.username,
        email: &typed.email,
        password_min: settings.password_min,
        password_max: settings.password_max,
        password_hint: fill(texts().register.password_hint, &[("min", &min)]),
        asks_invite: settings.registration == RegistrationMode::Invite,
        needs_approval: settings.registration == RegistrationMode::Approval,
        upstream_button: upstream::button(),
        next: None,
    };
    Ok(visitor.page(status, &view))
}

fn closed(status: StatusCode) -> Response {
    let (title, text) = (texts().register.closed_title, texts().register.closed_text);
    page(status, &NoticePage { shell: Shell::visitor(), title, text })
}

/// A link is on its way, whosever address it was.
fn sent() -> Response {
    let (title, text) = (texts().mail.sent_title, texts().mail.registered_sent);
    page(StatusCode::ACCEPTED, &NoticePage { shell: Shell::visitor(), title, text })
}

/// The account is stored and waits for an administrator's yes.
pub(crate) fn pending() -> Response {
    let (title, text) = (texts().register.pending_title, texts().register.pending_text);
    page(StatusCode::ACCEPTED, &NoticePage { shell: Shell::visitor(), title, text })
}
