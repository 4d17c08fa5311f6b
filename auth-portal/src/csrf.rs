//! Which forms are believed: pure policy and tokens, no I/O.
//!
//! A form counts when it was sent by a page of this very origin **and** carries a token. Same-site is not
//! same-origin: hostile instances live on the same site. Tokens are HMACs over what the browser's cookie
//! holds (a random value before sign-in, the session after it), so nothing is stored; the key is derived
//! from a secret that all portal processes share and that survives restarts.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use service_kit::secret::Secret;

/// Separates this use of the secret from every other.
const KEY_LABEL: &[u8] = b"beaver auth-portal csrf v1";

/// What a token is bound to.
#[derive(Clone, Copy)]
pub(crate) enum Binding<'a> {
    /// The random value of the `beaver_csrf` cookie: before sign-in.
    Visitor(&'a str),
    /// The session's secret: after sign-in.
    Session(&'a str),
}

/// Makes and checks the tokens of forms.
#[derive(Clone)]
pub(crate) struct CsrfKey(hmac::Key);

impl CsrfKey {
    /// Derives the key from a secret of the installation.
    pub(crate) fn derive(secret: &Secret<String>) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, KEY_LABEL).as_ref()))
    }

    /// The token for a form of this browser.
    pub(crate) fn token(&self, binding: Binding<'_>) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &message(binding)))
    }

    /// Whether the token is this browser's; constant time.
    pub(crate) fn holds(&self, binding: Binding<'_>, token: &str) -> bool {
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|tag| hmac::verify(&self.0, &message(binding), &tag).is_ok())
    }
}

fn message(binding: Binding<'_>) -> Vec<u8> {
    let (kind, value) = match binding {
        Binding::Visitor(value) => ("visitor:", value),
        Binding::Session(value) => ("session:", value),
    };
    [kind.as_bytes(), value.as_bytes()].concat()
}

/// Whether the headers say that a page of `origin` sent the request. Browsers set both headers and scripts
/// cannot; a request with neither is not a browser's form.
pub(crate) fn from_own_page(headers: &HeaderMap, origin: &str) -> bool {
    let fetch_site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    match fetch_site {
        Some(b"same-origin") => true,
        // `same-site`, `cross-site` and `none` are somebody else's.
        Some(_) => false,
        // Older browsers, and plain http other than localhost, have no Sec-Fetch-Site.
        None => headers.get(header::ORIGIN).is_some_and(|value| value.as_bytes() == origin.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const OWN: &str = "https://portal.example.com";

    #[test]
    fn only_a_page_of_the_own_origin_may_send_forms() {
        let table = [
            (None, None, false),
            (Some(OWN), None, true),
            (Some("https://alice.example.com"), None, false),
            (Some("https://portal.example.com.evil.example"), None, false),
            (Some("http://portal.example.com"), None, false),
            (Some("null"), None, false),
            (None, Some("same-origin"), true),
            (Some("null"), Some("same-origin"), true),
            (Some(OWN), Some("same-origin"), true),
            (Some(OWN), Some("same-site"), false),
            (Some(OWN), Some("cross-site"), false),
            (Some(OWN), Some("none"), false),
            (None, Some("same-site"), false),
        ];
        for (origin, site, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            assert_eq!(from_own_page(&headers, OWN), expected, "{origin:?} {site:?}");
        }
    }

    #[test]
    fn a_token_is_bound_to_its_cookie_its_kind_and_the_key() {
        let key = CsrfKey::derive(&Secret::from("one"));
        let token = key.token(Binding::Visitor("abc"));
        assert!(key.holds(Binding::Visitor("abc"), &token));
        assert!(!key.holds(Binding::Visitor("abd"), &token));
        assert!(!key.holds(Binding::Session("abc"), &token));
        assert!(!CsrfKey::derive(&Secret::from("two")).holds(Binding::Visitor("abc"), &token));
        assert!(CsrfKey::derive(&Secret::from("one")).holds(Binding::Visitor("abc"), &token));
        for bad in ["", "x", "!!", &token[1..]] {
            assert!(!key.holds(Binding::Visitor("abc"), bad), "{bad}");
        }
    }
}
