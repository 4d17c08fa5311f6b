//! Routes for the second factor: of the portal, with a session or a pending sign-in in the body, and of the
//! operator. Internal token.

use axum::Json;
use axum::extract::State;
use control_api::authz::{LoginAccountAnswer, SessionRequest};
use control_api::ids::UserId;
use control_api::passkeys::{
    AddPasskeyRequest, BeginPasskeyRequest, LoginOptions, LoginOptionsRequest, PasskeyOptions,
    RemovePasskeyRequest,
};
use control_api::second_factor::{
    ChangeSecondFactorRequest, ConfirmTotpRequest, FinishLoginRequest, SecondFactorAnswer, SecondFactorView,
    TotpSetup,
};
use http::StatusCode;

use super::Routes;
use super::extract::{Body, Id};
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/portal/login/second", finish_login)
        .post("/portal/login/second/options", login_options)
        .post("/portal/passkeys/begin", begin_passkey)
        .post("/portal/passkeys", add_passkey)
        .post("/portal/passkeys/remove", remove_passkey)
        .post("/portal/second-factor", view)
        .post("/portal/second-factor/totp", begin_totp)
        .post("/portal/second-factor/totp/confirm", confirm_totp)
        .post("/portal/second-factor/totp/remove", remove_totp)
        .post("/portal/second-factor/recovery-codes", renew_recovery_codes)
}

pub(super) fn operator_routes() -> Routes {
    Routes::default().delete("/internal/accounts/{id}/second-factor", reset)
}

/// The second step of a sign-in: checks a one-time password or a recovery code and makes a session.
#[utoipa::path(post, path = "/portal/login/second", tag = "portal", security(("internal" = [])),
    request_body = FinishLoginRequest,
    responses(
        (status = 200, body = LoginAccountAnswer),
        (status = 401, body = ProblemBody, description = "`second-factor-wrong`, or `login-ended`"),
        (status = 429, body = ProblemBody),
    ))]
pub(super) async fn finish_login(
    State(authz): State<Shared>,
    Body(request): Body<FinishLoginRequest>,
) -> Result<Json<LoginAccountAnswer>, Error> {
    authz.finish_login(&request).await.map(Json)
}

/// How the second step of a sign-in can be taken: what the browser is to be asked, where the account has passkeys.
#[utoipa::path(post, path = "/portal/login/second/options", tag = "portal", security(("internal" = [])),
    request_body = LoginOptionsRequest,
    responses(
        (status = 200, body = LoginOptions),
        (status = 401, body = ProblemBody, description = "`login-ended`"),
    ))]
pub(super) async fn login_options(
    State(authz): State<Shared>,
    Body(request): Body<LoginOptionsRequest>,
) -> Result<Json<LoginOptions>, Error> {
    authz.login_options(&request).await.map(Json)
}

/// What the browser is to be asked, to make a passkey. Needs the password, and a code where a second factor is on.
#[utoipa::path(post, path = "/portal/passkeys/begin", tag = "portal", security(("internal" = [])),
    request_body = BeginPasskeyRequest,
    responses(
        (status = 200, body = PasskeyOptions),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody, description = "No browser has passkeys for the portal's address"),
        (status = 409, body = ProblemBody, description = "`too-many-passkeys`"),
        (status = 422, body = ProblemBody, description = "`code` or `current_password` is wrong"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn begin_passkey(
    State(authz): State<Shared>,
    Body(request): Body<BeginPasskeyRequest>,
) -> Result<Json<PasskeyOptions>, Error> {
    authz.begin_passkey(&request).await.map(Json)
}

/// Adds the passkey that the browser has made. Sessions end as with `confirm`.
#[utoipa::path(post, path = "/portal/passkeys", tag = "portal", security(("internal" = [])),
    request_body = AddPasskeyRequest,
    responses(
        (status = 200, body = SecondFactorAnswer),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody, description = "`name` or `credential` is at fault"),
    ))]
pub(super) async fn add_passkey(
    State(authz): State<Shared>,
    Body(request): Body<AddPasskeyRequest>,
) -> Result<Json<SecondFactorAnswer>, Error> {
    authz.add_passkey(&request).await.map(Json)
}

