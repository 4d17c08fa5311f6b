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

/// What the throttle goes by, for a sign-in with these headers.
async fn address_told(app: &TestApp, headers: &[(&str, &str)]) -> String {
    let mut browser = app.browser();
    browser.get("/login").await;
    let token = browser.csrf.clone();
    let fields = [("login", "alice"), ("password", "wrong"), ("csrf", token.as_str())];
    let mut request = browser.request(http::Method::POST, "/login").header("sec-fetch-site", "same-origin");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    browser.send(request.form(&fields)).await;
    let told = app.fakes.calls("/portal/login").last().expect("a call")["client_addr"].clone();
    told.as_str().expect("an address").to_owned()
}

#[tokio::test]
async fn no_header_of_a_strangers_says_where_a_sign_in_comes_from() {
    let app = TestApp::start().await;
    for number in 0..20 {
        let spoofed = format!("203.0.113.{number}");
        let forwarded = format!("for={spoofed}");
        let headers = [
            ("x-forwarded-for", spoofed.as_str()),
            ("x-real-ip", &spoofed),
            ("forwarded", &forwarded),
            ("client-ip", &spoofed),
            ("cf-connecting-ip", &spoofed),
        ];
        assert_eq!(address_told(&app, &headers).await, "127.0.0.1");
    }
    // Behind a proxy of ours, what the stranger wrote stands to the left of what the proxy saw.
    let app = TestApp::start_with(&[("BEAVER_TRUSTED_PROXIES", "127.0.0.1")]).await;
    for spoofed in ["6.6.6.6", "127.0.0.1", "6.6.6.6, 127.0.0.1", "not an address", "", "::1, 6.6.6.6"] {
        let value = format!("{spoofed}, 203.0.113.9");
        assert_eq!(address_told(&app, &[("x-forwarded-for", &value)]).await, "203.0.113.9", "{value}");
    }
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
