//! `/login` and `/logout`. A wrong name and a wrong password look the same. After sign-in the browser goes on
//! to where it was going, else to its instance.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::IntoResponse as _;
use control_api::authz::{LoginAccountAnswer, LoginAccountRequest, OrderState, SessionRequest, SessionView};
use control_api::client::ApiError;
use control_api::codes;
use control_api::deploy::{InstanceState, InstanceView, OperationKind, ResolveRequest};
use control_api::second_factor::LoginOutcome;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::{second_login, upstream};
use crate::agent;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::{OpenForm, SessionForm};
use crate::next_path::NextPath;
use crate::session::{MaybeSession, Session, VisitorForm};
use crate::text::{fill, services, texts};
use crate::upstream::{found, operation};
use crate::view::{FormFaults, PageResult, Shell};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    shell: Shell,
    csrf: &'a str,
    faults: FormFaults,
    login: &'a str,
    next: Option<&'a str>,
    remember: bool,
    notice: Option<&'static str>,
    /// Leads to another issuer.
    upstream_button: Option<String>,
}

/// What was typed and may be shown again.
#[derive(Default)]
struct Typed {
    login: String,
    next: Option<NextPath>,
    remember: bool,
}

/// Query of the sign-in page.
#[derive(Deserialize)]
pub(crate) struct LoginQuery {
    next: Option<String>,
    #[serde(rename = "signed-out")]
    signed_out: Option<String>,
    /// The second factor took too long.
    again: Option<String>,
    deleted: Option<String>,
}

/// `GET /login`.
pub(crate) async fn show(
    State(portal): State<Portal>,
    MaybeSession(session): MaybeSession,
    query: Result<Query<LoginQuery>, QueryRejection>,
    headers: HeaderMap,
) -> PageResult {
    let query = query.ok().map(|Query(query)| query);
    let next = query.as_ref().and_then(|query| NextPath::parse(query.next.as_deref()?));
    if let Some(session) = session {
        return Ok(redirect(&way_on(&portal, &session.view, next).await));
    }
    let again = query.as_ref().is_some_and(|query| query.again.is_some());
    let faults = if again { FormFaults::form(texts().second_login.ended) } else { FormFaults::default() };
    let notice = query.and_then(|query| match (query.signed_out, query.deleted) {
        (Some(_), _) => Some(texts().login.signed_out),
        (None, Some(_)) => Some(texts().leave.done),
        (None, None) => None,
    });
    let typed = Typed { next, ..Typed::default() };
    form(&portal, &headers, StatusCode::OK, &typed, (faults, notice))
}

/// `POST /login`.
pub(crate) async fn submit(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    OpenForm(mut fields): OpenForm,
) -> PageResult {
    let typed = Typed {
        login: fields.text("login").trim().to_owned(),
        next: NextPath::parse(fields.text("next")),
        remember: fields.optional("remember").is_some(),
    };
    let password = fields.secret("password");
    if typed.login.is_empty() || password.expose().is_empty() {
        let faults = (FormFaults::form(texts().login.missing), None);
        return form(&portal, &headers, StatusCode::UNPROCESSABLE_ENTITY, &typed, faults);
    }
    let request = LoginAccountRequest {
        login: typed.login.clone(),
        password,
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
        agent: agent::of(&headers),
        remember: typed.remember,
    };
    match portal.authz.login(&request).await {
        Ok(LoginOutcome::SignedIn(answer)) => signed_in(&portal, answer, typed.next).await,
        Ok(LoginOutcome::SecondFactor(pending)) => second_login::ask(&portal, &pending, typed.next.as_ref()),
        Err(error) => {
            let (status, message) = judge(&error);
            form(&portal, &headers, status, &typed, (FormFaults::form(message), None))
        }
    }
}

/// The form with what stops a sign-in at another issuer over it.
pub(crate) fn refused(
    portal: &Portal,
    headers: &HeaderMap,
    status: StatusCode,
    next: Option<NextPath>,
    text: &str,
) -> PageResult {
    form(portal, headers, status, &Typed { next, ..Typed::default() }, (FormFaults::form(text), None))
}

