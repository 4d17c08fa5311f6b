//! Everything that can go wrong in a request, and the one place that turns it into an answer. Details of
//! what failed on our side go to the log; the caller gets a code, words and the request id.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use control_api::api_keys::MAX_API_KEYS;
use control_api::codes;
use control_api::passkeys::MAX_PASSKEYS;
use http::{HeaderValue, StatusCode, header};
use service_kit::problem::Problem;

/// Messages by field name, for a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults(BTreeMap<&'static str, String>);

impl Faults {
    /// One fault.
    pub(crate) fn one(field: &'static str, message: impl Into<String>) -> Self {
        let mut faults = Self::default();
        faults.add(field, message);
        faults
    }

    /// Adds a fault; the first of a field stays.
    pub(crate) fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.entry(field).or_insert_with(|| message.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn only(&self, field: &str) -> bool {
        self.0.len() == 1 && self.0.contains_key(field)
    }
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("fields are at fault: {0:?}")]
    Fields(Faults),
    #[error("fields are taken: {0:?}")]
    Taken(Faults),
    #[error("the request is malformed: {0}")]
    Malformed(String),
    #[error("the body is too large")]
    TooLarge,
    #[error("the body is not JSON")]
    MediaType,
    #[error("registration is closed")]
    RegistrationClosed,
    #[error("the account waits for approval")]
    ApprovalPending,
    #[error("the first administrator was made already")]
    SetupClosed,
    #[error("it was changed meanwhile")]
    ChangedMeanwhile,
    #[error("the account is suspended")]
    Suspended(String),
    #[error("the last administrator must stay")]
    LastAdmin,
    #[error("nobody does that to their own account")]
    OwnAccount,
    #[error("the sign-up waits for its link")]
    VerificationPending,
    #[error("no mail is sent")]
    MailOff,
    #[error("bad credentials")]
    BadCredentials,
    #[error("the session has ended")]
    SessionEnded,
    #[error("the code is wrong")]
    SecondFactorWrong,
    #[error("the sign-in has ended")]
    LoginEnded,
    #[error("administrators need a second factor")]
    SecondFactorNeeded,
    #[error("the account has all the passkeys that it may have")]
    TooManyPasskeys,
    #[error("one-time passwords are set up already")]
    SecondFactorOn,
    #[error("the sign-in is too long ago")]
    SignInAgain,
    #[error("the upstream cannot be used: {0}")]
    UpstreamUnavailable(String),
    #[error("too many tries; wait {0:?}")]
    TooManyTries(Duration),
    #[error("busy")]
    Busy,
    #[error("not the caller's: {0}")]
    NotYours(&'static str),
    #[error("not found: {0}")]
    NotFound(&'static str),
    #[error("the method is not allowed")]
    MethodNotAllowed,
    #[error("a registration token is missing")]
    TokenMissing,
    #[error("the code or token is unknown, used or expired")]
    CodeInvalid,
    #[error("the client or its redirect URI is not proven: {0}")]
    ClientInvalid(&'static str),
    #[error("the account has all the API keys that it may have")]
    TooManyKeys,
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error("{0}")]
    Internal(String),
}

impl Error {
    fn problem(self) -> Problem {
        match self {
            Self::Fields(faults) => fields(faults),
            Self::Taken(faults) => taken(faults),
            Self::Malformed(why) => {
                problem(400, codes::INVALID_INPUT, "The request is malformed").detail(why)
            }
            Self::TooLarge => problem(413, codes::INVALID_INPUT, "The request's body is too large"),
            Self::MediaType => {
                problem(415, codes::INVALID_INPUT, "The request's body must be application/json")
            }
            Self::RegistrationClosed => problem(403, codes::REGISTRATION_CLOSED, "Registration is closed")
                .detail("No accounts are made here at present; ask the operator."),
            Self::ApprovalPending => problem(403, codes::APPROVAL_PENDING, "The account waits for approval")
                .detail(
                    "The request was stored. You can sign in as soon as an administrator has approved it.",
                ),
            Self::SetupClosed => problem(403, codes::SETUP_CLOSED, "The set-up is closed").detail(
                "There was an administrator already. The operator makes others with scripts/make-admin.sh.",
            ),
            Self::ChangedMeanwhile => problem(409, codes::CHANGED_MEANWHILE, "It was changed meanwhile")
                .detail("Somebody else changed it since you looked at it. Look again."),
            Self::Suspended(why) => {
                problem(403, codes::ACCOUNT_SUSPENDED, "The account is suspended").detail(why)
            }
            Self::LastAdmin => problem(409, codes::LAST_ADMIN, "One administrator must stay")
                .detail("Make somebody else an administrator first."),
            Self::OwnAccount => problem(409, codes::OWN_ACCOUNT, "That is your own account")
                .detail("Another administrator can do that; your own account page has a way to leave."),
            Self::VerificationPending => {
                problem(403, codes::VERIFICATION_PENDING, "The e-mail address is not confirmed yet")
                    .detail("Open the link that was mailed to make the account.")
            }
            Self::MailOff => {
                problem(409, codes::MAIL_OFF, "This installation sends no mail").detail("Ask the operator.")
            }
            Self::BadCredentials => problem(401, codes::BAD_CREDENTIALS, "Name or password is wrong"),
            Self::SessionEnded => {
                problem(401, codes::SESSION_ENDED, "The session has ended").detail("Sign in again.")
            }
            Self::SecondFactorWrong => {
                problem(401, codes::SECOND_FACTOR_WRONG, "The code is wrong, was used already, or is too old")
            }
            Self::LoginEnded => problem(401, codes::LOGIN_ENDED, "This sign-in has ended")
                .detail("It waited too long or was tried too often. Begin again with the password."),
            Self::SecondFactorNeeded => {
                problem(403, codes::SECOND_FACTOR_NEEDED, "Administrators need a second factor")
                    .detail("Set one up on the security page of your account.")
            }
            Self::TooManyPasskeys => problem(409, codes::TOO_MANY_PASSKEYS, "Too many passkeys").detail(
                format!("An account may have {MAX_PASSKEYS}. Remove one that is not needed any more."),
            ),
            Self::SecondFactorOn => {
                problem(409, codes::SECOND_FACTOR_ON, "One-time passwords are set up already")
            }
            Self::SignInAgain => problem(403, codes::SIGN_IN_AGAIN, "The sign-in is too long ago")
                .detail("Sign out, sign in again, and do it within 15 minutes."),
            Self::UpstreamUnavailable(why) => {
                problem(503, codes::UPSTREAM_UNAVAILABLE, "The other issuer cannot be used").detail(why)
            }
            Self::TooManyTries(wait) => problem(429, codes::TOO_MANY_TRIES, "Too many tries")
                .detail(format!("Try again in {} s.", whole_seconds(wait))),
            Self::Busy => problem(503, codes::BUSY, "Too many people sign in at this moment")
                .detail("Try again in a few seconds."),
            Self::NotYours(what) => problem(403, codes::NOT_YOURS, "That is not yours").detail(what),
            Self::NotFound(what) => problem(404, codes::NOT_FOUND, "There is no such thing").detail(what),
            Self::MethodNotAllowed => {
                problem(405, codes::INVALID_INPUT, "The method is not allowed for this path")
            }
            Self::TokenMissing => problem(401, codes::CODE_INVALID, "A registration token is needed")
                .detail("Send `Authorization: Bearer` with the registration token of the instance."),
            Self::CodeInvalid => {
                problem(400, codes::CODE_INVALID, "The code or token is unknown, used or expired")
            }
            Self::ClientInvalid(why) => {
                problem(400, codes::CLIENT_INVALID, "The app that asks is not believed").detail(why)
            }
            Self::TooManyKeys => problem(409, codes::TOO_MANY_KEYS, "Too many API keys").detail(format!(
                "An account may have {MAX_API_KEYS} keys. Revoke one that is not needed any more."
            )),
            Self::Database(error) => database(&error),
            Self::Internal(error) => {
                tracing::error!(error, request_id = service_kit::request_id::current(), "a request failed");
                Problem::internal()
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let retry_after = match &self {
            Self::TooManyTries(wait) => Some(whole_seconds(*wait)),
            Self::Busy => Some(3),
            _ => None,
        };
        let mut response = self.problem().into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Rounded up: a caller who waits that long must not be refused again.
fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

fn problem(status: u16, code: &str, title: &str) -> Problem {
    Problem::new(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, title)
}

fn fields(faults: Faults) -> Problem {
    let problem = if faults.only("password") || faults.only("new_password") {
        problem(422, codes::WEAK_PASSWORD, "The password does not meet the policy")
    } else if faults.only("invite") {
        problem(403, codes::REGISTRATION_CLOSED, "Registration needs an invite")
    } else {
        problem(422, codes::INVALID_INPUT, "Some fields need another value")
    };
    with_fields(problem, faults)
}

fn taken(faults: Faults) -> Problem {
    let problem = if faults.0.contains_key("username") {
        problem(409, codes::USERNAME_TAKEN, "The user name is taken")
    } else {
        problem(409, codes::EMAIL_TAKEN, "The e-mail address is taken")
    };
    with_fields(problem, faults)
}

fn with_fields(problem: Problem, faults: Faults) -> Problem {
    faults.0.into_iter().fold(problem, |problem, (field, message)| problem.field(field, message))
}

fn database(error: &sqlx::Error) -> Problem {
    tracing::error!(%error, request_id = service_kit::request_id::current(), "the database failed");
    // SQLITE_FULL (https://www.sqlite.org/rescode.html#full).
    let full = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if full.as_deref() == Some("13") {
        return problem(507, codes::DISK_FULL, "The disk is full")
            .detail("Nothing was changed. The operator has to make space.");
    }
    Problem::internal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_says_which_field_alone_was_at_fault() {
        let weak = Error::Fields(Faults::one("password", "too short")).problem();
        assert_eq!((weak.status, weak.kind.as_str()), (422, codes::WEAK_PASSWORD));
        let mut both = Faults::one("password", "too short");
        both.add("username", "reserved");
        let both = Error::Fields(both).problem();
        assert_eq!((both.status, both.kind.as_str()), (422, codes::INVALID_INPUT));
        assert_eq!(both.errors.len(), 2);
        let mut taken = Faults::one("email", "taken");
        taken.add("username", "taken");
        assert_eq!(Error::Taken(taken).problem().kind, codes::USERNAME_TAKEN);
    }

    #[test]
    fn waiting_is_rounded_up_and_sent_as_retry_after() {
        let response = Error::TooManyTries(Duration::from_millis(1001)).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(Error::TooManyTries(Duration::ZERO).into_response().headers()[header::RETRY_AFTER], "1");
    }
}
