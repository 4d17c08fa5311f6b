//! The one error of the app and what each caller sees of it: problem+json for programs, a page for people.
//! Details go to the log.

use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use control_api::client::ApiError;
use control_api::codes;
use http::StatusCode;
use service_kit::problem::Problem;

use crate::chat;
use crate::identity::Denied;
use crate::pages;
use crate::store::StoreError;

/// No provider can be asked. 409.
pub(crate) const NO_PROVIDER: &str = "urn:beaver:no-provider";
/// The owner is registered already. 409.
pub(crate) const ALREADY_REGISTERED: &str = "urn:beaver:already-registered";
/// The issuer refused or cannot be reached. 502.
pub(crate) const ISSUER_FAILED: &str = "urn:beaver:issuer-failed";
/// The request comes from another site's page. 403.
pub(crate) const CROSS_SITE: &str = "urn:beaver:cross-site";

/// Whatever can go wrong with a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// No assertion, or one that does not hold.
    #[error("not signed in")]
    NotSignedIn,
    /// Signed in or not cannot be told.
    #[error("the issuer's keys cannot be had")]
    NoKeys,
    /// A page of another origin sent the request.
    #[error("the request comes from another site")]
    CrossSite,
    /// A field is at fault.
    #[error("{field} {message}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What about it.
        message: String,
    },
    /// The body, path or query does not fit; the status says how.
    #[error("{1}")]
    Malformed(StatusCode, String),
    /// No such page or conversation.
    #[error("not found")]
    NotFound,
    /// No provider can be asked: why.
    #[error("no provider: {0}")]
    NoProvider(String),
    /// Another answer of the conversation is being written.
    #[error("busy")]
    Busy,
    /// There is an owner already.
    #[error("registered already")]
    Registered,
    /// The issuer refused the registration, or cannot be reached.
    #[error("the issuer failed: {0}")]
    Issuer(ApiError),
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// Our own fault.
    #[error("{0}")]
    Internal(String),
}

impl AppError {
    /// A field is at fault.
    pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }

    /// What the caller is told.
    pub(crate) fn problem(&self) -> Problem {
        let new = Problem::new;
        match self {
            Self::NotSignedIn => {
                new(StatusCode::UNAUTHORIZED, codes::SESSION_ENDED, "You are not signed in here")
                    .detail("Open the app in a browser, or reload its page, to sign in.")
            }
            Self::NoKeys => {
                new(StatusCode::SERVICE_UNAVAILABLE, codes::BUSY, "Sign-in cannot be checked now")
                    .detail("The sign-in service does not answer. Try again in a moment.")
            }
            Self::CrossSite => new(StatusCode::FORBIDDEN, CROSS_SITE, "The request comes from another site")
                .detail("Only this app's own pages may do that."),
            Self::Invalid { field, message } => {
                new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "The input is at fault")
                    .detail(format!("`{field}` {message}."))
                    .field(field, message)
            }
            Self::Malformed(status, reason) => {
                new(*status, codes::INVALID_INPUT, "The request cannot be understood").detail(reason)
            }
            Self::NotFound => new(StatusCode::NOT_FOUND, codes::NOT_FOUND, "There is nothing here")
                .detail("The conversation may have been deleted."),
            Self::NoProvider(reason) => {
                new(StatusCode::CONFLICT, NO_PROVIDER, "There is no provider to ask").detail(reason)
            }
            Self::Busy => {
                new(StatusCode::CONFLICT, codes::OPERATION_IN_PROGRESS, "An answer is still being written")
                    .detail("Wait for it or stop it first.")
            }
            Self::Registered => {
                new(StatusCode::CONFLICT, ALREADY_REGISTERED, "This instance has an owner already")
            }
            Self::Issuer(error) => {
                new(StatusCode::BAD_GATEWAY, ISSUER_FAILED, "The issuer did not register this instance")
                    .detail(error.to_string())
            }
            Self::DiskFull => new(StatusCode::INSUFFICIENT_STORAGE, codes::DISK_FULL, "The disk is full")
                .detail("Delete conversations that are no longer needed, or ask the operator for space."),
            Self::Internal(_) => Problem::internal(),
        }
    }

    fn log(&self) {
        match self {
            Self::Internal(reason) => tracing::error!(reason, "a request failed"),
            Self::Issuer(error) => tracing::warn!(%error, "the registration failed"),
            Self::DiskFull => tracing::error!("the disk is full"),
            other => tracing::debug!(reason = %other, "a request was refused"),
        }
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        self.log();
        self.problem().into_response()
    }
}

/// The same as a page.
pub(crate) struct PageError(pub(crate) AppError);

impl<E: Into<AppError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.0.log();
        pages::problem(self.0.problem())
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound,
            StoreError::Registered => Self::Registered,
            StoreError::DiskFull => Self::DiskFull,
            StoreError::Database(error) => Self::Internal(error.to_string()),
        }
    }
}

impl From<chat::StartError> for AppError {
    fn from(error: chat::StartError) -> Self {
        match error {
            chat::StartError::Busy => Self::Busy,
            chat::StartError::NothingToAnswer => {
                Self::Malformed(StatusCode::CONFLICT, "Nothing was said in this conversation yet.".to_owned())
            }
            chat::StartError::Store(error) => error.into(),
        }
    }
}

impl From<Denied> for AppError {
    fn from(denied: Denied) -> Self {
        tracing::debug!(reason = %denied, "an assertion was not believed");
        match denied {
            Denied::Invalid(_) => Self::NotSignedIn,
            Denied::NoKeys => Self::NoKeys,
        }
    }
}

impl From<JsonRejection> for AppError {
    fn from(rejection: JsonRejection) -> Self {
        Self::Malformed(rejection.status(), rejection.body_text())
    }
}

impl From<FormRejection> for AppError {
    fn from(rejection: FormRejection) -> Self {
        Self::Malformed(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for AppError {
    fn from(_: PathRejection) -> Self {
        // A path with something else than an id in it names nothing.
        Self::NotFound
    }
}

impl From<QueryRejection> for AppError {
    fn from(rejection: QueryRejection) -> Self {
        Self::Malformed(rejection.status(), rejection.body_text())
    }
}
