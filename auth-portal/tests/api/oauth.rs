//! Sign-in and sign-out of an app: what people are asked, and where the browser goes.

use http::StatusCode;

use crate::app::TestApp;

const SID: &str = "session-secret-of-alice";
const REQUEST: &str =
    "client_id=notes&redirect_uri=http%3A%2F%2Falice.localhost%3A8088%2Foauth%2Fcallback&state=s";

fn page_of(query: &str) -> String {
    format!("/oauth/authorize?{query}")
}

#[tokio::test]
async fn a_person_is_asked_what_the_app_may_know_and_is_sent_back_with_a_code() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    let page = browser.get(&page_of(REQUEST)).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("Sign in to “Notes &#60;b&#62;”?");
    page.shows("your user name: alice");
    page.shows("your e-mail address: alice@example.com");
    page.hides("<b>");
    let answer = browser.post("/oauth/authorize", &[("request", REQUEST), ("decision", "allow")]).await;
    assert_eq!(answer.location(), "http://alice.localhost:8088/oauth/callback?code=c&state=s");
    let sent = app.fakes.calls("/portal/oauth/approve");
    assert_eq!(sent[0]["query"], REQUEST, "as it came");
    // The browser may follow: the policy for forms names the instances.
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("form-action 'self' http://*.localhost:8088"), "{policy}");
}

#[tokio::test]
async fn anything_but_a_yes_is_a_no() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    browser.get(&page_of(REQUEST)).await;
    for decision in ["deny", "", "ALLOW"] {
        let answer = browser.post("/oauth/authorize", &[("request", REQUEST), ("decision", decision)]).await;
        assert_eq!(
            answer.location(),
            "http://alice.localhost:8088/oauth/callback?error=access_denied&state=s"
        );
    }
}

#[tokio::test]
async fn an_app_that_is_not_proven_gets_a_page_and_no_redirect() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    for mut browser in [app.browser(), app.browser_with(SID)] {
        for query in ["", "client_id=other", "client_id=other&scope=admin"] {
            let page = browser.get(&page_of(query)).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST);
            page.shows("This app cannot sign you in");
            page.shows("The app that asks is not known here.");
            assert!(page.header("location").is_none());
        }
    }
    let mut browser = app.browser_with(SID);
    browser.get("/account").await;
    let page =
        browser.post("/oauth/authorize", &[("request", "client_id=other"), ("decision", "allow")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    // A proven one is told by redirect, whoever is at the browser.
    let page = app.browser().get(&page_of(&format!("{REQUEST}&scope=admin"))).await;
    assert_eq!(page.location(), "http://alice.localhost:8088/oauth/callback?error=invalid_scope&state=s");
}

#[tokio::test]
async fn a_visitor_signs_in_first_and_comes_back_to_the_question() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser();
    let to_sign_in = browser.get(&page_of(REQUEST)).await.location().to_owned();
    assert!(to_sign_in.starts_with("/login?next=%2Foauth%2Fauthorize%3Fclient_id%3Dnotes"), "{to_sign_in}");
    browser.get(&to_sign_in).await;
    let next = page_of(REQUEST);
    let fields = [("login", "alice"), ("password", "password of alice"), ("next", next.as_str())];
    assert_eq!(browser.post("/login", &fields).await.location(), next);
    browser.get(&next).await.shows("action=\"/oauth/authorize\"");
}

#[tokio::test]
async fn where_the_app_wants_it_a_person_signs_in_again_once() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let demand = format!("{REQUEST}&prompt=login&max_age=0");
    let mut browser = app.browser_with(SID);
    let page = browser.get(&page_of(&demand)).await;
    page.shows("“Notes &#60;b&#62;” wants to be sure that it is you.");
    page.shows("action=\"/oauth/authorize/again\"");
    assert!(app.fakes.world().sessions.contains_key(SID), "a link alone signs nobody out");
    let answer = browser.post("/oauth/authorize/again", &[("request", &demand)]).await;
    assert!(answer.header("set-cookie").expect("a cookie").starts_with("beaver_sid=;"));
    let to_sign_in = answer.location().to_owned();
    assert!(!app.fakes.world().sessions.contains_key(SID));
    let next: String = url::form_urlencoded::byte_serialize(page_of(REQUEST).as_bytes()).collect();
    assert_eq!(to_sign_in, format!("/login?next={next}"));
    // A visitor is not asked to sign in twice either.
    assert_eq!(app.browser().get(&page_of(&demand)).await.location(), to_sign_in);
}

#[tokio::test]
async fn a_link_alone_signs_nobody_out() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    let page = browser.get("/oauth/logout?client_id=notes").await;
    page.shows("“Notes” asks to sign you out.");
    assert!(app.fakes.world().sessions.contains_key(SID));
    let answer = browser.post("/oauth/logout", &[("request", "client_id=notes")]).await;
    assert_eq!(answer.location(), "http://alice.localhost:8088/");
    assert!(answer.header("set-cookie").expect("a cookie").starts_with("beaver_sid=;"));
    assert!(!app.fakes.world().sessions.contains_key(SID));
    // Nobody is left to ask.
    let mut visitor = app.browser();
    assert_eq!(visitor.get("/oauth/logout").await.location(), "/login?signed-out=1");
    assert_eq!(visitor.get("/oauth/logout?client_id=other").await.status, StatusCode::BAD_REQUEST);
}
