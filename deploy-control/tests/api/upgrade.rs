//! Upgrade and rollback: container and data come back where the new image does not serve.

use std::path::PathBuf;

use control_api::deploy::{InstanceState, OperationState, OperationView};
use control_api::ids::InstanceId;
use control_api::snapshot::{RollbackData, RollbackRequest};
use serde_json::json;

use crate::fake_app::Behaviour;
use crate::harness::{DEPLOY_TOKEN, Running, World, problem};

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

fn note(world: &World, id: InstanceId) -> PathBuf {
    world.runtime().join(format!("instances/{id}/data/note"))
}

fn write(world: &World, id: InstanceId, text: &str) {
    std::fs::write(note(world, id), text).expect("written");
}

fn read(world: &World, id: InstanceId) -> String {
    std::fs::read_to_string(note(world, id)).expect("the note")
}

/// Names an image and upgrades to it.
async fn upgrade_to(world: &World, app: &Running, id: InstanceId, image: &str) {
    world.engine.image("app", image, Behaviour::Good);
    world.engine.image(image, image, Behaviour::Good);
    assert_eq!(app.act(id, "upgrade").await.state, OperationState::Succeeded);
}

/// Number and image of each snapshot, newest first; the files are the same ones.
async fn snapshots(world: &World, app: &Running, id: InstanceId) -> Vec<(u64, String)> {
    let list = app.api.snapshots(id).await.expect("a list").snapshots;
    let rows: Vec<_> = list.into_iter().map(|snapshot| (snapshot.generation, snapshot.image)).collect();
    let mut numbers: Vec<u64> = rows.iter().map(|(generation, _)| *generation).collect();
    numbers.sort_unstable();
    assert_eq!(world.snapshots(id), numbers, "rows and files agree");
    rows
}

async fn roll_back(
    app: &Running,
    id: InstanceId,
    snapshot: Option<u64>,
    data: Option<RollbackData>,
) -> OperationView {
    let body = RollbackRequest { snapshot, data };
    let answer = app.api.roll_back(id, &body).await.expect("accepted");
    app.until_final(answer.operation_id).await
}