/// Removes a passkey where password and code are right. Sessions end as with `confirm`.
#[utoipa::path(post, path = "/portal/passkeys/remove", tag = "portal", security(("internal" = [])),
    request_body = RemovePasskeyRequest,
    responses(
        (status = 200, body = SecondFactorAnswer),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody,
            description = "`code` or `current_password` is wrong, or `weak-password`: too short to stand alone"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn remove_passkey(
    State(authz): State<Shared>,
    Body(request): Body<RemovePasskeyRequest>,
) -> Result<Json<SecondFactorAnswer>, Error> {
    authz.remove_passkey(&request).await.map(Json)
}

/// What the session's user has as second factor.
#[utoipa::path(post, path = "/portal/second-factor", tag = "portal", security(("internal" = [])),
    request_body = SessionRequest,
    responses((status = 200, body = SecondFactorView), (status = 401, body = ProblemBody)))]
pub(super) async fn view(
    State(authz): State<Shared>,
    Body(request): Body<SessionRequest>,
) -> Result<Json<SecondFactorView>, Error> {
    authz.second_factor(&request).await.map(Json)
}

/// A secret for an authenticator app. Nothing is in force until a code confirms it.
#[utoipa::path(post, path = "/portal/second-factor/totp", tag = "portal", security(("internal" = [])),
    request_body = SessionRequest,
    responses(
        (status = 200, body = TotpSetup),
        (status = 401, body = ProblemBody),
        (status = 409, body = ProblemBody, description = "One-time passwords are set up already"),
    ))]
pub(super) async fn begin_totp(
    State(authz): State<Shared>,
    Body(request): Body<SessionRequest>,
) -> Result<Json<TotpSetup>, Error> {
    authz.begin_totp(&request).await.map(Json)
}

/// Turns one-time passwords on where password and first code are right, with a set of recovery codes. All sessions
/// of the account end; this one goes on under a new id and the secret in the answer.
#[utoipa::path(post, path = "/portal/second-factor/totp/confirm", tag = "portal", security(("internal" = [])),
    request_body = ConfirmTotpRequest,
    responses(
        (status = 200, body = SecondFactorAnswer),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody, description = "No secret waits for its first code"),
        (status = 422, body = ProblemBody, description = "`code` or `current_password` is wrong"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn confirm_totp(
    State(authz): State<Shared>,
    Body(request): Body<ConfirmTotpRequest>,
) -> Result<Json<SecondFactorAnswer>, Error> {
    authz.confirm_totp(&request).await.map(Json)
}

/// Turns one-time passwords off where password and code are right. Sessions end as with `confirm`.
#[utoipa::path(post, path = "/portal/second-factor/totp/remove", tag = "portal", security(("internal" = [])),
    request_body = ChangeSecondFactorRequest,
    responses(
        (status = 200, body = SecondFactorAnswer),
        (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody,
            description = "`code` or `current_password` is wrong, or `weak-password`: too short to stand alone"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn remove_totp(
    State(authz): State<Shared>,
    Body(request): Body<ChangeSecondFactorRequest>,
) -> Result<Json<SecondFactorAnswer>, Error> {
    authz.remove_totp(&request).await.map(Json)
}

/// A new set of recovery codes in place of the one before. Sessions end as with `confirm`.
#[utoipa::path(post, path = "/portal/second-factor/recovery-codes", tag = "portal", security(("internal" = [])),
    request_body = ChangeSecondFactorRequest,
    responses(
        (status = 200, body = SecondFactorAnswer),
        (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody, description = "`code` or `current_password` is wrong"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn renew_recovery_codes(
    State(authz): State<Shared>,
    Body(request): Body<ChangeSecondFactorRequest>,
) -> Result<Json<SecondFactorAnswer>, Error> {
    authz.renew_recovery_codes(&request).await.map(Json)
}

/// Takes the second factor of an account away and ends its sessions. 204 also where it had none.
#[utoipa::path(delete, path = "/internal/accounts/{id}/second-factor", tag = "internal",
    security(("internal" = [])),
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 204), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub(super) async fn reset(State(authz): State<Shared>, Id(id): Id<UserId>) -> Result<StatusCode, Error> {
    authz.reset_second_factor(id).await.map(|()| StatusCode::NO_CONTENT)
}
