//! Sign-in at another issuer: the button, the way there and back, the name page, and the part of the security page.

use control_api::authz::RegistrationMode;
use control_api::codes;
use control_api::deploy::InstanceState;
use control_api::second_factor::PendingLogin;
use control_api::upstream::{UpstreamOutcome, UpstreamRefusal};
use control_api::wire::WireSecret;
use http::StatusCode;

use crate::app::{Browser, Page, TestApp};
use crate::fakes::problem;

const SID: &str = "session-secret-of-alice";
const ISSUER: &str = "https://sign-in.example.com/authorize?state=the-state&nonce=n";
const CALLBACK: &str = "/login/upstream/callback?code=c0de&state=the-state";

async fn with_issuer() -> TestApp {
    let app = TestApp::start().await;
    app.fakes.upstream();
    app
}

/// A browser that is on its way.
async fn begin(app: &TestApp, next: &str) -> (Browser, Page) {
    let mut browser = app.browser();
    browser.get("/login").await;
    let page = browser.post("/login/upstream", &[("next", next)]).await;
    (browser, page)
}

fn refuse(app: &TestApp, reason: UpstreamRefusal, detail: Option<&str>) {
    let detail = detail.map(str::to_owned);
    app.fakes.world().upstream.outcome = Some(UpstreamOutcome::Refused { reason, detail });
}

#[tokio::test]
async fn there_is_a_button_where_an_issuer_is_set_and_only_there() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    for path in ["/login", "/register"] {
        browser.get(path).await.hides("/login/upstream");
    }
    assert_eq!(browser.post("/login/upstream", &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get(CALLBACK).await.status, StatusCode::NOT_FOUND);
    app.fakes.upstream();
    for path in ["/login?next=%2Faccount", "/register"] {
        let page = browser.get(path).await;
        page.shows("action=\"/login/upstream\"");
        page.shows("Sign in with Home &#60;b&#62;</button>");
    }
    assert_eq!(browser.get("/login/upstream").await.location(), "/login");
}

#[tokio::test]
async fn the_browser_goes_by_a_page_and_keeps_a_secret() {
    let app = with_issuer().await;
    let (mut browser, page) = begin(&app, "/account").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(page.header("refresh"), Some(format!("0; url={ISSUER}").as_str()));
    page.shows("href=\"https://sign-in.example.com/authorize?state=the-state&#38;nonce=n\"");
    let cookie = page.header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=1800"), "{cookie}");
    let call = app.fakes.calls("/portal/upstream/start")[0].clone();
    assert_eq!((&call["next"], &call["client_addr"]), (&"/account".into(), &"127.0.0.1".into()));
    let secret = browser.cookies["beaver_upstream"].clone();
    assert_eq!((call["browser"].as_str(), secret.len()), (Some(secret.as_str()), 43));
    // A second tab has the same one; what leads elsewhere is not carried along.
    browser.get("/login").await;
    browser.post("/login/upstream", &[("next", "//evil.example")]).await;
    let call = app.fakes.calls("/portal/upstream/start")[1].clone();
    assert_eq!(call["browser"].as_str(), Some(secret.as_str()));
    assert!(call.get("next").is_none());
}

#[tokio::test]
async fn over_https_the_cookie_is_of_this_host_alone() {
    let app = TestApp::start_with(&[("PORTAL_PUBLIC_URL", "https://portal.test")]).await;
    app.fakes.upstream();
    let mut browser = app.browser();
    browser.get("/login").await;
    let token = browser.csrf.clone();
    let request = browser
        .request(http::Method::POST, "/login/upstream")
        .header("origin", "https://portal.test")
        .form(&[("csrf", token.as_str())]);
    let page = browser.send(request).await;
    let cookie = page.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("__Host-beaver_upstream=") && cookie.contains("; Secure"), "{cookie}");
}

