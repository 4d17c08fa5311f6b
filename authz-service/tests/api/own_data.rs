//! What a person takes along: all of their own, and nothing that lets anybody in.

use serde_json::json;

use crate::harness::{PASSWORD, TestApp};

#[tokio::test]
async fn a_person_gets_what_is_on_record_and_the_log_says_so() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let body = json!({"session": alice.session, "name": "ci", "scopes": ["instance"]});
    let key = app.post("/portal/api-keys", &body).await.expect(201).text("key");
    let take =
        |session: &str, kind: &str| json!({"session": session, "kind": kind, "client_addr": "192.0.2.7"});

    let data = app.post("/portal/own-data", &take(&alice.session, "account")).await.expect(200);
    assert_eq!(data.body["account"]["username"], "alice");
    assert_eq!(data.body["account"]["email"], "alice@example.com");
    assert_eq!(data.body["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(data.body["api_keys"][0]["name"], "ci");
    let newest = &data.body["audit"][0];
    assert_eq!(
        (newest["action"].as_str(), newest["address"].as_str()),
        (Some("export-account"), Some("192.0.2.7"))
    );
    let text = data.body.to_string();
    for secret in [PASSWORD, &alice.session, &key, "argon2", &bob.user_id, "bob"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }

    let data = app.post("/portal/own-data", &take(&alice.session, "files")).await.expect(200);
    assert_eq!(data.body["audit"], json!([]));
    let all = app.post("/portal/own-data", &take(&alice.session, "account")).await.expect(200);
    assert_eq!(all.body["audit"][1]["action"], "export-files");
    app.post("/portal/own-data", &take("no session", "account")).await.expect(401);
}

#[tokio::test]
async fn where_an_administrator_was_is_not_the_persons() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let role = format!("/internal/accounts/{}/role", alice.user_id);
    app.post(&role, &json!({"role": "admin"})).await.expect(204);
    let body = json!({"session": alice.session, "kind": "account"});
    let data = app.post("/portal/own-data", &body).await.expect(200);
    let entries = data.body["audit"].as_array().expect("entries");
    let made = entries.iter().find(|entry| entry["action"] == "make-admin").expect("an entry");
    assert_eq!(made["target"], alice.user_id);
    assert!(made.get("request_id").is_none() && made.get("address").is_none(), "{made}");
}
