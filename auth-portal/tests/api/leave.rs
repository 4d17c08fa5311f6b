//! Leaving for good.

use control_api::codes;
use http::StatusCode;

use crate::app::{Browser, TestApp};
use crate::fakes::problem;

const SID: &str = "session-secret-of-alice";
const PASSWORD: &str = "password of alice";

async fn signed_in(app: &TestApp) -> Browser {
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    browser.get("/account/security").await.shows("href=\"/account/delete\"");
    browser.get("/account/delete").await.shows("Type your user name, alice");
    browser
}

fn fields<'a>(username: &'a str, password: &'a str) -> [(&'a str, &'a str); 2] {
    [("username", username), ("password", password)]
}

#[tokio::test]
async fn a_person_leaves_with_name_and_password_and_is_signed_out() {
    let app = TestApp::start().await;
    let mut browser = signed_in(&app).await;
    let page = browser.post("/account/delete", &fields("alice", PASSWORD)).await;
    assert_eq!(page.location(), "/login?deleted=1");
    assert_eq!(page.header("set-cookie"), Some("beaver_sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"));
    assert_eq!(app.fakes.calls("/portal/account/delete")[0]["client_addr"], "127.0.0.1");
    browser.get("/login?deleted=1").await.shows("Your account is deleted.");
    assert_eq!(app.browser_with(SID).get("/account").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_wrong_name_or_password_is_told_at_its_field_and_deletes_nothing() {
    let app = TestApp::start().await;
    let mut browser = signed_in(&app).await;
    let page = browser.post("/account/delete", &fields("bob", PASSWORD)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"username-fault\">This is not your user name.");
    page.hides(PASSWORD);
    let page = browser.post("/account/delete", &fields("alice", "wr0ng-s3cret")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"password-fault\">This is not your password.");
    page.hides("wr0ng-s3cret");
    assert!(app.fakes.world().sessions.contains_key(SID));
}

#[tokio::test]
async fn refusals_and_outages_are_told() {
    let app = TestApp::start().await;
    let mut browser = signed_in(&app).await;
    for (refusal, status, text) in [
        (problem(409, codes::LAST_ADMIN, "x"), 409, "You are the last administrator"),
        (problem(429, codes::TOO_MANY_TRIES, "x"), 429, "Too many tries."),
        (problem(503, codes::BUSY, "x"), 503, "could not be deleted just now"),
    ] {
        app.fakes.world().refusals.insert("/portal/account/delete".to_owned(), refusal);
        let page = browser.post("/account/delete", &fields("alice", PASSWORD)).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
        page.hides(PASSWORD);
    }
    let over = problem(401, codes::SESSION_ENDED, "x");
    app.fakes.world().refusals.insert("/portal/account/delete".to_owned(), over);
    assert_eq!(browser.post("/account/delete", &fields("alice", PASSWORD)).await.location(), "/login");
}

#[tokio::test]
async fn a_visitor_signs_in_first_and_comes_back() {
    let app = TestApp::start().await;
    let mut visitor = app.browser();
    assert_eq!(visitor.get("/account/delete").await.location(), "/login?next=%2Faccount%2Fdelete");
    assert_eq!(visitor.post("/account/delete", &[]).await.location(), "/login?next=%2Faccount%2Fdelete");
}
