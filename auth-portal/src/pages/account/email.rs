//! `/account/email`: the address of the account, by a form on the security page. A link proves it; another one needs
//! the password, and holds when the link that was sent there is used.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use control_api::authz::SessionRequest;
use control_api::client::ApiError;
use control_api::codes;
use control_api::mail::{ChangeEmailRequest, EmailState, VerifyEmailRequest};
use http::{HeaderMap, StatusCode};

use super::security::{self, Faults};
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::session::Session;
use crate::text::{Language, fill, texts};
use crate::upstream::field_faults;
use crate::view::{FormFaults, PageResult};

/// What the form shows.
pub(super) struct EmailForm {
    /// Absent while authz-service does not answer.
    pub(super) state: Option<EmailState>,
    /// What the address is for, with the address.
    pub(super) lead: String,
    /// There is a password to confirm a change with.
    pub(super) has_password: bool,
    pub(super) faults: FormFaults,
    /// What was typed.
    pub(super) typed: String,
}

impl EmailForm {
    /// Asks for the address, and whether it is proved.
    pub(super) async fn load(
        portal: &Portal,
        session: &Session,
        (faults, typed): (FormFaults, String),
    ) -> Self {
        let request = SessionRequest { session: session.secret.clone() };
        let state = portal.authz.email_state(&request).await;
        let state = state.inspect_err(|error| tracing::warn!(%error, "an address could not be shown")).ok();
        let email = state.as_ref().map_or("", |state| state.email.as_str());
        let lead = fill(texts().mail.address_lead, &[("email", email)]);
        Self { state, lead, has_password: true, faults, typed }
    }
}

/// `POST /account/email/verify`.
pub(super) async fn verify(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let request = VerifyEmailRequest {
        session: form.session.secret.clone(),
        language: Language::current().into(),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    match portal.authz.verify_email(&request).await {
        Ok(()) => Ok(redirect("/account/security?done=verify")),
        Err(error) => refused(&portal, &form.session, error, String::new()).await,
    }
}

/// `POST /account/email`.
pub(super) async fn change(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let SessionForm { session, mut fields } = form;
    let typed = fields.text("email").trim().to_owned();
    let request = ChangeEmailRequest {
        session: session.secret.clone(),
        email: typed.clone(),
        current_password: fields.secret("email_password"),
        language: Language::current().into(),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    match portal.authz.change_email(&request).await {
        Ok(()) => Ok(redirect("/account/security?done=email")),
        Err(error) => refused(&portal, &session, error, typed).await,
    }
}

async fn refused(portal: &Portal, session: &Session, error: ApiError, typed: String) -> PageResult {
    if error.is(codes::SESSION_ENDED) {
        return Err(PageError::authz(error));
    }
    let (status, faults) = judge(&error);
    let response: Response = security::render(
        portal,
        session,
        status,
        None,
        Faults { email: (faults, typed), ..Faults::default() },
    )
    .await;
    Ok(response)
}

/// What a refusal means for the form.
fn judge(error: &ApiError) -> (StatusCode, FormFaults) {
    let t = texts();
    match error.problem() {
        // The page has another field of that name.
        Some(problem) if problem.status == 422 && problem.errors.contains_key("current_password") => {
            (problem.status_code(), FormFaults::field("email_password", t.security.current_wrong))
        }
        Some(problem) if problem.status == 422 => {
            (problem.status_code(), field_faults(problem, &[("email", t.mail.new_address)]))
        }
        Some(problem) if problem.kind == codes::TOO_MANY_TRIES => {
            (problem.status_code(), FormFaults::form(t.mail.too_many_links))
        }
        Some(problem) if problem.kind == codes::MAIL_OFF => {
            (problem.status_code(), FormFaults::form(t.mail.not_sent))
        }
        _ => {
            tracing::warn!(%error, "an address could not be changed");
            (StatusCode::SERVICE_UNAVAILABLE, FormFaults::form(t.mail.unavailable))
        }
    }
}
