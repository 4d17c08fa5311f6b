//! Progress: with and without a script, through waits, failures and refusals, to the end.

use std::time::Duration;

use control_api::authz::{OrderState, ProvisioningView};
use control_api::codes;
use control_api::deploy::{InstanceState, OperationState};
use http::{Method, StatusCode};
use serde_json::Value;
use service_kit::sse::{Event, Parser};

use crate::app::{Browser, TestApp};
use crate::fakes::{accepted, problem};

const SID: &str = "session-secret-of-alice";

fn order(state: OrderState, reason: &str) -> ProvisioningView {
    ProvisioningView { state, instance_id: None, operation_id: None, reason: Some(reason.to_owned()) }
}

/// The events of a stream, one at a time.
struct Events {
    response: reqwest::Response,
    parser: Parser,
    ready: std::collections::VecDeque<Event>,
}

impl Events {
    async fn open(browser: &Browser) -> Self {
        let response = browser.request(Method::GET, "/provisioning/events").send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        Self { response, parser: Parser::new(64 * 1024), ready: std::collections::VecDeque::new() }
    }

    /// Name and data of the next event; nothing at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        let wait = Duration::from_secs(10);
        while self.ready.is_empty() {
            let chunk = tokio::time::timeout(wait, self.response.chunk()).await.expect("in time");
            self.ready.extend(self.parser.push(&chunk.expect("a stream")?).expect("events"));
        }
        let event = self.ready.pop_front()?;
        Some((event.event, serde_json::from_str(&event.data).expect("json")))
    }
}

#[tokio::test]
async fn without_a_script_the_page_reloads_itself_and_shows_steps() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Creating).instance_id;
    let operation = app.fakes.operation(id, "container", "Creating the container", 40).operation_id;
    let mut browser = app.browser_with(SID);
    let page = browser.get("/provisioning").await;
    assert_eq!(page.header("refresh"), Some("2"));
    page.shows("value=\"40\"");
    page.shows("<li class=\"done\">Taking your order</li>");
    page.shows("<li class=\"now\" aria-current=\"step\">Building the container</li>");
    page.shows("aria-live=\"polite\"");
    // The script asks for the page that it keeps fresh itself.
    let live = browser.get("/provisioning?live=1").await;
    assert_eq!(live.header("refresh"), None);
    live.shows("data-live=\"true\"");

    app.fakes.change(operation, |view| {
        view.state = OperationState::Queued;
        view.queue_position = Some(3);
        view.error = Some("Docker cannot be reached".to_owned());
    });
    let page = browser.get("/provisioning").await;
    page.shows("3 are before you in the queue.");
    page.shows("Docker cannot be reached");

    app.fakes.world().instances.get_mut(&id).expect("there").operation_id = None;
    app.fakes.world().instances.get_mut(&id).expect("there").state = InstanceState::Ready;
    assert_eq!(browser.get("/provisioning").await.location(), "/onboarding/provider");
}

#[tokio::test]
async fn an_order_that_waits_says_why_and_neighbours_that_are_down_are_waited_for() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    app.fakes.order(SID, order(OrderState::Queued, "deploy-control is <down>"));
    let mut browser = app.browser_with(SID);
    let page = browser.get("/provisioning").await;
    page.shows("deploy-control is &#60;down&#62;");
    assert_eq!(page.header("refresh"), Some("2"));
    app.fakes.order(SID, accepted(None));
    app.fakes.world().deploy_down = true;
    let page = browser.get("/provisioning").await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("Your order is safe");
}

