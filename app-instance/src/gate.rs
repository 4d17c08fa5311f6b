//! Who gets in: every page and every chat route needs a valid assertion about the owner, and whatever
//! changes something must come from this app's own pages. Nothing else that the request says about its
//! sender is believed.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use control_api::claims::HEADER_ASSERTION;
use http::{HeaderMap, Method, header};

use crate::app::App;
use crate::config::Origin;
use crate::error::{AppError, PageError};

/// Middleware: lets the owner through.
pub(crate) async fn require_owner(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let for_program = request.uri().path().starts_with("/api/");
    match check(&app, request.method(), request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(error) if for_program => error.into_response(),
        Err(error) => PageError(error).into_response(),
    }
}

async fn check(app: &App, method: &Method, headers: &HeaderMap) -> Result<(), AppError> {
    let owner = app.owner().ok_or(AppError::NotSignedIn)?;
    // Two of them could be read differently by two readers.
    let mut assertions = headers.get_all(HEADER_ASSERTION).iter();
    let (Some(assertion), None) = (assertions.next(), assertions.next()) else {
        return Err(AppError::NotSignedIn);
    };
    let token = assertion.to_str().map_err(|_| AppError::NotSignedIn)?;
    app.verifier.verify(token, owner.user_id).await?;
    if same_origin(method, headers, app.config.public_origin.as_ref()) {
        Ok(())
    } else {
        Err(AppError::CrossSite)
    }
}

/// Whether a request that may change something comes from our own pages, or from no page at all. The router's
/// cookie is sent along from sibling hosts too, because they are the same site; other people's instances live
/// there. Fetch Metadata (W3C) where the browser sends it, else `Origin` (RFC 6454).
fn same_origin(method: &Method, headers: &HeaderMap, own: Option<&Origin>) -> bool {
    if method.is_safe() {
        return true;
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match (text(header::ORIGIN.as_str()), own) {
        (None, _) => true,
        (Some(origin), Some(own)) => origin == own.as_str(),
        (Some(origin), None) => {
            let host = text(header::HOST.as_str()).filter(|host| !host.is_empty());
            host.is_some_and(|host| origin.split_once("://").is_some_and(|(_, rest)| rest == host))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn post(pairs: &[(&'static str, &'static str)], own: Option<&str>) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        same_origin(&Method::POST, &headers, own.map(|own| own.parse().expect("an origin")).as_ref())
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        let own = Some("http://alice.localhost:8088");
        assert!(post(&[("sec-fetch-site", "same-origin")], own));
        assert!(post(&[("sec-fetch-site", "none")], own));
        assert!(!post(&[("sec-fetch-site", "same-site")], own));
        assert!(!post(&[("sec-fetch-site", "cross-site"), ("origin", "http://alice.localhost:8088")], own));
        assert!(post(&[("origin", "http://alice.localhost:8088")], own));
        assert!(!post(&[("origin", "http://bob.localhost:8088")], own));
        assert!(!post(&[("origin", "null")], own));
        assert!(post(&[("origin", "http://a.test:1"), ("host", "a.test:1")], None));
        assert!(!post(&[("origin", "http://b.test:1"), ("host", "a.test:1")], None));
        assert!(!post(&[("origin", "null"), ("host", "")], None));
        assert!(post(&[], own));
    }

    #[test]
    fn reading_is_free() {
        let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static("http://bob.test"))]);
        assert!(same_origin(&Method::GET, &headers, None));
    }
}
