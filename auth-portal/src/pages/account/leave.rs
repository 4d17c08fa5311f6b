//! `/account/delete`: a person leaves for good, with name and password typed again. Neither is ever sent back.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse as _, Response};
use control_api::client::ApiError;
use control_api::codes;
use control_api::people::DeleteAccountRequest;
use http::{HeaderMap, StatusCode, header};

use super::upstream::require_password;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::session::{Session, SignedIn};
use crate::text::{fill, texts};
use crate::view::{FormFaults, PageResult, Shell, page};

#[derive(Template)]
#[template(path = "account_delete.html")]
struct LeavePage {
    shell: Shell,
    faults: FormFaults,
    username_label: String,
}

/// `GET /account/delete`.
pub(super) async fn show(State(portal): State<Portal>, SignedIn(session): SignedIn) -> PageResult {
    require_password(&portal, &session).await?;
    Ok(render(&session, StatusCode::OK, FormFaults::default()))
}

/// `POST /account/delete`.
pub(super) async fn submit(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let SessionForm { session, mut fields } = form;
    let request = DeleteAccountRequest {
        session: session.secret.clone(),
        username: fields.text("username").to_owned(),
        password: fields.secret("password"),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    match portal.authz.delete_account(&request).await {
        Ok(()) => {
            let cookie = portal.cookies.clear_session()?;
            Ok(([(header::SET_COOKIE, cookie)], redirect("/login?deleted=1")).into_response())
        }
        Err(error) if error.is(codes::SESSION_ENDED) => Err(PageError::authz(error)),
        Err(error) => {
            let (status, faults) = judge(&error);
            Ok(render(&session, status, faults))
        }
    }
}

/// What a refusal means for the form.
fn judge(error: &ApiError) -> (StatusCode, FormFaults) {
    let t = &texts().leave;
    match error.problem() {
        Some(problem) if problem.status == 422 && problem.errors.contains_key("username") => {
            (problem.status_code(), FormFaults::field("username", t.username_wrong))
        }
        Some(problem) if problem.status == 422 && problem.errors.contains_key("password") => {
            (problem.status_code(), FormFaults::field("password", t.password_wrong))
        }
        Some(problem) if problem.kind == codes::LAST_ADMIN => {
            (problem.status_code(), FormFaults::form(t.last_admin))
        }
        Some(problem) if problem.kind == codes::TOO_MANY_TRIES => {
            (problem.status_code(), FormFaults::form(texts().login.too_many))
        }
        _ => {
            tracing::warn!(%error, "an account could not be deleted");
            (StatusCode::SERVICE_UNAVAILABLE, FormFaults::form(t.unavailable))
        }
    }
}

fn render(session: &Session, status: StatusCode, faults: FormFaults) -> Response {
    let name = session.view.user.username.as_str();
    let username_label = fill(texts().leave.username, &[("name", name)]);
    page(status, &LeavePage { shell: session.shell(), faults, username_label })
}