#[tokio::test]
async fn snapshots_are_listed_newest_first_and_three_are_kept() {
    let world = World::new().await;
    let app = world.start().await;
    world.engine.image("sha256:one", "sha256:one", Behaviour::Good);
    let id = app.register("alice").await.instance_id;
    assert!(snapshots(&world, &app, id).await.is_empty());
    for image in ["sha256:two", "sha256:three", "sha256:four", "sha256:five"] {
        write(&world, id, image);
        upgrade_to(&world, &app, id, image).await;
    }
    let found = snapshots(&world, &app, id).await;
    let expected = [(4, "sha256:four"), (3, "sha256:three"), (2, "sha256:two")];
    assert_eq!(found, expected.map(|(generation, image)| (generation, image.to_owned())));
    let newest = app.api.snapshots(id).await.expect("a list").snapshots.remove(0);
    assert!(newest.bytes > 0, "{newest:?}");
    // They stay with the data, and go with it.
    let deleted = app.api.delete(id, false).await.expect("accepted");
    app.until_final(deleted.operation_id).await;
    assert_eq!(world.snapshots(id), [2, 3, 4]);
    assert!(app.api.snapshots(id).await.expect_err("gone").is("urn:beaver:not-found"));
    let deleted = app.api.delete(id, true).await;
    assert!(deleted.is_err(), "it is deleted already");
    let bob = app.register("bob").await.instance_id;
    upgrade_to(&world, &app, bob, "sha256:six").await;
    let deleted = app.api.delete(bob, true).await.expect("accepted");
    app.until_final(deleted.operation_id).await;
    assert!(world.snapshots(bob).is_empty());
    assert!(app.app.requests.context.store.snapshots(bob).await.expect("read").is_empty());
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_rollback_keeps_the_data_or_brings_that_of_then_back() {
    let world = World::new().await;
    let app = world.start().await;
    world.engine.image("sha256:one", "sha256:one", Behaviour::Good);
    let id = app.register("alice").await.instance_id;
    write(&world, id, "of one");
    upgrade_to(&world, &app, id, "sha256:two").await;
    write(&world, id, "of two");
    upgrade_to(&world, &app, id, "sha256:three").await;
    write(&world, id, "of three");
    // By number, to the image of then; the data stays.
    assert_eq!(roll_back(&app, id, Some(1), None).await.state, OperationState::Succeeded);
    let view = app.view(id).await;
    assert_eq!((view.image.as_deref(), view.generation), (Some("sha256:one"), 4));
    assert_eq!(read(&world, id), "of three");
    // With the data of then; what there was can be had back.
    let back = roll_back(&app, id, Some(2), Some(RollbackData::Restore)).await;
    assert_eq!(back.state, OperationState::Succeeded, "{back:?}");
    let view = app.view(id).await;
    assert_eq!((view.image.as_deref(), view.generation), (Some("sha256:two"), 5));
    assert_eq!(read(&world, id), "of two");
    let found = snapshots(&world, &app, id).await;
    assert_eq!(found.iter().map(|(generation, _)| *generation).collect::<Vec<_>>(), [4, 3, 2]);
    // Without a number: the newest.
    let back = roll_back(&app, id, None, Some(RollbackData::Restore)).await;
    assert_eq!(back.state, OperationState::Succeeded, "{back:?}");
    assert_eq!(
        (app.view(id).await.image.as_deref(), read(&world, id).as_str()),
        (Some("sha256:one"), "of three")
    );
    // The same image with the data of then is no less a rollback.
    write(&world, id, "spoilt");
    let back = roll_back(&app, id, Some(4), Some(RollbackData::Restore)).await;
    assert_eq!(back.state, OperationState::Succeeded, "{back:?}");
    assert_eq!(
        (app.view(id).await.image.as_deref(), read(&world, id).as_str()),
        (Some("sha256:one"), "of three")
    );
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_rollback_that_fails_brings_everything_back() {
    let world = World::new().await;
    let app = world.start().await;
    world.engine.image("sha256:one", "sha256:one", Behaviour::Good);
    let id = app.register("alice").await.instance_id;
    write(&world, id, "of one");
    upgrade_to(&world, &app, id, "sha256:two").await;
    write(&world, id, "of two");
    world.engine.image("sha256:one", "sha256:one", Behaviour::Exits);
    let before = snapshots(&world, &app, id).await;
    for data in [RollbackData::Keep, RollbackData::Restore] {
        let failed = roll_back(&app, id, Some(1), Some(data)).await;
        assert_eq!(failed.state, OperationState::Failed);
        assert!(failed.error.expect("a reason").contains("exit code 7"));
        let view = app.view(id).await;
        assert_eq!((view.state, view.image.as_deref()), (InstanceState::Ready, Some("sha256:two")));
        assert_eq!(view.generation, 2);
        assert_eq!(read(&world, id), "of two");
        assert_eq!(snapshots(&world, &app, id).await, before);
        let names: Vec<String> = world.engine.containers().into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["beaver-alice-2"]);
    }
    // A snapshot whose files somebody removed.
    std::fs::remove_dir_all(world.runtime().join(format!("snapshots/{id}/1"))).expect("removed");
    let failed = roll_back(&app, id, Some(1), Some(RollbackData::Restore)).await;
    assert!(failed.error.expect("a reason").contains("no snapshot 1"));
    assert_eq!(read(&world, id), "of two");
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_rollback_that_makes_no_sense_is_refused() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let path = format!("/api/instances/{id}/rollback");
    let none = app.post(&path, &json!({ "snapshot": 1 })).await;
    assert_eq!(problem(none, 404).await["type"], "urn:beaver:not-found");
    let none = app.post(&path, &json!({ "data": "restore" })).await;
    assert_eq!(problem(none, 409).await["type"], "urn:beaver:invalid-input");
    for wrong in [json!({ "snapshot": "newest" }), json!({ "data": "some" }), json!({ "snapshots": 1 })] {
        let refused = app.post(&path, &wrong).await;
        assert_eq!(problem(refused, 400).await["type"], "urn:beaver:invalid-input", "{wrong}");
    }
    // No body at all, as curl sends it.
    let url = format!("{}{path}", app.base);
    let bare = app.http.post(url).bearer_auth(DEPLOY_TOKEN).send().await.expect("an answer");
    let refused = problem(bare, 409).await;
    assert!(refused["detail"].as_str().expect("a detail").contains("no other image before"));
    assert!(app.stop().await);
}
