//! What the fake authz-service does by e-mail.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use control_api::authz::SessionRequest;
use control_api::codes;
use control_api::mail::{
    ChangeEmailRequest, ConfirmLinkAnswer, ConfirmLinkRequest, Confirmed, EmailState, EmailVerification,
    ForgotRequest, MailSettings, ResetPasswordRequest, VerifyEmailRequest,
};
use http::StatusCode;
use service_kit::problem::Problem;

use super::{Answer, Fakes, ended, problem};

/// Whether mails are sent, and what is proved.
pub(crate) struct FakeMail {
    pub(crate) sends: bool,
    pub(crate) verified: bool,
    /// What the one link that works does.
    pub(crate) outcome: Confirmed,
}

impl Default for FakeMail {
    fn default() -> Self {
        Self { sends: true, verified: false, outcome: Confirmed::Address }
    }
}

impl Fakes {
    /// The token of the one link that works.
    pub(crate) const LINK: &'static str = "the-token-of-the-one-link-that-works";
}

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/mail", get(settings))
        .route("/portal/mail/confirm", post(confirm))
        .route("/portal/forgot", post(forgot))
        .route("/portal/reset", post(reset))
        .route("/portal/email/state", post(state))
        .route("/portal/email/verify", post(verify))
        .route("/portal/email", post(change))
}

fn faulty(field: &str, fault: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad input").field(field, fault)
}

async fn settings(State(fakes): State<Fakes>) -> Json<MailSettings> {
    Json(MailSettings { sends: fakes.world().mail.sends, verification: EmailVerification::Optional })
}

async fn confirm(
    State(fakes): State<Fakes>,
    Json(body): Json<ConfirmLinkRequest>,
) -> Answer<Json<ConfirmLinkAnswer>> {
    if body.token.expose() != Fakes::LINK {
        return Err(problem(400, codes::CODE_INVALID, "x"));
    }
    Ok(Json(ConfirmLinkAnswer { outcome: fakes.world().mail.outcome }))
}

async fn forgot(State(fakes): State<Fakes>, Json(body): Json<ForgotRequest>) -> Answer<StatusCode> {
    if !fakes.world().mail.sends {
        return Err(problem(409, codes::MAIL_OFF, "x"));
    }
    if body.login.is_empty() {
        return Err(faulty("login", "must be a user name or an e-mail address"));
    }
    Ok(StatusCode::ACCEPTED)
}

async fn reset(Json(body): Json<ResetPasswordRequest>) -> Answer<StatusCode> {
    if body.token.expose() != Fakes::LINK {
        return Err(problem(400, codes::CODE_INVALID, "x"));
    }
    if body.new_password.expose().len() < 15 {
        return Err(faulty("new_password", "must have at least 15 characters"));
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn state(State(fakes): State<Fakes>, Json(body): Json<SessionRequest>) -> Answer<Json<EmailState>> {
    let world = fakes.world();
    let email = world.sessions.get(body.session.expose()).ok_or_else(ended)?.user.email.clone();
    Ok(Json(EmailState { email, verified: world.mail.verified, sends: world.mail.sends }))
}

async fn verify(State(fakes): State<Fakes>, Json(body): Json<VerifyEmailRequest>) -> Answer<StatusCode> {
    fakes.world().sessions.get(body.session.expose()).ok_or_else(ended)?;
    Ok(StatusCode::ACCEPTED)
}

async fn change(State(fakes): State<Fakes>, Json(body): Json<ChangeEmailRequest>) -> Answer<StatusCode> {
    let world = fakes.world();
    let user = world.sessions.get(body.session.expose()).ok_or_else(ended)?.user.clone();
    if !body.email.contains('@') {
        return Err(faulty("email", "must be an e-mail address such as alice@example.com"));
    }
    let person = world.people.iter().find(|(_, _, person)| *person == user).ok_or_else(ended)?;
    if person.1 != body.current_password.expose() {
        return Err(faulty("current_password", "is not the current password"));
    }
    Ok(StatusCode::ACCEPTED)
}
