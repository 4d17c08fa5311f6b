//! Everything that the router answers itself instead of forwarding, and the one place that maps each cause
//! to a status, a code and words. [`crate::pages`] renders it for people, or as problem+json for programs.

use std::time::Duration;

use control_api::codes;
use control_api::deploy::InstanceState;
use http::StatusCode;

/// Why a request is not forwarded, or not answered by its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400 with what is wrong.
    Malformed(&'static str),
    MethodNotAllowed,
    TargetTooLong,
    HeadersTooLarge,
    TooSlow,
    ExpectationFailed,
    /// The host is another one than those of the certificate that the connection began with.
    Misdirected,
    /// No route for the host.
    UnknownHost,
    /// The base domain itself.
    BaseHost,
    /// Below `/.beaver/` and none of ours.
    NoSuchPage,
    /// No session, and no redirect would help.
    SignedOut,
    /// Signed in as somebody else.
    NotYours,
    /// The API key opens nothing here.
    KeyInvalid,
    /// The API key may not do that.
    KeyScope,
    /// Too many wrong API keys: how long to wait.
    TooManyTries(Duration),
    /// Another site is behind the request.
    Forged,
    /// Nobody can be let in: why.
    GateClosed(&'static str),
    /// The hand-off could not be finished.
    HandoffFailed {
        reason: &'static str,
        retry: String,
        status: StatusCode,
    },
    /// The session may still be open although the browser's cookie is gone.
    LogoutIncomplete,
    /// The instance's state, with deploy-control's reason.
    NotReady {
        state: InstanceState,
        reason: Option<String>,
    },
    /// It was put to sleep for a reason that a request does not end.
    StaysAsleep {
        reason: Option<String>,
    },
    /// It sleeps and nobody can wake it.
    CannotWake,
    Busy,
    UpstreamFailed,
    UpstreamTimeout,
    /// The router is stopping.
    Stopping,
}

/// How a refusal is shown.
pub(crate) struct Spec {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) message: String,
    /// A detail from deploy-control, shown apart.
    pub(crate) reason: Option<String>,
    /// `Retry-After`; a navigation's page also reloads by itself.
    pub(crate) retry_after: Option<Duration>,
    /// `WWW-Authenticate` (RFC 6750, section 3).
    pub(crate) challenge: Option<&'static str>,
    pub(crate) action: Action,
}

/// What a person can do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    None,
    /// A path on this host.
    TryAgain(String),
    /// A label and a path at the portal.
    Portal(&'static str, &'static str),
}

const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(10);

