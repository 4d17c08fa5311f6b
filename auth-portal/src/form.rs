//! Forms on their way in: size, time, origin and token are checked before a handler sees a field. Nothing of
//! a refused form is used.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use bytes::Bytes;
use control_api::wire::WireSecret;
use http::request::Parts;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;

use crate::app::Portal;
use crate::csrf::{Binding, from_own_page};
use crate::error::PageError;
use crate::pages::admin::Administrator;
use crate::session::{Session, come_back, page_of_form};

/// Largest form.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;
/// How much more is read and dropped, so that the browser sees the page that says "too much" and not a
/// connection that was cut.
const DRAIN_LIMIT: usize = 8 * 1024 * 1024;
/// A form must have arrived within this time.
const BODY_TIME: Duration = Duration::from_secs(20);

/// The fields of a form. Prints nothing: some are secrets.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    /// The first value of a field; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The value without surrounding space; nothing where it is empty.
    pub(crate) fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name).trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Takes a secret out, exactly as it was typed.
    pub(crate) fn secret(&mut self, name: &str) -> WireSecret {
        let found = self.0.iter_mut().find(|(key, _)| key == name);
        WireSecret::new(found.map(|(_, value)| std::mem::take(value)).unwrap_or_default())
    }
}

/// Extractor: a form that changes nothing but this browser's own looks. It must come from a page of ours, but has no
/// token: pages that know nothing of who is asking have it too, and there is nothing that a token could be bound to.
pub(crate) struct LooksForm(pub(crate) Fields);

impl FromRequest<Portal> for LooksForm {
    type Rejection = PageError;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, PageError> {
        read(request, portal).await.map(|(_, fields)| Self(fields))
    }
}

/// Extractor: a form of a visitor or of somebody signed in, such as sign-in itself.
pub(crate) struct OpenForm(pub(crate) Fields);

impl FromRequest<Portal> for OpenForm {
    type Rejection = PageError;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, PageError> {
        let (parts, fields) = read(request, portal).await?;
        let token = fields.text("csrf");
        let visitor = portal.cookies.visitor(&parts.headers);
        let session = portal.cookies.session(&parts.headers);
        let holds = visitor.is_some_and(|value| portal.csrf.holds(Binding::Visitor(&value), token))
            || session.is_some_and(|secret| portal.csrf.holds(Binding::Session(secret.expose()), token));
        if holds { Ok(Self(fields)) } else { Err(refused(&parts)) }
    }
}

/// Extractor: a form of somebody signed in; its token must be bound to that very session.
pub(crate) struct SessionForm {
    pub(crate) session: Session,
    pub(crate) fields: Fields,
}

impl FromRequest<Portal> for SessionForm {
    type Rejection = PageError;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, PageError> {
        let (parts, fields) = read(request, portal).await?;
        let secret =
            portal.cookies.session(&parts.headers).ok_or_else(|| PageError::SignIn(come_back(&parts)))?;
        if !portal.csrf.holds(Binding::Session(secret.expose()), fields.text("csrf")) {
            return Err(refused(&parts));
        }
        let session = Session::find(portal, secret).await?;
        let session = session.ok_or_else(|| PageError::SignIn(come_back(&parts)))?;
        Ok(Self { session, fields })
    }
}

/// Extractor: a form of the administrator whom `crate::pages::admin::gate` let through.
pub(crate) struct AdminForm {
    pub(crate) session: Session,
    pub(crate) fields: Fields,
}

impl FromRequest<Portal> for AdminForm {
    type Rejection = PageError;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, PageError> {
        let (mut parts, fields) = read(request, portal).await?;
        let Administrator(session) = Administrator::from_request_parts(&mut parts, portal).await?;
        if !portal.csrf.holds(Binding::Session(session.secret.expose()), fields.text("csrf")) {
            return Err(refused(&parts));
        }
        Ok(Self { session, fields })
    }
}

fn refused(parts: &Parts) -> PageError {
    PageError::Csrf { again: page_of_form(parts.uri.path()).to_owned() }
}

/// The fields of a form that a page of ours sent; its token is not checked yet.
async fn read(request: Request, portal: &Portal) -> Result<(Parts, Fields), PageError> {
    let (parts, body) = request.into_parts();
    if !from_own_page(&parts.headers, portal.config.public.as_str()) {
        return Err(refused(&parts));
    }
    if !is_form(&parts.headers) {
        return Err(PageError::NotAForm);
    }
    let body = tokio::time::timeout(BODY_TIME, collect(body)).await.map_err(|_| PageError::TooSlow)??;
    Ok((parts, Fields::parse(&body)))
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

async fn collect(mut body: Body) -> Result<Bytes, PageError> {
    let mut kept = Vec::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| PageError::NotAForm)?.into_data().unwrap_or_default();
        seen += data.len();
        if seen <= BODY_LIMIT {
            kept.extend_from_slice(&data);
        } else if seen > DRAIN_LIMIT {
            break;
        }
    }
    if seen > BODY_LIMIT { Err(PageError::TooLarge) } else { Ok(kept.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_two_fields_counts_and_a_secret_can_be_taken_once() {
        let mut fields = Fields::parse(b"login=+alice%40x+&login=bob&password=a%20+b");
        assert_eq!(fields.text("login"), " alice@x ");
        assert_eq!(fields.optional("login").as_deref(), Some("alice@x"));
        assert_eq!(fields.optional("absent"), None);
        assert_eq!(fields.secret("password").expose(), "a  b");
        assert_eq!(fields.secret("password").expose(), "");
    }

    #[tokio::test]
    async fn a_form_at_the_limit_passes_and_one_byte_more_does_not() {
        assert_eq!(collect(Body::from(vec![b'a'; BODY_LIMIT])).await.expect("fits").len(), BODY_LIMIT);
        let error = collect(Body::from(vec![b'a'; BODY_LIMIT + 1])).await.expect_err("too large");
        assert!(matches!(error, PageError::TooLarge));
    }
}
