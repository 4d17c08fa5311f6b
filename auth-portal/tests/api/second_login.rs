//! The second step of a sign-in, as a browser without JavaScript goes it.

use control_api::codes;
use control_api::deploy::InstanceState;
use http::StatusCode;

use crate::app::{Browser, TestApp};
use crate::fakes::{Fakes, problem};

const SID: &str = "session-secret-of-alice";
const LOGIN: [(&str, &str); 2] = [("login", "alice"), ("password", "password of alice")];

/// A browser that has given the right password.
async fn half_way(app: &TestApp) -> Browser {
    let alice = app.fakes.person("alice", SID);
    app.fakes.instance(&alice, InstanceState::Ready);
    app.fakes.guard(&alice, 10);
    let mut browser = app.browser();
    browser.get("/login").await;
    let page = browser.post("/login", &LOGIN).await;
    assert_eq!(page.location(), "/login/second");
    let cookie = "beaver_pending=pending-sign-in-of-alice; Path=/; HttpOnly; SameSite=Lax; Max-Age=300";
    assert_eq!(page.header("set-cookie"), Some(cookie));
    browser
}

#[tokio::test]
async fn password_and_code_sign_in_and_the_pending_cookie_goes() {
    let app = TestApp::start().await;
    let mut browser = half_way(&app).await;
    assert_eq!(browser.get("/account").await.location(), "/login?next=%2Faccount", "nobody is signed in");
    let page = browser.get("/login/second").await;
    page.shows("autocomplete=\"one-time-code\"");
    page.shows("enter one of your recovery codes instead");
    let page = browser.post("/login/second", &[("code", Fakes::CODE)]).await;
    assert_eq!(page.location(), "http://alice.localhost:8088");
    let cookies: Vec<_> =
        page.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("text")).collect();
    assert!(cookies.iter().any(|cookie| cookie.starts_with(&format!("beaver_sid={SID};"))), "{cookies:?}");
    assert!(cookies.iter().any(|cookie| cookie.starts_with("beaver_pending=;")), "{cookies:?}");
    let asked = &app.fakes.calls("/portal/login/second")[0];
    assert_eq!(asked["client_addr"], "127.0.0.1");
    // Whoever is signed in has no business here.
    assert!(browser.get("/login/second").await.status.is_redirection());
}

#[tokio::test]
async fn the_way_on_is_kept_through_both_steps() {
    let app = TestApp::start().await;
    let alice = app.fakes.person("alice", SID);
    app.fakes.guard(&alice, 10);
    let mut browser = app.browser();
    browser.get("/login?next=%2Faccount%2Fsecurity").await;
    let fields = [LOGIN[0], LOGIN[1], ("next", "/account/security")];
    let there = browser.post("/login", &fields).await.location().to_owned();
    assert_eq!(there, "/login/second?next=%2Faccount%2Fsecurity");
    browser.get(&there).await.shows("name=\"next\" value=\"/account/security\"");
    let wrong = browser.post("/login/second", &[("code", "000000"), ("next", "/account/security")]).await;
    wrong.shows("name=\"next\" value=\"/account/security\"");
    let page = browser.post("/login/second", &[("code", Fakes::CODE), ("next", "/account/security")]).await;
    assert_eq!(page.location(), "/account/security");
    // Nowhere else.
    assert_eq!(browser.get("/login/second?next=%2F%2Fevil.example").await.location(), "/account");
}

#[tokio::test]
async fn a_wrong_code_is_told_at_its_field_and_not_sent_back() {
    let app = TestApp::start().await;
    let mut browser = half_way(&app).await;
    let page = browser.post("/login/second", &[("code", "271828")]).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    page.shows("id=\"code-fault\">This code is wrong");
    page.hides("271828");
    assert!(page.header("set-cookie").is_none_or(|cookie| !cookie.contains("beaver_sid")));
    let page = browser.post("/login/second", &[("code", " ")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("Enter a code to sign in.");
    for (refusal, status, text) in [
        (problem(429, codes::TOO_MANY_TRIES, "x"), 429, "Too many tries."),
        (problem(503, codes::BUSY, "x"), 503, "the accounts service cannot be reached"),
        (problem(500, codes::INTERNAL, "x"), 503, "the accounts service cannot be reached"),
    ] {
        app.fakes.world().refusals.insert("/portal/login/second".to_owned(), refusal);
        let page = browser.post("/login/second", &[("code", "271828")]).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
        page.hides("271828");
    }
}

#[tokio::test]
async fn what_waited_too_long_leads_back_to_the_password_with_the_reason() {
    let app = TestApp::start().await;
    let mut browser = half_way(&app).await;
    app.fakes.world().sessions.clear();
    let page = browser.post("/login/second", &[("code", Fakes::CODE)]).await;
    assert_eq!(page.location(), "/login?again=1");
    assert!(page.header("set-cookie").is_some_and(|cookie| cookie.starts_with("beaver_pending=;")));
    browser.cookies.remove("beaver_pending");
    browser.get("/login?again=1").await.shows("Begin again with your password.");
    // Without the cookie there is nothing to finish.
    assert_eq!(browser.get("/login/second").await.location(), "/login");
    assert_eq!(browser.get("/login/second?next=%2Faccount").await.location(), "/login?next=%2Faccount");
    browser.get("/login").await;
    assert_eq!(browser.post("/login/second", &[("code", Fakes::CODE)]).await.location(), "/login?again=1");
}
