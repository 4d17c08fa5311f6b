//! `/oauth/authorize` and `/oauth/logout`: what people see while the app of their instance signs them in or out.
//! authz-service judges the request; until it has proven client and address, the browser is sent nowhere.

use askama::Template;
use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use control_api::authz::SessionRequest;
use control_api::client::ApiError;
use control_api::codes;
use control_api::oauth::{
    ConsentView, OauthApproveRequest, OauthCheckRequest, OauthLogoutOutcome, OauthLogoutRequest, OauthOutcome,
};
use http::{StatusCode, header};

use crate::app::Portal;
use crate::error::{PageError, redirect, sign_in_url};
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
#[template(path = "sign_in_again.html")]
struct AgainPage {
    shell: Shell,
    lead: String,
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
        .route("/oauth/authorize/again", post(sign_in_again))
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
        (OauthOutcome::SignInAgain { client_name }, Some(session)) => {
            Ok(again(&session, &client_name, query))
        }
        _ => Err(PageError::SignIn(once_signed_in(&query))),
    }
}

/// `POST /oauth/authorize`: the person's answer. Anything but a yes is a no.
pub(crate) async fn decide(State(portal): State<Portal>, form: SessionForm) -> PageResult {
    let query = form.fields.text("request").to_owned();
    let request = OauthApproveRequest {
        session: form.session.secret.clone(),
        query: query.clone(),
        allow: form.fields.text("decision") == "allow",
    };
    match portal.authz.oauth_approve(&request).await.map_err(refused)? {
        OauthOutcome::Redirect { to } => Ok(redirect(to.expose())),
        OauthOutcome::SignInAgain { client_name } => Ok(again(&form.session, &client_name, query)),
        _ => Err(PageError::SignIn(None)),
    }
}

/// `POST /oauth/authorize/again`: the session ends, and after a new sign-in the question comes again.
pub(crate) async fn sign_in_again(State(portal): State<Portal>, form: SessionForm) -> PageResult {
    let next = once_signed_in(form.fields.text("request"));
    let request = SessionRequest { session: form.session.secret };
    portal.authz.logout(&request).await.map_err(PageError::authz)?;
    let cookie = portal.cookies.clear_session()?;
    Ok(([(header::SET_COOKIE, cookie)], redirect(&sign_in_url(next.as_ref()))).into_response())
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

/// The question for whoever has just signed in: without what demands that, since it would demand it for ever.
fn once_signed_in(query: &str) -> Option<NextPath> {
    let pairs: Vec<String> = query.split('&').filter_map(without_demand).collect();
    NextPath::parse(&format!("/oauth/authorize?{}", pairs.join("&")))
}

/// A parameter as it came; nothing where it demands a sign-in and no more.
fn without_demand(pair: &str) -> Option<String> {
    let (name, value) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
    match name.as_ref() {
        "max_age" => None,
        "prompt" => {
            let rest: Vec<&str> = value.split(' ').filter(|word| *word != "login").collect();
            (!rest.is_empty()).then(|| format!("prompt={}", rest.join("+")))
        }
        _ => Some(pair.to_owned()),
    }
}

fn again(session: &Session, client_name: &str, request: String) -> Response {
    let lead = fill(texts().oauth.again_lead, &[("name", client_name)]);
    page(StatusCode::OK, &AgainPage { shell: session.shell(), lead, request })
}

fn refused(error: ApiError) -> PageError {
    match error.problem() {
        Some(problem) if problem.kind == codes::CLIENT_INVALID => {
            PageError::AppRefused(services::problem(problem))
        }
        _ => PageError::authz(error),
    }
}

fn consent(session: &Session, view: &ConsentView, request: String) -> Response {
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

#[cfg(test)]
mod tests {
    use super::once_signed_in;

    #[test]
    fn what_demands_a_sign_in_is_left_out_of_the_question_after_it() {
        let question = |query: &str| once_signed_in(query).map(|next| next.as_str().to_owned());
        let kept = "client_id=notes&state=a%20b%26c&redirect_uri=http%3A%2F%2Fx%2F";
        for (asked, left) in [
            (kept.to_owned(), kept.to_owned()),
            (format!("{kept}&max_age=0"), kept.to_owned()),
            (format!("prompt=login&{kept}"), kept.to_owned()),
            (format!("p%72ompt=consent%20login&{kept}"), format!("prompt=consent&{kept}")),
            (format!("{kept}&prompt=none&prompted=login"), format!("{kept}&prompt=none&prompted=login")),
        ] {
            assert_eq!(question(&asked), Some(format!("/oauth/authorize?{left}")), "{asked}");
        }
    }
}
