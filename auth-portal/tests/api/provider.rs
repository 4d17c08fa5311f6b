//! Provider onboarding: each kind, each refusal, and a key that is never shown.

use control_api::codes;
use control_api::deploy::{InstanceState, ProviderSummary};
use http::StatusCode;
use service_kit::problem::Problem;

use crate::app::TestApp;
use crate::fakes::problem;

const SID: &str = "session-secret-of-alice";
const PATH: &str = "/onboarding/provider";
const CALL: &str = "/api/instances/configure-provider";
const DOOR: &str = "http://alice.localhost:8088";

#[tokio::test]
async fn echo_needs_nothing_and_leads_to_the_instance() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Ready).instance_id;
    let mut browser = app.browser_with(SID);
    let page = browser.get(PATH).await;
    page.shows("value=\"echo\" required checked");
    page.shows("Try it without a key");
    // What hidden fields hold does not count.
    let fields = [("provider", "echo"), ("base_url", "nonsense"), ("api_key", "left over")];
    assert_eq!(browser.post(PATH, &fields).await.location(), DOOR);
    let call = &app.fakes.calls(CALL)[0];
    assert_eq!(call["instance_id"], id.to_string());
    assert_eq!(call["provider"], serde_json::json!({ "kind": "echo" }));
}

#[tokio::test]
async fn a_key_goes_to_deploy_control_and_nowhere_else() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let mut browser = app.browser_with(SID);
    browser.get(PATH).await;
    let fields = [
        ("provider", "openai-compatible"),
        ("base_url", "https://api.example.com/v1/"),
        ("model", "small"),
        ("api_key", " sk-s3cret\n"),
    ];
    let page = browser.post(PATH, &fields).await;
    assert_eq!(page.location(), DOOR);
    page.hides("s3cret");
    let provider = &app.fakes.calls(CALL)[0]["provider"];
    assert_eq!(provider["api_key"], "sk-s3cret");
    assert_eq!(provider["base_url"], "https://api.example.com/v1");
    let page = browser.get(PATH).await;
    page.shows("At the moment: OpenAI-compatible server, small");
    page.shows("value=\"openai-compatible\" required checked");
    page.hides("s3cret");
}

#[tokio::test]
async fn faults_stand_at_their_fields_and_values_stay_but_the_key() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let mut browser = app.browser_with(SID);
    browser.get(PATH).await;
    let page = browser
        .post(PATH, &[("provider", "openai-compatible"), ("base_url", "ftp://<x>"), ("api_key", "s3 cret")])
        .await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"base_url-fault\">Base URL must be an http or https address");
    page.shows("id=\"model-fault\">Model is needed");
    page.shows("id=\"api_key-fault\">API key must be one line");
    page.shows("value=\"ftp://&#60;x&#62;\"");
    page.hides("s3 cret");
    browser.post(PATH, &[("provider", "openai")]).await.shows("id=\"api_key-fault\">API key is needed");
    browser.post(PATH, &[("provider", "other")]).await.shows("id=\"provider-fault\">Choose one of the four");
    assert!(app.fakes.calls(CALL).is_empty());

    let faults = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad input")
        .field("provider.base_url", "must not be a private address");
    app.fakes.world().refusals.insert(CALL.to_owned(), faults);
    let page = browser.post(PATH, &[("provider", "openai"), ("api_key", "sk-s3cret")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"base_url-fault\">Base URL must not be a private address.");
    page.hides("s3cret");
}

#[tokio::test]
async fn what_deploy_control_refuses_is_said_over_the_form() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let mut browser = app.browser_with(SID);
    browser.get(PATH).await;
    let fields = [("provider", "anthropic"), ("model", "m-1"), ("api_key", "sk-s3cret")];
    let table = [
        (problem(502, codes::NOT_READY, "no answer in 30 s"), 502, "the old settings are back"),
        (problem(502, codes::NOT_READY, "no answer in 30 s"), 502, "no answer in 30 s"),
        (problem(409, codes::OPERATION_IN_PROGRESS, "x"), 409, "busy with something else"),
        (problem(503, codes::DOCKER_UNREACHABLE, "Docker is away"), 503, "Docker is away"),
    ];
    for (refusal, status, text) in table {
        app.fakes.world().refusals.insert(CALL.to_owned(), refusal);
        let page = browser.post(PATH, &fields).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
        page.shows("value=\"m-1\"");
        page.shows("value=\"anthropic\" required checked");
        page.hides("s3cret");
    }
}

#[tokio::test]
async fn an_outage_during_the_change_is_told_and_the_form_stays() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let mut browser = app.browser_with(SID);
    browser.get(PATH).await;
    let html = Problem::new(StatusCode::UNAUTHORIZED, codes::TOKEN_MISMATCH, "mismatch");
    app.fakes.world().refusals.insert(CALL.to_owned(), html);
    let page = browser.post(PATH, &[("provider", "openai"), ("api_key", "sk-s3cret")]).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.shows("may not be saved");
    page.hides("s3cret");
}

#[tokio::test]
async fn it_can_be_skipped() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let mut browser = app.browser_with(SID);
    browser.get(PATH).await.shows("Skip for now");
    assert_eq!(browser.post("/onboarding/provider/skip", &[]).await.location(), DOOR);
    assert!(app.fakes.calls(CALL).is_empty());
}

#[tokio::test]
async fn an_instance_that_cannot_be_configured_leads_elsewhere() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    assert_eq!(browser.get(PATH).await.location(), "/provisioning");
    // And from there to the account page: no loop.
    assert_eq!(browser.get("/provisioning").await.location(), "/account");
    let id = app.fakes.instance(&user, InstanceState::Pending).instance_id;
    for (state, target) in [
        (InstanceState::Pending, "/provisioning"),
        (InstanceState::Creating, "/provisioning"),
        (InstanceState::Failed, "/account"),
        (InstanceState::Deleting, "/account"),
        (InstanceState::Unknown, "/account"),
    ] {
        app.fakes.world().instances.get_mut(&id).expect("there").state = state;
        assert_eq!(browser.get(PATH).await.location(), target, "{state:?}");
    }
    let provider = ProviderSummary { kind: "echo".to_owned(), model: None, base_url: None };
    let mut stopped = app.fakes.world().instances[&id].clone();
    stopped.state = InstanceState::Stopped;
    stopped.provider = Some(provider);
    app.fakes.world().instances.insert(id, stopped);
    browser.get(PATH).await.shows("At the moment: Built-in echo");
    assert_eq!(browser.post("/onboarding/provider/skip", &[]).await.location(), "/account");
}
