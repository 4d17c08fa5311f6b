//! Everything that a request can be refused for, and the one place where it becomes an answer. The client
//! gets what helps it; the log gets the rest under the request id.

use axum::response::{IntoResponse, Response};
use control_api::codes;
use control_api::ids::{OperationId, RolloutId};
use http::{HeaderValue, StatusCode, header};
use service_kit::problem::Problem;

use crate::store::StoreError;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(&'static str),
    /// The method is not served at this path.
    #[error("the method is not served at this path")]
    MethodNotAllowed,
    /// The body is larger than any that is needed.
    #[error("the body is too large")]
    TooLarge,
    /// The body is no JSON.
    #[error("the body must be JSON with content-type application/json")]
    MediaType,
    /// The request cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// Fields are at fault.
    #[error("fields are at fault")]
    Fields(Vec<(&'static str, String)>),
    /// The slug is another person's.
    #[error("the slug {0} is taken")]
    SlugTaken(String),
    /// Another operation is at work.
    #[error("operation {0} is at work on the instance; wait for its end, or cancel it")]
    InProgress(OperationId),
    /// Another rollout is at work.
    #[error("rollout {0} is at work; wait for its end, or cancel it")]
    RolloutInProgress(RolloutId),
    /// What is asked does not fit the state of the instance.
    #[error("{0}")]
    Conflict(String),
    /// Somebody else changed it since it was looked at.
    #[error("somebody else changed it since you looked at it; look again")]
    ChangedMeanwhile,
    /// It did not come up; what was before is back.
    #[error("{0}")]
    NotReady(String),
    /// Docker cannot be reached.
    #[error("{0}")]
    DockerAway(String),
    /// The image is not on this machine.
    #[error("{0}")]
    ImageMissing(String),
    /// The isolation is not proven.
    #[error("{0}")]
    NotIsolated(String),
    /// Too little disk space.
    #[error("{0}")]
    DiskFull(String),
    /// No address is free.
    #[error("every address of BEAVER_INSTANCE_SUBNET is in use or rests")]
    AddressesExhausted,
    /// Not now.
    #[error("{0}")]
    Busy(String),
    /// Our fault; for the log alone.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoInstance => Self::NotFound("There is no such instance."),
            StoreError::SlugTaken => Self::SlugTaken(String::new()),
            StoreError::AddressesExhausted => Self::AddressesExhausted,
            StoreError::InProgress(operation) => Self::InProgress(operation),
            StoreError::BeingRemoved => {
                Self::Busy("the former instance is still being removed; try again in a moment".to_owned())
            }
            error @ (StoreError::Sql(_) | StoreError::Corrupt(_) | StoreError::Fenced) => {
                Self::Internal(error.to_string())
            }
        }
    }
}

impl Error {
    /// As an answer.
    pub fn problem(&self) -> Problem {
        let new = |status, code, title| Problem::new(status, code, title).detail(self.sentence());
        match self {
            Self::NotFound(_) => new(StatusCode::NOT_FOUND, codes::NOT_FOUND, "There is no such thing"),
            Self::MethodNotAllowed => {
                new(StatusCode::METHOD_NOT_ALLOWED, codes::INVALID_INPUT, "The method is not served here")
            }
            Self::TooLarge => {
                new(StatusCode::PAYLOAD_TOO_LARGE, codes::INVALID_INPUT, "The body is too large")
            }
            Self::MediaType => {
                new(StatusCode::UNSUPPORTED_MEDIA_TYPE, codes::INVALID_INPUT, "The body is no JSON")
            }
            Self::Malformed(_) => {
                new(StatusCode::BAD_REQUEST, codes::INVALID_INPUT, "The request cannot be read")
            }
            Self::Fields(faults) => {
                let title = "Some fields are at fault";
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, title);
                faults.iter().fold(problem, |problem, (field, fault)| problem.field(field, fault))
            }
            Self::SlugTaken(_) => new(StatusCode::CONFLICT, codes::SLUG_TAKEN, "The name is taken"),
            Self::InProgress(_) => {
                new(StatusCode::CONFLICT, codes::OPERATION_IN_PROGRESS, "Another operation is at work")
            }
            Self::RolloutInProgress(_) => {
                new(StatusCode::CONFLICT, codes::OPERATION_IN_PROGRESS, "Another rollout is at work")
            }
            Self::Conflict(_) => {
                new(StatusCode::CONFLICT, codes::INVALID_INPUT, "That does not fit the instance's state")
            }
            Self::ChangedMeanwhile => {
                new(StatusCode::CONFLICT, codes::CHANGED_MEANWHILE, "It was changed meanwhile")
            }
            Self::NotReady(_) => {
                new(StatusCode::BAD_GATEWAY, codes::NOT_READY, "The instance did not become ready")
            }
            Self::DockerAway(_) => {
                new(StatusCode::SERVICE_UNAVAILABLE, codes::DOCKER_UNREACHABLE, "Docker cannot be reached")
            }
            Self::ImageMissing(_) => {
                new(StatusCode::SERVICE_UNAVAILABLE, codes::IMAGE_MISSING, "The instance image is missing")
            }
            Self::NotIsolated(_) => {
                new(StatusCode::SERVICE_UNAVAILABLE, codes::NOT_ISOLATED, "No new instance is made")
            }
            Self::DiskFull(_) => {
                new(StatusCode::INSUFFICIENT_STORAGE, codes::DISK_FULL, "Too little disk space")
            }
            Self::AddressesExhausted => {
                new(StatusCode::SERVICE_UNAVAILABLE, codes::ADDRESSES_EXHAUSTED, "No address is free")
            }
            Self::Busy(_) => new(StatusCode::SERVICE_UNAVAILABLE, codes::BUSY, "Not now"),
            Self::Internal(_) => Problem::internal(),
        }
    }

    fn sentence(&self) -> String {
        let text = self.to_string();
        let mut letters = text.chars();
        let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        let end = if text.ends_with('.') { "" } else { "." };
        format!("{first}{}{end}", letters.as_str())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Internal(reason) = &self {
            tracing::error!(reason, "a request failed");
        }
        let problem = self.problem();
        let retry = matches!(problem.status, 503 | 507);
        let mut response = problem.into_response();
        if retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
