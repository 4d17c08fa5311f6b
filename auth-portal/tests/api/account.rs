//! The account page in every state of an instance, and what its buttons do.

use control_api::authz::{OrderState, ProvisioningView};
use control_api::codes;
use control_api::deploy::{EventView, InstanceState, ProviderSummary};
use http::StatusCode;

use crate::app::TestApp;
use crate::fakes::{at, problem};

const SID: &str = "session-secret-of-alice";

#[tokio::test]
async fn every_state_has_its_words_and_its_way_on() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Ready).instance_id;
    let mut browser = app.browser_with(SID);
    let (start, stop) = ("action=\"/account/start\"", "action=\"/account/stop\"");
    let table = [
        (InstanceState::Pending, "Waiting for its turn", "href=\"/provisioning\""),
        (InstanceState::Creating, "Being created", "href=\"/provisioning\""),
        (InstanceState::Starting, "Starting", "data-poll=\"/account\""),
        (InstanceState::Ready, "Running", "action=\"/account/sleep\""),
        (InstanceState::Asleep, "Asleep", stop),
        (InstanceState::Stopped, "Stopped", start),
        (InstanceState::Failed, "Did not start", "action=\"/provisioning/retry\""),
        (InstanceState::Deleting, "Being removed", "alice.localhost:8088"),
        (InstanceState::Unknown, "Not known", "data-poll=\"/account\""),
    ];
    for (state, word, way) in table {
        app.fakes.world().instances.get_mut(&id).expect("there").state = state;
        let page = browser.get("/account").await;
        assert_eq!(page.status, StatusCode::OK);
        page.shows(word);
        page.shows(way);
        page.shows("action=\"/logout\"");
    }
}

#[tokio::test]
async fn the_page_tells_address_reason_provider_and_times() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Stopped).instance_id;
    {
        let mut world = app.fakes.world();
        let instance = world.instances.get_mut(&id).expect("there");
        instance.reason = Some("stopped by <script>alert(1)</script>".to_owned());
        let model = Some("<model>".to_owned());
        instance.provider = Some(ProviderSummary { kind: "anthropic".to_owned(), model, base_url: None });
    }
    let page = app.browser_with(SID).get("/account").await;
    page.shows("<a href=\"http://alice.localhost:8088\">alice.localhost:8088</a>");
    page.shows("stopped by &#60;script&#62;");
    page.hides("<script>alert");
    page.shows("Anthropic, &#60;model&#62;");
    page.shows("3 days ago");
    page.shows("12 min ago");
    page.shows("alice@example.com");
}

#[tokio::test]
async fn the_page_tells_why_it_last_stopped_what_happened_and_what_is_used() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Ready).instance_id;
    let event = |seq, what: &str, cause: &str, actor: &str| EventView {
        seq,
        at: at("2026-11-21T11:15:00Z"),
        what: what.to_owned(),
        cause: cause.to_owned(),
        evidence: Some("<exit> code 0".to_owned()),
        actor: actor.to_owned(),
    };
    let mut events = vec![
        event(40, "ready", "woken by a visit", "router"),
        event(39, "put to sleep", "nobody has used it for a <while>", "reconciler"),
    ];
    events.extend((1..=38).rev().map(|seq| event(seq, "woken", &format!("visit {seq}."), "user")));
    app.fakes.world().events = events;
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account").await;
    page.shows("Put to sleep: nobody has used it for a &#60;while&#62;");
    page.shows("45 min ago");
    page.shows("A visit</td>");
    page.shows("You</td>");
    page.shows("&#60;exit&#62; code 0");
    assert_eq!(page.body.matches("<th scope=\"row\"").count(), 20);
    page.shows("Visit 21.");
    page.hides("Visit 20.");
    page.shows("12 % of one core");
    page.shows("64 MiB of 256 MiB");
    // Without them the page still serves.
    for part in ["stats", "events"] {
        let refusal = problem(503, codes::DOCKER_UNREACHABLE, "Docker cannot be reached");
        app.fakes.world().refusals.insert(format!("/api/instances/{id}/{part}"), refusal);
    }
    let page = browser.get("/account").await;
    page.shows("action=\"/account/stop\"");
    page.shows("The use cannot be measured just now.");
    page.shows("The record cannot be shown just now.");
}

#[tokio::test]
async fn buttons_do_what_they_say() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Ready).instance_id;
    let mut browser = app.browser_with(SID);
    browser.get("/account").await;
    for action in ["start", "stop", "restart", "sleep"] {
        let page = browser.post(&format!("/account/{action}"), &[]).await;
        assert_eq!(page.location(), format!("/account?done={action}"));
        assert_eq!(app.fakes.calls(&format!("/api/instances/{id}/{action}")), ["actor=user"]);
    }
    browser.get("/account?done=sleep").await.shows("Your instance is going to sleep.");
    assert_eq!(browser.post("/account/upgrade", &[]).await.status, StatusCode::NOT_FOUND);
    browser.get("/account?done=<script>").await.hides("<script>");
}

#[tokio::test]
async fn refused_actions_say_why_on_the_same_page() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Ready).instance_id;
    let mut browser = app.browser_with(SID);
    browser.get("/account").await;
    let path = format!("/api/instances/{id}/stop");
    for (refusal, status, text) in [
        (problem(409, codes::OPERATION_IN_PROGRESS, "x"), 409, "busy with something else"),
        (problem(507, codes::DISK_FULL, "The disk is full."), 507, "The disk is full."),
    ] {
        app.fakes.world().refusals.insert(path.clone(), refusal);
        let page = browser.post("/account/stop", &[]).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
        page.shows("Running");
    }
}

#[tokio::test]
async fn work_under_way_is_shown_and_followed() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Ready).instance_id;
    app.fakes.operation(id, "stop", "Stopping the container", 30);
    let page = app.browser_with(SID).get("/account").await;
    page.shows("Stopping the container");
    page.shows("<noscript><meta http-equiv=\"refresh\"");
    page.hides("action=\"/account/stop\"");
}

#[tokio::test]
async fn no_instance_is_no_dead_end() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account").await;
    page.shows("You have no instance");
    page.shows("action=\"/provisioning/retry\"");
    assert_eq!(browser.post("/provisioning/retry", &[]).await.location(), "/provisioning");
    assert_eq!(app.fakes.calls("/portal/provisioning").len(), 1);
    browser.get("/account").await.shows("ordered and not yet taken up");
    let refused = ProvisioningView {
        state: OrderState::Refused,
        instance_id: None,
        operation_id: None,
        reason: Some("The name is taken.".to_owned()),
    };
    app.fakes.order(SID, refused);
    let page = browser.get("/account").await;
    page.shows("The name is taken.");
    page.shows("href=\"/provisioning\"");
}

#[tokio::test]
async fn while_deploy_control_is_away_the_page_says_so_and_tries_again() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    app.fakes.world().deploy_down = true;
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account").await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("nothing about your instance can be shown or changed");
    assert_eq!(page.header("refresh"), Some("5"));
    let page = browser.post("/account/stop", &[]).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.shows("deploy-control");
}
