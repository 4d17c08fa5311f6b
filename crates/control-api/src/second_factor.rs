//! The second factor of an account: the bodies of authz-service's routes for it, and the calls. A one-time
//! password (RFC 6238), a passkey (`crate::passkeys`) or a recovery code is asked for after the password, and before whatever weakens the factor.

use std::net::IpAddr;

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz::{LoginAccountAnswer, LoginAccountRequest, SessionRequest};
use crate::authz_client::{AuthzClient, PASSWORD_TIMEOUT};
use crate::client::ApiError;
use crate::ids::UserId;
use crate::mail::Language;
use crate::passkeys::PasskeyView;
use crate::wire::WireSecret;

/// Recovery codes of a set.
pub const RECOVERY_CODES: usize = 10;

/// Answer of `POST /portal/login`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum LoginOutcome {
    /// The password was enough.
    SignedIn(LoginAccountAnswer),
    /// The password is right, and the second factor is asked for next.
    SecondFactor(PendingLogin),
}

/// A sign-in whose password was right.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PendingLogin {
    /// Proves it at `POST /portal/login/second`; is no session and opens nothing else.
    pub pending: WireSecret,
    /// Seconds until it ends.
    pub expires_in_s: u64,
}

/// Body of `POST /portal/login/second`: answers 200 with a [`LoginAccountAnswer`]. 401 `second-factor-wrong`
/// where another try may be made, 401 `login-ended` where the password must be given again, 429 as at sign-in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FinishLoginRequest {
    /// From the first step.
    pub pending: WireSecret,
    /// A one-time password or a recovery code; blanks and hyphens do not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<WireSecret>,
    /// Instead of a code: what a passkey signed (`AuthenticationResponseJSON` as text).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<String>,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
    /// What the browser calls itself, for the list of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// Answer of `POST /portal/second-factor` (body: a session).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondFactorView {
    /// When one-time passwords were set up; absent where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub totp_since: Option<Timestamp>,
    /// The passkeys, the oldest first.
    #[serde(default)]
    pub passkeys: Vec<PasskeyView>,
    /// Whether browsers have passkeys for the portal's address.
    #[serde(default)]
    pub passkeys_possible: bool,
    /// Recovery codes that are left.
    pub recovery_codes: u32,
    /// Whether the account may administer nothing until it has a second factor.
    pub needed: bool,
    /// Shortest password that the account may take now, in characters.
    pub password_min: usize,
}

impl SecondFactorView {
    /// Whether a second factor is asked for at sign-in.
    pub fn is_on(&self) -> bool {
        self.totp_since.is_some() || !self.passkeys.is_empty()
    }
}

/// Answer of `POST /portal/second-factor/totp` (body: a session): a secret to put into an authenticator app. The
/// same session gets the same one for half an hour, until a code confirms it. 409 `second-factor-on` where
/// one-time passwords are set up already.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TotpSetup {
    /// In base32 (RFC 4648) without padding.
    pub secret: WireSecret,
    /// The same as an `otpauth:` address, for a QR code.
    pub uri: WireSecret,
}

/// Body of `POST /portal/second-factor/totp/confirm`: answers 200 with a [`SecondFactorAnswer`]. 422 with `errors`
/// at `code` or
/// `current_password`, 404 where no secret waits for its first code.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConfirmTotpRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// What the authenticator app shows.
    pub code: WireSecret,
    /// A recovery code, where passkeys are on already; 422 with `errors` at `existing_code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing_code: Option<WireSecret>,
    /// The account's password.
    pub current_password: WireSecret,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
    /// What the mail that tells of it is written in.
    #[serde(default)]
    pub language: Language,
}

/// Body of `POST /portal/second-factor/totp/remove` and `POST /portal/second-factor/recovery-codes`: both answer 200
/// with a [`SecondFactorAnswer`]. 422 with `errors` at `code` or `current_password`; 422 `weak-password` where the
/// password is too short to stand without the factor.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangeSecondFactorRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// A one-time password or a recovery code.
    pub code: WireSecret,
    /// The account's password.
    pub current_password: WireSecret,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
    /// What the mail that tells of it is written in.
    #[serde(default)]
    pub language: Language,
}

/// The second factor was changed: all sessions of the account have ended; this one goes on under a new secret.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecondFactorAnswer {
    /// The session's new secret, for the cookie.
    pub session: WireSecret,
    /// For how many seconds the browser may keep the cookie; absent where the cookie ends with the browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_max_age_s: Option<u64>,
    /// A new set of recovery codes, shown this once; empty where none was made.
    #[serde(default)]
    pub recovery_codes: Vec<WireSecret>,
}

impl AuthzClient {
    /// Checks a password; makes a session where that is enough.
    pub async fn login(&self, body: &LoginAccountRequest) -> Result<LoginOutcome, ApiError> {
        self.slow("/portal/login", body).await
    }

    /// Checks the second factor and makes a session.
    pub async fn finish_login(&self, body: &FinishLoginRequest) -> Result<LoginAccountAnswer, ApiError> {
        self.api().post("/portal/login/second", body).await
    }

    /// The second factor of the session's user.
    pub async fn second_factor(&self, body: &SessionRequest) -> Result<SecondFactorView, ApiError> {
        self.api().post("/portal/second-factor", body).await
    }

    /// A secret to set up one-time passwords with.
    pub async fn begin_totp(&self, body: &SessionRequest) -> Result<TotpSetup, ApiError> {
        self.api().post("/portal/second-factor/totp", body).await
    }

    /// Turns one-time passwords on.
    pub async fn confirm_totp(&self, body: &ConfirmTotpRequest) -> Result<SecondFactorAnswer, ApiError> {
        self.slow("/portal/second-factor/totp/confirm", body).await
    }

    /// Turns one-time passwords off.
    pub async fn remove_totp(
        &self,
        body: &ChangeSecondFactorRequest,
    ) -> Result<SecondFactorAnswer, ApiError> {
        self.slow("/portal/second-factor/totp/remove", body).await
    }

    /// A new set of recovery codes, in place of the one before.
    pub async fn renew_recovery_codes(
        &self,
        body: &ChangeSecondFactorRequest,
    ) -> Result<SecondFactorAnswer, ApiError> {
        self.slow("/portal/second-factor/recovery-codes", body).await
    }

    /// Takes the second factor of an account away, for a person who has lost it.
    pub async fn reset_second_factor(&self, user: UserId) -> Result<(), ApiError> {
        let path = format!("/internal/accounts/{user}/second-factor");
        self.api().send(self.api().request(Method::DELETE, &path)).await.map(drop)
    }

    /// A call that waits for the hash of a password.
    pub(crate) async fn slow<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let request = self.api().request(Method::POST, path).timeout(PASSWORD_TIMEOUT);
        self.api().json(request.json(body)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_session_or_a_question_and_never_both() {
        let read = |text: &str| serde_json::from_str::<LoginOutcome>(text);
        let user = UserId::generate();
        let signed_in = read(&format!(r#"{{"user_id":"{user}","session":"s"}}"#)).expect("an outcome");
        assert!(matches!(signed_in, LoginOutcome::SignedIn(_)));
        let pending = read(r#"{"pending":"p","expires_in_s":300}"#).expect("an outcome");
        assert!(matches!(pending, LoginOutcome::SecondFactor(_)));
        assert!(read("{}").is_err());
    }
}
