//! `/app/authorize`: the hand-off of a person to an instance. The registry says whose the instance is and
//! where it lives; of the request only its name, the router's state and the challenge are used.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Query, State};
use axum::response::Response;
use control_api::authz::HandoffRequest;
use control_api::client::ApiError;
use control_api::codes;
use control_api::deploy::{InstanceState, InstanceView, ResolveRequest};
use control_api::names::Slug;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use url::Url;

use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::next_path::NextPath;
use crate::progress::{Progress, Working};
use crate::session::{MaybeSession, Session};
use crate::text::{fill, services, texts};
use crate::upstream::{found, operation};
use crate::view::{PageResult, Shell, page};

/// Where the router takes a hand-off.
const CALLBACK: &str = "/.beaver/callback";
/// Seconds between two looks at an instance that is waking.
const REFRESH_SECONDS: &str = "2";

/// What the router asks for.
#[derive(Deserialize)]
pub(crate) struct AuthorizeQuery {
    slug: String,
    state: String,
    code_challenge: String,
}

/// A request for a hand-off that is well formed.
struct HandoffAsked {
    slug: Slug,
    state: String,
    code_challenge: String,
}

#[derive(Template)]
#[template(path = "waking.html")]
struct WakingPage {
    shell: Shell,
    title: String,
    working: Option<Working>,
    reason: Option<String>,
    /// It does not come by itself.
    stuck: bool,
}

/// `GET /app/authorize`.
pub(crate) async fn show(
    State(portal): State<Portal>,
    OriginalUri(uri): OriginalUri,
    session: MaybeSession,
    query: Result<Query<AuthorizeQuery>, QueryRejection>,
) -> PageResult {
    let asked = parse(query.ok().map(|Query(query)| query))?;
    let Some(session) = session.0 else {
        let back = uri.path_and_query().and_then(|path| NextPath::parse(path.as_str()));
        return Err(PageError::SignIn(back));
    };
    let request = ResolveRequest { slug: Some(asked.slug.clone()), ..ResolveRequest::default() };
    let instance = found(portal.deploy.resolve(&request).await).map_err(PageError::deploy)?;
    let instance = instance.ok_or_else(|| PageError::NoSuchInstance(asked.slug.to_string()))?;
    if instance.owner_id != session.view.user.user_id {
        return Err(not_yours(&asked, &session));
    }
    if instance.state == InstanceState::Ready {
        return hand_off(&portal, &session, &instance, &asked, &uri).await;
    }
    Ok(waking(&portal, &session, &instance).await)
}

/// A slug that is none is an instance that does not exist; the rest is the router's, and a fault in it is a
/// broken link.
fn parse(query: Option<AuthorizeQuery>) -> Result<HandoffAsked, PageError> {
    let AuthorizeQuery { slug, state, code_challenge } = query.ok_or(PageError::BadLink)?;
    let base64url = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let state_ok = (16..=512).contains(&state.len()) && base64url(&state);
    // S256 of RFC 7636, section 4.2: 32 bytes.
    let challenge_ok = code_challenge.len() == 43 && base64url(&code_challenge);
    if !state_ok || !challenge_ok {
        return Err(PageError::BadLink);
    }
    let name = slug.parse().map_err(|_| {
        let short: String = slug.chars().take(60).collect();
        PageError::NoSuchInstance(short)
    })?;
    Ok(HandoffAsked { slug: name, state, code_challenge })
}

fn not_yours(asked: &HandoffAsked, session: &Session) -> PageError {
    PageError::NotYours { slug: asked.slug.to_string(), user: session.view.user.username.to_string() }
}

async fn hand_off(
    portal: &Portal,
    session: &Session,
    instance: &InstanceView,
    asked: &HandoffAsked,
    uri: &http::Uri,
) -> PageResult {
    let request = HandoffRequest {
        session: session.secret.clone(),
        instance_id: instance.instance_id,
        slug: instance.slug.clone(),
        code_challenge: asked.code_challenge.clone(),
    };
    let answer = portal.authz.handoff(&request).await.map_err(|error: ApiError| {
        if error.is(codes::NOT_YOURS) {
            not_yours(asked, session)
        } else if error.is(codes::SESSION_ENDED) {
            PageError::SignIn(uri.path_and_query().and_then(|path| NextPath::parse(path.as_str())))
        } else {
            PageError::authz(error)
        }
    })?;
    let mut target = callback(&instance.url)?;
    target.query_pairs_mut().append_pair("code", answer.code.expose()).append_pair("state", &asked.state);
    Ok(redirect(target.as_str()))
}

/// The router's callback at the instance's origin, which the registry names.
fn callback(url: &str) -> Result<Url, PageError> {
    let broken = || PageError::Internal("the registry's address of an instance is no URL".to_owned());
    let url = Url::parse(url).map_err(|_| broken())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(broken());
    }
    url.join(CALLBACK).map_err(|_| broken())
}

/// The page that waits until the instance serves, and then comes back here; or the one that says that it
/// does not come by itself.
async fn waking(portal: &Portal, session: &Session, instance: &InstanceView) -> Response {
    let t = &texts().provisioning;
    let stuck =
        matches!(instance.state, InstanceState::Stopped | InstanceState::Failed | InstanceState::Deleting);
    let work = match instance.operation_id {
        Some(id) if !stuck => operation(portal, id).await.ok().flatten(),
        _ => None,
    };
    let working = work.and_then(|work| match crate::progress::from_operation(&work, texts()) {
        Progress::Working(working) => Some(working),
        _ => None,
    });
    let title = if stuck { t.wait_stuck_title } else { t.wait_title };
    let view = WakingPage {
        shell: session.shell(),
        title: fill(title, &[("name", instance.slug.as_str())]),
        working,
        reason: instance.reason.as_deref().map(services::said),
        stuck,
    };
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, &view);
    let seconds = HeaderValue::from_static(REFRESH_SECONDS);
    if !stuck {
        response.headers_mut().insert(header::REFRESH, seconds.clone());
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callback_is_at_the_origin_of_the_registry_alone() {
        let at = |url: &str| callback(url).map(|url| url.to_string()).ok();
        assert_eq!(
            at("http://alice.localhost:8088").as_deref(),
            Some("http://alice.localhost:8088/.beaver/callback")
        );
        assert_eq!(
            at("https://alice.apps.example.com/x?y#z").as_deref(),
            Some("https://alice.apps.example.com/.beaver/callback")
        );
        assert_eq!(at("javascript:alert(1)"), None);
        assert_eq!(at("alice.localhost"), None);
    }
}
