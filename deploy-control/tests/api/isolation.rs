//! The isolation proof: what it closes and what opens it again.

use control_api::ids::UserId;
use deploy_control::engine::EngineError;
use deploy_control::isolation::Verdict;
use serde_json::{Value, json};

use crate::fake_app::Behaviour;
use crate::harness::{World, order, problem, until};

async fn is_closed(app: &crate::harness::Running) {
    let isolation = &app.app.requests.context.isolation;
    until("the proof has failed", async || matches!(isolation.verdict(), Verdict::Closed(_))).await;
}

#[tokio::test]
async fn a_leak_closes_sign_up_until_it_is_mended() {
    let world = World::new().await;
    world.engine.set_leaky(true);
    let app = world.try_start().await.expect("it starts");
    is_closed(&app).await;
    let refused = app.post("/api/instances/register", &order(UserId::generate(), "alice")).await;
    let refused = problem(refused, 503).await;
    assert_eq!(refused["type"], "urn:beaver:not-isolated");
    assert!(refused["detail"].as_str().expect("a detail").contains("metadata"), "{refused}");
    let ready = app.http.get(format!("{}/health/ready", app.base)).send().await.expect("an answer");
    assert_eq!(ready.status(), 503);
    world.engine.set_leaky(false);
    let proof = app.post("/api/isolation/probe", &json!({})).await;
    assert_eq!(proof.json::<Value>().await.expect("JSON")["proven"], true);
    app.register("alice").await;
    assert!(app.app.health.is_ready());
    // Asked for again, it tells the truth again.
    world.engine.set_leaky(true);
    let proof = app.post("/api/isolation/probe", &json!({})).await;
    assert_eq!(proof.json::<Value>().await.expect("JSON")["proven"], false);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_proof_that_cannot_be_had_counts_as_no() {
    let world = World::new().await;
    world.engine.fail_probe(Some(EngineError::Other("no subcommand probe".to_owned())));
    let app = world.try_start().await.expect("it starts");
    is_closed(&app).await;
    let refused = app.post("/api/instances/register", &order(UserId::generate(), "alice")).await;
    let refused = problem(refused, 503).await;
    assert!(refused["detail"].as_str().expect("a detail").contains("BEAVER_PROBE_IMAGE"));
    assert!(app.stop().await);
}

#[tokio::test]
async fn the_operator_may_allow_it() {
    let mut world = World::new().await;
    world.env.push(("BEAVER_ALLOW_UNISOLATED", "yes".to_owned()));
    world.engine.set_leaky(true);
    let app = world.try_start().await.expect("it starts");
    app.register("alice").await;
    let health = app.http.get(format!("{}/health", app.base)).send().await.expect("an answer");
    let health: Value = health.json().await.expect("JSON");
    assert_eq!(health["checks"]["isolation"]["state"], "warning");
    assert_eq!(health["ready"], true);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_missing_probe_image_puts_the_proof_off() {
    let world = World::new().await;
    world.engine.remove_image("probe");
    let app = world.try_start().await.expect("it starts");
    // The order is taken and waits for the proof.
    let order = serde_json::from_value(order(UserId::generate(), "alice")).expect("an order");
    let answer = app.api.register(&order).await.expect("accepted");
    until("it waits for the proof", async || {
        let operation = app.api.operation(answer.operation_id).await.expect("an operation");
        operation.error.is_some_and(|error| error.contains("isolation"))
    })
    .await;
    assert!(world.engine.containers().is_empty());
    world.engine.image("probe", "sha256:probe", Behaviour::Good);
    let done = app.until_final(answer.operation_id).await;
    assert_eq!(done.state, control_api::deploy::OperationState::Succeeded);
    assert!(app.stop().await);
}
