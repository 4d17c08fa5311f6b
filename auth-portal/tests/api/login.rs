//! Sign-in and sign-out: the same answer for every wrong pair, and only safe ways on.

use control_api::authz::{OrderState, ProvisioningView};
use control_api::codes;
use control_api::deploy::{InstanceState, OperationKind};
use http::StatusCode;

use crate::app::{Browser, TestApp};
use crate::fakes::problem;

const SID: &str = "session-secret-of-alice";

async fn sign_in(browser: &mut Browser, next: &str) -> String {
    browser.get("/login").await;
    let fields = [("login", "alice"), ("password", "password of alice"), ("next", next)];
    browser.post("/login", &fields).await.location().to_owned()
}

#[tokio::test]
async fn wrong_name_and_wrong_password_look_the_same() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut bodies = Vec::new();
    for login in ["alice", "nobody"] {
        let mut browser = app.browser();
        browser.get("/login").await;
        let page = browser.post("/login", &[("login", login), ("password", "wr0ng-s3cret")]).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
        page.shows("User name or password is wrong.");
        page.shows(&format!("value=\"{login}\""));
        page.hides("s3cret");
        assert!(!browser.cookies.contains_key("beaver_sid"));
        bodies.push(page.body.replace(&browser.csrf, "").replace(&format!("value=\"{login}\""), ""));
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn an_empty_form_asks_nobody() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/login").await;
    let page = browser.post("/login", &[("login", " "), ("password", "")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("Fill in both fields");
    assert!(app.fakes.calls("/portal/login").is_empty());
}

#[tokio::test]
async fn refusals_and_outages_are_told_and_keep_the_name() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser();
    browser.get("/login?next=%2Faccount").await.shows("name=\"next\" value=\"/account\"");
    let fields = [("login", "alice"), ("password", "password of alice"), ("next", "/account")];
    let many = problem(429, codes::TOO_MANY_TRIES, "x");
    app.fakes.world().refusals.insert("/portal/login".to_owned(), many);
    let page = browser.post("/login", &fields).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    page.shows("Too many tries.");
    app.fakes.world().authz_down = true;
    let page = browser.post("/login", &fields).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.shows("the accounts service cannot be reached");
    page.shows("value=\"alice\"");
    page.shows("name=\"next\" value=\"/account\"");
    page.hides("password of alice");
}

#[tokio::test]
async fn next_leads_on_only_within_the_portal() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let own = "http://alice.localhost:8088";
    let handoff = "/app/authorize?slug=alice&state=abcdefghijklmnop&code_challenge=x";
    for (next, target) in [
        ("/account", "/account"),
        (handoff, handoff),
        ("", own),
        ("//evil.example", own),
        ("/\\evil.example", own),
        ("/%2fevil.example", own),
        ("/%255cevil.example", own),
        ("https://evil.example", own),
        ("javascript:alert(1)", own),
        ("/\r\nSet-Cookie: a=b", own),
    ] {
        assert_eq!(sign_in(&mut app.browser(), next).await, target, "{next:?}");
    }
    // The page carries a good one along and drops a bad one.
    let mut browser = app.browser();
    browser.get("/login?next=%2F%2Fevil.example").await.hides("evil");
    browser.get("/login?next=%2Fa%22%3E").await.shows("value=\"/a&#34;&#62;\"");
}

#[tokio::test]
async fn without_next_the_instance_decides() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    assert_eq!(sign_in(&mut app.browser(), "").await, "/account");
    let id = app.fakes.instance(&user, InstanceState::Ready).instance_id;
    let table = [
        (InstanceState::Ready, "http://alice.localhost:8088"),
        (InstanceState::Asleep, "http://alice.localhost:8088"),
        (InstanceState::Starting, "http://alice.localhost:8088"),
        (InstanceState::Pending, "/provisioning"),
        (InstanceState::Creating, "/provisioning"),
        (InstanceState::Stopped, "/account"),
        (InstanceState::Failed, "/account"),
        (InstanceState::Deleting, "/account"),
        (InstanceState::Unknown, "/account"),
    ];
    for (state, target) in table {
        app.fakes.world().instances.get_mut(&id).expect("there").state = state;
        assert_eq!(sign_in(&mut app.browser(), "").await, target, "{state:?}");
    }
    // It was woken: nothing said not to.
    assert!(app.fakes.calls("/api/instances/resolve")[0].get("wake").is_none());

    // Starting for the first time is progress, not a door.
    app.fakes.world().instances.get_mut(&id).expect("there").state = InstanceState::Starting;
    let operation = app.fakes.operation(id, "ready", "Waiting", 70).operation_id;
    assert_eq!(sign_in(&mut app.browser(), "").await, "/provisioning");
    app.fakes.change(operation, |view| view.kind = OperationKind::Wake);
    assert_eq!(sign_in(&mut app.browser(), "").await, "http://alice.localhost:8088");

    app.fakes.world().deploy_down = true;
    assert_eq!(sign_in(&mut app.browser(), "").await, "/account");
    let queued =
        ProvisioningView { state: OrderState::Queued, instance_id: None, operation_id: None, reason: None };
    app.fakes.order(SID, queued);
    assert_eq!(sign_in(&mut app.browser(), "").await, "/provisioning");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_the_cookie() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    browser.get("/account").await.shows("alice");
    let page = browser.post("/logout", &[]).await;
    assert_eq!(page.location(), "/login?signed-out=1");
    assert_eq!(page.header("set-cookie"), Some("beaver_sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"));
    assert!(app.fakes.world().sessions.is_empty());
    browser.get("/login?signed-out=1").await.shows("You are signed out.");
    assert_eq!(browser.get("/account").await.location(), "/login?next=%2Faccount");
}

#[tokio::test]
async fn an_ended_session_leads_to_sign_in_and_back() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    browser.get("/account").await;
    app.fakes.world().sessions.clear();
    assert_eq!(browser.get("/account?done=start").await.location(), "/login?next=%2Faccount%3Fdone%3Dstart");
    // A form too: to the page that holds it, not to the form's own address.
    assert_eq!(browser.post("/account/stop", &[]).await.location(), "/login?next=%2Faccount");
}
