//! What a person takes along from the account page.

use control_api::codes;
use control_api::deploy::InstanceState;
use http::StatusCode;

use crate::app::TestApp;
use crate::fakes::problem;

const SID: &str = "session-secret-of-alice";

#[tokio::test]
async fn files_and_account_are_downloads_and_in_the_log_first() {
    let app = TestApp::start().await;
    let alice = app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    browser.get("/account").await.shows("action=\"/account/data/files\"");
    let none = browser.post("/account/data/files", &[]).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    none.shows("there are no files");
    assert!(app.fakes.calls("/portal/own-data").is_empty(), "nothing was taken");

    let instance = app.fakes.instance(&alice, InstanceState::Ready);
    let zip = browser.post("/account/data/files", &[]).await;
    assert_eq!(zip.status, StatusCode::OK);
    assert_eq!(zip.header("content-type"), Some("application/zip"));
    assert_eq!(zip.header("content-disposition"), Some("attachment; filename=\"alice-files.zip\""));
    assert_eq!(zip.body, "PK and so on");
    let asked = app.fakes.calls("/portal/own-data").last().expect("a call").clone();
    assert_eq!((asked["kind"].as_str(), asked["client_addr"].as_str()), (Some("files"), Some("127.0.0.1")));

    let json = browser.post("/account/data/account", &[]).await;
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert_eq!(json.header("content-disposition"), Some("attachment; filename=\"alice-account.json\""));
    let data: serde_json::Value = serde_json::from_str(&json.body).expect("JSON");
    assert_eq!(data["account"]["email"], "alice@example.com");

    let busy = problem(503, codes::BUSY, "Two are at work.");
    app.fakes.world().refusals.insert(format!("/api/instances/{}/data", instance.instance_id), busy);
    let page = browser.post("/account/data/files", &[]).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.shows("Try again in a minute.");
}
