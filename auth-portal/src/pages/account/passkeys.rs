//! `/account/passkeys`: a passkey is added in two steps, password first and then the browser's own question, and
//! removed by a page of its own. The browser's part needs JavaScript; the page says so where there is none.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::{IntoResponse as _, Response};
use control_api::authz::SessionRequest;
use control_api::client::ApiError;
use control_api::codes;
use control_api::passkeys::{
    AddPasskeyRequest, BeginPasskeyRequest, MAX_PASSKEY_NAME, PasskeyView, RemovePasskeyRequest,
};
use control_api::second_factor::SecondFactorView;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::second_factor::{codes_page, judge};
use super::upstream::require_password;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::session::{Session, SignedIn};
use crate::text::{Language, fill, texts};
use crate::upstream::field_faults;
use crate::view::{FormFaults, PageResult, Shell, page};

const PAGE: &str = "/account/second-factor";

#[derive(Template)]
#[template(path = "passkey_new.html")]
struct NewPage {
    shell: Shell,
    username: String,
    name: String,
    most: usize,
    /// Whether a second factor is on, so that its code is asked for.
    asks_code: bool,
    faults: FormFaults,
}

#[derive(Template)]
#[template(path = "passkey_make.html")]
struct MakePage {
    shell: Shell,
    name: String,
    options: String,
}

#[derive(Template)]
#[template(path = "passkey_remove.html")]
struct RemovePage {
    shell: Shell,
    username: String,
    id: String,
    lead: String,
    faults: FormFaults,
}

/// `GET /account/passkeys/new`.
pub(super) async fn show(State(portal): State<Portal>, SignedIn(session): SignedIn) -> PageResult {
    require_password(&portal, &session).await?;
    form(&portal, &session, StatusCode::OK, String::new(), FormFaults::default()).await
}

/// `POST /account/passkeys/new`: the password is right, and the browser is asked.
pub(super) async fn begin(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let SessionForm { session, mut fields } = form;
    let name = fields.text("name").trim().to_owned();
    if name.is_empty() {
        let faults = FormFaults::field("name", texts().passkeys.name_missing);
        return self::form(&portal, &session, StatusCode::UNPROCESSABLE_ENTITY, name, faults).await;
    }
    let code = fields.secret("code");
    let request = BeginPasskeyRequest {
        session: session.secret.clone(),
        current_password: fields.secret("current_password"),
        code: (!code.expose().is_empty()).then_some(code),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    match portal.authz.begin_passkey(&request).await {
        Ok(answer) => {
            let options = answer.options.to_string();
            Ok(page(StatusCode::OK, &MakePage { shell: session.shell(), name, options }))
        }
        Err(error) => {
            let (status, faults) = refusal(error)?;
            self::form(&portal, &session, status, name, faults).await
        }
    }
}

/// `POST /account/passkeys/finish`: what the browser has made.
pub(super) async fn finish(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let SessionForm { session, fields } = form;
    let name = fields.text("name").to_owned();
    let request = AddPasskeyRequest {
        session: session.secret.clone(),
        name: name.clone(),
        credential: fields.text("credential").to_owned(),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
        language: Language::current().into(),
    };
    match portal.authz.add_passkey(&request).await {
        Ok(answer) if answer.recovery_codes.is_empty() => {
            let cookie = portal.cookies.set_session(&answer.session, answer.cookie_max_age_s)?;
            Ok(([(header::SET_COOKIE, cookie)], redirect(PAGE)).into_response())
        }
        Ok(answer) => codes_page(&portal, session, answer, texts().second_factor.codes_on),
        Err(error) => {
            let (status, faults) = refusal(error)?;
            self::form(&portal, &session, status, name, faults).await
        }
    }
}

/// Query of the page that removes one.
#[derive(Deserialize)]
pub(super) struct RemoveQuery {
    id: String,
}

/// `GET /account/passkeys/remove`.
pub(super) async fn show_removal(
    State(portal): State<Portal>,
    SignedIn(session): SignedIn,
    query: Result<Query<RemoveQuery>, QueryRejection>,
) -> PageResult {
    let Ok(Query(RemoveQuery { id })) = query else { return Ok(redirect(PAGE)) };
    removal(&portal, &session, StatusCode::OK, &id, FormFaults::default()).await
}

/// `POST /account/passkeys/remove`.
pub(super) async fn remove(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let SessionForm { session, mut fields } = form;
    let id = fields.text("passkey_id").to_owned();
    let Ok(passkey_id) = id.parse() else { return Err(PageError::NotFound) };
    let request = RemovePasskeyRequest {
        session: session.secret.clone(),
        passkey_id,
        current_password: fields.secret("current_password"),
        code: fields.secret("code"),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
        language: Language::current().into(),
    };
    match portal.authz.remove_passkey(&request).await {
        Ok(answer) => {
            let cookie = portal.cookies.set_session(&answer.session, answer.cookie_max_age_s)?;
            Ok(([(header::SET_COOKIE, cookie)], redirect(PAGE)).into_response())
        }
        Err(error) => {
            let (status, faults) = refusal(error)?;
            removal(&portal, &session, status, &id, faults).await
        }
    }
}

/// The address of a form, loaded as a page.
pub(super) async fn to_form() -> Response {
    redirect("/account/passkeys/new")
}

/// What a refusal means for the form.
fn refusal(error: ApiError) -> Result<(StatusCode, FormFaults), PageError> {
    let t = &texts().passkeys;
    Ok(match error.problem() {
        Some(problem) if problem.kind == codes::SESSION_ENDED => return Err(PageError::authz(error)),
        Some(problem) if problem.kind == codes::NOT_FOUND => return Err(PageError::NotFound),
        Some(problem) if problem.kind == codes::TOO_MANY_PASSKEYS => {
            (problem.status_code(), FormFaults::form(t.too_many))
        }
        Some(problem) if problem.errors.contains_key("credential") => {
            tracing::info!(%error, "a passkey was not taken");
            (problem.status_code(), FormFaults::form(t.not_taken))
        }
        Some(problem) if problem.errors.contains_key("name") => {
            (problem.status_code(), field_faults(problem, &[("name", t.name)]))
        }
        _ => judge(&error),
    })
}

async fn standing(portal: &Portal, session: &Session) -> Result<SecondFactorView, PageError> {
    let request = SessionRequest { session: session.secret.clone() };
    portal.authz.second_factor(&request).await.map_err(PageError::authz)
}

async fn form(
    portal: &Portal,
    session: &Session,
    status: StatusCode,
    name: String,
    faults: FormFaults,
) -> PageResult {
    let view = standing(portal, session).await?;
    if !view.passkeys_possible {
        return Ok(redirect(PAGE));
    }
    let view = NewPage {
        shell: session.shell(),
        username: session.view.user.username.to_string(),
        name,
        most: MAX_PASSKEY_NAME,
        asks_code: view.is_on(),
        faults,
    };
    Ok(page(status, &view))
}

async fn removal(
    portal: &Portal,
    session: &Session,
    status: StatusCode,
    id: &str,
    faults: FormFaults,
) -> PageResult {
    let view = standing(portal, session).await?;
    let found = |passkey: &&PasskeyView| passkey.passkey_id.to_string() == id;
    let Some(passkey) = view.passkeys.iter().find(found) else { return Ok(redirect(PAGE)) };
    let view = RemovePage {
        shell: session.shell(),
        username: session.view.user.username.to_string(),
        id: id.to_owned(),
        lead: fill(texts().passkeys.remove_text, &[("name", &passkey.name)]),
        faults,
    };
    Ok(page(status, &view))
}
