//! The registration of owner and instance: the issuer is asked first, and only its yes is written down, both
//! in one row. Whatever fails leaves nothing behind, so that it can be tried again with another token.

use control_api::authz::{RegisterBackendAnswer, RegisterBackendRequest};
use control_api::client::{ApiClient, ApiError};
use control_api::instance::{Owner, RegisterOwner};
use service_kit::secret::Secret;
use url::Url;

use crate::config::Config;
use crate::error::AppError;
use crate::issuer_client::IssuerClient;
use crate::store::Store;

/// Registers; answers the owner.
pub(crate) async fn register(
    config: &Config,
    http: &IssuerClient,
    store: &Store,
    request: RegisterOwner,
) -> Result<Owner, AppError> {
    if request.issuer.trim_end_matches('/') != config.issuer.as_str() {
        return Err(AppError::invalid("issuer", "is not the AUTHZ_ISSUER of this instance"));
    }
    let client = ask_issuer(config, http, &request).await.map_err(AppError::Issuer)?;
    store.register(&request.owner, &client).await?;
    tracing::info!(owner = %request.owner.user_id, "the owner is registered");
    Ok(request.owner)
}

async fn ask_issuer(
    config: &Config,
    http: &IssuerClient,
    request: &RegisterOwner,
) -> Result<RegisterBackendAnswer, ApiError> {
    let failed = |reason: String| ApiError::Unreachable { service: "authz-service", reason };
    let base = Url::parse(config.issuer.as_str()).map_err(|error| failed(error.to_string()))?;
    let http = http.get().await.map_err(failed)?;
    let token = Secret::from(request.registration_token.expose());
    let body = RegisterBackendRequest {
        instance_id: config.instance_id,
        name: "app-instance".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    ApiClient::new(http, "authz-service", base, token).post("/backends/register", &body).await
}
