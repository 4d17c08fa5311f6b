//! What a person takes along: the files of their instance, and what is on record of their account. Both are forms,
//! so that no link of another site begins a download, and both are in the audit log before anything is sent.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use control_api::codes;
use control_api::own_data::{OwnData, OwnDataKind, OwnDataRequest};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{Message, View, render};
use crate::app::Portal;
use crate::error::PageError;
use crate::form::SessionForm;
use crate::session::Session;
use crate::text::texts;
use crate::upstream::own_instance;
use crate::view::PageResult;

/// `POST /account/data/account`.
pub(super) async fn account(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let data = ask(&portal, &form.session, OwnDataKind::Account, peer, &headers).await?;
    let text = serde_json::to_vec_pretty(&data).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(file("application/json", &format!("{}-account.json", data.account.username), Body::from(text)))
}

/// `POST /account/data/files`: sent on as deploy-control makes it; one that breaks off there breaks off here.
pub(super) async fn files(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let t = &texts().own_data;
    let session = &form.session;
    let instance = own_instance(&portal, session.view.user.user_id).await.map_err(PageError::deploy)?;
    let Some(instance) = instance else {
        return refused(&portal, session, StatusCode::NOT_FOUND, t.none).await;
    };
    ask(&portal, session, OwnDataKind::Files, peer, &headers).await?;
    match portal.deploy.data(instance.instance_id).await {
        Ok(response) => {
            let name = format!("{}-files.zip", instance.slug);
            Ok(file("application/zip", &name, Body::from_stream(response.bytes_stream())))
        }
        Err(error) if error.is(codes::BUSY) => {
            refused(&portal, session, StatusCode::SERVICE_UNAVAILABLE, t.busy).await
        }
        Err(error) if error.is(codes::NOT_FOUND) => {
            refused(&portal, session, StatusCode::NOT_FOUND, t.none).await
        }
        Err(error) => Err(PageError::deploy(error)),
    }
}

async fn ask(
    portal: &Portal,
    session: &Session,
    kind: OwnDataKind,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Result<OwnData, PageError> {
    let client_addr = Some(portal.config.trusted_proxies.client(peer, headers));
    let request = OwnDataRequest { session: session.secret.clone(), kind, client_addr };
    portal.authz.own_data(&request).await.map_err(PageError::authz)
}

async fn refused(portal: &Portal, session: &Session, status: StatusCode, text: &str) -> PageResult {
    let message = Message { text: text.to_owned(), bad: true };
    render(portal, session, View::new(status, Some(message))).await
}

/// A name is letters, digits and hyphens: nothing in it has to be quoted.
fn file(kind: &'static str, name: &str, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
