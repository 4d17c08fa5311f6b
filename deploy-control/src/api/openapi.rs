//! The `OpenAPI` document, served at `GET /api/openapi.json`. A test in `super` holds it against the routes.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::header;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{
    actions, data, doctor, host, images, instances, keep_awake, observe, operations, overview, owners,
    rollouts, router_facing, settings, snapshots,
};
use crate::error::Error;

/// A problem (RFC 9457), as `application/problem+json`.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes service_kit::problem::Problem, which knows nothing of OpenAPI")]
pub(super) struct ProblemBody {
    /// Stable code such as `urn:beaver:slug-taken`.
    r#type: String,
    title: String,
    status: u16,
    detail: Option<String>,
    /// The id under which the log has the details.
    request_id: Option<String>,
    /// A message for each field at fault.
    errors: Option<BTreeMap<String, String>>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "deploy-control", description = "Instances of Beaver: desired state, operations, reasons."),
    paths(
        instances::register,
        instances::resolve,
        instances::configure_provider,
        instances::list,
        instances::get,
        actions::start,
        actions::stop,
        actions::restart,
        actions::sleep,
        actions::upgrade,
        snapshots::roll_back,
        snapshots::list,
        data::archive,
        actions::delete,
        actions::probe,
        doctor::examine,
        images::pull,
        keep_awake::put,
        keep_awake::delete,
        observe::logs,
        observe::stats,
        observe::events,
        owners::remove,
        operations::get,
        operations::cancel,
        rollouts::begin,
        rollouts::list,
        rollouts::get,
        rollouts::cancel,
        overview::overview,
        host::host,
        settings::get,
        settings::put,
        router_facing::wake,
        router_facing::activity,
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
        for name in ["deploy", "router"] {
            components.add_security_scheme(name, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
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
#[utoipa::path(get, path = "/health/live", tag = "about", responses((status = 200)))]
#[expect(dead_code, reason = "documents a route of service_kit::health")]
fn live() {}

/// Every check holds, or 503 with the reasons.
#[utoipa::path(get, path = "/health/ready", tag = "about", responses((status = 200, body = Object), (status = 503)))]
#[expect(dead_code, reason = "documents a route of service_kit::health")]
fn ready() {}
