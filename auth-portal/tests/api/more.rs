//! Keeping the own instance awake, and removing it.

use control_api::codes;
use control_api::deploy::InstanceState;
use control_api::ids::InstanceId;
use http::StatusCode;

use crate::app::{Browser, TestApp};
use crate::fakes::problem;

const SID: &str = "session-secret-of-alice";

async fn resident() -> (TestApp, Browser, InstanceId) {
    let app = TestApp::start().await;
    let alice = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&alice, InstanceState::Ready).instance_id;
    let mut browser = app.browser_with(SID);
    browser.get("/account").await.shows("href=\"/account/instance\"");
    browser.get("/account/instance").await.hides("No longer keep it awake");
    (app, browser, id)
}

#[tokio::test]
async fn an_instance_is_kept_awake_for_a_while_and_no_longer() {
    let (app, mut browser, id) = resident().await;
    let page = browser.post("/account/instance/keep-awake", &[("hours", "8")]).await;
    assert_eq!(page.location(), "/account/instance?done=keep");
    let page = browser.get(page.location()).await;
    page.shows("Your instance is kept awake.");
    page.shows("<time datetime=\"2026-11-21T20:00:00Z\">in 8 h</time>");
    browser.get("/account").await.shows("Kept awake, ends");
    let page = browser.post("/account/instance/keep-awake", &[("hours", "0")]).await;
    assert_eq!(page.location(), "/account/instance?done=end");
    browser.get("/account").await.hides("Kept awake, ends");
    let calls = app.fakes.calls(&format!("/api/instances/{id}/keep-awake"));
    assert_eq!((calls.len(), &calls[0]["hours"]), (2, &8.into()));
    assert_eq!(calls[1], "actor=user", "the ledger names the owner");
    for bad in ["", "2", "-1", "256", "x"] {
        let page = browser.post("/account/instance/keep-awake", &[("hours", bad)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
        page.shows("id=\"hours-fault\">");
    }
    assert_eq!(app.fakes.calls(&format!("/api/instances/{id}/keep-awake")).len(), 2);
}

#[tokio::test]
async fn a_removal_asks_for_the_name_and_what_becomes_of_the_data() {
    let (app, mut browser, id) = resident().await;
    let remove = "/account/instance/delete";
    for (confirm, data, field) in
        [("bob", "keep", "confirm"), ("", "purge", "confirm"), ("alice", "x", "data")]
    {
        let page = browser.post(remove, &[("confirm", confirm), ("data", data)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{confirm} {data}");
        page.shows(&format!("id=\"{field}-fault\">"));
    }
    assert!(app.fakes.calls(&format!("DELETE {id}")).is_empty());
    let page = browser.post(remove, &[("confirm", "alice"), ("data", "keep")]).await;
    assert_eq!(page.location(), "/account?done=remove");
    assert_eq!(app.fakes.calls(&format!("DELETE {id}")), ["purge=false&actor=user"]);
    browser.get(page.location()).await.shows("Your instance is being removed.");
    // Whatever state it is in, asking for the data to go too is no error.
    browser.post(remove, &[("confirm", "alice"), ("data", "purge")]).await;
    assert_eq!(app.fakes.calls(&format!("DELETE {id}"))[1], "purge=true&actor=user");
    browser.get("/account/instance").await.hides("Remove the instance</button>");
    for path in [remove, "/account/instance/keep-awake"] {
        assert_eq!(browser.get(path).await.location(), "/account/instance");
    }
}

#[tokio::test]
async fn without_an_instance_and_on_a_refusal_the_page_says_so() {
    let (app, mut browser, id) = resident().await;
    let busy = problem(409, codes::OPERATION_IN_PROGRESS, "x");
    app.fakes.world().refusals.insert(format!("/api/instances/{id}"), busy);
    let page = browser.post("/account/instance/delete", &[("confirm", "alice"), ("data", "keep")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.shows("busy with something else");
    app.fakes.world().instances.clear();
    assert_eq!(browser.get("/account/instance").await.location(), "/account");
    assert_eq!(browser.post("/account/instance/keep-awake", &[("hours", "1")]).await.location(), "/account");
}
