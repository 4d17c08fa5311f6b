//! Docker away and back, and containers that change behind our back.

use control_api::deploy::{InstanceState, OperationState};
use control_api::ids::UserId;
use deploy_control::engine::ContainerState;

use crate::fake_app::Behaviour;
use crate::harness::{World, order, problem, until};

#[tokio::test]
async fn while_docker_is_away_reads_go_on_and_work_waits_with_the_reason() {
    let world = World::new().await;
    let app = world.start().await;
    let alice = app.register("alice").await.instance_id;
    world.engine.set_down(true);
    let order = serde_json::from_value(order(UserId::generate(), "bob")).expect("an order");
    let bob = app.api.register(&order).await.expect("the order is taken");
    until("the reason is shown", async || {
        let operation = app.api.operation(bob.operation_id).await.expect("an operation");
        operation.error.is_some_and(|error| error.contains("Docker cannot be reached"))
    })
    .await;
    let view = app.view(bob.instance_id).await;
    assert!(view.reason.expect("a reason").contains("Docker cannot be reached"));
    let view = app.view(alice).await;
    assert_eq!(view.state, InstanceState::Ready, "the last known state");
    assert!(view.reason.expect("a reason").contains("last known state"));
    let ready = app.http.get(format!("{}/health/ready", app.base)).send().await.expect("an answer");
    assert_eq!(ready.status(), 503);
    let body: serde_json::Value = ready.json().await.expect("JSON");
    assert!(body["checks"]["docker"]["reason"].as_str().expect("a reason").contains("Docker"));
    let live = app.http.get(format!("{}/health/live", app.base)).send().await.expect("an answer");
    assert_eq!(live.status(), 200);
    world.engine.set_down(false);
    assert_eq!(app.until_final(bob.operation_id).await.state, OperationState::Succeeded);
    until("it is ready again", async || app.app.health.is_ready()).await;
    assert_eq!(app.view(alice).await.reason, None);
    assert_eq!(world.engine.containers().len(), 2);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_caller_that_waits_is_told_that_docker_is_away() {
    let world = World::new().await;
    let app = world.start().await;
    world.engine.set_down(true);
    let refused = app.post("/api/instances/register", &order(UserId::generate(), "alice")).await;
    let refused = problem(refused, 503).await;
    assert_eq!(refused["type"], "urn:beaver:docker-unreachable");
    assert!(refused["detail"].as_str().expect("a detail").contains("goes on by itself"));
    assert!(app.stop().await);
}

#[tokio::test]
async fn the_service_starts_without_docker_and_catches_up() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    app.kill().await;
    world.engine.set_down(true);
    let app = world.try_start().await.expect("it starts");
    until("the health page says so", async || !app.app.health.is_ready()).await;
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    world.engine.kill("beaver-alice-1", 137, false);
    world.engine.set_down(false);
    until("it runs again", async || world.engine.containers()[0].state == ContainerState::Running).await;
    app.until_state(id, InstanceState::Ready).await;
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_docker_that_restarts_again_and_again_is_held_against_nobody() {
    let world = World::new().await;
    let app = world.start().await;
    let (alice, bob) = (app.register("alice").await.instance_id, app.register("bob").await.instance_id);
    for round in 1..=7 {
        // One is seen to end while Docker goes, the other is found ended when it is back.
        world.engine.kill("beaver-alice-1", 137, false);
        let lost = async || app.ledger(alice).await.iter().filter(|(what, _)| what == "lost").count();
        until("the loss is noticed", async || lost().await >= round).await;
        world.engine.set_down(true);
        until("it is noticed", async || app.app.requests.context.availability.reason().is_some()).await;
        world.engine.kill("beaver-bob-1", 137, false);
        world.engine.set_down(false);
        until("both run again", async || {
            world.engine.containers().iter().all(|container| container.state == ContainerState::Running)
        })
        .await;
        app.until_state(alice, InstanceState::Ready).await;
        app.until_state(bob, InstanceState::Ready).await;
    }
    let told = app.ledger(bob).await;
    assert!(told.iter().any(|(what, cause)| what == "lost" && cause.contains("Docker")), "{told:?}");
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_container_that_dies_is_started_again_with_the_cause_in_the_ledger() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    world.engine.kill("beaver-alice-1", 137, true);
    until("it is written down", async || {
        let events = app.api.events(id).await.expect("events").events;
        events.iter().any(|e| e.what == "lost" && e.evidence.as_deref() == Some("it used up its memory"))
    })
    .await;
    app.until_state(id, InstanceState::Ready).await;
    until("it runs again", async || world.engine.containers()[0].state == ContainerState::Running).await;
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_container_that_is_removed_is_made_again_under_a_new_generation() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    world.engine.vanish("beaver-alice-1");
    until("there is another", async || {
        world.engine.containers().iter().any(|container| container.name == "beaver-alice-2")
    })
    .await;
    let view = app.until_state(id, InstanceState::Ready).await;
    assert_eq!(view.generation, 2);
    until("the route follows", async || {
        let route = world.route("alice").expect("a route");
        route["generation"] == 2 && route["state"] == "ready"
    })
    .await;
    assert!(app.ledger(id).await.iter().any(|(what, cause)| what == "lost" && cause.contains("removed")));
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_app_that_falls_over_again_and_again_is_given_up_until_somebody_starts_it() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let stop = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while app.view(id).await.state != InstanceState::Failed {
        assert!(tokio::time::Instant::now() < stop, "the breaker opens");
        if world.engine.containers()[0].state == ContainerState::Running {
            world.engine.kill("beaver-alice-1", 1, false);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let view = app.view(id).await;
    assert!(view.reason.expect("a reason").contains("5 times"));
    until("the route says so", async || world.route("alice").expect("a route")["state"] == "failed").await;
    assert_eq!(app.act(id, "start").await.state, OperationState::Succeeded);
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_strangers_container_of_our_name_is_never_touched() {
    let world = World::new().await;
    world.engine.foreign("beaver-alice-1");
    let app = world.start().await;
    let failed = app.post("/api/instances/register", &order(UserId::generate(), "alice")).await;
    let failed = problem(failed, 502).await;
    assert!(failed["detail"].as_str().expect("a detail").contains("not this instance's"), "{failed}");
    let containers = world.engine.containers();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0].state, ContainerState::Running);
    assert!(app.stop().await);
}

#[tokio::test]
async fn containers_of_instances_that_the_database_does_not_know_stay() {
    let world = World::new().await;
    let app = world.start().await;
    app.register("alice").await;
    app.kill().await;
    std::fs::remove_dir_all(world.runtime().join("deploy")).expect("the database is lost");
    let app = world.start().await;
    app.register("bob").await;
    assert!(world.engine.containers().iter().any(|container| container.name == "beaver-alice-1"));
    assert!(world.route("alice").is_some());
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_instance_whose_image_is_gone_says_so() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    world.engine.image("app", "sha256:two", Behaviour::Good);
    world.engine.vanish("beaver-alice-1");
    let view = app.until_state(id, InstanceState::Failed).await;
    assert!(view.reason.is_some());
    assert!(app.ledger(id).await.iter().any(|(_, cause)| cause.contains("sha256:one")));
    assert!(app.stop().await);
}
