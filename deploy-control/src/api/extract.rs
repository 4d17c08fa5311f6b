//! Extractors whose refusals are problems like all others. What serde says about a bad value may repeat the
//! value, and a value here may be a key, so only words of our own are passed on.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
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

/// A JSON body that may be left out.
pub(super) struct MaybeBody<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::new(body), state).await.map_err(|_| Error::TooLarge)?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, bytes.into());
        Body::from_request(request, state).await.map(|Body(body)| Self(body))
    }
}

fn refusal(rejection: &JsonRejection) -> Error {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::MediaType,
        StatusCode::UNPROCESSABLE_ENTITY => field_fault(&rejection.body_text()),
        _ => Error::Malformed("the body is no JSON".to_owned()),
    }
}

/// The fields that people fill in, by their path in a body.
const FIELDS: [&str; 8] =
    ["slug", "username", "user_id", "instance_id", "email", "provider.kind", "provider", "image"];

/// `Failed to deserialize ...: slug: must have at least 3 characters at line 1 column 9`, told at its field.
fn field_fault(text: &str) -> Error {
    let wrong_type = "has the wrong type, or is missing; see GET /api/openapi.json".to_owned();
    let repeats = ["invalid type", "invalid value", "unknown variant", "missing field"];
    let rest = text.split_once("target type: ").map_or(text, |(_, rest)| rest);
    let Some((path, message)) = rest.split_once(": ") else { return Error::Malformed(wrong_type) };
    let Some(field) = FIELDS.into_iter().find(|field| *field == path) else {
        return Error::Malformed(format!("a field of the body {wrong_type}"));
    };
    if repeats.iter().any(|word| message.contains(word)) {
        return Error::Fields(vec![(field, wrong_type)]);
    }
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    Error::Fields(vec![(field, message.to_owned())])
}

/// Parameters of the query.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(_) => Err(Error::Malformed("a parameter of the query has the wrong form".to_owned())),
        }
    }
}

/// The id (or slug) in the path; anything that is none is not found.
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
    fn a_fault_is_told_at_its_field_without_the_value() {
        let prefix = "Failed to deserialize the JSON body into the target type: ";
        let fault = |text: &str| match field_fault(&format!("{prefix}{text}")) {
            Error::Fields(faults) => faults,
            error => panic!("{error:?}"),
        };
        assert_eq!(
            fault("slug: is reserved; choose another name at line 1 column 80"),
            [("slug", "is reserved; choose another name".to_owned())]
        );
        let [(field, text)] = &fault("provider.kind: unknown variant `s3cret`, expected x")[..] else {
            panic!("one fault")
        };
        assert_eq!(*field, "provider.kind");
        assert!(!text.contains("s3cret"));
        assert!(matches!(
            field_fault(&format!("{prefix}missing field `user_id` at line 1")),
            Error::Malformed(_)
        ));
    }
}
