//! Forms that are not believed, and that they change nothing.

use control_api::deploy::InstanceState;
use http::{Method, StatusCode};

use crate::app::{ORIGIN, TestApp};

const SID: &str = "session-secret-of-alice";
const LOGIN: [(&str, &str); 2] = [("login", "alice"), ("password", "password of alice")];

#[tokio::test]
async fn every_form_needs_its_origin_and_its_token() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let paths = [
        "/login",
        "/register",
        "/setup",
        "/login/upstream",
        "/login/upstream/name",
        "/account/upstream/link",
        "/account/upstream/unlink",
        "/logout",
        "/provisioning/retry",
        "/onboarding/provider",
        "/onboarding/provider/skip",
        "/account/stop",
        "/account/keys",
        "/account/keys/revoke",
        "/account/sessions/revoke",
        "/account/sessions/others",
        "/account/password",
        "/account/data/account",
        "/account/data/files",
        "/account/email",
        "/account/email/verify",
        "/confirm",
        "/forgot",
        "/reset",
        "/login/second",
        "/account/second-factor/begin",
        "/account/passkeys/new",
        "/account/passkeys/finish",
        "/account/passkeys/remove",
        "/account/second-factor/confirm",
        "/account/second-factor/recovery-codes",
        "/account/second-factor/remove",
        "/account/delete",
        "/account/instance/keep-awake",
        "/account/instance/delete",
        "/oauth/authorize",
        "/oauth/authorize/again",
        "/oauth/logout",
    ];
    let mut browser = app.browser_with(SID);
    browser.get("/account").await;
    let token = browser.csrf.clone();
    // Header, value, token: each of these is refused everywhere.
    let refused: [(Option<(&str, &str)>, &str); 9] = [
        (None, &token),
        (Some(("origin", "http://alice.portal.test")), &token),
        (Some(("origin", "https://portal.test")), &token),
        (Some(("origin", "null")), &token),
        (Some(("sec-fetch-site", "same-site")), &token),
        (Some(("sec-fetch-site", "cross-site")), &token),
        (Some(("sec-fetch-site", "none")), &token),
        (Some(("origin", ORIGIN)), ""),
        (Some(("origin", ORIGIN)), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ];
    app.fakes.world().calls.clear();
    for path in paths {
        for (header, token) in refused {
            let mut request = browser.request(Method::POST, path).form(&[("csrf", token)]);
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            let page = browser.send(request).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {header:?}");
            page.shows("nothing was changed");
            page.shows("Load the form again");
        }
    }
    let calls: Vec<_> = app.fakes.world().calls.iter().map(|(path, _)| path.clone()).collect();
    assert!(
        calls
            .iter()
            .all(|path| ["/portal/settings", "/api/instances", "/health/ready"].contains(&path.as_str())),
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_visitors_token_opens_no_form_of_a_session_and_belongs_to_one_browser() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut visitor = app.browser();
    visitor.get("/login").await;
    // Another browser's token, with the own cookie.
    let mut other = app.browser();
    other.get("/login").await;
    std::mem::swap(&mut visitor.csrf, &mut other.csrf);
    assert_eq!(visitor.post("/login", &LOGIN).await.status, StatusCode::FORBIDDEN);
    // The own token again.
    visitor.get("/login").await;
    let token = visitor.csrf.clone();
    assert!(visitor.post("/login", &LOGIN).await.status.is_redirection());
    visitor.csrf = token;
    assert_eq!(visitor.post("/logout", &[]).await.status, StatusCode::FORBIDDEN);
    assert!(app.fakes.world().sessions.contains_key(SID));
}

#[tokio::test]
async fn tokens_of_one_session_do_not_serve_another() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    app.fakes.person("bob", "session-secret-of-bob-1");
    let mut alice = app.browser_with(SID);
    alice.get("/account").await;
    let mut bob = app.browser_with("session-secret-of-bob-1");
    bob.csrf = alice.csrf.clone();
    assert_eq!(bob.post("/logout", &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_survives_a_restart_of_the_portal() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/login").await;
    let again = TestApp::start().await;
    again.fakes.person("alice", SID);
    let mut moved = again.browser();
    moved.cookies = browser.cookies.clone();
    moved.csrf = browser.csrf.clone();
    assert!(moved.post("/login", &LOGIN).await.status.is_redirection());
}

#[tokio::test]
async fn a_form_without_any_cookie_of_a_session_leads_to_sign_in() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    assert_eq!(browser.post("/account/stop", &[]).await.location(), "/login?next=%2Faccount");
}
