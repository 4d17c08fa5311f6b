//! `/oauth/authorize` and `/oauth/logout`: what people see while the app of their instance signs them in or out.
//! authz-service judges the request; until it has proven client and address, the browser is sent nowhere.

use askama::Template;
use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::response::IntoResponse as _;
use axum::routing::get;
use control_api::client::ApiError;
use control_api::codes;
use control_api::oauth::{
    ConsentView, OauthApproveRequest, OauthCheckRequest, OauthLogoutOutcome, OauthLogoutRequest, OauthOutcome,
};
use http::{StatusCode, Uri, header};

use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::next_path::NextPath;
use crate::session::{MaybeSession, Session};
use crate::text::{fill, services, texts};
use crate::view::{PageResult, Shell, page};

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage {
    shell: Shell,
    title: String,
    lead: String,
    /// What the client would know, in words.
    knows: Vec<String>,
    /// The request, to be judged anew.
    request: String,
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOutPage {
    shell: Shell,
    lead: String,
    request: String,
}

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/oauth/authorize", get(authorize).post(decide))
        .route("/oauth/logout", get(ask_sign_out).post(sign_out))
}

/// `GET /oauth/authorize`.
pub(crate) async fn authorize(
    State(portal): State<Portal>,
    OriginalUri(uri): OriginalUri,
    MaybeSession(session): MaybeSession,
) -> PageResult {
    let query = uri.query().unwrap_or_default().to_owned();
    let secret = session.as_ref().map(|session| session.secret.clone());
    let request = OauthCheckRequest { session: secret, query: query.clone() };
    match (portal.authz.oauth_check(&request).await.map_err(refused)?, session) {
        (OauthOutcome::Redirect { to }, _) => Ok(redirect(to.expose())),
        (OauthOutcome::Consent(view), Some(session)) => Ok(consent(&session, &view, query)),
        _ => Err(PageError::SignIn(same_page(&uri))),
    }
}

/// `POST /oauth/authorize`: the person's answer. Anything but a yes is a no.
pub(crate) async fn decide(State(portal): State<Portal>, form: SessionForm) -> PageResult {
    let request = OauthApproveRequest {
        session: form.session.secret,
        query: form.fields.text("request").to_owned(),
        allow: form.fields.text("decision") == "allow",
    };
    match portal.authz.oauth_approve(&request).await.map_err(refused)? {
        OauthOutcome::Redirect { to } => Ok(redirect(to.expose())),
        _ => Err(PageError::SignIn(None)),
    }
}

/// `GET /oauth/logout`: a link alone ends nobody's session.
pub(crate) async fn ask_sign_out(
    State(portal): State<Portal>,
    OriginalUri(uri): OriginalUri,
    MaybeSession(session): MaybeSession,
) -> PageResult {
    let query = uri.query().unwrap_or_default().to_owned();
    let secret = session.as_ref().map(|session| session.secret.clone());
    let request = OauthLogoutRequest { session: secret, query: query.clone(), confirmed: false };
    match (portal.authz.oauth_logout(&request).await.map_err(refused)?, session) {
        (OauthLogoutOutcome::Ask { client_name }, Some(session)) => {
            let t = &texts().oauth;
            let lead = client_name.map_or_else(
                || t.sign_out_lead.to_owned(),
                |name| fill(t.sign_out_lead_app, &[("name", &name)]),
            );
            let view = SignOutPage { shell: session.shell(), lead, request: query };
            Ok(page(StatusCode::OK, &view))
        }
        (OauthLogoutOutcome::Done { to }, _) => Ok(redirect(to.as_deref().unwrap_or(SIGNED_OUT))),
        (OauthLogoutOutcome::Ask { .. }, None) => Ok(redirect(SIGNED_OUT)),
    }
}

/// `POST /oauth/logout`.
pub(crate) async fn sign_out(State(portal): State<Portal>, form: SessionForm) -> PageResult {
    let request = OauthLogoutRequest {
        session: Some(form.session.secret),
        query: form.fields.text("request").to_owned(),
        confirmed: true,
    };
    let to = match portal.authz.oauth_logout(&request).await.map_err(refused)? {
        OauthLogoutOutcome::Done { to } => to,
        OauthLogoutOutcome::Ask { .. } => {
            return Err(PageError::Internal("authz-service asked again after a yes".to_owned()));
        }
    };
    let cookie = portal.cookies.clear_session()?;
    Ok(([(header::SET_COOKIE, cookie)], redirect(to.as_deref().unwrap_or(SIGNED_OUT))).into_response())
}

const SIGNED_OUT: &str = "/login?signed-out=1";

fn same_page(uri: &Uri) -> Option<NextPath> {
    uri.path_and_query().and_then(|path| NextPath::parse(path.as_str()))
}

fn refused(error: ApiError) -> PageError {
    match error.problem() {
        Some(problem) if problem.kind == codes::CLIENT_INVALID => {
            PageError::AppRefused(services::problem(problem))
        }
        _ => PageError::authz(error),
    }
}

fn consent(session: &Session, view: &ConsentView, request: String) -> axum::response::Response {
    let t = &texts().oauth;
    let user = &session.view.user;
    let words = |scope: &String| match scope.as_str() {
        "openid" => Some(t.knows_id.to_owned()),
        "profile" => Some(fill(t.knows_name, &[("name", user.username.as_str())])),
        "email" => Some(fill(t.knows_email, &[("email", &user.email)])),
        _ => None,
    };
    let names = [("name", view.client_name.as_str()), ("slug", view.slug.as_str())];
    let view = ConsentPage {
        shell: session.shell(),
        title: fill(t.title, &names),
        lead: fill(t.lead, &names),
        knows: view.scopes.iter().filter_map(words).collect(),
        request,
    };
    page(StatusCode::OK, &view)
}
