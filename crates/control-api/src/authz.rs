//! Bodies of authz-service's API: for the portal, deploy-control, the router and the instances.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{ApiKeyId, InstanceId, OperationId, SessionId, UserId};
use crate::mail::Language;
use crate::names::{Slug, Username};
use crate::wire::WireSecret;

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationMode {
    /// Anybody.
    Open,
    /// Whoever has an invite.
    Invite,
    /// Anybody, after an administrator's yes.
    Approval,
    /// Nobody.
    Closed,
}

impl RegistrationMode {
    /// All of them, from the widest.
    pub const ALL: [Self; 4] = [Self::Open, Self::Invite, Self::Approval, Self::Closed];

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invite => "invite",
            Self::Approval => "approval",
            Self::Closed => "closed",
        }
    }
}

impl std::str::FromStr for RegistrationMode {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "invite" => Ok(Self::Invite),
            "approval" => Ok(Self::Approval),
            "closed" => Ok(Self::Closed),
            _ => Err("must be open, invite, approval or closed"),
        }
    }
}

/// Answer of `GET /portal/settings`: what the sign-up form and every page have to say.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalSettings {
    /// Who may register.
    pub registration: RegistrationMode,
    /// Shortest password, in characters.
    pub password_min: usize,
    /// Longest password, in characters.
    pub password_max: usize,
    /// Whether the first administrator is still to be made.
    #[serde(default)]
    pub setup_open: bool,
    /// Plain text over every page; empty for none.
    #[serde(default)]
    pub banner: String,
    /// What people know the issuer by at which they may sign in; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
}

/// Body of `POST /portal/register`. Fields are raw text, so that every fault is reported at its field.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegisterAccountRequest {
    /// The name to sign in with; also the slug.
    pub username: String,
    /// Where to reach the person.
    pub email: String,
    /// The password.
    pub password: WireSecret,
    /// An invite code, where registration asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<WireSecret>,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
    /// What the browser calls itself, for the list of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What the account's mails are written in.
    #[serde(default)]
    pub language: Language,
}

/// Answer of `POST /portal/register`: 201. Faults: 422 with `errors` by field, 409, 403, 429.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegisterAccountAnswer {
    /// The account.
    pub user_id: UserId,
    /// The session's secret, for the cookie.
    pub session: WireSecret,
    /// The work at deploy-control, where it is known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
}

/// Body of `POST /portal/login`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginAccountRequest {
    /// User name or e-mail address.
    pub login: String,
    /// The password.
    pub password: WireSecret,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
    /// What the browser calls itself, for the list of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Whether the person wants to stay signed in: 30 days instead of 12 hours.
    #[serde(default)]
    pub remember: bool,
}

/// Answer of `POST /portal/login` where the password is enough, and of `POST /portal/login/second`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginAccountAnswer {
    /// The account.
    pub user_id: UserId,
    /// The new session's secret, for the cookie.
    pub session: WireSecret,
    /// For how many seconds the browser may keep the cookie; absent where the cookie ends with the browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_max_age_s: Option<u64>,
}

/// Body of `POST /portal/session` and `POST /portal/logout` (answers 204, also for an unknown session).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
}

/// Answer of `POST /portal/session`; 401 `session-ended` otherwise. Asking counts as use of the session.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// The session.
    pub sid: SessionId,
    /// Whose it is.
    pub user: UserView,
    /// What the account may do now: an administrator who lacks the second factor that is required is a user.
    #[serde(default)]
    pub role: Role,
    /// Whether the account may administer nothing until it has a second factor.
    #[serde(default)]
    pub second_factor_needed: bool,
    /// When it ends if it is not used.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// How far the account's instance is ordered.
    pub provisioning: ProvisioningView,
}

/// What an account may do. Never part of a token: it is asked for at every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Its own instance.
    #[default]
    User,
    /// Every instance.
    Admin,
}

impl Role {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

/// Body of `POST /internal/accounts/{id}/role`: answers 204.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct SetRoleRequest {
    /// From now on.
    pub role: Role,
}

/// An account as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// The account.
    pub user_id: UserId,
    /// Its name.
    pub username: Username,
    /// Its e-mail address.
    pub email: String,
}

/// Whether deploy-control has taken the order for the account's instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProvisioningView {
    /// How far the order is.
    pub state: OrderState,
    /// The instance, once accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// The operation, once accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<OperationId>,
    /// Why it waits or was refused, in words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Progress of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// In the outbox; tried again until it is taken.
    Queued,
    /// Taken by deploy-control.
    Accepted,
    /// Refused for good, such as for a slug that is taken; the reason says why.
    Refused,
}

/// Body of `POST /portal/provisioning`: orders the session's instance (again), for an account whose order was
/// refused or whose instance was deleted. Answers 202 with a [`ProvisioningView`].
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrderInstanceRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// Another slug than the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<Slug>,
}

