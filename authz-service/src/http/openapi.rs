//! The `OpenAPI` document, served at `GET /api/openapi.json`. A test in `super` holds it against the routes.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::header;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{
    api_keys, audit, instance_facing, internal, invites, mail, oauth, own_data, people, portal, portal_oauth,
    portal_upstream, router_facing, second_factor, sessions, settings, setup,
};
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
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what super::oauth reads field by field")]
pub(super) struct TokenForm {
    /// `client_credentials`, `authorization_code` or `refresh_token`.
    grant_type: String,
    /// Where HTTP Basic is not used.
    client_id: Option<String>,
    /// Where HTTP Basic is not used.
    client_secret: Option<String>,
    /// Separated by spaces; all that there is where absent.
    scope: Option<String>,
    /// With `authorization_code`.
    code: Option<String>,
    /// With `authorization_code`: that of the authorization request.
    redirect_uri: Option<String>,
    /// With `authorization_code` (RFC 7636).
    code_verifier: Option<String>,
    /// With `refresh_token`.
    refresh_token: Option<String>,
}

/// Body of `POST /oauth/introspect` and `POST /oauth/revoke`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what super::oauth reads field by field")]
pub(super) struct TokenOnlyForm {
    /// An access token or a refresh token.
    token: String,
    /// Not needed, and not looked at.
    token_type_hint: Option<String>,
    /// Where HTTP Basic is not used.
    client_id: Option<String>,
    /// Where HTTP Basic is not used.
    client_secret: Option<String>,
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
        portal_oauth::check,
        portal_oauth::approve,
        portal_oauth::logout,
        portal_upstream::start,
        portal_upstream::link,
        portal_upstream::callback,
        portal_upstream::arrival,
        portal_upstream::register,
        portal_upstream::identity,
        portal_upstream::unlink,
        api_keys::create,
        api_keys::list,
        api_keys::revoke,
        audit::read,
        audit::targets,
        audit::test,
        own_data::own_data,
        settings::read,
        settings::change,
        setup::first_admin,
        setup::code_view,
        setup::make_code,
        invites::create,
        invites::list,
        invites::withdraw,
        people::list,
        people::show,
        people::act,
        people::delete_own,
        mail::settings,
        mail::confirm,
        mail::forgot,
        mail::reset,
        mail::state,
        mail::verify,
        mail::change,
        second_factor::finish_login,
        second_factor::login_options,
        second_factor::begin_passkey,
        second_factor::add_passkey,
        second_factor::remove_passkey,
        second_factor::view,
        second_factor::begin_totp,
        second_factor::confirm_totp,
        second_factor::remove_totp,
        second_factor::renew_recovery_codes,
        second_factor::reset,
        internal::create_account,
        internal::accounts,
        internal::approve,
        internal::set_role,
        internal::suspend,
        internal::lift,
        internal::delete_account,
        internal::reset_link,
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
        instance_facing::server_metadata,
        oauth::token,
        oauth::introspect,
        oauth::revoke,
        oauth::user_info,
        oauth::user_info_by_post,
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
            ("access", HttpAuthScheme::Bearer),
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
