//! Cookies and who is signed in. A session's secret goes from the cookie to authz-service and nowhere else;
//! authz-service decides about it at every request.

use askama::Template;
use axum::extract::{FromRequestParts, OriginalUri};
use axum::response::Response;
use control_api::authz::{Role, SessionRequest, SessionView};
use control_api::codes;
use control_api::wire::WireSecret;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use service_kit::secret::random_token;

use crate::app::Portal;
use crate::csrf::Binding;
use crate::error::PageError;
use crate::next_path::NextPath;
use crate::text::Language;
use crate::view::{Shell, page};

/// Seconds for which a browser keeps the choice of a language: a year.
const LANGUAGE_KEPT: u32 = 31_536_000;

/// 256 bits in base64url.
const TOKEN_LEN: usize = 43;

/// Names and attributes of the portal's cookies. Over https they are `Secure` and carry the `__Host-`
/// prefix (RFC 6265bis, section 4.1.3), so that no other host of the domain can set them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookies {
    https: bool,
}

impl Cookies {
    pub(crate) fn new(https: bool) -> Self {
        Self { https }
    }

    fn name(self, name: &str) -> String {
        if self.https { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// A cookie's value as it was sent.
    fn value<'a>(self, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        let name = self.name(name);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The value of a cookie that this portal could have set: one token of base64url.
    fn get(self, headers: &HeaderMap, name: &str) -> Option<String> {
        let value = self.value(headers, name)?;
        let ours = (16..=512).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        ours.then(|| value.to_owned())
    }

    fn set(self, name: &str, value: &str, more: &str) -> Result<HeaderValue, PageError> {
        let secure = if self.https { "; Secure" } else { "" };
        let name = self.name(name);
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}");
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| PageError::Internal("a cookie's value is no header".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The session's secret.
    pub(crate) fn session(self, headers: &HeaderMap) -> Option<WireSecret> {
        self.get(headers, "beaver_sid").map(WireSecret::new)
    }

    /// `Set-Cookie` for a new session. It ends with the browser, or after so many seconds; authz-service ends
    /// the session earlier.
    pub(crate) fn set_session(
        self,
        secret: &WireSecret,
        max_age_s: Option<u64>,
    ) -> Result<HeaderValue, PageError> {
        let max_age = max_age_s.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
        self.set("beaver_sid", secret.expose(), &max_age)
    }

    /// `Set-Cookie` that forgets the session.
    pub(crate) fn clear_session(self) -> Result<HeaderValue, PageError> {
        self.set("beaver_sid", "", "; Max-Age=0")
    }

    /// What proves a sign-in that waits for its second factor.
    pub(crate) fn pending(self, headers: &HeaderMap) -> Option<WireSecret> {
        self.get(headers, "beaver_pending").map(WireSecret::new)
    }

    /// `Set-Cookie` for a sign-in that waits for its second factor, for so many seconds.
    pub(crate) fn set_pending(self, secret: &WireSecret, max_age_s: u64) -> Result<HeaderValue, PageError> {
        self.set("beaver_pending", secret.expose(), &format!("; Max-Age={max_age_s}"))
    }

    /// `Set-Cookie` that forgets it.
    pub(crate) fn clear_pending(self) -> Result<HeaderValue, PageError> {
        self.set("beaver_pending", "", "; Max-Age=0")
    }

    /// The language that was chosen in this browser.
    pub(crate) fn language(self, headers: &HeaderMap) -> Option<Language> {
        Language::of_tag(self.value(headers, "beaver_lang")?)
    }

    /// `Set-Cookie` that keeps the choice of a language.
    pub(crate) fn set_language(self, language: Language) -> Result<HeaderValue, PageError> {
        self.set("beaver_lang", language.tag(), &format!("; Max-Age={LANGUAGE_KEPT}"))
    }

    /// What a sign-in at another issuer is bound to.
    pub(crate) fn upstream(self, headers: &HeaderMap) -> Option<WireSecret> {
        self.get(headers, "beaver_upstream").filter(|value| value.len() == TOKEN_LEN).map(WireSecret::new)
    }

    /// `Set-Cookie` for as long as such a sign-in and the choice of a name may take.
    pub(crate) fn set_upstream(self, secret: &WireSecret) -> Result<HeaderValue, PageError> {
        self.set("beaver_upstream", secret.expose(), "; Max-Age=1800")
    }

    /// `Set-Cookie` that forgets it.
    pub(crate) fn clear_upstream(self) -> Result<HeaderValue, PageError> {
        self.set("beaver_upstream", "", "; Max-Age=0")
    }

    /// What a visitor's forms are bound to.
    pub(crate) fn visitor(self, headers: &HeaderMap) -> Option<String> {
        self.get(headers, "beaver_csrf")
    }
}

/// A visitor's form: its token, and the cookie to set where the browser has none yet.
pub(crate) struct VisitorForm {
    pub(crate) csrf: String,
    set_cookie: Option<HeaderValue>,
}

impl VisitorForm {
    /// A token for this browser.
    pub(crate) fn new(portal: &Portal, headers: &HeaderMap) -> Result<Self, PageError> {
        if let Some(value) = portal.cookies.visitor(headers) {
            return Ok(Self { csrf: portal.csrf.token(Binding::Visitor(&value)), set_cookie: None });
        }
        let value = random_token();
        let cookie = portal.cookies.set("beaver_csrf", value.expose(), "")?;
        Ok(Self { csrf: portal.csrf.token(Binding::Visitor(value.expose())), set_cookie: Some(cookie) })
    }

    /// The page with the form, and the cookie that its token is bound to where the browser has none yet.
    pub(crate) fn page(&self, status: StatusCode, view: &impl Template) -> Response {
        let mut response = page(status, view);
        if let Some(cookie) = &self.set_cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie.clone());
        }
        response
    }
}

/// A session that authz-service confirmed.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) secret: WireSecret,
    pub(crate) view: SessionView,
    pub(crate) csrf: String,
}

