//! API keys on the account page.

use control_api::api_keys::{ApiKeyScope, ApiKeyState};
use control_api::codes;
use control_api::deploy::InstanceState;
use http::StatusCode;

use crate::app::TestApp;
use crate::fakes::{at, problem};

const SID: &str = "session-secret-of-alice";
const KEY: &str = "bvr_dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const GOOD: [(&str, &str); 3] =
    [("name", "backup <at home>"), ("scopes", "instance:read"), ("expires_in_days", "90")];

#[tokio::test]
async fn a_key_is_made_by_a_form_and_shown_once() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account").await;
    page.shows("You have no keys.");
    page.shows("action=\"/account/keys\"");
    page.shows("<option value=\"90\" selected>In 90 days</option>");
    page.shows("value=\"instance\" required checked");

    let page = browser.post("/account/keys", &GOOD).await;
    assert_eq!(page.status, StatusCode::CREATED);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    page.shows(KEY);
    page.shows("Copy the key “backup &#60;at home&#62;” now");
    page.shows(&format!("curl -H &#39;Authorization: Bearer {KEY}&#39; http://alice.localhost:8088/"));
    let sent = app.fakes.calls("/portal/api-keys");
    assert_eq!(sent[0]["session"], SID);
    assert_eq!(sent[0]["name"], "backup <at home>");
    assert_eq!(sent[0]["scopes"], serde_json::json!(["instance:read"]));
    assert_eq!(sent[0]["expires_in_days"], 90);
    assert_eq!(sent[0]["client_addr"], "127.0.0.1");

    let page = browser.get("/account").await;
    page.hides("bvr_");
    page.shows("backup &#60;at home&#62;");
    page.shows("19 February 2027");
    page.shows("Not yet");
    // Whoever loads the address of the form again makes no other.
    assert_eq!(browser.get("/account/keys").await.location(), "/account");
    assert_eq!(app.fakes.calls("/portal/api-keys").len(), 1);
}

#[tokio::test]
async fn a_key_has_an_end_of_a_year_at_most_and_needs_no_instance() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account").await;
    for days in ["30", "90", "180", "365"] {
        page.shows(&format!("<option value=\"{days}\""));
    }
    assert_eq!(page.body.matches("<option").count(), 4);
    for other in ["never", "", "0", "366", "91"] {
        let fields = [("name", "x"), ("scopes", "instance"), ("expires_in_days", other)];
        let page = browser.post("/account/keys", &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{other:?}");
        page.shows("id=\"expires_in_days-fault\"");
    }
    assert!(app.fakes.calls("/portal/api-keys").is_empty());
    let fields = [("name", "x"), ("scopes", "instance"), ("expires_in_days", "180")];
    let page = browser.post("/account/keys", &fields).await;
    page.shows(KEY);
    page.hides("curl");
    assert_eq!(app.fakes.calls("/portal/api-keys")[0]["expires_in_days"], 180);
    browser.get("/account").await.shows("20 May 2027");
}

#[tokio::test]
async fn faults_are_shown_at_the_fields_and_what_was_typed_stays() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Starting).instance_id;
    let mut browser = app.browser_with(SID);
    browser.get("/account").await;
    let mut post = async |name: &str, scope: &str, days: &str| {
        browser.post("/account/keys", &[("name", name), ("scopes", scope), ("expires_in_days", days)]).await
    };
    let page = post(" ", "instance:read", "365").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("<p class=\"fault\" id=\"name-fault\">Name is needed.</p>");
    page.shows("<option value=\"365\" selected>");
    page.shows("value=\"instance:read\" required checked");
    page.hides("http-equiv=\"refresh\"");
    for (scope, days, fault) in
        [("admin", "90", "id=\"scopes-fault\""), ("instance", "9999", "id=\"expires_in_days-fault\"")]
    {
        let page = post("<backup>", scope, days).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.shows(fault);
        page.shows("value=\"&#60;backup&#62;\"");
    }
    assert_eq!(app.fakes.calls("/portal/api-keys").len(), 1, "what is no choice is not sent on");
    for (refusal, status, text) in [
        (problem(409, codes::TOO_MANY_KEYS, "x"), 409, "as many keys as an account may have"),
        (problem(500, codes::INTERNAL, "x"), 503, "could not be made just now"),
    ] {
        app.fakes.world().refusals.insert("/portal/api-keys".to_owned(), refusal);
        let page = post("backup", "instance", "30").await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
        page.shows("value=\"backup\"");
    }
    // The form is not reloaded away while deploy-control is gone either.
    app.fakes.world().refusals.insert(format!("/api/instances/{id}"), problem(503, codes::BUSY, "x"));
    app.fakes.world().deploy_down = true;
    assert_eq!(post("backup", "instance", "30").await.header("refresh"), None);
}

#[tokio::test]
async fn the_list_tells_what_each_key_may_and_how_it_is() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    for name in ["plain", "soon", "over", "idle", "reader"] {
        app.fakes.api_key(SID, name);
    }
    app.fakes.change_keys(SID, |keys| {
        let key = |name: &str| keys.iter().position(|key| key.name == name).expect("there");
        let (soon, over, idle, reader) = (key("soon"), key("over"), key("idle"), key("reader"));
        keys[soon].expires_at = at("2026-11-25T12:00:00Z");
        keys[over].expires_at = at("2026-11-20T12:00:00Z");
        keys[over].state = ApiKeyState::Expired;
        keys[idle].state = ApiKeyState::Unused;
        keys[reader].scopes = vec![ApiKeyScope::InstanceRead];
        keys[reader].last_used_at = Some(at("2026-11-21T11:15:00Z"));
    });
    let page = app.browser_with(SID).get("/account").await;
    page.shows("Expires soon");
    page.shows("in 4 days");
    page.shows("Expired</span>");
    page.shows("24 h ago");
    page.shows("Off: not used for 90 days");
    page.shows("<td class=\"word\" data-label=\"May\">Read</td>");
    page.shows("45 min ago");
    assert_eq!(page.body.matches("action=\"/account/keys/revoke\"").count(), 5);
}

#[tokio::test]
async fn a_key_is_revoked_by_its_button() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let (kept, gone) = (app.fakes.api_key(SID, "kept"), app.fakes.api_key(SID, "gone"));
    let mut browser = app.browser_with(SID);
    browser.get("/account").await.shows("aria-label=\"Revoke the key gone\"");
    let id = gone.key_id.to_string();
    let page = browser.post("/account/keys/revoke", &[("key_id", &id)]).await;
    assert_eq!(page.location(), "/account?done=revoke-key#api-keys");
    assert_eq!(app.fakes.calls("/portal/api-keys/revoke")[0]["key_id"], id.as_str());
    let page = browser.get("/account?done=revoke-key").await;
    page.shows("The key is revoked.");
    page.shows(&kept.key_id.to_string());
    page.hides(&id);
    for unknown in [id.as_str(), "x", ""] {
        let page = browser.post("/account/keys/revoke", &[("key_id", unknown)]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test]
async fn twenty_keys_are_all_and_without_an_answer_the_page_still_serves() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    for n in 0..20 {
        app.fakes.api_key(SID, &format!("key {n}"));
    }
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account").await;
    page.shows("as many keys as an account may have");
    page.hides("action=\"/account/keys\"");
    let refusal = problem(500, codes::INTERNAL, "x");
    app.fakes.world().refusals.insert("/portal/api-keys/list".to_owned(), refusal);
    let page = browser.get("/account").await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("Your keys cannot be shown just now.");
    page.shows("action=\"/account/stop\"");
}
