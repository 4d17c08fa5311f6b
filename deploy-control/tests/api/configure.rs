//! `POST /api/instances/configure-provider`: the key goes into one file, and a configuration that does not
//! work is put back.

use control_api::deploy::{InstanceState, OperationState};
use serde_json::{Value, json};

use crate::fake_app::BROKEN_MODEL;
use crate::harness::{World, problem};

fn provider(id: &impl serde::Serialize, model: &str) -> Value {
    json!({ "instance_id": id, "provider": {
        "kind": "openai-compatible", "base_url": "http://10.1.2.3/v1", "model": model, "api_key": "sk-s3cret"
    }})
}

#[tokio::test]
async fn the_file_is_written_the_container_restarted_and_the_key_told_to_nobody() {
    let mut world = World::new().await;
    world.env.push(("BEAVER_OUTLOOK_MCP_URL", "http://10.9.9.9:1234/mcp".to_owned()));
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let answer = app.post("/api/instances/configure-provider", &provider(&id, "m1")).await;
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.expect("text");
    assert!(!text.contains("s3cret"), "{text}");
    let view: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(view["state"], "ready");
    assert_eq!(view["provider"]["model"], "m1");
    let config = world.config_json(id);
    assert_eq!(config["provider"]["api_key"], "sk-s3cret");
    assert_eq!(config["mcp_servers"][0]["url"], "http://10.9.9.9:1234/mcp");
    assert_eq!(config["mcp_servers"][0]["id"], "outlook_mcp");
    assert_eq!(world.files(id), ["config.json", "data", "instance.json"], "nothing is left beside it");
    let calls = world.engine.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("start")).count(), 2, "{calls:?}");
    let database = std::fs::read(world.runtime().join("deploy/deploy.sqlite")).expect("the file");
    let log = std::fs::read(world.runtime().join("deploy/deploy.sqlite-wal")).expect("the file");
    for bytes in [database, log] {
        assert!(!bytes.windows(6).any(|window| window == b"s3cret"), "the database never sees the key");
    }
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_provider_that_does_not_work_is_put_back() {
    let mut world = World::new().await;
    world.timings.ready = std::time::Duration::from_secs(2);
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    app.post("/api/instances/configure-provider", &provider(&id, "m1")).await;
    let refused = app.post("/api/instances/configure-provider", &provider(&id, BROKEN_MODEL)).await;
    let refused = problem(refused, 502).await;
    assert_eq!(refused["type"], "urn:beaver:instance-not-ready");
    assert!(refused["detail"].as_str().expect("a detail").contains("before is in force"), "{refused}");
    let view = app.view(id).await;
    assert_eq!(view.state, InstanceState::Ready);
    assert_eq!(view.provider.expect("a provider").model.as_deref(), Some("m1"));
    assert_eq!(world.config_json(id)["provider"]["model"], "m1");
    assert_eq!(world.files(id), ["config.json", "data", "instance.json"]);
    let newest = app.app.requests.context.store.newest_operation(id).await.expect("read").expect("one");
    assert_eq!(app.until_final(newest).await.state, OperationState::Failed);
    assert!(app.stop().await);
}

#[tokio::test]
async fn faults_are_told_at_their_fields_and_change_nothing() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let before = world.engine.calls();
    let body = json!({ "slug": "alice", "provider": { "kind": "openai-compatible", "base_url": "ftp://x" } });
    let refused = problem(app.post("/api/instances/configure-provider", &body).await, 422).await;
    assert!(refused["errors"]["base_url"].is_string() && refused["errors"]["model"].is_string());
    let body = json!({ "slug": "alice", "provider": { "kind": "sk-s3cret" } });
    let refused = problem(app.post("/api/instances/configure-provider", &body).await, 422).await;
    assert!(!refused.to_string().contains("s3cret"), "{refused}");
    assert_eq!(world.engine.calls(), before);
    assert_eq!(world.config_json(id)["provider"], Value::Null);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_sleeping_instance_is_configured_and_woken() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    app.act(id, "sleep").await;
    let answer = app.post("/api/instances/configure-provider", &provider(&id, "m1")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    assert!(app.stop().await);
}

#[tokio::test]
async fn two_at_once_come_one_after_the_other() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let (a, b) = (provider(&id, "m1"), provider(&id, "m2"));
    let path = "/api/instances/configure-provider";
    let (a, b) = tokio::join!(app.post(path, &a), app.post(path, &b));
    assert_eq!((a.status().as_u16(), b.status().as_u16()), (200, 200));
    let shown = app.view(id).await.provider.expect("a provider").model.expect("a model");
    assert_eq!(world.config_json(id)["provider"]["model"], shown);
    assert_eq!(world.files(id), ["config.json", "data", "instance.json"]);
    assert!(app.stop().await);
}
