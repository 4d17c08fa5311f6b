//! Upgrade and rollback: container and data come back where the new image does not serve.

use control_api::deploy::{InstanceState, OperationState};

use crate::fake_engine::Behaviour;
use crate::harness::World;

#[tokio::test]
async fn an_upgrade_replaces_the_container_and_a_rollback_goes_back() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    // Nothing newer: nothing to do.
    assert_eq!(app.act(id, "upgrade").await.state, OperationState::Succeeded);
    assert_eq!(app.view(id).await.generation, 1);
    assert!(app.api.act(id, "rollback").await.is_err(), "there is nothing to go back to");
    world.engine.image("old", "sha256:one", Behaviour::Good);
    world.engine.image("app", "sha256:two", Behaviour::Good);
    std::fs::write(world.runtime().join(format!("instances/{id}/data/note")), "kept").expect("written");
    assert_eq!(app.act(id, "upgrade").await.state, OperationState::Succeeded);
    let view = app.view(id).await;
    assert_eq!((view.state, view.generation), (InstanceState::Ready, 2));
    assert_eq!(view.image.as_deref(), Some("sha256:two"));
    let names: Vec<String> = world.engine.containers().into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["beaver-alice-2"]);
    let copy = world.runtime().join(format!("snapshots/{id}/1/note"));
    assert_eq!(std::fs::read_to_string(copy).expect("a snapshot"), "kept");
    assert_eq!(app.act(id, "rollback").await.state, OperationState::Succeeded);
    let view = app.view(id).await;
    assert_eq!((view.image.as_deref(), view.generation), (Some("sha256:one"), 3));
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_upgrade_that_fails_brings_container_and_data_back() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    world.engine.image("old", "sha256:one", Behaviour::Good);
    world.engine.image("app", "sha256:two", Behaviour::Exits);
    let note = world.runtime().join(format!("instances/{id}/data/note"));
    std::fs::write(&note, "before").expect("written");
    let operation = app.act(id, "upgrade").await;
    assert_eq!(operation.state, OperationState::Failed);
    assert!(operation.error.expect("a reason").contains("exit code 7"));
    let view = app.view(id).await;
    assert_eq!((view.state, view.generation), (InstanceState::Ready, 1));
    assert_eq!(view.image.as_deref(), Some("sha256:one"));
    assert_eq!(std::fs::read_to_string(&note).expect("read"), "before");
    let names: Vec<String> = world.engine.containers().into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["beaver-alice-1"]);
    assert_eq!(world.route("alice").expect("a route")["generation"], 1);
    assert!(app.stop().await);
}