/// What a refusal means for the form.
fn judge(error: &ApiError) -> (StatusCode, String) {
    let t = &texts().login;
    let (status, text) = match error.problem() {
        Some(problem) if problem.kind == codes::BAD_CREDENTIALS => (StatusCode::UNAUTHORIZED, t.bad),
        Some(problem) if problem.kind == codes::TOO_MANY_TRIES => (StatusCode::TOO_MANY_REQUESTS, t.too_many),
        // A name that cannot exist is a name that does not exist.
        Some(problem) if matches!(problem.status, 400 | 422) => (StatusCode::UNAUTHORIZED, t.bad),
        Some(problem) if problem.kind == codes::ACCOUNT_SUSPENDED => {
            let reason = problem.detail.as_deref().unwrap_or_default();
            return (StatusCode::FORBIDDEN, fill(t.suspended, &[("reason", reason)]));
        }
        Some(problem) if problem.status == 403 => return (StatusCode::FORBIDDEN, services::problem(problem)),
        _ => {
            tracing::warn!(%error, "nobody can be signed in");
            (StatusCode::SERVICE_UNAVAILABLE, t.unavailable)
        }
    };
    (status, text.to_owned())
}

/// Sets the cookie of a new session and goes on.
pub(super) async fn signed_in(
    portal: &Portal,
    answer: LoginAccountAnswer,
    next: Option<NextPath>,
) -> PageResult {
    let secret = answer.session;
    let cookie = portal.cookies.set_session(&secret, answer.cookie_max_age_s)?;
    let target = match next {
        Some(next) => next.as_str().to_owned(),
        None => match Session::find(portal, secret).await {
            Ok(Some(session)) => way_on(portal, &session.view, None).await,
            // The account page says what is wrong, and the session is there.
            Ok(None) | Err(_) => "/account".to_owned(),
        },
    };
    Ok(([(header::SET_COOKIE, cookie)], redirect(&target)).into_response())
}

/// Where somebody who is signed in goes: on, to the own instance (which is woken), or to the page that says
/// why not.
pub(super) async fn way_on(portal: &Portal, session: &SessionView, next: Option<NextPath>) -> String {
    if let Some(next) = next {
        return next.as_str().to_owned();
    }
    if session.provisioning.state == OrderState::Queued {
        return "/provisioning".to_owned();
    }
    let request = ResolveRequest { user_id: Some(session.user.user_id), ..ResolveRequest::default() };
    match found(portal.deploy.resolve(&request).await) {
        Ok(Some(instance)) => door(portal, instance).await,
        Ok(None) => "/account".to_owned(),
        Err(error) => {
            tracing::warn!(%error, "the instance of somebody who signed in is not known");
            "/account".to_owned()
        }
    }
}

/// The instance's address where it can be opened: the router waits for one that is waking.
async fn door(portal: &Portal, instance: InstanceView) -> String {
    match instance.state {
        InstanceState::Ready | InstanceState::Asleep => instance.url,
        InstanceState::Pending | InstanceState::Creating => "/provisioning".to_owned(),
        InstanceState::Starting => {
            let operation = match instance.operation_id {
                Some(id) => operation(portal, id).await.ok().flatten(),
                None => None,
            };
            let is_new = operation.is_some_and(|operation| operation.kind == OperationKind::Register);
            if is_new { "/provisioning".to_owned() } else { instance.url }
        }
        _ => "/account".to_owned(),
    }
}

fn form(
    portal: &Portal,
    headers: &HeaderMap,
    status: StatusCode,
    typed: &Typed,
    (faults, notice): (FormFaults, Option<&'static str>),
) -> PageResult {
    let visitor = VisitorForm::new(portal, headers)?;
    let view = LoginPage {
        shell: Shell::visitor(),
        csrf: &visitor.csrf,
        faults,
        login: &typed.login,
        next: typed.next.as_ref().map(NextPath::as_str),
        remember: typed.remember,
        notice,
        upstream_button: upstream::button(),
    };
    Ok(visitor.page(status, &view))
}

/// `POST /logout`: ends the session everywhere. While authz-service cannot be told, nothing is pretended.
pub(crate) async fn logout(State(portal): State<Portal>, form: SessionForm) -> PageResult {
    let request = SessionRequest { session: form.session.secret };
    portal.authz.logout(&request).await.map_err(PageError::authz)?;
    let cookie = portal.cookies.clear_session()?;
    Ok(([(header::SET_COOKIE, cookie)], redirect("/login?signed-out=1")).into_response())
}