#[tokio::test]
async fn whoever_comes_back_is_signed_in_and_goes_on() {
    let app = with_issuer().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    for (next, target) in [
        (Some("/account?a=b"), "/account?a=b"),
        (Some("//evil.example"), "http://alice.localhost:8088"),
        (None, "http://alice.localhost:8088"),
    ] {
        let (mut browser, _) = begin(&app, "").await;
        let next = next.map(str::to_owned);
        let session = WireSecret::from(SID);
        let outcome = UpstreamOutcome::SignedIn { user_id: user.user_id, session, next };
        app.fakes.world().upstream.outcome = Some(outcome);
        assert_eq!(browser.get(CALLBACK).await.location(), target);
        assert_eq!(browser.cookies["beaver_sid"], SID);
        assert_eq!(browser.cookies["beaver_upstream"], "");
    }
    let call = &app.fakes.calls("/portal/upstream/callback")[0];
    assert_eq!(call["query"], "code=c0de&state=the-state");
}

#[tokio::test]
async fn whoever_has_a_second_factor_is_asked_for_it() {
    let app = with_issuer().await;
    app.fakes.person("alice", SID);
    let (mut browser, _) = begin(&app, "").await;
    let pending = PendingLogin { pending: "pending-sign-in-of-alice".into(), expires_in_s: 300 };
    let outcome = UpstreamOutcome::SecondFactor { pending, next: Some("/account?a=b".to_owned()) };
    app.fakes.world().upstream.outcome = Some(outcome);
    assert_eq!(browser.get(CALLBACK).await.location(), "/login/second?next=%2Faccount%3Fa%3Db");
    assert!(!browser.cookies.contains_key("beaver_sid"));
    assert_eq!(browser.cookies["beaver_upstream"], "");
    browser.get("/login/second?next=%2Faccount%3Fa%3Db").await.shows("name=\"code\"");
}

#[tokio::test]
async fn every_refusal_is_a_page_that_says_why() {
    let app = with_issuer().await;
    for (reason, status, words) in [
        (UpstreamRefusal::OtherBrowser, 403, "begun in another browser"),
        (UpstreamRefusal::Expired, 400, "took longer than ten minutes"),
        (UpstreamRefusal::Denied, 403, "You did not allow it"),
        (UpstreamRefusal::Faulty, 400, "cannot be trusted"),
        (UpstreamRefusal::Unavailable, 503, "Your password still works"),
        (UpstreamRefusal::Taken, 409, "belongs to another account"),
        (UpstreamRefusal::SessionEnded, 403, "signed out meanwhile"),
        (UpstreamRefusal::RegistrationClosed, 403, "no new ones are made"),
        (UpstreamRefusal::ApprovalPending, 403, "waits for an administrator"),
        (UpstreamRefusal::Suspended, 403, "is suspended"),
    ] {
        let (mut browser, _) = begin(&app, "").await;
        refuse(&app, reason, Some("it answered <500>"));
        let page = browser.get(CALLBACK).await;
        assert_eq!(page.status.as_u16(), status, "{reason:?}");
        page.shows(words);
        page.shows("it answered &#60;500&#62;");
        page.hides("c0de");
        assert!(page.header("refresh").is_none());
        assert!(!browser.cookies.contains_key("beaver_sid"));
    }
    // A browser that began nothing.
    app.browser().get(CALLBACK).await.shows("begun in another browser");
}