/// Body of `POST /portal/handoff`: a one-time code for the session's user at one instance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HandoffRequest {
    /// The secret from the cookie.
    pub session: WireSecret,
    /// The instance, from the registry. 403 `not-yours` when it is another's.
    pub instance_id: InstanceId,
    /// Its host label.
    pub slug: Slug,
    /// `S256` challenge (RFC 7636): 43 characters of base64url.
    pub code_challenge: String,
}

/// Answer of `POST /portal/handoff`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HandoffAnswer {
    /// Lives 60 s, works once, for that slug, challenge and session.
    pub code: WireSecret,
}

/// Body of `POST /internal/accounts`: an account made by the operator, whatever the registration mode.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateAccountRequest {
    /// The name to sign in with; also the slug.
    pub username: String,
    /// May be empty: then `<username>@localhost.invalid` stands in.
    #[serde(default)]
    pub email: String,
    /// One is made where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<WireSecret>,
}

/// Answer of `POST /internal/accounts`: 201.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateAccountAnswer {
    /// The account.
    pub user_id: UserId,
    /// Its name.
    pub username: Username,
    /// The password that was made, shown this once; absent where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<WireSecret>,
}

/// Body of `POST /internal/registration-tokens`, asked by deploy-control before it registers an instance.
/// Also tells authz-service who owns the instance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegistrationTokenRequest {
    /// The instance.
    pub instance_id: InstanceId,
    /// Its owner.
    pub owner_id: UserId,
    /// Its host label.
    pub slug: Slug,
}

/// Answer of `POST /internal/registration-tokens`: 201.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegistrationTokenAnswer {
    /// For `POST /backends/register`: once, for 10 minutes, for that instance.
    pub registration_token: WireSecret,
    /// Seconds until it expires.
    pub expires_in: i64,
}

/// Body of `POST /backends/register`; bearer: the registration token of that instance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegisterBackendRequest {
    /// The instance.
    pub instance_id: InstanceId,
    /// The app's name, at most 100 characters.
    pub name: String,
    /// The app's version, at most 50 characters.
    pub version: String,
}

/// Answer of `POST /backends/register`: 201.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegisterBackendAnswer {
    /// For `POST /oauth/token`.
    pub client_id: String,
    /// For `POST /oauth/token`; shown this once.
    pub client_secret: WireSecret,
    /// Where tokens are had.
    pub token_endpoint: String,
    /// The issuer.
    pub issuer: String,
}

/// Body of `POST /router/redeem`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RedeemRequest {
    /// From the callback.
    pub code: WireSecret,
    /// What the challenge was made from.
    pub code_verifier: WireSecret,
    /// The host at which the callback arrived.
    pub slug: Slug,
}

/// Body of `POST /router/renew` and `POST /router/logout`: an app token whose signature holds; it may have
/// expired, the session decides.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AppTokenRequest {
    /// From the cookie.
    pub app_token: WireSecret,
}

/// Answer of `POST /router/redeem` and `POST /router/renew`; 401 `session-ended` when there is no session
/// behind it any more.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenSet {
    /// For the `beaver_app` cookie.
    pub app_token: WireSecret,
    /// For `X-Beaver-Assertion`; kept in the router's memory alone.
    pub assertion: WireSecret,
    /// The instance that both open.
    pub instance_id: InstanceId,
    /// The session that both hang on.
    pub sid: SessionId,
    /// For the identity headers.
    pub user: UserView,
    /// When both expire, seconds since 1970.
    pub expires_at: i64,
}

/// Query of `GET /router/revocations`: waits until there is news, at most `wait_s` (0 to 30) seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RevocationsQuery {
    /// The last `seq` that the router knows; 0 at first.
    #[serde(default)]
    pub after: i64,
    /// How long to wait for news.
    #[serde(default)]
    pub wait_s: u32,
}

/// Answer of `GET /router/revocations`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Revocations {
    /// Give this as `after` next.
    pub last: i64,
    /// In the order of `seq`. Entries older than the longest life of a token (10 minutes and skew) may be
    /// left out.
    pub revocations: Vec<Revocation>,
}

/// Something that may not be believed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "id", rename_all = "lowercase")]
pub enum Revoked {
    /// One session: signed out.
    Session(SessionId),
    /// All tokens of a user issued before the revocation.
    User(UserId),
    /// All tokens for an instance issued before the revocation.
    Instance(InstanceId),
    /// One API key, for good.
    #[serde(rename = "api_key")]
    ApiKey(ApiKeyId),
}

/// One revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revocation {
    /// Grows.
    pub seq: i64,
    /// What.
    #[serde(flatten)]
    pub revoked: Revoked,
    /// When, seconds since 1970: tokens with an `iat` at or before this are void.
    pub at: i64,
}
