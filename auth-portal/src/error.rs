//! The one list of what can go wrong, and the page for each. Details go to the log under the request id
//! that the page shows; the page says what can be done.

use askama::Template;
use axum::response::{IntoResponse, Response};
use control_api::client::ApiError;
use control_api::codes;
use control_api::upstream::UpstreamRefusal;
use http::{HeaderValue, StatusCode, header};

use crate::next_path::NextPath;
use crate::text::{fill, services, texts};
use crate::view::{Shell, current_request_id, page};

/// Seconds until a page about a service that is down asks again.
const RETRY_SECONDS: &str = "5";

/// A neighbour that did not do its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Neighbour {
    Authz,
    Deploy,
}

/// Why a page could not be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("there is no such page")]
    NotFound,
    #[error("there is no instance {0:?}")]
    NoSuchInstance(String),
    #[error("the method is not allowed")]
    MethodNotAllowed,
    #[error("the form is too large")]
    TooLarge,
    #[error("the form came too slowly")]
    TooSlow,
    #[error("the body is no form")]
    NotAForm,
    #[error("the form is not of this origin and session")]
    Csrf {
        /// Where the form can be loaded again.
        again: String,
    },
    #[error("the link is malformed")]
    BadLink,
    #[error("an app is not believed: {0}")]
    AppRefused(String),
    #[error("{slug} does not belong to {user}")]
    NotYours { slug: String, user: String },
    #[error("the other issuer signed nobody in: {reason:?}")]
    UpstreamRefused {
        reason: UpstreamRefusal,
        /// What exactly, for the page.
        detail: Option<String>,
    },
    #[error("sign-in is needed")]
    SignIn(Option<NextPath>),
    #[error("an administrator lacks a second factor")]
    SecondFactorNeeded,
    #[error("the account has no password to confirm this with")]
    PasswordNeeded,
    #[error("{neighbour:?} is unavailable: {reason}")]
    Unavailable {
        neighbour: Neighbour,
        /// For the log.
        reason: String,
        /// For the page, where the neighbour said something that helps people.
        shown: Option<String>,
    },
    #[error("too many at once")]
    Busy,
    #[error("internal: {0}")]
    Internal(String),
}

impl PageError {
    /// What an answer of authz-service means where the caller expected success.
    pub(crate) fn authz(error: ApiError) -> Self {
        if error.is(codes::SESSION_ENDED) {
            return Self::SignIn(None);
        }
        if error.is(codes::SECOND_FACTOR_NEEDED) {
            return Self::SecondFactorNeeded;
        }
        Self::neighbour(Neighbour::Authz, error)
    }

    /// What an answer of deploy-control means where the caller expected success.
    pub(crate) fn deploy(error: ApiError) -> Self {
        Self::neighbour(Neighbour::Deploy, error)
    }

