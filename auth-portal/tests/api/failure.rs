//! What goes wrong has a page in the same look, with the request id and a way on.

use http::{Method, StatusCode, header};

use crate::app::{ORIGIN, TestApp};
use crate::fakes::problem;

const SID: &str = "session-secret-of-alice";

#[tokio::test]
async fn unknown_pages_and_methods() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    for path in ["/nothing", "/assets/nothing.css", "/admin/%3Cscript%3E"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        page.shows("There is nothing here");
        page.shows(page.header("x-request-id").expect("an id"));
        page.shows("portal.");
    }
    let request = browser.request(Method::DELETE, "/login");
    let page = browser.send(request).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    page.shows("That cannot be done here");
    assert!(page.header("allow").is_some_and(|allow| allow.contains("POST")));
}

#[tokio::test]
async fn forms_that_are_too_large_or_none_at_all() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/login").await;
    // Larger than what fits into the buffers of a connection: the page must arrive all the same.
    for size in [65 * 1024, 4 * 1024 * 1024] {
        let page = browser.post("/login", &[("login", &"a".repeat(size))]).await;
        assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
        page.shows("at most 64 KiB");
    }
    let request = browser.request(Method::POST, "/login").header(header::ORIGIN, ORIGIN);
    let request = request.header(header::CONTENT_TYPE, "text/plain").body("login=a");
    let page = browser.send(request).await;
    assert_eq!(page.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    page.shows("That is no form");
    assert!(app.fakes.calls("/portal/login").is_empty());
}

#[tokio::test]
async fn without_authz_service_pages_say_so_and_try_again() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    browser.get("/account").await;
    app.fakes.world().authz_down = true;
    for path in ["/", "/account", "/provisioning", "/onboarding/provider", "/login", "/register"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(page.header("refresh"), Some("5"));
        assert_eq!(page.header("retry-after"), Some("5"));
        page.shows("authz-service");
        page.shows("You are not signed out");
    }
    // Nothing is pretended.
    let page = browser.post("/logout", &[]).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(browser.cookies["beaver_sid"], SID);
    // Pages that need nobody still work.
    assert_eq!(app.browser().get("/").await.status, StatusCode::OK);
    assert_eq!(app.browser().get("/login").await.status, StatusCode::OK);
}

#[tokio::test]
async fn tokens_that_do_not_match_are_named() {
    let wrong = "wrong-wrong-wrong-wrong-wrong-wrong";
    let app = TestApp::start_with(&[("AUTHZ_INTERNAL_TOKEN", wrong)]).await;
    let page = app.browser().get("/register").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.shows("AUTHZ_INTERNAL_TOKEN");
    page.hides(wrong);
}

#[tokio::test]
async fn a_neighbour_that_is_not_there_at_all_is_an_outage_too() {
    let app = TestApp::start_with(&[("BEAVER_AUTHZ_URL", "http://127.0.0.1:9")]).await;
    let page = app.browser_with(SID).get("/account").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.shows("authz-service");
    page.hides("127.0.0.1:9");
}

#[tokio::test]
async fn what_is_our_own_fault_says_so_without_its_details() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let nonsense = problem(418, "urn:beaver:unheard-of", "internal-detail");
    app.fakes.world().refusals.insert("/portal/session".to_owned(), nonsense);
    let page = app.browser_with(SID).get("/account").await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    page.shows("Something went wrong on our side");
    page.shows(page.header("x-request-id").expect("an id"));
    page.hides("internal-detail");
}
