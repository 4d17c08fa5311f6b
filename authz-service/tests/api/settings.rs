//! What administrators set while the service runs: it holds at once, and nobody overwrites another unawares.

use control_api::authz::RegistrationMode;
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp};

const READ: &str = "/portal/admin/settings";
const CHANGE: &str = "/portal/admin/settings/change";

async fn administrator(app: &TestApp) -> (String, String) {
    let answer = app.post("/internal/accounts", &json!({"username": "carol"})).await.expect(201);
    let (id, password) = (answer.text("user_id"), answer.text("password"));
    app.post(&format!("/internal/accounts/{id}/role"), &json!({"role": "admin"})).await.expect(204);
    let session = app.login("carol", &password).await.expect(200).text("session");
    (id, session)
}

async fn change(app: &TestApp, session: &str, version: i64, more: Value) -> Answer {
    let mut body = json!({"session": session, "version": version});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    app.post(CHANGE, &body).await
}

#[tokio::test]
async fn a_mode_holds_from_the_next_request_on_and_outlives_a_restart() {
    let app = TestApp::start_with(|config| config.registration = RegistrationMode::Closed).await;
    let (_, session) = administrator(&app).await;
    let first = app.post(READ, &json!({"session": session})).await.expect(200);
    assert_eq!(
        first.body,
        json!({"version": 0, "registration_default": "closed", "banner": ""}),
        "what the environment says"
    );
    app.register("alice").await.expect(403);
    let set = change(&app, &session, 0, json!({"registration": "open"})).await.expect(200);
    assert_eq!((&set.body["version"], &set.body["registration"]), (&json!(1), &json!("open")));
    assert_eq!(set.body["changed_by"], "carol");
    assert_eq!(app.get("/portal/settings").await.expect(200).body["registration"], "open");
    app.register("alice").await.expect(201);

    change(&app, &session, 1, json!({"registration": "approval"})).await.expect(200);
    assert_eq!(app.register("bob").await.expect(403).code(), "urn:beaver:approval-pending");
    let app = app.restart().await;
    assert_eq!(app.get("/portal/settings").await.expect(200).body["registration"], "approval");
    // Back to what the environment says.
    change(&app, &session, 2, json!({})).await.expect(200);
    assert_eq!(app.get("/portal/settings").await.expect(200).body["registration"], "closed");
}

#[tokio::test]
async fn every_mode_can_be_set() {
    let app = TestApp::start().await;
    let (_, session) = administrator(&app).await;
    for (version, mode) in (0..).zip(RegistrationMode::ALL) {
        change(&app, &session, version, json!({"registration": mode})).await.expect(200);
        assert_eq!(app.get("/portal/settings").await.expect(200).body["registration"], mode.as_str());
    }
    let answer = change(&app, &session, 4, json!({"registration": "maybe"})).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
}

#[tokio::test]
async fn the_banner_is_plain_text_that_every_page_gets() {
    let app = TestApp::start().await;
    let (_, session) = administrator(&app).await;
    change(&app, &session, 0, json!({"banner": " <b>Maintenance</b>\r\non Sunday "})).await.expect(200);
    let settings = app.get("/portal/settings").await.expect(200);
    assert_eq!(settings.text("banner"), "<b>Maintenance</b>\non Sunday");
    for bad in ["x".repeat(501), "a\u{202e}b".to_owned(), "a\u{7}b".to_owned()] {
        let answer = change(&app, &session, 1, json!({"banner": bad})).await.expect(422);
        assert!(answer.body["errors"]["banner"].is_string(), "{answer:?}");
    }
    change(&app, &session, 1, json!({"banner": ""})).await.expect(200);
    assert_eq!(app.get("/portal/settings").await.expect(200).text("banner"), "");
}

#[tokio::test]
async fn of_fifty_who_change_the_same_version_one_is_heard() {
    let app = TestApp::start().await;
    let (_, session) = administrator(&app).await;
    let tries = (0..50).map(|n| change(&app, &session, 0, json!({"banner": format!("number {n}")})));
    let answers = futures_util::future::join_all(tries).await;
    let (done, late): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((done.len(), late.len()), (1, 49));
    for answer in late {
        assert_eq!(answer.expect(409).code(), "urn:beaver:changed-meanwhile");
    }
    let now = app.post(READ, &json!({"session": session})).await.expect(200);
    assert_eq!(now.text("banner"), done[0].text("banner"));
    assert_eq!(app.get("/portal/settings").await.expect(200).text("banner"), done[0].text("banner"));
}

#[tokio::test]
async fn administrators_alone_read_and_change_it_and_the_log_tells() {
    let app = TestApp::start().await;
    let (carol, session) = administrator(&app).await;
    let alice = app.register("alice").await.expect(201).text("session");
    assert_eq!(app.post(READ, &json!({"session": alice})).await.expect(403).code(), "urn:beaver:not-yours");
    assert_eq!(change(&app, &alice, 0, json!({})).await.expect(403).code(), "urn:beaver:not-yours");
    change(&app, "x", 0, json!({})).await.expect(401);
    let more = json!({"registration": "closed", "banner": "a\nb", "client_addr": "192.0.2.7"});
    change(&app, &session, 0, more).await.expect(200);
    change(&app, &session, 0, json!({})).await.expect(409);
    let filter = json!({"session": session, "filter": {"action": "settings-change"}});
    let page = app.post("/portal/admin/audit", &filter).await.expect(200);
    let [entry] = page.body["entries"].as_array().expect("entries").as_slice() else {
        panic!("one entry: {page:?}")
    };
    assert_eq!((&entry["actor"], &entry["address"]), (&json!(carol), &json!("192.0.2.7")));
    assert_eq!(entry["target"], "registration closed, banner a\\nb");
}
