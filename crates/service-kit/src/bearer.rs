//! Bearer tokens between the services: one token per caller and audience, compared in constant time
//! (RFC 6750 for the header's form).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use crate::problem::Problem;
use crate::secret::Secret;

/// A token that opens some routes, and the names of the variables that must agree on it: they are told to a
/// caller whose token does not match, because a mismatch is most often a configuration fault.
pub struct Gate {
    token: Secret<String>,
    hint: &'static str,
}

impl Gate {
    /// A gate for `token`; `hint` names the variables on both sides.
    #[must_use]
    pub fn new(token: Secret<String>, hint: &'static str) -> Arc<Self> {
        Arc::new(Self { token, hint })
    }
}

/// The token of an `Authorization: Bearer` header; the scheme's case does not matter.
#[must_use]
pub fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

/// Middleware for `axum::middleware::from_fn_with_state(gate, require)`: 401 without the gate's token.
pub async fn require(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    match token(request.headers()) {
        Some(candidate) if gate.token.matches(candidate) => next.run(request).await,
        Some(_) => {
            Problem::new(StatusCode::UNAUTHORIZED, "urn:beaver:token-mismatch", "The token does not match")
                .detail(format!("The two sides were given different tokens: {}.", gate.hint))
                .into_response()
        }
        None => {
            Problem::new(StatusCode::UNAUTHORIZED, "urn:beaver:token-missing", "A bearer token is needed")
                .detail(format!("Send `Authorization: Bearer` with the token: {}.", gate.hint))
                .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_token_is_taken_from_a_well_formed_header_alone() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            headers
        };
        assert_eq!(token(&with("Bearer abc")), Some("abc"));
        assert_eq!(token(&with("bearer abc")), Some("abc"));
        assert_eq!(token(&with("Basic abc")), None);
        assert_eq!(token(&with("Bearer ")), None);
        assert_eq!(token(&HeaderMap::new()), None);
    }
}
