//! What the pages that make an account have in common: how a form is read, what a refusal does to the answer's
//! status, and where a new person goes.

use std::net::SocketAddr;

use axum::response::IntoResponse as _;
use control_api::authz::RegisterAccountRequest;
use control_api::wire::WireSecret;
use http::{HeaderMap, StatusCode, header};
use service_kit::problem::Problem;

use crate::agent;
use crate::app::Portal;
use crate::error::redirect;
use crate::form::Fields;
use crate::text::Language;
use crate::view::PageResult;

/// What was typed and may be shown again: neither password nor invite nor code.
#[derive(Default)]
pub(super) struct Typed {
    pub(super) username: String,
    pub(super) email: String,
}

impl Typed {
    pub(super) fn of(request: &RegisterAccountRequest) -> Self {
        Self { username: request.username.clone(), email: request.email.clone() }
    }
}

/// A form's name, address, password and invite; the password is taken out of the fields.
pub(super) fn read(
    portal: &Portal,
    peer: SocketAddr,
    headers: &HeaderMap,
    fields: &mut Fields,
) -> RegisterAccountRequest {
    RegisterAccountRequest {
        username: fields.text("username").to_owned(),
        email: fields.text("email").to_owned(),
        password: fields.secret("password"),
        invite: fields.optional("invite").map(|code| code.as_str().into()),
        client_addr: Some(portal.config.trusted_proxies.client(peer, headers)),
        agent: agent::of(headers),
        language: Language::current().into(),
    }
}

/// The status of a form that is shown again.
pub(super) fn status(problem: &Problem) -> StatusCode {
    match problem.status {
        // A conflict is a fault of a field to people.
        409 => StatusCode::UNPROCESSABLE_ENTITY,
        500..=599 => StatusCode::SERVICE_UNAVAILABLE,
        _ => problem.status_code(),
    }
}

/// Signed in, on the way to an instance that is being made.
pub(super) fn welcome(portal: &Portal, session: &WireSecret) -> PageResult {
    let cookie = portal.cookies.set_session(session, None)?;
    Ok(([(header::SET_COOKIE, cookie)], redirect("/provisioning")).into_response())
}