#[tokio::test]
async fn an_issuer_that_is_down_is_told_over_the_form_which_still_works() {
    let app = with_issuer().await;
    app.fakes.person("alice", SID);
    let down = problem(503, codes::UPSTREAM_UNAVAILABLE, "no connection to it could be made");
    app.fakes.world().refusals.insert("/portal/upstream/start".to_owned(), down);
    let (mut browser, page) = begin(&app, "/account").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.shows("Home &#60;b&#62; cannot be reached just now: no connection to it could be made.");
    page.shows("name=\"next\" value=\"/account\"");
    let fields = [("login", "alice"), ("password", "password of alice"), ("next", "/account")];
    assert_eq!(browser.post("/login", &fields).await.location(), "/account");

    let many = problem(429, codes::TOO_MANY_TRIES, "x");
    app.fakes.world().refusals.insert("/portal/upstream/start".to_owned(), many);
    assert_eq!(begin(&app, "").await.1.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn somebody_new_chooses_a_name() {
    let app = with_issuer().await;
    assert_eq!(app.browser().get("/login/upstream/name").await.status, StatusCode::BAD_REQUEST);
    let (mut browser, _) = begin(&app, "").await;
    app.fakes.world().upstream.outcome = Some(UpstreamOutcome::ChooseName);
    assert_eq!(browser.get(CALLBACK).await.location(), "/login/upstream/name");
    browser.get("/login/upstream/name").await.shows("Begin again");

    app.fakes.arrived(RegistrationMode::Open);
    let page = browser.get("/login/upstream/name").await;
    page.shows("You are signed in with Home &#60;b&#62; and have no account here yet.");
    page.shows("name=\"username\" value=\"carol\"");
    page.shows("name=\"email\" type=\"email\" value=\"carol@example.com\"");
    page.hides("type=\"password\"");
    page.hides("name=\"invite\"");
    let faulty = browser.post("/login/upstream/name", &[("username", "a<"), ("email", "x@y.z")]).await;
    assert_eq!(faulty.status, StatusCode::UNPROCESSABLE_ENTITY);
    faulty.shows("User name must have at least 3 characters.");
    faulty.shows("value=\"a&#60;\"");
    faulty.shows("value=\"x@y.z\"");
    let fields = [("username", "carol"), ("email", "carol@example.com")];
    assert_eq!(browser.post("/login/upstream/name", &fields).await.location(), "/provisioning");
    assert_eq!(browser.cookies["beaver_sid"], "session-of-carol-0123456789");
    assert_eq!(browser.cookies["beaver_upstream"], "");
}

#[tokio::test]
async fn the_name_page_asks_for_what_registration_asks_for() {
    let app = with_issuer().await;
    let (mut browser, _) = begin(&app, "").await;
    app.fakes.arrived(RegistrationMode::Invite);
    browser.get("/login/upstream/name").await.shows("name=\"invite\"");
    let fields = [("username", "carol"), ("email", "carol@example.com")];
    let page = browser.post("/login/upstream/name", &fields).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.shows("Invite code is needed to register here.");
    app.fakes.arrived(RegistrationMode::Approval);
    browser.get("/login/upstream/name").await.shows("An administrator looks at new accounts");
    let page = browser.post("/login/upstream/name", &fields).await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    page.shows("Your request is stored");
    // It was used up meanwhile.
    let (mut browser, _) = begin(&app, "").await;
    browser.get("/login/upstream/name").await;
    app.fakes.world().upstream.arrival = None;
    let page = browser.post("/login/upstream/name", &fields).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("Begin again");
}

async fn security(app: &TestApp) -> (Browser, Page) {
    if !app.fakes.world().sessions.contains_key(SID) {
        app.fakes.person("alice", SID);
    }
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account/security").await;
    (browser, page)
}

#[tokio::test]
async fn an_identity_is_linked_and_unlinked_with_the_password() {
    let app = TestApp::start().await;
    security(&app).await.1.hides("/account/upstream");
    app.fakes.upstream();
    let (mut browser, page) = security(&app).await;
    page.shows("Sign-in with Home &#60;b&#62;");
    page.shows("action=\"/account/upstream/link\"");
    let wrong = browser.post("/account/upstream/link", &[("upstream_password", "wr0ng-s3cret")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("id=\"upstream_password-fault\">This is not your password.");
    wrong.hides("s3cret");
    let right = [("upstream_password", "password of alice")];
    let page = browser.post("/account/upstream/link", &right).await;
    assert_eq!(page.header("refresh"), Some(format!("0; url={ISSUER}").as_str()));
    app.fakes.world().upstream.outcome = Some(UpstreamOutcome::Linked);
    assert_eq!(browser.get(CALLBACK).await.location(), "/account/security?done=link");
    assert_eq!(app.fakes.calls("/portal/upstream/callback")[0]["session"], SID);

    app.fakes.linked(Some("alice@<home>"));
    let page = browser.get("/account/security?done=link").await;
    page.shows("The sign-in is linked.");
    page.shows("Linked as alice@&#60;home&#62;");
    page.shows("45 min ago");
    page.shows("action=\"/account/upstream/unlink\"");
    browser
        .post("/account/upstream/unlink", &[("upstream_password", "x")])
        .await
        .shows("This is not your password.");
    let page = browser.post("/account/upstream/unlink", &right).await;
    assert_eq!(page.location(), "/account/security?done=unlink");
    browser.get("/account/security?done=unlink").await.shows("no longer linked");
    for path in ["/account/upstream/link", "/account/upstream/unlink"] {
        assert_eq!(browser.get(path).await.location(), "/account/security");
    }
}

#[tokio::test]
async fn the_only_way_in_is_not_offered_for_removal_and_a_first_password_is() {
    let app = with_issuer().await;
    app.fakes.linked(None);
    app.fakes.world().upstream.no_password = true;
    let (mut browser, page) = security(&app).await;
    page.shows("This is your only way in.");
    page.hides("action=\"/account/upstream/unlink\"");
    page.shows("Set a password");
    page.hides("name=\"current_password\"");
    page.shows("name=\"new_password\"");
    app.fakes.world().upstream.stale = true;
    let page = browser.get("/account/security").await;
    page.shows("To set one, sign out, sign in again");
    page.hides("name=\"new_password\"");
    let stale = problem(403, codes::SIGN_IN_AGAIN, "again");
    for path in ["/portal/password", "/portal/upstream/unlink"] {
        app.fakes.world().refusals.insert(path.to_owned(), stale.clone());
    }
    for path in ["/account/password", "/account/upstream/unlink"] {
        let page = browser.post(path, &[("new_password", "a new one that is long")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        page.shows("You signed in too long ago for this.");
    }
}

#[tokio::test]
async fn who_has_no_password_is_told_to_set_one_before_what_it_confirms() {
    let app = with_issuer().await;
    app.fakes.linked(None);
    let (mut browser, page) = security(&app).await;
    page.shows("name=\"email_password\"");
    app.fakes.world().upstream.no_password = true;
    let page = browser.get("/account/security").await;
    page.hides("name=\"email_password\"");
    page.shows("a new address is confirmed with it");
    let begin = browser.post("/account/second-factor/begin", &[]).await;
    let pages = [begin, browser.get("/account/delete").await, browser.get("/account/passkeys/new").await];
    for page in pages {
        assert_eq!(page.status, StatusCode::CONFLICT);
        page.shows("Set a password first");
        page.shows("href=\"/account/security\"");
        page.hides("type=\"password\"");
    }
    app.fakes.world().upstream.no_password = false;
    browser.get("/account/delete").await.shows("type=\"password\"");
}

#[tokio::test]
async fn outages_on_the_security_page_are_told() {
    let app = with_issuer().await;
    let (mut browser, _) = security(&app).await;
    let right = [("upstream_password", "password of alice")];
    for (code, status, words) in [
        (codes::UPSTREAM_UNAVAILABLE, 503, "cannot be reached just now: it is away"),
        (codes::TOO_MANY_TRIES, 429, "Too many tries."),
        (codes::INTERNAL, 503, "That could not be done just now."),
    ] {
        let refusal = problem(if status == 429 { 429 } else { 503 }, code, "it is away");
        app.fakes.world().refusals.insert("/portal/upstream/link".to_owned(), refusal);
        let page = browser.post("/account/upstream/link", &right).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(words);
    }
}
