//! `/account/second-factor`: one-time passwords are set up, renewed and taken away here. The secret and the recovery
//! codes are on pages that answer a form: no address shows them again. authz-service judges; neither a password nor
//! a code is sent back.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::{IntoResponse as _, Response};
use control_api::authz::SessionRequest;
use control_api::client::ApiError;
use control_api::codes;
use control_api::passkeys::PasskeyView;
use control_api::second_factor::{
    ChangeSecondFactorRequest, ConfirmTotpRequest, SecondFactorAnswer, SecondFactorView,
};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;

use super::upstream::require_password;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::moment::{Moment, moment};
use crate::qr::QrCode;
use crate::session::{Session, SignedIn};
use crate::text::{Language, fill, texts};
use crate::view::{FormFaults, PageResult, Shell, page};

/// Where the forms of the page lead back to.
const PAGE: &str = "/account/second-factor";
/// So few recovery codes are told about.
const FEW_CODES: u32 = 3;

/// How the second factor is, on this page and on the security page.
pub(super) struct Standing {
    pub(super) is_on: bool,
    /// When one-time passwords were set up.
    pub(super) since: Option<Moment>,
    pub(super) passkeys: Vec<PasskeyRow>,
    pub(super) passkeys_possible: bool,
    pub(super) codes: u32,
    pub(super) needed: bool,
}

impl Standing {
    pub(super) fn new(portal: &Portal, view: &SecondFactorView) -> Self {
        let now = portal.clock.now();
        Self {
            is_on: view.is_on(),
            since: view.totp_since.map(|since| moment(since, now)),
            passkeys: view.passkeys.iter().map(|passkey| PasskeyRow::new(passkey, now)).collect(),
            passkeys_possible: view.passkeys_possible,
            codes: view.recovery_codes,
            needed: view.needed,
        }
    }

    /// Whether recovery codes run out.
    pub(super) fn few(&self) -> bool {
        self.is_on && self.codes <= FEW_CODES
    }
}

/// One passkey.
pub(super) struct PasskeyRow {
    id: String,
    name: String,
    added: Moment,
    used: Option<Moment>,
    /// The words on its link for those who do not see the row.
    remove: String,
}

impl PasskeyRow {
    fn new(passkey: &PasskeyView, now: Timestamp) -> Self {
        Self {
            id: passkey.passkey_id.to_string(),
            name: passkey.name.clone(),
            added: moment(passkey.created_at, now),
            used: passkey.last_used_at.map(|used| moment(used, now)),
            remove: fill(texts().passkeys.remove_which, &[("name", &passkey.name)]),
        }
    }
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct FactorPage {
    shell: Shell,
    standing: Standing,
    username: String,
    faults: FormFaults,
    notice: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "second_factor_setup.html")]
