//! Where somebody is signed in: the security page and its buttons.

use control_api::codes;
use http::StatusCode;

use crate::app::{Browser, TestApp};
use crate::fakes::problem;

const SID: &str = "session-secret-of-alice";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/140.0.0.0 Safari/537.36";

async fn signed_in(app: &TestApp) -> Browser {
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    browser.get("/account/security").await;
    browser
}

#[tokio::test]
async fn the_list_tells_where_from_when_and_with_what() {
    let app = TestApp::start().await;
    let mut browser = signed_in(&app).await;
    let page = browser.get("/account/security").await;
    page.shows("Firefox on Linux <span class=\"evidence\">from 192.0.2.1</span>");
    page.shows("<span class=\"evidence\">This browser</span>");
    page.shows("in 1 h");
    page.hides("Sign out everywhere else");
    page.hides("action=\"/account/sessions/revoke\"");
    let other = app.fakes.other_session(SID, Some(CHROME), "203.0.113.9");
    app.fakes.other_session(SID, Some("<script>alert(1)</script>"), "203.0.113.10");
    app.fakes.other_session(SID, None, "203.0.113.11");
    let page = browser.get("/account/security").await;
    page.shows("Chrome on Windows <span class=\"evidence\">from 203.0.113.9</span>");
    page.shows("<span class=\"evidence\">Stays signed in</span>");
    page.shows("3 days ago");
    page.shows("45 min ago");
    page.shows("in 26 days");
    page.shows(&format!("name=\"sid\" value=\"{}\"", other.sid));
    page.shows("aria-label=\"Sign out Chrome on Windows from 203.0.113.9\"");
    page.shows("&#60;script&#62;alert(1)");
    page.hides("<script>alert");
    page.shows("Unknown browser");
    assert_eq!(page.body.matches("action=\"/account/sessions/revoke\"").count(), 3, "not for this one");
    page.hides(SID);
}

#[tokio::test]
async fn one_session_or_all_others_end_by_a_button() {
    let app = TestApp::start().await;
    let mut browser = signed_in(&app).await;
    let gone = app.fakes.other_session(SID, Some(CHROME), "203.0.113.9").sid.to_string();
    app.fakes.other_session(SID, None, "203.0.113.10");
    let page = browser.post("/account/sessions/revoke", &[("sid", &gone)]).await;
    assert_eq!(page.location(), "/account/security?done=session");
    let call = &app.fakes.calls("/portal/sessions/revoke")[0];
    assert_eq!((&call["session"], &call["sid"]), (&SID.into(), &gone.clone().into()));
    assert_eq!(call["client_addr"], "127.0.0.1");
    let page = browser.get("/account/security?done=session").await;
    page.shows("That session is signed out.");
    page.hides(&gone);
    page.shows("203.0.113.10");
    let page = browser.post("/account/sessions/others", &[]).await;
    assert_eq!(page.location(), "/account/security?done=others");
    let page = browser.get("/account/security?done=others").await;
    page.shows("You are signed out everywhere else.");
    page.hides("203.0.113.10");
    for unknown in ["", "x"] {
        let page = browser.post("/account/sessions/revoke", &[("sid", unknown)]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{unknown:?}");
    }
    // Whoever loads the address of a form ends nothing.
    app.fakes.world().calls.clear();
    for path in ["/account/sessions/revoke", "/account/sessions/others"] {
        assert_eq!(browser.get(path).await.location(), "/account/security");
    }
    assert!(app.fakes.calls("/portal/sessions/revoke-others").is_empty());
}

#[tokio::test]
async fn without_an_answer_the_page_still_serves_and_without_a_session_it_leads_to_sign_in() {
    let app = TestApp::start().await;
    let mut browser = signed_in(&app).await;
    let refusal = problem(500, codes::INTERNAL, "x");
    app.fakes.world().refusals.insert("/portal/sessions/list".to_owned(), refusal);
    let page = browser.get("/account/security").await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("Your sessions cannot be shown just now.");
    page.shows("aria-current=\"page\">Security</a>");
    app.fakes.world().sessions.clear();
    let there = "/login?next=%2Faccount%2Fsecurity";
    assert_eq!(browser.get("/account/security").await.location(), there);
    assert_eq!(browser.post("/account/sessions/others", &[]).await.location(), there);
}

#[tokio::test]
async fn the_cookie_outlives_the_browser_only_where_that_was_asked_for() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let fields = [("login", "alice"), ("password", "password of alice"), ("next", "/account")];
    let mut browser = app.browser();
    browser.get("/login").await.shows("name=\"remember\" value=\"yes\"><span>Stay signed in");
    let page = browser.post("/login", &fields).await;
    let plain = format!("beaver_sid={SID}; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(page.header("set-cookie"), Some(plain.as_str()));
    let mut browser = app.browser();
    browser.get("/login").await;
    // What was chosen stays where the form comes back.
    let wrong = [("login", "alice"), ("password", "wrong"), ("remember", "yes")];
    browser.post("/login", &wrong).await.shows("value=\"yes\" checked");
    let fields = [fields[0], fields[1], fields[2], ("remember", "yes")];
    let page = browser.post("/login", &fields).await;
    assert_eq!(page.header("set-cookie"), Some(format!("{plain}; Max-Age=2592000").as_str()));
    let calls = app.fakes.calls("/portal/login");
    let asked: Vec<_> = calls.iter().map(|call| call["remember"].clone()).collect();
    assert_eq!(asked, [false, true, true]);
}

#[tokio::test]
async fn what_the_browser_calls_itself_goes_along_and_no_more_than_that() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser();
    browser.get("/login").await;
    let token = browser.csrf.clone();
    let fields = [("login", "alice"), ("password", "password of alice"), ("csrf", token.as_str())];
    for (sent, expected) in [(CHROME.to_owned(), CHROME.to_owned()), ("x".repeat(5000), "x".repeat(400))] {
        let request = browser.request(http::Method::POST, "/login").header("origin", crate::app::ORIGIN);
        browser.send(request.header("user-agent", sent).form(&fields)).await;
        assert_eq!(app.fakes.calls("/portal/login").last().expect("a call")["agent"], expected);
    }
}
