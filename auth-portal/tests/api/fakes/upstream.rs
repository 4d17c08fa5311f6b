//! The other issuer behind the fake authz-service: what comes of a callback is what the test sets.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use control_api::authz::{RegisterAccountAnswer, RegistrationMode, SessionRequest};
use control_api::codes;
use control_api::upstream::{
    UpstreamArrival, UpstreamArrivalRequest, UpstreamCallbackRequest, UpstreamIdentity, UpstreamLinkRequest,
    UpstreamOutcome, UpstreamRefusal, UpstreamRegisterRequest, UpstreamStanding, UpstreamStartRequest,
    UpstreamStarted, UpstreamUnlinkRequest,
};
use control_api::wire::WireSecret;
use http::StatusCode;
use service_kit::problem::Problem;

use super::{Answer, Fakes, at, ended, problem};

/// Where browsers are sent.
const ISSUER: &str = "https://sign-in.example.com/authorize?state=the-state&nonce=n";

/// What it knows.
#[derive(Default)]
pub(crate) struct FakeUpstream {
    /// Of the next callback.
    pub(crate) outcome: Option<UpstreamOutcome>,
    pub(crate) arrival: Option<UpstreamArrival>,
    pub(crate) identity: Option<UpstreamIdentity>,
    /// Accounts have none.
    pub(crate) no_password: bool,
    pub(crate) stale: bool,
}

impl Fakes {
    /// Sets an issuer.
    pub(crate) fn upstream(&self) {
        self.world().settings.upstream = Some("Home <b>".to_owned());
    }

    /// Somebody arrived who has no account.
    pub(crate) fn arrived(&self, registration: RegistrationMode) {
        let arrival = UpstreamArrival {
            username: "carol".to_owned(),
            email: "carol@example.com".to_owned(),
            registration,
        };
        self.world().upstream.arrival = Some(arrival);
    }

    /// An identity is linked to every account.
    pub(crate) fn linked(&self, label: Option<&str>) {
        let identity = UpstreamIdentity {
            label: label.map(str::to_owned),
            linked_at: at("2026-11-18T11:00:00Z"),
            last_used_at: Some(at("2026-11-21T11:15:00Z")),
        };
        self.world().upstream.identity = Some(identity);
    }
}

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/upstream/start", post(start))
        .route("/portal/upstream/link", post(link))
        .route("/portal/upstream/callback", post(callback))
        .route("/portal/upstream/arrival", post(arrival))
        .route("/portal/upstream/register", post(register))
        .route("/portal/upstream/identity", post(identity))
        .route("/portal/upstream/unlink", post(unlink))
}

/// The refusal where no issuer is set.
fn unset(fakes: &Fakes) -> Option<Problem> {
    let is_set = fakes.world().settings.upstream.is_some();
    (!is_set).then(|| problem(404, codes::NOT_FOUND, "No other issuer is set."))
}

fn gone() -> Problem {
    problem(400, codes::CODE_INVALID, "nobody arrived")
}

/// The refusal where the password is wrong.
fn unproven(fakes: &Fakes, session: &WireSecret, password: &WireSecret) -> Option<Problem> {
    let world = fakes.world();
    let Some(session) = world.sessions.get(session.expose()) else { return Some(ended()) };
    let right = format!("password of {}", session.user.username);
    let wrong = || {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Problem::new(status, codes::INVALID_INPUT, "Bad input")
            .field("current_password", "is not your password")
    };
    (password.expose() != right && !world.upstream.no_password).then(wrong)
}

async fn start(
    State(fakes): State<Fakes>,
    Json(_): Json<UpstreamStartRequest>,
) -> Answer<Json<UpstreamStarted>> {
    unset(&fakes).map_or(Ok(()), Err)?;
    Ok(Json(UpstreamStarted { to: ISSUER.into() }))
}

async fn link(
    State(fakes): State<Fakes>,
    Json(body): Json<UpstreamLinkRequest>,
) -> Answer<Json<UpstreamStarted>> {
    unset(&fakes).map_or(Ok(()), Err)?;
    unproven(&fakes, &body.session, &body.password).map_or(Ok(()), Err)?;
    Ok(Json(UpstreamStarted { to: ISSUER.into() }))
}

async fn callback(
    State(fakes): State<Fakes>,
    Json(body): Json<UpstreamCallbackRequest>,
) -> Answer<Json<UpstreamOutcome>> {
    unset(&fakes).map_or(Ok(()), Err)?;
    let outcome = fakes.world().upstream.outcome.take().filter(|_| body.browser.is_some());
    let other = UpstreamOutcome::Refused { reason: UpstreamRefusal::OtherBrowser, detail: None };
    Ok(Json(outcome.unwrap_or(other)))
}

async fn arrival(
    State(fakes): State<Fakes>,
    Json(_): Json<UpstreamArrivalRequest>,
) -> Answer<Json<UpstreamArrival>> {
    unset(&fakes).map_or(Ok(()), Err)?;
    fakes.world().upstream.arrival.clone().map(Json).ok_or_else(gone)
}

async fn register(State(fakes): State<Fakes>, Json(body): Json<UpstreamRegisterRequest>) -> Answer<Response> {
    let arrived = fakes.world().upstream.arrival.clone().ok_or_else(gone)?;
    let Ok(name) = body.username.parse::<control_api::names::Username>() else {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let bad = Problem::new(status, codes::INVALID_INPUT, "Bad input")
            .field("username", "must have at least 3 characters");
        return Err(bad);
    };
    match arrived.registration {
        RegistrationMode::Approval => return Err(problem(403, codes::APPROVAL_PENDING, "wait")),
        RegistrationMode::Invite if body.invite.is_none() => {
            return Err(Problem::new(StatusCode::FORBIDDEN, codes::REGISTRATION_CLOSED, "Needs an invite")
                .field("invite", "is needed to register here"));
        }
        _ => {}
    }
    fakes.world().upstream.arrival = None;
    let secret = format!("session-of-{name}-0123456789");
    let user_id = fakes.person(name.as_str(), &secret).user_id;
    let answer = RegisterAccountAnswer { user_id, session: WireSecret::new(secret), operation: None };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

async fn identity(
    State(fakes): State<Fakes>,
    Json(body): Json<SessionRequest>,
) -> Answer<Json<UpstreamStanding>> {
    let world = fakes.world();
    world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    let upstream = &world.upstream;
    Ok(Json(UpstreamStanding {
        has_password: !upstream.no_password,
        fresh: !upstream.stale,
        identity: upstream.identity.clone(),
    }))
}

async fn unlink(State(fakes): State<Fakes>, Json(body): Json<UpstreamUnlinkRequest>) -> Answer<StatusCode> {
    unset(&fakes).map_or(Ok(()), Err)?;
    unproven(&fakes, &body.session, &body.password).map_or(Ok(()), Err)?;
    fakes.world().upstream.identity = None;
    Ok(StatusCode::NO_CONTENT)
}