struct SetupPage {
    shell: Shell,
    username: String,
    /// The secret in groups of four.
    secret: String,
    qr: Option<QrCode>,
    /// Whether passkeys are on, so that a recovery code is asked for.
    asks_existing: bool,
    faults: FormFaults,
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct CodesPage {
    shell: Shell,
    lead: &'static str,
    codes: Vec<String>,
}

/// Query of the page.
#[derive(Deserialize)]
pub(super) struct FactorQuery {
    again: Option<String>,
}

/// `GET /account/second-factor`.
pub(super) async fn show(
    State(portal): State<Portal>,
    SignedIn(session): SignedIn,
    query: Result<Query<FactorQuery>, QueryRejection>,
) -> PageResult {
    let again = query.is_ok_and(|Query(query)| query.again.is_some());
    let notice = again.then_some(texts().second_factor.begin_again);
    render(&portal, &session, StatusCode::OK, FormFaults::default(), notice).await
}

/// The address of a form, loaded as a page.
pub(super) async fn to_page() -> Response {
    redirect(PAGE)
}

/// `POST /account/second-factor/begin`.
pub(super) async fn begin(State(portal): State<Portal>, form: SessionForm) -> PageResult {
    require_password(&portal, &form.session).await?;
    setup(&portal, &form.session, StatusCode::OK, FormFaults::default()).await
}

/// `POST /account/second-factor/confirm`.
pub(super) async fn confirm(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let SessionForm { session, mut fields } = form;
    let existing_code = fields.secret("existing_code");
    let request = ConfirmTotpRequest {
        session: session.secret.clone(),
        code: fields.secret("code"),
        existing_code: (!existing_code.expose().is_empty()).then_some(existing_code),
        current_password: fields.secret("current_password"),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
        language: Language::current().into(),
    };
    match portal.authz.confirm_totp(&request).await {
        Ok(answer) if answer.recovery_codes.is_empty() => {
            let cookie = portal.cookies.set_session(&answer.session, answer.cookie_max_age_s)?;
            Ok(([(header::SET_COOKIE, cookie)], redirect(PAGE)).into_response())
        }
        Ok(answer) => codes_page(&portal, session, answer, texts().second_factor.codes_on),
        Err(error) if error.is(codes::NOT_FOUND) => Ok(redirect(&format!("{PAGE}?again=1"))),
        Err(error) if error.is(codes::SESSION_ENDED) => Err(PageError::authz(error)),
        Err(error) => {
            let (status, faults) = judge(&error);
            setup(&portal, &session, status, faults).await
        }
    }
}

/// `POST /account/second-factor/recovery-codes`.
pub(super) async fn renew_codes(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let (session, request) = change(&portal, peer, &headers, form);
    match portal.authz.renew_recovery_codes(&request).await {
        Ok(answer) => codes_page(&portal, session, answer, texts().second_factor.codes_new),
        Err(error) => refused(&portal, &session, error).await,
    }
}

/// `POST /account/second-factor/remove`.
pub(super) async fn remove(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let (session, request) = change(&portal, peer, &headers, form);
    match portal.authz.remove_totp(&request).await {
        Ok(answer) => {
            let cookie = portal.cookies.set_session(&answer.session, answer.cookie_max_age_s)?;
            let there = redirect("/account/security?done=second-factor-off");
            Ok(([(header::SET_COOKIE, cookie)], there).into_response())
        }
        Err(error) => refused(&portal, &session, error).await,
    }
}

fn change(
    portal: &Portal,
    peer: SocketAddr,
    headers: &HeaderMap,
    form: SessionForm,
) -> (Session, ChangeSecondFactorRequest) {
    let SessionForm { session, mut fields } = form;
    let request = ChangeSecondFactorRequest {
        session: session.secret.clone(),
        code: fields.secret("code"),
        current_password: fields.secret("current_password"),
        client_addr: Some(portal.config.trusted_proxies.client(peer, headers)),
        language: Language::current().into(),
    };
    (session, request)
}

async fn refused(portal: &Portal, session: &Session, error: ApiError) -> PageResult {
    if error.is(codes::SESSION_ENDED) {
        return Err(PageError::authz(error));
    }
    let (status, faults) = judge(&error);
    render(portal, session, status, faults, None).await
}

/// What a refusal means for the form.
pub(super) fn judge(error: &ApiError) -> (StatusCode, FormFaults) {
    let t = &texts().second_factor;
    match error.problem() {
        Some(problem) if problem.kind == codes::WEAK_PASSWORD => {
            (problem.status_code(), FormFaults::field("current_password", t.short_password))
        }
        Some(problem) if problem.errors.contains_key("code") => {
            (problem.status_code(), FormFaults::field("code", t.wrong_code))
        }
        Some(problem) if problem.errors.contains_key("existing_code") => {
            (problem.status_code(), FormFaults::field("existing_code", t.wrong_code))
        }
        Some(problem) if problem.errors.contains_key("current_password") => {
            (problem.status_code(), FormFaults::field("current_password", t.wrong_password))
        }
        Some(problem) if problem.kind == codes::TOO_MANY_TRIES => {
            (problem.status_code(), FormFaults::form(texts().login.too_many))
        }
        _ => {
            tracing::warn!(%error, "a second factor could not be changed");
            (StatusCode::SERVICE_UNAVAILABLE, FormFaults::form(t.unavailable))
        }
    }
}

async fn render(
    portal: &Portal,
    session: &Session,
    status: StatusCode,
    faults: FormFaults,
    notice: Option<&'static str>,
) -> PageResult {
    let request = SessionRequest { session: session.secret.clone() };
    let view = portal.authz.second_factor(&request).await.map_err(PageError::authz)?;
    let view = FactorPage {
        shell: session.shell(),
        standing: Standing::new(portal, &view),
        username: session.view.user.username.to_string(),
        faults,
        notice,
    };
    Ok(page(status, &view))
}

/// The page with the secret: the same one until it is confirmed.
async fn setup(portal: &Portal, session: &Session, status: StatusCode, faults: FormFaults) -> PageResult {
    let request = SessionRequest { session: session.secret.clone() };
    let (setup, view) = tokio::join!(portal.authz.begin_totp(&request), portal.authz.second_factor(&request));
    let setup = match setup {
        Ok(setup) => setup,
        // Done already, in another window.
        Err(error) if error.is(codes::SECOND_FACTOR_ON) => return Ok(redirect(PAGE)),
        Err(error) => return Err(PageError::authz(error)),
    };
    let view = SetupPage {
        shell: session.shell(),
        username: session.view.user.username.to_string(),
        secret: grouped(setup.secret.expose()),
        qr: QrCode::of(setup.uri.expose()),
        asks_existing: view.map_err(PageError::authz)?.is_on(),
        faults,
    };
    Ok(page(status, &view))
}

fn grouped(secret: &str) -> String {
    let chars: Vec<char> = secret.chars().collect();
    chars.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// The page with new recovery codes, for the session that goes on.
pub(super) fn codes_page(
    portal: &Portal,
    before: Session,
    answer: SecondFactorAnswer,
    lead: &'static str,
) -> PageResult {
    let cookie = portal.cookies.set_session(&answer.session, answer.cookie_max_age_s)?;
    let session = before.renewed(portal, answer.session);
    let codes = answer.recovery_codes.iter().map(|code| code.expose().to_owned()).collect();
    let response = page(StatusCode::OK, &CodesPage { shell: session.shell(), lead, codes });
    Ok(([(header::SET_COOKIE, cookie)], response).into_response())
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn a_secret_is_shown_in_groups_of_four() {
        assert_eq!(grouped("MZXW6YTBOI"), "MZXW 6YTB OI");
        assert_eq!(grouped(""), "");
    }
}
