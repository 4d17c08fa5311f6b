//! `/setup`: the first administrator, made with a code from the operator. Once there was an administrator the page
//! says that it is closed. Neither the code nor the password is sent back.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use control_api::authz::PortalSettings;
use control_api::client::ApiError;
use control_api::codes;
use control_api::setup::FirstAdminRequest;
use http::{HeaderMap, StatusCode};

use super::new_account::{self, Typed};
use crate::app::Portal;
use crate::error::PageError;
use crate::form::OpenForm;
use crate::session::VisitorForm;
use crate::text::{fill, texts};
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
    let account = new_account::read(&portal, peer, &headers, &mut fields);
    let request = FirstAdminRequest { code: fields.secret("code"), account };
    let error = match portal.authz.first_admin(&request).await {
        Ok(answer) => return new_account::welcome(&portal, &answer.session),
        Err(error) if error.is(codes::SETUP_CLOSED) => return Ok(closed(StatusCode::FORBIDDEN)),
        Err(error) => error,
    };
    let settings = portal.authz.settings().await.map_err(PageError::authz)?;
    let (status, faults) = judge(&error);
    form(&portal, &headers, &settings, status, (&Typed::of(&request.account), faults))
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
    (new_account::status(problem), faults)
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
    Ok(visitor.page(status, &view))
}

fn closed(status: StatusCode) -> Response {
    let (title, text) = (texts().setup.closed_title, texts().setup.closed_text);
    page(status, &ClosedPage { shell: Shell::anybody(), title, text })
}
