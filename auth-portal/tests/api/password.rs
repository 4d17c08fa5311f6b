//! A new password on the security page.

use control_api::codes;
use http::StatusCode;

use crate::app::{Browser, TestApp};
use crate::fakes::problem;

const SID: &str = "session-secret-of-alice";
const OLD: &str = "password of alice";
const NEW: &str = "velvet harbour nine moss";

async fn signed_in(app: &TestApp) -> Browser {
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account/security").await;
    page.shows("action=\"/account/password\"");
    page.shows("data-strength-for=\"new_password\" data-min=\"15\"");
    page.shows("minlength=\"15\" maxlength=\"128\" autocomplete=\"new-password\"");
    page.shows("name=\"username\" value=\"alice\" autocomplete=\"username\"");
    browser
}

fn fields<'a>(current: &'a str, new: &'a str) -> [(&'a str, &'a str); 2] {
    [("current_password", current), ("new_password", new)]
}

#[tokio::test]
async fn a_password_is_changed_and_the_browser_goes_on_with_a_new_cookie() {
    let app = TestApp::start().await;
    let mut browser = signed_in(&app).await;
    let page = browser.post("/account/password", &fields(OLD, NEW)).await;
    assert_eq!(page.location(), "/account/security?done=password");
    let cookie = format!("beaver_sid=renewed-{SID}; Path=/; HttpOnly; SameSite=Lax; Max-Age=1000");
    assert_eq!(page.header("set-cookie"), Some(cookie.as_str()));
    assert_eq!(app.fakes.calls("/portal/password")[0]["client_addr"], "127.0.0.1");
    let page = browser.get("/account/security?done=password").await;
    page.shows("Your password is changed, and you are signed out everywhere else.");
    page.hides(NEW);
    assert_eq!(
        app.browser_with(SID).get("/account").await.status,
        StatusCode::SEE_OTHER,
        "the cookie before"
    );
    // Whoever loads the address of the form changes nothing.
    assert_eq!(browser.get("/account/password").await.location(), "/account/security");
}

#[tokio::test]
async fn a_wrong_current_password_is_told_at_its_field_and_nothing_else() {
    let app = TestApp::start().await;
    let mut browser = signed_in(&app).await;
    let page = browser.post("/account/password", &fields("wr0ng-s3cret", NEW)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"current_password-fault\">This is not your current password.</p>");
    page.hides("new_password-fault");
    page.hides("wr0ng-s3cret");
    page.hides(NEW);
    page.shows("Firefox on Linux");
    assert!(page.header("set-cookie").is_none());
}

#[tokio::test]
async fn a_weak_new_password_is_told_at_its_field() {
    let app = TestApp::start().await;
    let mut browser = signed_in(&app).await;
    let page = browser.post("/account/password", &fields(OLD, "sh0rt")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"new_password-fault\">New password must have at least 15 characters.</p>");
    page.hides("current_password-fault");
    page.hides("sh0rt");
    page.hides(OLD);
}

#[tokio::test]
async fn refusals_and_outages_are_told_without_either_password() {
    let app = TestApp::start().await;
    let mut browser = signed_in(&app).await;
    for (refusal, status, text) in [
        (problem(429, codes::TOO_MANY_TRIES, "x"), 429, "Too many tries."),
        (problem(503, codes::BUSY, "x"), 503, "could not be changed just now"),
        (problem(500, codes::INTERNAL, "x"), 503, "could not be changed just now"),
    ] {
        app.fakes.world().refusals.insert("/portal/password".to_owned(), refusal);
        let page = browser.post("/account/password", &fields(OLD, NEW)).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
        page.hides(OLD);
        page.hides(NEW);
    }
    let over = problem(401, codes::SESSION_ENDED, "x");
    app.fakes.world().refusals.insert("/portal/password".to_owned(), over);
    assert_eq!(browser.post("/account/password", &fields(OLD, NEW)).await.location(), "/login");
}
