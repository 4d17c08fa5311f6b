//! The router's own answers: pages for people, problem+json for programs, the stylesheet. No script, no
//! inline style, nothing from elsewhere: the content security policy says so too.

use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use service_kit::problem::{MEDIA_TYPE, Problem};

use crate::error::{Action, Refusal, Spec};
use crate::request::kind::Kind;

/// An answer that is whole.
pub(crate) type Answer = Response<Bytes>;

const STYLE: &str = include_str!("../templates/style.css");

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    title: &'a str,
    status: u16,
    message: &'a str,
    reason: Option<&'a str>,
    refresh: Option<u64>,
    link: Option<(&'a str, String)>,
    request_id: &'a str,
}

#[derive(Template)]
#[template(path = "logout.html")]
struct LogoutPage<'a> {
    title: &'a str,
    request_id: &'a str,
}

/// Renders pages with the portal's address in their links.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    portal: String,
}

impl Pages {
    /// `portal` is an origin without a trailing slash.
    pub(crate) fn new(portal: &str) -> Self {
        Self { portal: portal.to_owned() }
    }

    /// Where somebody goes who has signed out.
    pub(crate) fn signed_out_url(&self) -> String {
        format!("{}/login?signed-out=1", self.portal)
    }

    /// A refusal, as whoever asks can read it.
    pub(crate) fn refusal(&self, refusal: &Refusal, kind: Kind, request_id: &str) -> Answer {
        let spec = refusal.spec();
        let mut answer =
            if kind.wants_page() { self.page(&spec, kind, request_id) } else { problem(&spec, request_id) };
        let headers = answer.headers_mut();
        if let Some(after) = spec.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        if let Some(challenge) = spec.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if spec.status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            headers.insert(header::ALLOW, allowed);
        }
        answer
    }

    fn page(&self, spec: &Spec, kind: Kind, request_id: &str) -> Answer {
        let link = match &spec.action {
            Action::None => None,
            Action::TryAgain(path) => Some(("Try again", path.clone())),
            Action::Portal(label, path) => Some((*label, format!("{}{path}", self.portal))),
        };
        let page = RefusalPage {
            title: spec.title,
            status: spec.status.as_u16(),
            message: &spec.message,
            reason: spec.reason.as_deref(),
            // Reloading would send a form once more.
            refresh: spec.retry_after.filter(|_| kind == Kind::Navigation).map(|after| after.as_secs()),
            link,
            request_id,
        };
        html(spec.status, page.render(), "'none'")
    }

    /// Asks before signing out: a link from elsewhere must not do it.
    pub(crate) fn logout(&self, request_id: &str) -> Answer {
        let page = LogoutPage { title: "Sign out?", request_id };
        // Browsers apply `form-action` to the redirect that answers the form as well.
        html(StatusCode::OK, page.render(), &format!("'self' {}", self.portal))
    }
}

/// `/.beaver/style.css`.
pub(crate) fn style() -> Answer {
    let mut answer = Response::new(Bytes::from_static(STYLE.as_bytes()));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// 303 to `location`; nothing may keep it.
pub(crate) fn see_other(location: &str) -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    let headers = answer.headers_mut();
    if let Ok(value) = HeaderValue::from_str(location) {
        headers.insert(header::LOCATION, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The address of a hand-off has a code in it.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

fn html(status: StatusCode, rendered: Result<String, askama::Error>, form_action: &str) -> Answer {
    let body = rendered.unwrap_or_else(|error| {
        tracing::error!(%error, "a page could not be rendered");
        status.canonical_reason().unwrap_or("Error").to_owned()
    });
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(value) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, value);
    }
    answer
}

fn problem(spec: &Spec, request_id: &str) -> Answer {
    let detail = match &spec.reason {
        Some(reason) => format!("{} Reason: {reason}", spec.message),
        None => spec.message.clone(),
    };
    let mut problem = Problem::new(spec.status, spec.code, spec.title).detail(detail);
    problem.request_id = Some(request_id.to_owned());
    let mut answer = Response::new(Bytes::from(serde_json::to_vec(&problem).unwrap_or_default()));
    *answer.status_mut() = spec.status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if spec.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use control_api::deploy::InstanceState;

    fn body(answer: &Answer) -> String {
        String::from_utf8(answer.body().to_vec()).expect("text")
    }

    #[test]
    fn a_reason_is_escaped_and_a_waiting_page_reloads_itself() {
        let pages = Pages::new("http://localhost:3081");
        let failed = Refusal::NotReady {
            state: InstanceState::Failed,
            reason: Some("<script>alert(1)</script>".to_owned()),
        };
        let page = pages.refusal(&failed, Kind::Navigation, "request-1");
        assert!(!body(&page).contains("<script>") && body(&page).contains("alert(1)"));
        assert!(body(&page).contains("http://localhost:3081/account") && body(&page).contains("request-1"));
        let starting = Refusal::NotReady { state: InstanceState::Starting, reason: None };
        let page = pages.refusal(&starting, Kind::Navigation, "request-1");
        assert!(body(&page).contains("http-equiv=\"refresh\""));
        assert_eq!(page.headers()[header::RETRY_AFTER], "2");
        let form = pages.refusal(&starting, Kind::Form, "request-1");
        assert!(!body(&form).contains("http-equiv"));
        let call = pages.refusal(&starting, Kind::Call, "request-1");
        let json: serde_json::Value = serde_json::from_slice(call.body()).expect("json");
        assert_eq!(json["type"], "urn:beaver:instance-starting");
        assert_eq!(json["request_id"], "request-1");
    }

    #[test]
    fn no_page_has_script_or_inline_style() {
        let page = Pages::new("http://localhost:3081").logout("request-1");
        assert!(!body(&page).contains("<script") && !body(&page).contains("style="));
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(
            policy.contains("default-src 'none'")
                && policy.contains("form-action 'self' http://localhost:3081")
        );
    }
}
