//! Routes of the portal: accounts and sessions of the people who use it. Internal token.

use axum::Json;
use axum::extract::State;
use control_api::authz::{
    HandoffAnswer, HandoffRequest, LoginAccountRequest, OrderInstanceRequest, PortalSettings,
    ProvisioningView, RegisterAccountAnswer, RegisterAccountRequest, SessionRequest, SessionView,
};
use control_api::second_factor::LoginOutcome;
use http::StatusCode;

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;
use crate::password::policy;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/portal/settings", settings)
        .post("/portal/register", register)
        .post("/portal/login", login)
        .post("/portal/session", session)
        .post("/portal/logout", logout)
        .post("/portal/provisioning", provisioning)
        .post("/portal/handoff", hand_off)
}

/// What the sign-up form and every page have to say.
#[utoipa::path(get, path = "/portal/settings", tag = "portal", security(("internal" = [])),
    responses((status = 200, body = PortalSettings), (status = 401, body = ProblemBody)))]
pub(super) async fn settings(State(authz): State<Shared>) -> Result<Json<PortalSettings>, Error> {
    Ok(Json(PortalSettings {
        registration: authz.registration(),
        password_min: authz.config.password_min,
        password_max: policy::MAX_CHARS,
        setup_open: authz.setup().await?.open,
        banner: authz.banner(),
        upstream: authz.config.upstream.as_ref().map(|upstream| upstream.name.clone()),
    }))
}

/// Makes an account, a session and the order of an instance, in one transaction.
#[utoipa::path(post, path = "/portal/register", tag = "portal", security(("internal" = [])),
    request_body = RegisterAccountRequest,
    responses(
        (status = 201, body = RegisterAccountAnswer),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "Closed, needs an invite, or stored until approved"),
        (status = 409, body = ProblemBody, description = "User name or e-mail address is taken"),
        (status = 422, body = ProblemBody, description = "Every field at fault, in `errors`"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn register(
    State(authz): State<Shared>,
    Body(request): Body<RegisterAccountRequest>,
) -> Result<(StatusCode, Json<RegisterAccountAnswer>), Error> {
    authz.register(&request).await.map(|answer| (StatusCode::CREATED, Json(answer)))
}

/// Checks a password. Makes a session where that is enough, and asks for the second factor where the account has
/// one. The same answer for a wrong password and an unknown account.
#[utoipa::path(post, path = "/portal/login", tag = "portal", security(("internal" = [])),
    request_body = LoginAccountRequest,
    responses(
        (status = 200, body = LoginOutcome),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The account waits for approval"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn login(
    State(authz): State<Shared>,
    Body(request): Body<LoginAccountRequest>,
) -> Result<Json<LoginOutcome>, Error> {
    authz.login(&request).await.map(Json)
}

/// Whose session it is. Asking counts as use.
#[utoipa::path(post, path = "/portal/session", tag = "portal", security(("internal" = [])),
    request_body = SessionRequest,
    responses((status = 200, body = SessionView), (status = 401, body = ProblemBody)))]
pub(super) async fn session(
    State(authz): State<Shared>,
    Body(request): Body<SessionRequest>,
) -> Result<Json<SessionView>, Error> {
    authz.session_view(&request.session).await.map(Json)
}

/// Ends a session, and with it all tokens that hang on it. Also 204 for one that has ended.
#[utoipa::path(post, path = "/portal/logout", tag = "portal", security(("internal" = [])),
    request_body = SessionRequest,
    responses((status = 204), (status = 401, body = ProblemBody)))]
pub(super) async fn logout(
    State(authz): State<Shared>,
    Body(request): Body<SessionRequest>,
) -> Result<StatusCode, Error> {
    authz.logout(&request.session).await.map(|()| StatusCode::NO_CONTENT)
}

/// Orders the session's instance again: after a refusal, perhaps with another slug, or after a deletion.
#[utoipa::path(post, path = "/portal/provisioning", tag = "portal", security(("internal" = [])),
    request_body = OrderInstanceRequest,
    responses((status = 202, body = ProvisioningView), (status = 401, body = ProblemBody)))]
pub(super) async fn provisioning(
    State(authz): State<Shared>,
    Body(request): Body<OrderInstanceRequest>,
) -> Result<(StatusCode, Json<ProvisioningView>), Error> {
    authz.order_again(&request).await.map(|view| (StatusCode::ACCEPTED, Json(view)))
}

/// A one-time code for the session's user at an instance.
#[utoipa::path(post, path = "/portal/handoff", tag = "portal", security(("internal" = [])),
    request_body = HandoffRequest,
    responses(
        (status = 200, body = HandoffAnswer),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The instance is somebody else's"),
        (status = 422, body = ProblemBody, description = "The challenge is malformed"),
    ))]
pub(super) async fn hand_off(
    State(authz): State<Shared>,
    Body(request): Body<HandoffRequest>,
) -> Result<Json<HandoffAnswer>, Error> {
    authz.hand_off(&request).await.map(Json)
}
