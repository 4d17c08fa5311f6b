//! `/language`: the switch at the foot of every page. The choice is kept in this browser and nowhere else.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, header};

use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::LooksForm;
use crate::next_path::NextPath;
use crate::text::Language;
use crate::view::PageResult;

/// `GET /language`: where a browser ends up that loads the address of a form.
pub(crate) async fn to_start() -> Response {
    redirect("/")
}

/// `POST /language`: keeps the choice and goes back to the page.
pub(crate) async fn choose(
    State(portal): State<Portal>,
    headers: HeaderMap,
    LooksForm(fields): LooksForm,
) -> PageResult {
    // Only a form that is not ours can name another one.
    let language = Language::of_tag(fields.text("language")).ok_or(PageError::NotFound)?;
    let cookie = portal.cookies.set_language(language)?;
    let next = match fields.optional("next") {
        Some(path) => NextPath::parse(&path),
        None => sent_from(&headers, portal.config.public.as_str()),
    };
    let mut response = redirect(next.as_ref().map_or("/", NextPath::as_str));
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// The page of this origin that the form stood on. It is not written into the page: an address can hold what should
/// not be said again.
fn sent_from(headers: &HeaderMap, origin: &str) -> Option<NextPath> {
    NextPath::parse(headers.get(header::REFERER)?.to_str().ok()?.strip_prefix(origin)?)
}
