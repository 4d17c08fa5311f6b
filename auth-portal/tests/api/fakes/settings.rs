//! The settings of the fake authz-service, and its first administrator.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use control_api::authz::{RegisterAccountAnswer, RegistrationMode, Role, SessionRequest};
use control_api::codes;
use control_api::settings::{ChangeSettingsRequest, SettingsView};
use control_api::setup::FirstAdminRequest;
use control_api::wire::WireSecret;
use http::StatusCode;
use service_kit::problem::Problem;

use super::{Answer, Fakes, at, problem};

impl Fakes {
    /// The code that makes the first administrator.
    pub(crate) const SETUP_CODE: &'static str = "the-code-of-the-first-administrator";
}

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/admin/settings", post(read))
        .route("/portal/admin/settings/change", post(change))
        .route("/portal/setup", post(first_admin))
}

/// As on the first day.
pub(super) fn unset() -> SettingsView {
    SettingsView {
        version: 0,
        registration: None,
        registration_default: RegistrationMode::Open,
        banner: String::new(),
        changed_at: None,
        changed_by: None,
    }
}

/// The name of the administrator whose session it is.
fn administrator(fakes: &Fakes, secret: &WireSecret) -> Option<String> {
    let world = fakes.world();
    let session = world.sessions.get(secret.expose()).filter(|session| session.role == Role::Admin)?;
    Some(session.user.username.to_string())
}

fn not_yours() -> Problem {
    problem(403, codes::NOT_YOURS, "Only administrators may do this.")
}

async fn read(State(fakes): State<Fakes>, Json(body): Json<SessionRequest>) -> Answer<Json<SettingsView>> {
    administrator(&fakes, &body.session).ok_or_else(not_yours)?;
    Ok(Json(fakes.world().admin_settings.clone()))
}

async fn change(
    State(fakes): State<Fakes>,
    Json(body): Json<ChangeSettingsRequest>,
) -> Answer<Json<SettingsView>> {
    let name = administrator(&fakes, &body.session).ok_or_else(not_yours)?;
    let mut world = fakes.world();
    if world.admin_settings.version != body.version {
        return Err(problem(409, codes::CHANGED_MEANWHILE, "Look again."));
    }
    let settings = SettingsView {
        version: body.version + 1,
        registration: body.registration,
        banner: body.banner.clone(),
        changed_at: Some(at("2026-11-21T11:55:00Z")),
        changed_by: Some(name),
        ..world.admin_settings.clone()
    };
    world.admin_settings = settings.clone();
    world.settings.registration = settings.registration.unwrap_or(settings.registration_default);
    world.settings.banner = body.banner;
    Ok(Json(settings))
}

async fn first_admin(State(fakes): State<Fakes>, Json(body): Json<FirstAdminRequest>) -> Response {
    if !fakes.world().settings.setup_open {
        return problem(403, codes::SETUP_CLOSED, "closed").into_response();
    }
    if body.code.expose() != Fakes::SETUP_CODE {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad input");
        return problem.field("code", "is unknown").into_response();
    }
    let name = &body.account.username;
    let secret = format!("session-of-{name}-0123456789");
    let user = fakes.admin(name, &secret);
    fakes.world().settings.setup_open = false;
    let answer =
        RegisterAccountAnswer { user_id: user.user_id, session: WireSecret::new(secret), operation: None };
    (StatusCode::CREATED, Json(answer)).into_response()
}