impl Refusal {
    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.spec().status
    }

    /// The status, code and words.
    pub(crate) fn spec(&self) -> Spec {
        match self {
            Self::NotReady { state, reason } => not_ready(*state, reason.clone()),
            Self::StaysAsleep { reason } => Spec::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:beaver:instance-asleep",
                "Put to sleep",
                "This app was put to sleep and does not wake by itself. It can be started from the account page of \
                 the portal.",
            )
            .reason(reason.clone())
            .action(Action::Portal("Go to your account", "/account")),
            Self::Malformed(_)
            | Self::MethodNotAllowed
            | Self::TargetTooLong
            | Self::HeadersTooLarge
            | Self::TooSlow
            | Self::ExpectationFailed => self.bad_request(),
            Self::SignedOut
            | Self::NotYours
            | Self::Forged
            | Self::GateClosed(_)
            | Self::HandoffFailed { .. }
            | Self::LogoutIncomplete => self.gate(),
            Self::KeyInvalid | Self::KeyScope | Self::TooManyTries(_) => self.key(),
            _ => self.unavailable(),
        }
    }

    fn bad_request(&self) -> Spec {
        let (status, title, message) = match self {
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
                "CONNECT and TRACE are not served here.",
            ),
            Self::TargetTooLong => {
                (StatusCode::URI_TOO_LONG, "Address too long", "The address has over 8 KB.")
            }
            Self::HeadersTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "Headers too large",
                "The request has over 100 headers or 32 KB of them. Clearing this site's cookies may help.",
            ),
            Self::TooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "Request too slow", "The request did not arrive in time.")
            }
            Self::ExpectationFailed => {
                (StatusCode::EXPECTATION_FAILED, "Expectation failed", "Only 100-continue can be expected.")
            }
            Self::Malformed(what) => (StatusCode::BAD_REQUEST, "Bad request", *what),
            _ => (StatusCode::BAD_REQUEST, "Bad request", "The request is malformed."),
        };
        let message = if matches!(self, Self::Malformed(_)) {
            format!("The request cannot be served: {message}.")
        } else {
            message.to_owned()
        };
        Spec::new(status, codes::INVALID_INPUT, title, message)
    }

    fn gate(&self) -> Spec {
        match self {
            Self::NotYours => Spec::new(
                StatusCode::FORBIDDEN,
                codes::NOT_YOURS,
                "This is not yours",
                "You are signed in, but this address belongs to somebody else.",
            )
            .action(Action::Portal("Go to your own", "/login")),
            Self::Forged => Spec::new(
                StatusCode::FORBIDDEN,
                "urn:beaver:cross-site",
                "Refused",
                "Another site tried to act in your name here. Nothing was changed.",
            )
            .action(Action::TryAgain("/".to_owned())),
            Self::GateClosed(why) => Spec::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:beaver:gate-closed",
                "Sign-in cannot be checked",
                format!("{why} Until it can be, nobody is let in. This page tries again by itself."),
            )
            .retry_after(LONG),
            Self::HandoffFailed { reason, retry, status } => {
                Spec::new(*status, codes::CODE_INVALID, "Signing in did not work", *reason)
                    .action(Action::TryAgain(retry.clone()))
            }
            Self::LogoutIncomplete => Spec::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:beaver:logout-incomplete",
                "You are not quite signed out",
                "This browser was signed out here, but the session itself could not be ended because the \
                 identity service does not answer. Sign out at the portal to be sure.",
            )
            .action(Action::Portal("Go to the portal", "/")),
            _ => Spec::new(
                StatusCode::UNAUTHORIZED,
                codes::SESSION_ENDED,
                "You are not signed in",
                "Your session has ended. What you sent was not passed on.",
            )
            .challenge("Bearer")
            .action(Action::TryAgain("/".to_owned())),
        }
    }

    /// For programs: they have no page to go to.
    fn key(&self) -> Spec {
        match self {
            Self::KeyScope => Spec::new(
                StatusCode::FORBIDDEN,
                codes::KEY_SCOPE,
                "The API key may not do that",
                "It may read (GET, HEAD, OPTIONS). Anything else needs a key with the scope `instance`.",
            )
            .challenge("Bearer error=\"insufficient_scope\", scope=\"instance\""),
            Self::TooManyTries(wait) => Spec::new(
                StatusCode::TOO_MANY_REQUESTS,
                codes::TOO_MANY_TRIES,
                "Too many wrong API keys",
                "Many API keys that are none came from this address. Try again later.",
            )
            // Rounded up: whoever waits that long is not refused again.
            .retry_after(Duration::from_secs(wait.as_secs() + 1)),
            _ => Spec::new(
                StatusCode::UNAUTHORIZED,
                codes::KEY_INVALID,
                "The API key is not valid",
                "It is unknown, revoked, expired, or for another app.",
            )
            .challenge("Bearer error=\"invalid_token\""),
        }
    }

    fn unavailable(&self) -> Spec {
        let (status, code, title, message) = match self {
            Self::UnknownHost => (
                StatusCode::NOT_FOUND,
                "urn:beaver:unknown-host",
                "Nothing lives here",
                "No app has this address. Check the spelling, or sign in to find your own.",
            ),
            Self::BaseHost => (
                StatusCode::NOT_FOUND,
                "urn:beaver:unknown-host",
                "No app at this address",
                "Apps live one name below this address. Sign in to find your own.",
            ),
            Self::NoSuchPage => {
                (StatusCode::NOT_FOUND, codes::NOT_FOUND, "No such page", "There is nothing at this path.")
            }
            Self::CannotWake => (
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:beaver:cannot-wake",
                "It cannot be woken now",
                "Your app sleeps, and the service that starts it does not answer. This page tries again by itself.",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                codes::BUSY,
                "Too busy",
                "This app has too many requests under way. Try again in a moment.",
            ),
            Self::Misdirected => (
                StatusCode::MISDIRECTED_REQUEST,
                "urn:beaver:misdirected",
                "Wrong connection",
                "This connection was made for another address. Open the page again.",
            ),
            Self::UpstreamTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "urn:beaver:upstream-timeout",
                "No answer in time",
                "The app took too long to answer.",
            ),
            Self::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                codes::BUSY,
                "Restarting",
                "The router restarts. Try again in a moment.",
            ),
            _ => (
                StatusCode::BAD_GATEWAY,
                "urn:beaver:upstream-failed",
                "The app did not answer",
                "The connection to the app failed or broke off. It may be restarting.",
            ),
        };
        let spec = Spec::new(status, code, title, message);
        match self {
            Self::UnknownHost | Self::BaseHost => spec.action(Action::Portal("Go to the portal", "/")),
            Self::CannotWake => spec.retry_after(LONG),
            Self::Busy | Self::Stopping => spec.retry_after(SHORT),
            _ => spec.action(Action::TryAgain("/".to_owned())),
        }
    }
}

