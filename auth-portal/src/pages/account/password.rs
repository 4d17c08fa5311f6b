//! `/account/password`: a new password, by a form on the security page. authz-service judges it; a refusal
//! becomes a message at its field, and neither password is ever sent back.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::response::IntoResponse as _;
use control_api::client::ApiError;
use control_api::codes;
use control_api::sessions::ChangePasswordRequest;
use http::{HeaderMap, StatusCode, header};

use super::security;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::text::{Language, fill, texts};
use crate::upstream::field_faults;
use crate::view::{FormFaults, PageResult};

/// Least and greatest length where authz-service does not say: it judges in any case.
const USUAL_LENGTH: (usize, usize) = (8, 128);

/// What the form shows.
pub(super) struct PasswordForm {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) hint: String,
    /// The account has none yet, and whether the sign-in is of just now.
    pub(super) first: Option<bool>,
    pub(super) faults: FormFaults,
}

impl PasswordForm {
    /// Asks how long a password must be; `least` is what this account may have.
    pub(super) async fn load(portal: &Portal, faults: FormFaults, least: Option<usize>) -> Self {
        let settings = portal.authz.settings().await.ok();
        let (usual, max) =
            settings.map_or(USUAL_LENGTH, |settings| (settings.password_min, settings.password_max));
        let min = least.unwrap_or(usual);
        let hint = fill(texts().register.password_hint, &[("min", &min.to_string())]);
        Self { min, max, hint, first: None, faults }
    }
}

/// `POST /account/password`.
pub(super) async fn change(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let SessionForm { session, mut fields } = form;
    let request = ChangePasswordRequest {
        session: session.secret.clone(),
        current_password: fields.secret("current_password"),
        new_password: fields.secret("new_password"),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
        language: Language::current().into(),
    };
    match portal.authz.change_password(&request).await {
        Ok(answer) => {
            let cookie = portal.cookies.set_session(&answer.session, answer.cookie_max_age_s)?;
            let there = redirect("/account/security?done=password");
            Ok(([(header::SET_COOKIE, cookie)], there).into_response())
        }
        Err(error) if error.is(codes::SESSION_ENDED) => Err(PageError::authz(error)),
        Err(error) => {
            let (status, faults) = judge(&error);
            Ok(security::render(&portal, &session, status, None, faults).await)
        }
    }
}

/// What a refusal means for the form.
fn judge(error: &ApiError) -> (StatusCode, FormFaults) {
    let t = &texts().security;
    match error.problem() {
        Some(problem) if problem.status == 422 && problem.errors.contains_key("current_password") => {
            (problem.status_code(), FormFaults::field("current_password", t.current_wrong))
        }
        Some(problem) if problem.status == 422 => {
            let labels = [("current_password", t.current), ("new_password", t.new)];
            (problem.status_code(), field_faults(problem, &labels))
        }
        Some(problem) if problem.kind == codes::SIGN_IN_AGAIN => {
            (problem.status_code(), FormFaults::form(texts().upstream.again))
        }
        Some(problem) if problem.kind == codes::TOO_MANY_TRIES => {
            (problem.status_code(), FormFaults::form(texts().login.too_many))
        }
        _ => {
            tracing::warn!(%error, "a password could not be changed");
            (StatusCode::SERVICE_UNAVAILABLE, FormFaults::form(t.unavailable))
        }
    }
}