#[tokio::test]
async fn events_follow_the_work_to_its_end() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Creating).instance_id;
    let operation = app.fakes.operation(id, "container", "Making the container", 10).operation_id;
    let mut events = Events::open(&app.browser_with(SID)).await;
    let (name, step) = events.next().await.expect("an event");
    assert_eq!((name.as_str(), &step["percent"]), ("step", &Value::from(10)));
    assert_eq!(step["steps"][1]["status"], "now");
    app.fakes.change(operation, |view| {
        view.step = "ready".to_owned();
        view.step_title = "Not shown: the step is known here".to_owned();
        view.percent = 80;
    });
    let (_, step) = events.next().await.expect("an event");
    assert_eq!(step["title"], "Starting the app");
    assert_eq!(step["percent_text"], "80 % done");
    app.fakes.world().instances.get_mut(&id).expect("there").state = InstanceState::Ready;
    app.fakes.change(operation, |view| view.state = OperationState::Succeeded);
    let (name, done) = events.next().await.expect("an event");
    assert_eq!((name.as_str(), &done["location"]), ("done", &Value::from("/onboarding/provider")));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn events_go_on_through_an_outage_and_from_outbox_to_operation() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.order(SID, order(OrderState::Queued, "in the outbox"));
    let mut events = Events::open(&app.browser_with(SID)).await;
    assert_eq!(events.next().await.expect("an event").1["waiting"], "in the outbox");
    app.fakes.world().deploy_down = true;
    app.fakes.order(SID, accepted(None));
    let (_, step) = events.next().await.expect("an event");
    assert!(step["waiting"].as_str().expect("text").contains("Your order is safe"), "{step}");
    let id = app.fakes.instance(&user, InstanceState::Creating).instance_id;
    let operation = app.fakes.operation(id, "start", "Starting", 60).operation_id;
    app.fakes.world().deploy_down = false;
    assert_eq!(events.next().await.expect("an event").1["percent"], 60);
    app.fakes.world().instances.get_mut(&id).expect("there").state = InstanceState::Failed;
    app.fakes.change(operation, |view| {
        view.state = OperationState::Failed;
        view.error = Some("no answer in 60 s".to_owned());
    });
    let (name, failed) = events.next().await.expect("an event");
    assert_eq!((name.as_str(), &failed["reason"]), ("failed", &Value::from("no answer in 60 s")));
}

#[tokio::test]
async fn a_stop_of_the_portal_ends_the_stream() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Creating).instance_id;
    app.fakes.operation(id, "container", "Making the container", 10);
    let mut events = Events::open(&app.browser_with(SID)).await;
    events.next().await.expect("an event");
    app.stop();
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_failed_instance_is_ordered_again() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Failed).instance_id;
    app.fakes.world().instances.get_mut(&id).expect("there").reason = Some("image <b>missing</b>".to_owned());
    let mut browser = app.browser_with(SID);
    let page = browser.get("/provisioning").await;
    page.shows("image &#60;b&#62;missing");
    page.shows("Try again");
    page.hides("name=\"slug\"");
    assert!(page.header("refresh").is_none());
    assert_eq!(browser.post("/provisioning/retry", &[]).await.location(), "/provisioning");
    let orders = app.fakes.calls("/portal/provisioning");
    assert_eq!(orders, [serde_json::json!({ "session": SID })]);
    // The account page offers the same.
    app.fakes.order(SID, accepted(None));
    browser.get("/account").await.shows("action=\"/provisioning/retry\"");
}

#[tokio::test]
async fn a_refused_name_can_be_changed() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    app.fakes.order(SID, order(OrderState::Refused, "The name alice is taken."));
    let mut browser = app.browser_with(SID);
    let page = browser.get("/provisioning").await;
    page.shows("The name alice is taken.");
    page.shows("name=\"slug\" value=\"alice\"");
    let page = browser.post("/provisioning/retry", &[("slug", "No Good")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"slug-fault\">Name for your address may contain");
    page.shows("value=\"No Good\"");
    assert!(app.fakes.calls("/portal/provisioning").is_empty());

    let taken = problem(409, codes::SLUG_TAKEN, "taken");
    app.fakes.world().refusals.insert("/portal/provisioning".to_owned(), taken);
    let page = browser.post("/provisioning/retry", &[("slug", "alice-2")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"slug-fault\">This name is taken.");

    app.fakes.world().refusals.clear();
    let page = browser.post("/provisioning/retry", &[("slug", "alice-3")]).await;
    assert_eq!(page.location(), "/provisioning");
    let orders = app.fakes.calls("/portal/provisioning");
    assert_eq!(orders.last().expect("an order")["slug"], "alice-3");
    assert_eq!(orders.last().expect("an order")["session"], SID);
}

#[tokio::test]
async fn whatever_the_order_says_an_instance_that_is_there_counts() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.order(SID, order(OrderState::Refused, "No instance has been ordered yet."));
    let id = app.fakes.instance(&user, InstanceState::Ready).instance_id;
    let mut browser = app.browser_with(SID);
    assert_eq!(browser.get("/provisioning").await.location(), "/onboarding/provider");
    // With a provider there is nothing left to do here.
    let provider =
        control_api::deploy::ProviderSummary { kind: "echo".to_owned(), model: None, base_url: None };
    app.fakes.world().instances.get_mut(&id).expect("there").provider = Some(provider);
    assert_eq!(browser.get("/provisioning").await.location(), "/account");
}

#[tokio::test]
async fn the_address_of_a_form_leads_to_its_page() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    for (path, target) in [
        ("/provisioning/retry", "/provisioning"),
        ("/onboarding/provider/skip", "/onboarding/provider"),
        ("/account/stop", "/account"),
        ("/logout", "/account"),
    ] {
        assert_eq!(browser.get(path).await.location(), target);
    }
}