fn not_ready(state: InstanceState, reason: Option<String>) -> Spec {
    let (code, title, message) = match state {
        InstanceState::Asleep => {
            ("urn:beaver:instance-asleep", "Waking up", "Your app was asleep. It will be here in a moment.")
        }
        InstanceState::Stopped => (
            "urn:beaver:instance-stopped",
            "Stopped",
            "This app was stopped. It can be started from the account page of the portal.",
        ),
        InstanceState::Failed => (
            "urn:beaver:instance-failed",
            "It could not be started",
            "This app failed to start. Its data is kept. The account page of the portal can try again.",
        ),
        InstanceState::Deleting => {
            ("urn:beaver:instance-deleting", "Being removed", "This app is being removed.")
        }
        InstanceState::Unknown => (
            "urn:beaver:instance-unknown",
            "Please wait",
            "The state of this app is not known at the moment. This page tries again by itself.",
        ),
        _ => (
            "urn:beaver:instance-starting",
            "Starting",
            "Your app is starting. This page shows it as soon as it is ready.",
        ),
    };
    let spec = Spec::new(StatusCode::SERVICE_UNAVAILABLE, code, title, message).reason(reason);
    match state {
        InstanceState::Stopped | InstanceState::Failed | InstanceState::Deleting => {
            spec.action(Action::Portal("Go to your account", "/account"))
        }
        InstanceState::Unknown => spec.retry_after(LONG),
        _ => spec.retry_after(SHORT),
    }
}

impl Spec {
    fn new(status: StatusCode, code: &'static str, title: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            title,
            message: message.into(),
            reason: None,
            retry_after: None,
            challenge: None,
            action: Action::None,
        }
    }

    fn reason(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }

    fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    fn challenge(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    fn action(mut self, action: Action) -> Self {
        self.action = action;
        self
    }
}

impl From<crate::guard::Fault> for Refusal {
    fn from(fault: crate::guard::Fault) -> Self {
        use crate::guard::Fault;
        match fault {
            Fault::Malformed(what) => Self::Malformed(what),
            Fault::TargetTooLong => Self::TargetTooLong,
            Fault::HeadersTooLarge => Self::HeadersTooLarge,
            Fault::TooSlow => Self::TooSlow,
        }
    }
}
