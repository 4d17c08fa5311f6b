//! Headers that every response carries. Pages may not be framed, cached or reached into, and load nothing
//! from elsewhere; a form may lead to the own instance, because browsers hold redirects after a form to
//! `form-action` too.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue};
use service_kit::lifecycle::StartError;

use crate::config::Config;

/// Two years, as the HSTS preload list asks.
const HSTS: &str = "max-age=63072000";

/// The headers, made once.
#[derive(Clone)]
pub(crate) struct SecurityHeaders {
    csp: HeaderValue,
    https: bool,
}

impl SecurityHeaders {
    /// The headers for this configuration.
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        let instances = &config.instances;
        let csp = format!(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self' {}://*.{}:{}; base-uri 'none'; frame-ancestors 'none'",
            instances.scheme.as_str(),
            instances.base_domain,
            instances.port
        );
        let csp = HeaderValue::from_str(&csp)
            .map_err(|error| StartError::Other(format!("the security policy is no header: {error}")))?;
        Ok(Self { csp, https: config.public.is_https() })
    }
}

/// Middleware: adds the headers. `Cache-Control` is set where the handler set none.
pub(crate) async fn add(State(own): State<SecurityHeaders>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, own.csp);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let same_origin = HeaderValue::from_static("same-origin");
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), same_origin.clone());
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), same_origin);
    // For browsers that know no frame-ancestors.
    headers.insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"));
    if own.https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
