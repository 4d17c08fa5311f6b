//! All routes in one view: the open ones, and those behind the gate.

mod auth;
pub(crate) mod conversations;
pub(crate) mod extract;
mod health;
mod messages;
mod openapi;
pub(crate) mod views;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderName, HeaderValue, header};

use crate::app::App;
use crate::error::{AppError, PageError};
use crate::{assets, gate, pages};

/// The app's routes with their gate and headers.
pub(crate) fn router(app: Arc<App>) -> Router {
    let open = Router::new()
        .route("/api/health", get(health::health))
        .route("/api/openapi.json", get(openapi::document))
        .route("/api/auth/register", post(auth::register))
        .route("/api/auth/login", post(auth::login))
        .route("/assets/{digest}/{name}", get(assets::serve));
    let gated = Router::new()
        .route("/api/me", get(auth::me))
        .route("/api/conversations", get(conversations::list).post(conversations::create))
        .route(
            "/api/conversations/{id}",
            get(conversations::show).patch(conversations::rename).delete(conversations::delete),
        )
        .route("/api/conversations/{id}/messages", post(messages::say))
        .route("/api/conversations/{id}/retry", post(messages::retry))
        .route("/api/conversations/{id}/stop", post(messages::stop))
        .route("/", get(pages::new_chat).post(pages::say_first))
        .route("/c/{id}", get(pages::conversation).post(pages::say))
        .route("/c/{id}/retry", post(pages::retry))
        .route("/c/{id}/rename", post(pages::rename))
        .route("/c/{id}/delete", post(pages::delete))
        .layer(from_fn_with_state(app.clone(), gate::require_owner));
    open.merge(gated)
        .fallback(not_found)
        .layer(from_fn_with_state(app.clone(), response_headers))
        .with_state(app)
}

async fn not_found(request: Request) -> Response {
    if request.uri().path().starts_with("/api/") {
        AppError::NotFound.into_response()
    } else {
        PageError(AppError::NotFound).into_response()
    }
}

/// What every response says to the browser: nothing from elsewhere, no frames, no guessing, no keeping.
async fn response_headers(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // Signing out leads on to the portal, and browsers hold a form's redirects against this list too.
    let portal =
        app.config.portal_origin.as_ref().map(|origin| format!("; form-action 'self' {}", origin.as_str()));
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; frame-ancestors 'none'{}",
        portal.unwrap_or_default()
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