    fn neighbour(neighbour: Neighbour, error: ApiError) -> Self {
        let reason = error.to_string();
        match error {
            ApiError::Problem(problem) if problem.status >= 500 || problem.kind == codes::TOKEN_MISMATCH => {
                Self::Unavailable { neighbour, reason, shown: Some(services::problem(&problem)) }
            }
            ApiError::Unreachable { .. } => Self::Unavailable { neighbour, reason, shown: None },
            ApiError::Problem(_) => Self::Internal(reason),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::NoSuchInstance(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BadLink | Self::AppRefused(_) => StatusCode::BAD_REQUEST,
            Self::Csrf { .. } | Self::NotYours { .. } => StatusCode::FORBIDDEN,
            Self::UpstreamRefused { reason, .. } => match reason {
                UpstreamRefusal::Expired | UpstreamRefusal::Faulty => StatusCode::BAD_REQUEST,
                UpstreamRefusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                UpstreamRefusal::Taken => StatusCode::CONFLICT,
                _ => StatusCode::FORBIDDEN,
            },
            Self::PasswordNeeded => StatusCode::CONFLICT,
            Self::SignIn(_) | Self::SecondFactorNeeded => StatusCode::SEE_OTHER,
            Self::Unavailable { .. } | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Title and explanation.
    fn words(&self) -> (&'static str, String) {
        let t = &texts().failure;
        match self {
            Self::NotFound => (t.not_found, t.not_found_text.to_owned()),
            Self::NoSuchInstance(name) => {
                (t.no_such_instance, fill(t.no_such_instance_text, &[("name", name)]))
            }
            Self::MethodNotAllowed => (t.method, t.method_text.to_owned()),
            Self::TooLarge => (t.too_large, t.too_large_text.to_owned()),
            Self::TooSlow => (t.too_slow, t.too_slow_text.to_owned()),
            Self::NotAForm => (t.not_a_form, t.not_a_form_text.to_owned()),
            Self::Csrf { .. } => (t.csrf, t.csrf_text.to_owned()),
            Self::BadLink => (t.bad_link, t.bad_link_text.to_owned()),
            Self::AppRefused(_) => (t.app_refused, t.app_refused_text.to_owned()),
            Self::NotYours { slug, user } => {
                (t.not_yours, fill(t.not_yours_text, &[("slug", slug), ("user", user)]))
            }
            Self::Unavailable { neighbour: Neighbour::Authz, .. } => {
                (t.unavailable, t.unavailable_authz.to_owned())
            }
            Self::Unavailable { neighbour: Neighbour::Deploy, .. } => {
                (t.unavailable, t.unavailable_deploy.to_owned())
            }
            Self::UpstreamRefused { reason, .. } => (refusal_title(*reason), refusal(*reason).to_owned()),
            Self::PasswordNeeded => {
                (texts().upstream.first_needed, texts().upstream.first_needed_text.to_owned())
            }
            Self::Busy => (t.busy, t.busy_text.to_owned()),
            Self::SignIn(_) | Self::SecondFactorNeeded | Self::Internal(_) => {
                (t.internal, t.internal_text.to_owned())
            }
        }
    }

    /// The page's main link: where to, and its words.
    fn way_on(&self) -> (&str, &'static str) {
        let t = &texts().failure;
        match self {
            Self::Csrf { again } => (again, t.csrf_again),
            Self::NotYours { .. } | Self::NoSuchInstance(_) => ("/account", t.to_own),
            Self::PasswordNeeded
            | Self::UpstreamRefused {
                reason: UpstreamRefusal::Taken | UpstreamRefusal::SessionEnded, ..
            } => ("/account/security", texts().tabs.security),
            Self::UpstreamRefused { .. } => ("/login", texts().common.sign_in),
            // An empty link is the page itself.
            Self::Unavailable { .. } | Self::Busy => ("", t.reload),
            _ => ("/", t.to_start),
        }
    }
}

/// Two of the refusals are of somebody who is signed in and wanted to link.
fn refusal_title(reason: UpstreamRefusal) -> &'static str {
    match reason {
        UpstreamRefusal::Taken | UpstreamRefusal::SessionEnded => texts().upstream.not_linked,
        _ => texts().upstream.refused,
    }
}

/// Why the other issuer signed nobody in, for people.
fn refusal(reason: UpstreamRefusal) -> &'static str {
    let t = &texts().upstream;
    match reason {
        UpstreamRefusal::OtherBrowser => t.other_browser,
        UpstreamRefusal::Expired => t.expired,
        UpstreamRefusal::Denied => t.denied,
        UpstreamRefusal::Faulty => t.faulty,
        UpstreamRefusal::Unavailable => t.away,
        UpstreamRefusal::Taken => t.taken,
        UpstreamRefusal::SessionEnded => t.session_ended,
        UpstreamRefusal::RegistrationClosed => t.closed,
        UpstreamRefusal::ApprovalPending => t.pending,
        UpstreamRefusal::Suspended => t.suspended,
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    shell: Shell,
    status: u16,
    title: &'a str,
    text: &'a str,
    reason: Option<&'a str>,
    retries: bool,
    link: &'a str,
    link_text: &'a str,
    request_id: &'a str,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let status = self.status();
        if let Self::SignIn(next) = &self {
            return redirect(&sign_in_url(next.as_ref()));
        }
        if matches!(self, Self::SecondFactorNeeded) {
            // That page says why.
            return redirect("/account/second-factor");
        }
        match &self {
            Self::Internal(reason) => tracing::error!(reason, "a page failed"),
            Self::Unavailable { reason, .. } => tracing::warn!(reason, "a neighbour is unavailable"),
            other => tracing::debug!(reason = %other, "a request was refused"),
        }
        let retries = matches!(self, Self::Unavailable { .. });
        let reason = match &self {
            Self::Unavailable { shown, .. } => shown.as_deref(),
            Self::AppRefused(why) => Some(why.as_str()),
            Self::UpstreamRefused { detail, .. } => detail.as_deref(),
            _ => None,
        };
        let (title, text) = self.words();
        let (link, link_text) = self.way_on();
        let shell = Shell::anybody();
        let request_id = &current_request_id();
        let view = FailurePage {
            shell,
            status: status.as_u16(),
            title,
            text: &text,
            reason,
            retries,
            link,
            link_text,
            request_id,
        };
        let mut response = page(status, &view);
        let seconds = HeaderValue::from_static(RETRY_SECONDS);
        if retries {
            response.headers_mut().insert(header::REFRESH, seconds.clone());
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// The sign-in page that leads on to `next`.
pub(crate) fn sign_in_url(next: Option<&NextPath>) -> String {
    next.map_or_else(
        || "/login".to_owned(),
        |next| {
            let encoded: String = url::form_urlencoded::byte_serialize(next.as_str().as_bytes()).collect();
            format!("/login?next={encoded}")
        },
    )
}

/// A 303: the next request is a GET, also after a form (RFC 9110, section 15.4.4).
pub(crate) fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(value) => (StatusCode::SEE_OTHER, [(header::LOCATION, value)]).into_response(),
        Err(_) => PageError::Internal("a redirect's target is no header".to_owned()).into_response(),
    }
}
