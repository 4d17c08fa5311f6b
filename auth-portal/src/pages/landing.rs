//! `/`: what this is, for visitors. Whoever is signed in goes to the account page.

use askama::Template;
use http::StatusCode;

use crate::error::redirect;
use crate::session::MaybeSession;
use crate::view::{PageResult, Shell, page};

#[derive(Template)]
#[template(path = "landing.html")]
struct LandingPage {
    shell: Shell,
}

/// `GET /`.
pub(crate) async fn show(MaybeSession(session): MaybeSession) -> PageResult {
    if session.is_some() {
        return Ok(redirect("/account"));
    }
    Ok(page(StatusCode::OK, &LandingPage { shell: Shell::visitor() }))
}
