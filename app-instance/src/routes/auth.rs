//! `/api/auth/*` and `/api/me`: the owner's registration, the router's sign-in call, and who is signed in.

use std::sync::Arc;

use axum::extract::State;
use control_api::instance::{LoginAnswer, LoginRequest, Owner, RegisterOwner};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::Json;
use super::views::ProviderView;
use crate::app::App;
use crate::error::AppError;
use crate::registration;

/// Answer of `POST /api/auth/register`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Registered {
    /// Whose instance it is now.
    owner: Owner,
}

/// Answer of `GET /api/me`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// Whose instance this is.
    owner: Owner,
    /// The provider.
    provider: ProviderView,
}

/// Tells the instance its owner, once.
#[utoipa::path(post, path = "/api/auth/register", tag = "instance", request_body = RegisterOwner, responses(
    (status = 201, description = "Registered here and at the issuer", body = Registered),
    (status = 409, description = "There is an owner already, or another registration is under way; problem+json"),
    (status = 422, description = "Another issuer than this instance's, or a malformed body; problem+json"),
    (status = 502, description = "The issuer refused or cannot be reached; nothing is kept; problem+json"),
))]
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    Json(request): Json<RegisterOwner>,
) -> Result<(StatusCode, axum::Json<Registered>), AppError> {
    // Two at a time would spend two tokens for one place.
    let _permit = app.registering.try_acquire().map_err(|_| AppError::Registered)?;
    if app.owner().is_some() {
        return Err(AppError::Registered);
    }
    let owner = registration::register(&app.config, &app.issuer, &app.store, request).await?;
    app.set_owner(owner.clone());
    app.verifier.prefetch();
    Ok((StatusCode::CREATED, axum::Json(Registered { owner })))
}

/// Checks an assertion and says where to go first.
#[utoipa::path(post, path = "/api/auth/login", tag = "instance", request_body = LoginRequest, responses(
    (status = 200, description = "The assertion holds", body = LoginAnswer),
    (status = 401, description = "It does not, or there is no owner yet; problem+json"),
    (status = 503, description = "The issuer's keys cannot be had; problem+json"),
))]
pub(crate) async fn login(
    State(app): State<Arc<App>>,
    Json(request): Json<LoginRequest>,
) -> Result<axum::Json<LoginAnswer>, AppError> {
    let owner = app.owner().ok_or(AppError::NotSignedIn)?;
    app.verifier.verify(request.assertion.expose(), owner.user_id).await?;
    Ok(axum::Json(LoginAnswer { landing: "/".to_owned() }))
}

/// Whose instance this is, and which provider it asks.
#[utoipa::path(get, path = "/api/me", tag = "chat", security(("assertion" = [])), responses(
    (status = 200, description = "Owner and provider", body = Me),
    (status = 401, description = "Not signed in; problem+json"),
))]
pub(crate) async fn me(State(app): State<Arc<App>>) -> Result<axum::Json<Me>, AppError> {
    let owner = app.owner().ok_or(AppError::NotSignedIn)?;
    Ok(axum::Json(Me { owner, provider: ProviderView::from(&app.provider) }))
}
