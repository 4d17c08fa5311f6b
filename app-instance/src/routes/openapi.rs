//! `GET /api/openapi.json`.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};

use super::{auth, conversations, health, messages};

#[derive(OpenApi)]
#[openapi(
    info(title = "Beaver app instance", description = "Errors are `application/problem+json` (RFC 9457)."),
    paths(
        health::health,
        auth::register,
        auth::login,
        auth::me,
        conversations::list,
        conversations::create,
        conversations::show,
        conversations::rename,
        conversations::delete,
        messages::say,
        messages::retry,
        messages::stop
    ),
    components(schemas(messages::Started, messages::Delta, messages::Settled)),
    modifiers(&Assertion)
)]
struct Api;

/// The header that opens the chat's routes; the router adds it for the owner.
struct Assertion;

impl utoipa::Modify for Assertion {
    fn modify(&self, document: &mut Document) {
        let key = ApiKey::Header(ApiKeyValue::with_description(
            control_api::claims::HEADER_ASSERTION,
            "A JWT of type `beaver-assertion+jwt` for this instance, added by the router.",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("assertion", SecurityScheme::ApiKey(key));
    }
}

/// The description of this API.
pub(crate) async fn document() -> Json<Document> {
    Json(Api::openapi())
}
