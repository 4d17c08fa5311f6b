//! What a person does by e-mail, as bodies of authz-service's routes and calls to them: proving an address,
//! replacing a password that is forgotten, and having another address.

use std::net::IpAddr;

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz::SessionRequest;
use crate::authz_client::{AuthzClient, PASSWORD_TIMEOUT};
use crate::client::ApiError;
use crate::wire::WireSecret;

/// What a mail is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// 简体中文.
    #[serde(rename = "zh-Hans")]
    Chinese,
}

impl Language {
    /// As on the wire (BCP 47).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
        }
    }

    /// That of a tag; English where it is none of these.
    pub fn of_tag(tag: &str) -> Self {
        if tag == Self::Chinese.as_str() { Self::Chinese } else { Self::English }
    }
}

/// Whether people prove their e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmailVerification {
    /// Nobody is asked at sign-up.
    Off,
    /// A link is sent at sign-up; the account works at once.
    Optional,
    /// There is no account until the link was used.
    Required,
}

impl std::str::FromStr for EmailVerification {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err("must be off, optional or required"),
        }
    }
}

/// Answer of `GET /portal/mail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailSettings {
    /// Whether mails are sent at all; without, what needs one answers 409 `mail-off`.
    pub sends: bool,
    /// Whether people prove their address.
    pub verification: EmailVerification,
}

/// Body of `POST /portal/mail/confirm`: the token of a link that proves an address. 400 `code-invalid` where it is
/// unknown, used or expired.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConfirmLinkRequest {
    /// From the link.
    pub token: WireSecret,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Answer of `POST /portal/mail/confirm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfirmLinkAnswer {
    /// What has come of it.
    pub outcome: Confirmed,
}

/// What a link has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confirmed {
    /// The account is made and can be used.
    Registered,
    /// The account is made and waits for an administrator's yes.
    ApprovalPending,
    /// The address is that of an account now.
    Address,
}

/// Body of `POST /portal/forgot`: answers 202, whether or not there is such an account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ForgotRequest {
    /// User name or e-mail address.
    pub login: String,
    /// What the mail is written in.
    #[serde(default)]
    pub language: Language,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Body of `POST /portal/reset`: answers 204. 400 `code-invalid` where the link is unknown, used or expired; 422 with
/// `errors` at `new_password`, after which the link still works.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResetPasswordRequest {
    /// From the link.
    pub token: WireSecret,
    /// The password from now on.
    pub new_password: WireSecret,
    /// What the mail about it is written in.
    #[serde(default)]
    pub language: Language,
    /// The caller's address, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Answer of `POST /internal/accounts/{id}/reset-link`: 201.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResetLinkAnswer {
    /// Where a new password is set, once.
    pub url: WireSecret,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// Answer of `POST /portal/email/state` (body: a session).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmailState {
    /// The account's address.
    pub email: String,
    /// Whether it was proved.
    pub verified: bool,
    /// Whether mails are sent at all.
    pub sends: bool,
}

/// Body of `POST /portal/email/verify`: sends a link to the account's address. Answers 202; 429 where many links of
/// the account still work.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifyEmailRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// What the mail is written in.
    #[serde(default)]
    pub language: Language,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Body of `POST /portal/email`: sends a link to another address; it becomes the account's when the link is used.
/// Answers 202, whether or not the address has an account. 422 with `errors` at `email` or `current_password`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangeEmailRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// The address.
    pub email: String,
    /// The account's password.
    pub current_password: WireSecret,
    /// What the mails are written in.
    #[serde(default)]
    pub language: Language,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

impl AuthzClient {
    /// Whether mails are sent.
    pub async fn mail_settings(&self) -> Result<MailSettings, ApiError> {
        self.api().get("/portal/mail").await
    }

    /// Uses a link that proves an address.
    pub async fn confirm_link(&self, body: &ConfirmLinkRequest) -> Result<ConfirmLinkAnswer, ApiError> {
        self.api().post("/portal/mail/confirm", body).await
    }

    /// Asks for a link to a new password.
    pub async fn forgot(&self, body: &ForgotRequest) -> Result<(), ApiError> {
        self.api().post_empty("/portal/forgot", body).await
    }

    /// Sets a new password with a link.
    pub async fn reset_password(&self, body: &ResetPasswordRequest) -> Result<(), ApiError> {
        let request = self.api().request(Method::POST, "/portal/reset").timeout(PASSWORD_TIMEOUT);
        self.api().send(request.json(body)).await.map(drop)
    }

    /// The address of the session's user.
    pub async fn email_state(&self, body: &SessionRequest) -> Result<EmailState, ApiError> {
        self.api().post("/portal/email/state", body).await
    }

    /// Asks for a link that proves the address of the session's user.
    pub async fn verify_email(&self, body: &VerifyEmailRequest) -> Result<(), ApiError> {
        self.api().post_empty("/portal/email/verify", body).await
    }

    /// Asks for another address.
    pub async fn change_email(&self, body: &ChangeEmailRequest) -> Result<(), ApiError> {
        let request = self.api().request(Method::POST, "/portal/email").timeout(PASSWORD_TIMEOUT);
        self.api().send(request.json(body)).await.map(drop)
    }
}
