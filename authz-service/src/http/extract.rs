//! Extractors whose refusals are problems like all others. What serde says about a bad value may repeat the
//! value, and values here are passwords, so such words are not passed on.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refusal(&rejection)),
        }
    }
}

fn refusal(rejection: &JsonRejection) -> Error {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::MediaType,
        _ => Error::Malformed(harmless(&rejection.body_text())),
    }
}

fn harmless(text: &str) -> String {
    let repeats_a_value =
        ["invalid type", "invalid value", "unknown variant"].iter().any(|t| text.contains(t));
    if repeats_a_value {
        "A field of the JSON body has the wrong type; see GET /api/openapi.json.".to_owned()
    } else {
        text.to_owned()
    }
}

/// Parameters of the query.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Error::Malformed(rejection.body_text())),
        }
    }
}

/// The id in the path; anything that is none is not found.
pub(super) struct Id<T>(pub(super) T);

impl<T, S> FromRequestParts<S> for Id<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(Error::NotFound("The path has no id of that kind.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_repeated() {
        assert!(!harmless("password: invalid type: integer `12345678`, expected a string").contains("1234"));
        assert!(harmless("slug: must have at least 3 characters").contains("at least 3"));
    }
}
