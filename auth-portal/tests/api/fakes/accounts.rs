//! Sign-up, sign-in and sessions of the fake authz-service, and the order of an instance.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use control_api::authz::{
    HandoffAnswer, HandoffRequest, LoginAccountAnswer, LoginAccountRequest, OrderInstanceRequest, OrderState,
    PortalSettings, ProvisioningView, RegisterAccountAnswer, RegisterAccountRequest, SessionRequest,
    SessionView,
};
use control_api::codes;
use control_api::deploy::InstanceState;
use control_api::second_factor::LoginOutcome;
use control_api::wire::WireSecret;
use http::StatusCode;
use service_kit::problem::Problem;

use super::{Answer, Fakes, accepted, ended, fake_second_factor, problem};

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/settings", get(settings))
        .route("/portal/register", post(register))
        .route("/portal/login", post(login))
        .route("/portal/session", post(session))
        .route("/portal/logout", post(logout))
        .route("/portal/provisioning", post(order))
        .route("/portal/handoff", post(handoff))
}

async fn settings(State(fakes): State<Fakes>) -> Json<PortalSettings> {
    Json(fakes.world().settings.clone())
}

async fn register(State(fakes): State<Fakes>, Json(body): Json<RegisterAccountRequest>) -> Response {
    let Ok(name) = body.username.parse::<control_api::names::Username>() else {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad input")
            .field("username", "may contain the letters a to z, digits and single hyphens only")
            .field("email", "must be an e-mail address such as alice@example.com");
        return problem.into_response();
    };
    let secret = format!("session-of-{name}-0123456789");
    let user = fakes.person(name.as_str(), &secret);
    let instance = fakes.instance(&user, InstanceState::Creating);
    let operation = fakes.operation(instance.instance_id, "container", "Creating the container", 40);
    fakes.order(&secret, accepted(Some(operation.operation_id)));
    let answer = RegisterAccountAnswer {
        user_id: user.user_id,
        session: WireSecret::new(secret),
        operation: Some(operation.operation_id),
    };
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn login(
    State(fakes): State<Fakes>,
    Json(body): Json<LoginAccountRequest>,
) -> Answer<Json<LoginOutcome>> {
    let world = fakes.world();
    let found =
        world.people.iter().find(|(name, word, _)| *name == body.login && word == body.password.expose());
    let (_, _, user) = found.ok_or_else(|| problem(401, codes::BAD_CREDENTIALS, "wrong"))?;
    if world.second_factors.contains_key(&user.user_id) || world.passkeys.of.contains_key(&user.user_id) {
        return Ok(Json(fake_second_factor::asked(user)));
    }
    let session = world.sessions.iter().find(|(_, view)| view.user == *user).ok_or_else(ended)?.0;
    Ok(Json(LoginOutcome::SignedIn(LoginAccountAnswer {
        user_id: user.user_id,
        session: WireSecret::new(session.clone()),
        cookie_max_age_s: body.remember.then_some(30 * 86_400),
    })))
}

async fn session(State(fakes): State<Fakes>, Json(body): Json<SessionRequest>) -> Answer<Json<SessionView>> {
    fakes.world().sessions.get(body.session.expose()).cloned().map(Json).ok_or_else(ended)
}

async fn logout(State(fakes): State<Fakes>, Json(body): Json<SessionRequest>) -> StatusCode {
    fakes.world().sessions.remove(body.session.expose());
    StatusCode::NO_CONTENT
}

async fn order(State(fakes): State<Fakes>, Json(body): Json<OrderInstanceRequest>) -> Answer<Response> {
    let view = ProvisioningView {
        state: OrderState::Queued,
        instance_id: None,
        operation_id: None,
        reason: Some("in the outbox".to_owned()),
    };
    let mut world = fakes.world();
    world.sessions.get_mut(body.session.expose()).ok_or_else(ended)?.provisioning = view.clone();
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

async fn handoff(
    State(fakes): State<Fakes>,
    Json(body): Json<HandoffRequest>,
) -> Answer<Json<HandoffAnswer>> {
    let world = fakes.world();
    let session = world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    if world.instances[&body.instance_id].owner_id != session.user.user_id {
        return Err(problem(403, codes::NOT_YOURS, "not yours"));
    }
    Ok(Json(HandoffAnswer { code: "the-one-time-code".into() }))
}
