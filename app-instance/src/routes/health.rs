//! `GET /api/health`: whether the app can serve. A missing or faulty provider is said and is no reason not to.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::views::ProviderView;
use crate::app::App;
use crate::error::AppError;

/// Answer of `GET /api/health`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
    /// The app's version.
    version: &'static str,
    /// Whether the owner is registered.
    registered: bool,
    /// The provider.
    provider: ProviderView,
}

/// Whether the app can serve.
#[utoipa::path(get, path = "/api/health", tag = "instance", responses(
    (status = 200, description = "It can serve", body = Health),
    (status = 500, description = "The database does not answer; problem+json"),
))]
pub(crate) async fn health(State(app): State<Arc<App>>) -> Result<Json<Health>, AppError> {
    app.store.check().await?;
    Ok(Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        registered: app.owner().is_some(),
        provider: ProviderView::from(&app.provider),
    }))
}
