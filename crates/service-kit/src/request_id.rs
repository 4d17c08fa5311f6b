//! One id per request, in the log, in every problem and in the `x-request-id` response header. An inbound
//! id is kept when it is harmless, so that a chain of services shares one.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};

/// The header that carries the id.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task serves, if it serves one.
#[must_use]
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs `future` as part of the request with this id.
pub async fn scope<F: Future>(id: String, future: F) -> F::Output {
    CURRENT.scope(id, future).await
}

/// The id to use: the inbound one where it is 8 to 64 letters, digits, `-` or `_`, else a new one.
#[must_use]
pub fn choose(inbound: Option<&HeaderValue>) -> String {
    choose_text(inbound.and_then(|value| value.to_str().ok()))
}

/// The same for an inbound id that is text.
#[must_use]
pub fn choose_text(inbound: Option<&str>) -> String {
    inbound
        .filter(|id| (8..=64).contains(&id.len()))
        .filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
        .map_or_else(|| ulid::Ulid::generate().to_string(), str::to_owned)
}

/// Middleware: gives the request an id and the response its header.
pub async fn middleware(mut request: Request, next: Next) -> Response {
    let id = choose(request.headers().get(HEADER));
    let value = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("invalid"));
    request.headers_mut().insert(HEADER, value.clone());
    let mut response = scope(id, next.run(request)).await;
    response.headers_mut().insert(HEADER, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_harmless_inbound_id_is_kept() {
        let keep = HeaderValue::from_static("01J9Z3-abc_9");
        assert_eq!(choose(Some(&keep)), "01J9Z3-abc_9");
        for bad in ["short", "has space here", "semi;colon;semi", &"x".repeat(65)] {
            let value = HeaderValue::from_str(bad).expect("a header value");
            assert_ne!(choose(Some(&value)), bad);
        }
        assert_eq!(choose(None).len(), 26);
    }
}
