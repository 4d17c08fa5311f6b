//! Passkeys (`WebAuthn`): the bodies of authz-service's routes for them, and the calls. Options for the browser and its
//! answers go through the portal untouched, as JSON (`WebAuthn` level 3, sections 5.1.8 to 5.1.10).

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz_client::AuthzClient;
use crate::client::ApiError;
use crate::ids::PasskeyId;
use crate::mail::Language;
use crate::second_factor::SecondFactorAnswer;
use crate::wire::WireSecret;

/// Most passkeys of an account.
pub const MAX_PASSKEYS: usize = 10;
/// Longest name of a passkey, in characters.
pub const MAX_PASSKEY_NAME: usize = 50;

/// A passkey as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyView {
    /// Its id here.
    pub passkey_id: PasskeyId,
    /// What its owner calls it.
    pub name: String,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last signed somebody in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
}

/// Body of `POST /portal/passkeys/begin`: answers 200 with [`PasskeyOptions`]. 422 with `errors` at
/// `current_password` or `code`, 409 `too-many-passkeys`, 404 where passkeys cannot be had at the portal's address.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BeginPasskeyRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// The account's password.
    pub current_password: WireSecret,
    /// A one-time password or a recovery code, where a second factor is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<WireSecret>,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// What the browser is to be asked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PasskeyOptions {
    /// `publicKey` of `navigator.credentials.create` or `get`, with bytes in base64url; its challenge is answered
    /// once, within 5 minutes.
    #[schema(value_type = Object)]
    pub options: serde_json::Value,
}

/// Body of `POST /portal/passkeys`: answers 200 with a [`SecondFactorAnswer`]. 422 with `errors` at `name` or
/// `credential`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AddPasskeyRequest {
    /// The secret from the cookie: the session that began.
    pub session: WireSecret,
    /// 1 to [`MAX_PASSKEY_NAME`] characters.
    pub name: String,
    /// `RegistrationResponseJSON` as text.
    pub credential: String,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
    /// What the mail that tells of it is written in.
    #[serde(default)]
    pub language: Language,
}

/// Body of `POST /portal/passkeys/remove`: answers 200 with a [`SecondFactorAnswer`]. 422 with `errors` at
/// `current_password` or `code`, 404 for a passkey that is not there.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RemovePasskeyRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Which.
    pub passkey_id: PasskeyId,
    /// The account's password.
    pub current_password: WireSecret,
    /// A one-time password or a recovery code.
    pub code: WireSecret,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
    /// What the mail that tells of it is written in.
    #[serde(default)]
    pub language: Language,
}

/// Body of `POST /portal/login/second/options`: answers 200 with [`LoginOptions`], 401 `login-ended` as the second
/// step itself.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginOptionsRequest {
    /// From the first step.
    pub pending: WireSecret,
}

/// How the second step can be taken.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginOptions {
    /// With one-time passwords.
    pub totp: bool,
    /// With a passkey: what the browser is to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<PasskeyOptions>,
}

impl AuthzClient {
    /// What the browser is to be asked, to make a passkey.
    pub async fn begin_passkey(&self, body: &BeginPasskeyRequest) -> Result<PasskeyOptions, ApiError> {
        self.slow("/portal/passkeys/begin", body).await
    }

    /// Adds the passkey that the browser has made.
    pub async fn add_passkey(&self, body: &AddPasskeyRequest) -> Result<SecondFactorAnswer, ApiError> {
        self.api().post("/portal/passkeys", body).await
    }

    /// Removes a passkey.
    pub async fn remove_passkey(&self, body: &RemovePasskeyRequest) -> Result<SecondFactorAnswer, ApiError> {
        self.slow("/portal/passkeys/remove", body).await
    }

    /// How the second step of a sign-in can be taken.
    pub async fn login_options(&self, body: &LoginOptionsRequest) -> Result<LoginOptions, ApiError> {
        self.api().post("/portal/login/second/options", body).await
    }
}
