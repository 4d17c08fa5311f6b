//! The `OpenAPI` document, served at `GET /api/openapi.json`. A test in `super` holds it against the routes.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::header;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{api_keys, audit, instance_facing, internal, portal, router_facing, sessions};
use crate::error::Error;

/// A problem (RFC 9457), as `application/problem+json`.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes service_kit::problem::Problem, which knows nothing of OpenAPI")]
pub(super) struct ProblemBody {
    /// Stable code such as `urn:beaver:username-taken`.
    r#type: String,
    title: String,
    status: u16,
    detail: Option<String>,
    /// The id under which the log has the details.
    request_id: Option<String>,
    /// A message for each field at fault.
    errors: Option<BTreeMap<String, String>>,
}

/// Body of `POST /oauth/token`.
#[derive(Default, ToSchema)]
pub(super) struct TokenForm {
    /// `client_credentials`.
    pub(super) grant_type: String,
    /// Where HTTP Basic is not used.
    pub(super) client_id: Option<String>,
    /// Where HTTP Basic is not used.
    pub(super) client_secret: Option<String>,
    /// Separated by spaces; all that the client may have where absent.
    pub(super) scope: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "authz-service", description = "Accounts, sessions, keys and backends of Beaver."),
    paths(
        portal::settings,
        portal::register,
        portal::login,
        portal::session,
        portal::logout,
        portal::provisioning,
        portal::hand_off,
        sessions::list,
        sessions::revoke,
        sessions::revoke_others,
        sessions::change_password,
        api_keys::create,
        api_keys::list,
        api_keys::revoke,
        audit::read,
        internal::create_account,
        internal::accounts,
        internal::approve,
        internal::set_role,
        internal::invite,
        internal::registration_token,
        internal::forget_instance,
        router_facing::redeem,
        router_facing::renew,
        router_facing::logout,
        router_facing::introspect_api_key,
        router_facing::revocations,
        instance_facing::discovery,
        instance_facing::jwks,
        instance_facing::register_backend,
        instance_facing::register_client,
        instance_facing::token,
        serve,
        health,
        live,
        ready,
    ),
    modifiers(&Schemes)
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, scheme) in [
            ("internal", HttpAuthScheme::Bearer),
            ("router", HttpAuthScheme::Bearer),
            ("registration", HttpAuthScheme::Bearer),
            ("client", HttpAuthScheme::Basic),
        ] {
            components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
        }
    }
}

/// The document.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "about", responses((status = 200, body = Object)))]
pub(super) async fn serve() -> Result<Response, Error> {
    let json = document().to_json().map_err(|error| Error::Internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

/// All checks in words.
#[utoipa::path(get, path = "/health", tag = "about", responses((status = 200, body = Object)))]
#[expect(dead_code, reason = "documents a route of service_kit::health")]
fn health() {}

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "about", responses((status = 200, body = String)))]
#[expect(dead_code, reason = "documents a route of service_kit::health")]
fn live() {}

/// Every check holds.
#[utoipa::path(get, path = "/health/ready", tag = "about",
    responses((status = 200, body = Object), (status = 503, body = Object)))]
#[expect(dead_code, reason = "documents a route of service_kit::health")]
fn ready() {}
