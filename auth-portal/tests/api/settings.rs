//! The page of the settings, and the banner on every page.

use control_api::authz::RegistrationMode;
use control_api::codes;
use http::StatusCode;
use serde_json::Value;
use service_kit::problem::Problem;

use crate::app::{Browser, TestApp};

const SID: &str = "session-secret-of-alice";
const CAROL: &str = "session-secret-of-carol";

async fn administrator() -> (TestApp, Browser) {
    let app = TestApp::start().await;
    app.fakes.admin("alice", SID);
    let browser = app.browser_with(SID);
    (app, browser)
}

#[tokio::test]
async fn what_is_saved_shows_at_once() {
    let (app, mut browser) = administrator().await;
    browser.get("/admin").await.shows("href=\"/admin/settings\"");
    let page = browser.get("/admin/settings").await;
    page.shows("<option value=\"\" selected>As configured: Anybody</option>");
    page.shows("name=\"version\" value=\"0\"");
    let fields = [("version", "0"), ("registration", "invite"), ("banner", "<b>Down</b>\r\non Sunday")];
    let saved = browser.post("/admin/settings", &fields).await;
    assert_eq!(saved.location(), "/admin/settings?done=saved");
    let call = &app.fakes.calls("/portal/admin/settings/change")[0];
    assert_eq!((&call["registration"], &call["client_addr"]), (&"invite".into(), &"127.0.0.1".into()));
    assert_eq!(call["banner"], "<b>Down</b>\non Sunday");
    let page = browser.get("/admin/settings?done=saved").await;
    page.shows("Saved. It holds from now on.");
    page.shows("<option value=\"invite\" selected>");
    page.shows("Changed last by alice, 5 min");
    let mut visitor = app.browser();
    visitor.get("/register").await.shows("name=\"invite\"");
    for path in ["/", "/login", "/register", "/nothing"] {
        let page = visitor.get(path).await;
        page.shows("<p class=\"banner\">&#60;b&#62;Down&#60;/b&#62;\non Sunday</p>");
    }
    browser.get("/account").await.shows("class=\"banner\"");

    // Back to what the environment says, and no banner.
    let fields = [("version", "1"), ("registration", ""), ("banner", "")];
    browser.post("/admin/settings", &fields).await.location();
    assert!(app.fakes.calls("/portal/admin/settings/change")[1].get("registration").is_none());
    visitor.get("/login").await.hides("class=\"banner\"");
}

#[tokio::test]
async fn the_later_of_two_administrators_is_told_and_loses_nothing() {
    let (app, mut alice) = administrator().await;
    app.fakes.admin("carol", CAROL);
    let mut carol = app.browser_with(CAROL);
    alice.get("/admin/settings").await;
    carol.get("/admin/settings").await;
    let first = [("version", "0"), ("registration", "closed"), ("banner", "Closed by alice")];
    alice.post("/admin/settings", &first).await.location();
    let second = [("version", "0"), ("registration", "approval"), ("banner", "Written by carol")];
    let page = carol.post("/admin/settings", &second).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.shows("Somebody else changed this while you had it open");
    page.shows("Stored now: Nobody. Banner: Closed by alice");
    page.shows("<option value=\"approval\" selected>");
    page.shows(">Written by carol</textarea>");
    page.shows("name=\"version\" value=\"1\"");
    assert_eq!(app.fakes.world().settings.registration, RegistrationMode::Closed);
    // Now that she has seen it.
    let again = [("version", "1"), ("registration", "approval"), ("banner", "Written by carol")];
    carol.post("/admin/settings", &again).await.location();
    assert_eq!(app.fakes.world().settings.registration, RegistrationMode::Approval);
}

#[tokio::test]
async fn faults_stand_at_their_fields() {
    let (app, mut browser) = administrator().await;
    browser.get("/admin/settings").await;
    let page = browser.post("/admin/settings", &[("version", "0"), ("registration", "maybe")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"registration-fault\">Choose one of the list.");
    assert!(app.fakes.calls("/portal/admin/settings/change").is_empty());
    let refusal = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad")
        .field("banner", "must have at most 500 characters");
    app.fakes.world().refusals.insert("/portal/admin/settings/change".to_owned(), refusal);
    let page = browser.post("/admin/settings", &[("version", "0"), ("banner", "long")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"banner-fault\">Banner must have at most 500 characters.");
    page.shows(">long</textarea>");
}

#[tokio::test]
async fn a_form_from_elsewhere_changes_nothing() {
    let (app, mut browser) = administrator().await;
    browser.get("/admin/settings").await;
    let token = browser.csrf.clone();
    for (name, value) in [("origin", "http://bob.portal.test"), ("sec-fetch-site", "same-site")] {
        let request = browser.request(http::Method::POST, "/admin/settings").header(name, value);
        let page = browser.send(request.form(&[("csrf", token.as_str()), ("version", "0")])).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        page.shows("href=\"/admin/settings\"");
    }
    assert!(app.fakes.calls("/portal/admin/settings/change").is_empty());
}

#[tokio::test]
async fn pages_do_not_wait_for_the_banner_and_keep_the_last_one() {
    let (app, mut browser) = administrator().await;
    app.fakes.world().settings.banner = "Down on Sunday".to_owned();
    let mut visitor = app.browser();
    visitor.get("/login").await.shows("Down on Sunday");
    app.fakes.world().authz_down = true;
    let page = visitor.get("/login").await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("Down on Sunday");
    browser.get("/account").await.shows("Down on Sunday");
}

#[tokio::test]
async fn idle_times_and_limits_are_set_at_deploy_control() {
    let (app, mut browser) = administrator().await;
    let page = browser.get("/admin/settings").await;
    page.shows("Configured: 256m");
    page.shows("Idle times and a larger disk hold at once");
    page.shows("the others from their next upgrade or rollback on");
    let fields = [("version", "0"), ("idle_sleep", " 2h "), ("memory", "512m"), ("pids", "")];
    let saved = browser.post("/admin/settings/instances", &fields).await;
    assert_eq!(saved.location(), "/admin/settings?done=saved");
    let call = app.fakes.calls("/api/settings").into_iter().find(Value::is_object).expect("a call");
    assert_eq!(call["actor"]["name"], "alice");
    assert_eq!(call["chosen"], serde_json::json!({"idle_sleep": "2h", "memory": "512m"}));
    let page = browser.get("/admin/settings").await;
    page.shows("name=\"memory\" value=\"512m\"");
    page.shows("Changed last by alice, 5 min");

    let page = browser.post("/admin/settings/instances", &[("version", "1"), ("pids", "1")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"pids-fault\">Processes and threads must be a number from 8 to 32768.");
    let late = browser.post("/admin/settings/instances", &[("version", "0"), ("memory", "1g")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    late.shows("name=\"memory\" value=\"1g\"");
    late.shows("Memory 512m");
    late.shows("name=\"version\" value=\"1\"");
    assert_eq!(app.fakes.world().machine.settings.chosen.memory.as_deref(), Some("512m"));
}

#[tokio::test]
async fn without_deploy_control_the_rest_can_be_set() {
    let (app, mut browser) = administrator().await;
    app.fakes.world().deploy_down = true;
    let page = browser.get("/admin/settings").await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("deploy-control does not answer");
    let fields = [("version", "0"), ("registration", "closed"), ("banner", "")];
    browser.post("/admin/settings", &fields).await.location();
}
