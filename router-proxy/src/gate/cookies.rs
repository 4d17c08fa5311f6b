//! The router's cookies: their names under http and https, reading them, and writing `Set-Cookie`. Pure.

use control_api::claims::{APP_COOKIE, TRANSACTION_COOKIE};
use http::{HeaderMap, HeaderValue, header};

/// More values of one name than this are not looked at: another site below the base domain can add some.
const MAX_VALUES: usize = 4;

/// Names and attributes, which depend on the scheme that browsers use.
#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    app: String,
    transaction: String,
    attributes: &'static str,
}

impl Cookies {
    /// Under https the names have the `__Host-` prefix, so that no other host can set them.
    pub(crate) fn new(is_https: bool) -> Self {
        let prefix = if is_https { "__Host-" } else { "" };
        Self {
            app: format!("{prefix}{APP_COOKIE}"),
            transaction: format!("{prefix}{TRANSACTION_COOKIE}"),
            attributes: if is_https {
                "Path=/; HttpOnly; SameSite=Lax; Secure"
            } else {
                "Path=/; HttpOnly; SameSite=Lax"
            },
        }
    }

    /// App tokens in the request; more than one where somebody meddled.
    pub(crate) fn app_tokens<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        values(headers, &self.app)
    }

    /// The first app token of a line.
    pub(crate) fn first_app_token<'a>(&self, line: &'a str) -> Option<&'a str> {
        in_line(line, &self.app).next()
    }

    /// Sealed transactions in the request.
    pub(crate) fn transactions<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        values(headers, &self.transaction)
    }

    /// A session cookie: how long it is good for is decided behind it.
    pub(crate) fn set_app(&self, token: &str) -> Option<HeaderValue> {
        sensitive(format!("{}={token}; {}", self.app, self.attributes))
    }

    pub(crate) fn clear_app(&self) -> Option<HeaderValue> {
        sensitive(format!("{}=; Max-Age=0; {}", self.app, self.attributes))
    }

    pub(crate) fn set_transaction(&self, sealed: &str, lifetime_secs: i64) -> Option<HeaderValue> {
        sensitive(format!("{}={sealed}; Max-Age={lifetime_secs}; {}", self.transaction, self.attributes))
    }

    pub(crate) fn clear_transaction(&self) -> Option<HeaderValue> {
        sensitive(format!("{}=; Max-Age=0; {}", self.transaction, self.attributes))
    }
}

fn sensitive(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| in_line(line, name))
        .take(MAX_VALUES)
        .collect()
}

fn in_line<'a>(line: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    line.split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(n, value)| *n == name && !value.is_empty())
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_decides_names_and_attributes() {
        let plain = Cookies::new(false).set_app("t").expect("a value");
        assert_eq!(plain, "beaver_app=t; Path=/; HttpOnly; SameSite=Lax");
        let secure = Cookies::new(true).set_app("t").expect("a value");
        assert_eq!(secure, "__Host-beaver_app=t; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert!(plain.is_sensitive() && !plain.to_str().expect("text").contains("Domain"));
    }

    #[test]
    fn values_are_found_in_any_line_and_bounded() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; beaver_app=one;beaver_app = no"));
        headers.append(header::COOKIE, HeaderValue::from_static("beaver_app=two; beaver_app="));
        assert_eq!(Cookies::new(false).app_tokens(&headers), ["one", "two"]);
        assert!(Cookies::new(true).app_tokens(&headers).is_empty(), "the prefix counts");
        let many = HeaderValue::try_from("beaver_app=x; ".repeat(9)).expect("a value");
        headers.append(header::COOKIE, many);
        assert_eq!(Cookies::new(false).app_tokens(&headers).len(), MAX_VALUES);
    }
}
