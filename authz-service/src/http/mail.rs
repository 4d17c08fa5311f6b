//! Routes of the portal for what is done by e-mail: proving an address, a new password, another address. Internal
//! token; what a visitor asks for is answered the same whether or not there is such an account.

use axum::Json;
use axum::extract::State;
use control_api::authz::SessionRequest;
use control_api::mail::{
    ChangeEmailRequest, ConfirmLinkAnswer, ConfirmLinkRequest, EmailState, ForgotRequest, MailSettings,
    ResetPasswordRequest, VerifyEmailRequest,
};
use http::StatusCode;

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/portal/mail", settings)
        .post("/portal/mail/confirm", confirm)
        .post("/portal/forgot", forgot)
        .post("/portal/reset", reset)
        .post("/portal/email/state", state)
        .post("/portal/email/verify", verify)
        .post("/portal/email", change)
}

/// Whether mails are sent, and whether people prove their address.
#[utoipa::path(get, path = "/portal/mail", tag = "portal", security(("internal" = [])),
    responses((status = 200, body = MailSettings), (status = 401, body = ProblemBody)))]
pub(super) async fn settings(State(authz): State<Shared>) -> Json<MailSettings> {
    Json(authz.mail_settings())
}

/// Uses a link that proves an address: makes the account that waits for it, or makes the address an account's.
#[utoipa::path(post, path = "/portal/mail/confirm", tag = "portal", security(("internal" = [])),
    request_body = ConfirmLinkRequest,
    responses(
        (status = 200, body = ConfirmLinkAnswer),
        (status = 400, body = ProblemBody, description = "The link is unknown, used or expired"),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "Registration was closed, or the invite used, meanwhile"),
        (status = 409, body = ProblemBody, description = "The user name was taken meanwhile"),
    ))]
pub(super) async fn confirm(
    State(authz): State<Shared>,
    Body(request): Body<ConfirmLinkRequest>,
) -> Result<Json<ConfirmLinkAnswer>, Error> {
    authz.confirm_link(&request).await.map(Json)
}

/// Mails a link to a new password, if there is such an account with a proved address; the answer is the same.
#[utoipa::path(post, path = "/portal/forgot", tag = "portal", security(("internal" = [])),
    request_body = ForgotRequest,
    responses(
        (status = 202),
        (status = 401, body = ProblemBody),
        (status = 409, body = ProblemBody, description = "No mail is sent here"),
        (status = 422, body = ProblemBody),
        (status = 429, body = ProblemBody),
    ))]
pub(super) async fn forgot(
    State(authz): State<Shared>,
    Body(request): Body<ForgotRequest>,
) -> Result<StatusCode, Error> {
    authz.forgot(&request).await.map(|()| StatusCode::ACCEPTED)
}

/// Sets a new password with a link; every session of the account ends.
#[utoipa::path(post, path = "/portal/reset", tag = "portal", security(("internal" = [])),
    request_body = ResetPasswordRequest,
    responses(
        (status = 204),
        (status = 400, body = ProblemBody, description = "The link is unknown, used or expired"),
        (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody, description = "`new_password` is too weak; the link still works"),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn reset(
    State(authz): State<Shared>,
    Body(request): Body<ResetPasswordRequest>,
) -> Result<StatusCode, Error> {
    authz.reset_password(&request).await.map(|()| StatusCode::NO_CONTENT)
}

/// The address of the session's user.
#[utoipa::path(post, path = "/portal/email/state", tag = "portal", security(("internal" = [])),
    request_body = SessionRequest,
    responses((status = 200, body = EmailState), (status = 401, body = ProblemBody)))]
pub(super) async fn state(
    State(authz): State<Shared>,
    Body(request): Body<SessionRequest>,
) -> Result<Json<EmailState>, Error> {
    authz.email_state(&request).await.map(Json)
}

/// Mails a link that proves the address of the session's user.
#[utoipa::path(post, path = "/portal/email/verify", tag = "portal", security(("internal" = [])),
    request_body = VerifyEmailRequest,
    responses(
        (status = 202),
        (status = 401, body = ProblemBody),
        (status = 409, body = ProblemBody, description = "No mail is sent here"),
        (status = 429, body = ProblemBody),
    ))]
pub(super) async fn verify(
    State(authz): State<Shared>,
    Body(request): Body<VerifyEmailRequest>,
) -> Result<StatusCode, Error> {
    authz.verify_email(&request).await.map(|()| StatusCode::ACCEPTED)
}

/// Mails a link to another address, which becomes the account's when it is used.
#[utoipa::path(post, path = "/portal/email", tag = "portal", security(("internal" = [])),
    request_body = ChangeEmailRequest,
    responses(
        (status = 202),
        (status = 401, body = ProblemBody),
        (status = 409, body = ProblemBody, description = "No mail is sent here"),
        (status = 422, body = ProblemBody, description = "`email` is none, or `current_password` is wrong"),
        (status = 429, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn change(
    State(authz): State<Shared>,
    Body(request): Body<ChangeEmailRequest>,
) -> Result<StatusCode, Error> {
    authz.change_email(&request).await.map(|()| StatusCode::ACCEPTED)
}