impl Session {
    /// Asks authz-service; nothing where the session has ended.
    pub(crate) async fn find(portal: &Portal, secret: WireSecret) -> Result<Option<Self>, PageError> {
        match portal.authz.session(&SessionRequest { session: secret.clone() }).await {
            Ok(view) => {
                let csrf = portal.csrf.token(Binding::Session(secret.expose()));
                Ok(Some(Self { secret, view, csrf }))
            }
            Err(error) if error.is(codes::SESSION_ENDED) => Ok(None),
            Err(error) => Err(PageError::authz(error)),
        }
    }

    /// The same session under the secret that took the place of its own.
    pub(crate) fn renewed(self, portal: &Portal, secret: WireSecret) -> Self {
        let csrf = portal.csrf.token(Binding::Session(secret.expose()));
        Self { secret, csrf, ..self }
    }

    /// The frame for this person.
    pub(crate) fn shell(&self) -> Shell {
        let shell = Shell::signed_in(self.view.user.username.as_str(), self.csrf.clone());
        // Who lacks a second factor is told so there.
        Shell { administers: self.is_admin() || self.view.second_factor_needed, ..shell }
    }

    /// Whether it is an administrator's now.
    pub(crate) fn is_admin(&self) -> bool {
        self.view.role == Role::Admin
    }
}

/// Extractor: the session, where there is one.
pub(crate) struct MaybeSession(pub(crate) Option<Session>);

impl FromRequestParts<Portal> for MaybeSession {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, PageError> {
        match portal.cookies.session(&parts.headers) {
            Some(secret) => Session::find(portal, secret).await.map(Self),
            None => Ok(Self(None)),
        }
    }
}

/// Extractor: the session; without one the browser is sent to sign in and comes back.
pub(crate) struct SignedIn(pub(crate) Session);

impl FromRequestParts<Portal> for SignedIn {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, PageError> {
        let MaybeSession(session) = MaybeSession::from_request_parts(parts, portal).await?;
        session.map(Self).ok_or_else(|| PageError::SignIn(come_back(parts)))
    }
}

/// The page to show after sign-in: the one that was asked for, or the one whose form was sent.
pub(crate) fn come_back(parts: &Parts) -> Option<NextPath> {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    if parts.method == Method::GET {
        return NextPath::parse(uri.path_and_query()?.as_str());
    }
    NextPath::parse(page_of_form(uri.path()))
}

/// The page that holds the form which is sent to `path`.
pub(crate) fn page_of_form(path: &str) -> &'static str {
    let mut parts = path.trim_start_matches('/').split('/');
    match parts.next() {
        Some("account") => match parts.next() {
            Some("sessions" | "password" | "security" | "email" | "upstream") => "/account/security",
            Some("second-factor") => "/account/second-factor",
            Some("delete") => "/account/delete",
            Some("instance") => "/account/instance",
            Some("passkeys") => "/account/passkeys/new",
            _ => "/account",
        },
        Some("admin") => match parts.next() {
            Some("settings") => "/admin/settings",
            Some("rollouts") => "/admin/rollouts",
            Some("people") => "/admin/people",
            Some("invites") => "/admin/invites",
            _ => "/admin",
        },
        Some("onboarding") => "/onboarding/provider",
        Some("provisioning") => "/provisioning",
        Some("register") => "/register",
        Some("setup") => "/setup",
        Some("login") => match (parts.next(), parts.next()) {
            (Some("second"), _) => "/login/second",
            (Some("upstream"), Some("name")) => "/login/upstream/name",
            _ => "/login",
        },
        // A link's own page cannot be named without its token.
        Some("forgot" | "reset") => "/forgot",
        _ => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn only_the_named_cookie_counts_and_only_with_a_sane_value() {
        let plain = Cookies::new(false);
        let sid = |lines: &[&'static str]| plain.session(&headers(lines)).map(|s| s.expose().to_owned());
        assert_eq!(sid(&["a=b; beaver_sid=0123456789abcdef; c=d"]).as_deref(), Some("0123456789abcdef"));
        assert_eq!(sid(&["a=b", "beaver_sid=0123456789abcdef"]).as_deref(), Some("0123456789abcdef"));
        assert_eq!(sid(&["xbeaver_sid=0123456789abcdef"]), None);
        assert_eq!(sid(&["__Host-beaver_sid=0123456789abcdef"]), None);
        assert_eq!(sid(&["beaver_sid=short"]), None);
        assert_eq!(sid(&["beaver_sid=0123456789abcdef\"<>"]), None);
        let secure = Cookies::new(true);
        assert!(secure.session(&headers(&["beaver_sid=0123456789abcdef"])).is_none());
        assert!(secure.session(&headers(&["__Host-beaver_sid=0123456789abcdef"])).is_some());
    }

    #[test]
    fn attributes_are_those_of_the_contract() {
        let secret = WireSecret::from("0123456789abcdef");
        let text = |cookies: Cookies| {
            cookies.set_session(&secret, None).expect("a header").to_str().expect("text").to_owned()
        };
        assert_eq!(text(Cookies::new(false)), "beaver_sid=0123456789abcdef; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(
            text(Cookies::new(true)),
            "__Host-beaver_sid=0123456789abcdef; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        let kept = Cookies::new(false).set_session(&secret, Some(60)).expect("a header");
        assert_eq!(kept, "beaver_sid=0123456789abcdef; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
    }
}
