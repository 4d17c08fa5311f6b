//! `/confirm`: where a link leads that proves an e-mail address. Looking at it changes nothing, so that a scanner of
//! links does not use it up: the button does.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use control_api::codes;
use control_api::mail::{ConfirmLinkRequest, Confirmed};
use http::{HeaderMap, StatusCode};

use super::forgot::{LinkQuery, dead_link, notice, token_of};
use crate::app::Portal;
use crate::error::PageError;
use crate::form::OpenForm;
use crate::session::VisitorForm;
use crate::text::texts;
use crate::view::{PageResult, Shell};

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'a> {
    shell: Shell,
    csrf: &'a str,
    token: &'a str,
}

/// `GET /confirm`.
pub(crate) async fn show(
    State(portal): State<Portal>,
    query: Result<Query<LinkQuery>, QueryRejection>,
    headers: HeaderMap,
) -> PageResult {
    let Some(token) = token_of(query) else { return Ok(dead_link("/account/security")) };
    let visitor = VisitorForm::new(&portal, &headers)?;
    let view = ConfirmPage { shell: Shell::visitor(), csrf: &visitor.csrf, token: &token };
    Ok(visitor.page(StatusCode::OK, &view))
}

/// `POST /confirm`.
pub(crate) async fn submit(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    OpenForm(mut fields): OpenForm,
) -> PageResult {
    let request = ConfirmLinkRequest {
        token: fields.secret("token"),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    let t = texts();
    let title = t.mail.confirm_title;
    let (sign_in, sign_up) = (("/login", t.common.sign_in), ("/register", t.common.sign_up));
    match portal.authz.confirm_link(&request).await {
        Ok(answer) => Ok(match answer.outcome {
            Confirmed::Registered => notice(StatusCode::OK, title, t.mail.registered, sign_in),
            Confirmed::ApprovalPending => {
                notice(StatusCode::OK, t.register.pending_title, t.register.pending_text, sign_in)
            }
            Confirmed::Address => {
                notice(StatusCode::OK, title, t.mail.confirmed, ("/account", t.common.account))
            }
        }),
        Err(error) if error.is(codes::CODE_INVALID) => Ok(dead_link("/account/security")),
        Err(error) if error.is(codes::USERNAME_TAKEN) => {
            Ok(notice(StatusCode::CONFLICT, title, t.mail.name_gone, sign_up))
        }
        Err(error) if error.is(codes::REGISTRATION_CLOSED) => {
            Ok(notice(StatusCode::FORBIDDEN, title, t.mail.shut, sign_up))
        }
        Err(error) => Err(PageError::authz(error)),
    }
}
