//! Sign-in at another `OpenID` Connect issuer, the upstream: bodies of authz-service's routes for the portal, and
//! the calls. The portal keeps one secret in a cookie of the browser; whatever is begun is bound to it.

use std::net::IpAddr;

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz::{RegistrationMode, SessionRequest};
use crate::authz_client::{AuthzClient, PASSWORD_TIMEOUT};
use crate::client::ApiError;
use crate::ids::UserId;
use crate::mail::Language;
use crate::second_factor::PendingLogin;
use crate::wire::WireSecret;

/// Body of `POST /portal/upstream/start`: somebody wants to sign in at the upstream. 404 where none is set, 503
/// `upstream-unavailable` with the reason where it does not answer, 429.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamStartRequest {
    /// The secret from the browser's cookie.
    pub browser: WireSecret,
    /// A path of the portal, given back after sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The caller's address, for throttling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Body of `POST /portal/upstream/link`: the session's user wants to sign in at the upstream, too. Besides what
/// `start` answers: 422 with `errors` at `current_password`, 401.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamLinkRequest {
    /// The secret from the browser's cookie.
    pub browser: WireSecret,
    /// The secret of the session.
    pub session: WireSecret,
    /// The password, where the account has one.
    pub password: WireSecret,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Answer of both.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamStarted {
    /// Where the browser goes. Works for 10 minutes, once.
    pub to: WireSecret,
}

/// Body of `POST /portal/upstream/callback`: the browser came back.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamCallbackRequest {
    /// The secret from the browser's cookie, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<WireSecret>,
    /// The secret of the session, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<WireSecret>,
    /// The query as it came.
    pub query: WireSecret,
    /// The caller's address, for the audit log and the list of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
    /// What the browser calls itself, for the list of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// Answer of `POST /portal/upstream/callback`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum UpstreamOutcome {
    /// A session as after a password.
    SignedIn {
        /// The account.
        user_id: UserId,
        /// The new session's secret, for the cookie.
        session: WireSecret,
        /// As it was given at the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// The account has a second factor, which is asked for next (`/portal/login/second`).
    SecondFactor {
        /// What proves this step.
        pending: PendingLogin,
        /// As it was given at the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// Nobody here has this identity: the person chooses a user name (`/portal/upstream/arrival`).
    ChooseName,
    /// The identity belongs to the session's account from now on.
    Linked,
    /// Nothing was done.
    Refused {
        /// Why.
        reason: UpstreamRefusal,
        /// What exactly, in words; nothing in it is secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// Why nobody was signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamRefusal {
    /// It was begun in another browser.
    OtherBrowser,
    /// It was never begun, is over, or took too long.
    Expired,
    /// The person did not allow it there.
    Denied,
    /// The answer, or a token in it, is not believed.
    Faulty,
    /// The upstream does not answer.
    Unavailable,
    /// The identity belongs to another account, or the account has another identity.
    Taken,
    /// The session that asked to link has ended.
    SessionEnded,
    /// No accounts are made here.
    RegistrationClosed,
    /// The account waits for an administrator's yes.
    ApprovalPending,
    /// An administrator has shut the account out; the detail says why.
    Suspended,
}

impl UpstreamRefusal {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherBrowser => "other-browser",
            Self::Expired => "expired",
            Self::Denied => "denied",
            Self::Faulty => "faulty",
            Self::Unavailable => "unavailable",
            Self::Taken => "taken",
            Self::SessionEnded => "session-ended",
            Self::RegistrationClosed => "registration-closed",
            Self::ApprovalPending => "approval-pending",
            Self::Suspended => "suspended",
        }
    }
}

/// Body of `POST /portal/upstream/arrival`: who arrived with this browser. 400 `code-invalid` where nobody did, or
/// too long ago.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamArrivalRequest {
    /// The secret from the browser's cookie.
    pub browser: WireSecret,
}

/// Answer of `POST /portal/upstream/arrival`: what the form may have in it already.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamArrival {
    /// A user name that is well formed; empty where the upstream gave none.
    pub username: String,
    /// An address that the upstream has verified; empty where it gave none.
    pub email: String,
    /// What the form has to ask.
    pub registration: RegistrationMode,
}

/// Body of `POST /portal/upstream/register`: an account without a password. Faults as at `/portal/register`, and 400
/// `code-invalid` where nobody arrived.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamRegisterRequest {
    /// The secret from the browser's cookie.
    pub browser: WireSecret,
    /// The name to be known by; also the slug.
    pub username: String,
    /// Where to reach the person.
    pub email: String,
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

/// Body of `POST /portal/upstream/unlink`: answers 204. 422 with `errors` at `current_password`: it is wrong, or the account
/// has none, so that nothing would be left to sign in with.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamUnlinkRequest {
    /// The secret of the session.
    pub session: WireSecret,
    /// The password.
    pub password: WireSecret,
    /// The caller's address, for throttling and the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_addr: Option<IpAddr>,
}

/// Answer of `POST /portal/upstream/identity` (body: a session): the ways in of its user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamStanding {
    /// Whether the account has a password.
    pub has_password: bool,
    /// Whether the session is young enough to set the first password.
    pub fresh: bool,
    /// The identity at the upstream, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<UpstreamIdentity>,
}

/// An identity that opens an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpstreamIdentity {
    /// What the upstream called the person when it was linked: capped and escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub linked_at: Timestamp,
    /// When somebody last signed in with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
}

impl AuthzClient {
    /// Begins a sign-in at the upstream.
    pub async fn upstream_start(&self, body: &UpstreamStartRequest) -> Result<UpstreamStarted, ApiError> {
        self.slow("/portal/upstream/start", body).await
    }

    /// Begins a sign-in that links.
    pub async fn upstream_link(&self, body: &UpstreamLinkRequest) -> Result<UpstreamStarted, ApiError> {
        self.slow("/portal/upstream/link", body).await
    }

    /// Ends a sign-in.
    pub async fn upstream_callback(
        &self,
        body: &UpstreamCallbackRequest,
    ) -> Result<UpstreamOutcome, ApiError> {
        self.slow("/portal/upstream/callback", body).await
    }

    /// Who arrived.
    pub async fn upstream_arrival(&self, body: &UpstreamArrivalRequest) -> Result<UpstreamArrival, ApiError> {
        self.0.post("/portal/upstream/arrival", body).await
    }

    /// Makes the account of who arrived.
    pub async fn upstream_register(
        &self,
        body: &UpstreamRegisterRequest,
    ) -> Result<crate::authz::RegisterAccountAnswer, ApiError> {
        self.0.post("/portal/upstream/register", body).await
    }

    /// The ways in of the session's user.
    pub async fn upstream_identity(&self, body: &SessionRequest) -> Result<UpstreamStanding, ApiError> {
        self.0.post("/portal/upstream/identity", body).await
    }

    /// Takes the identity from the account.
    pub async fn upstream_unlink(&self, body: &UpstreamUnlinkRequest) -> Result<(), ApiError> {
        let request = self.0.request(Method::POST, "/portal/upstream/unlink").timeout(PASSWORD_TIMEOUT);
        self.0.send(request.json(body)).await.map(drop)
    }
}
