//! The database is lost, and made again from what Docker, the folders and the routes say.

use control_api::deploy::{InstanceState, ListQuery, OperationState};
use control_api::ids::UserId;
use deploy_control::engine::ContainerState;
use deploy_control::rebuild::{self, RebuildError};
use serde_json::json;

use crate::harness::{Running, World, order, until};

/// Nobody listens there, whatever else runs on this machine.
async fn world() -> World {
    let mut world = World::new().await;
    world.env.push(("DEPLOY_LISTEN", "127.0.0.1:9".to_owned()));
    world
}

/// Ends the service and closes the database, as the end of its process would.
async fn end(app: Running) {
    let store = app.app.requests.context.store.clone();
    assert!(app.stop().await);
    store.close().await;
}

async fn rebuild(world: &World) -> Result<rebuild::Report, RebuildError> {
    rebuild::run(&world.config(), &world.engine, world.clock.clone()).await
}

#[tokio::test]
async fn nothing_is_lost_with_the_database() {
    let world = world().await;
    let app = world.start().await;
    let owner = UserId::generate();
    let alice = app.register_as(owner, "alice").await.instance_id;
    let bob = app.register("bob").await.instance_id;
    let carol = app.register("carol").await.instance_id;
    let (stopped, gone) = (app.register("stopped").await.instance_id, app.register("gone").await.instance_id);
    app.act(bob, "sleep").await;
    app.act(stopped, "stop").await;
    let provider =
        json!({ "instance_id": carol, "provider": { "kind": "echo", "model": "small", "api_key": "k3y" } });
    assert_eq!(app.post("/api/instances/configure-provider", &provider).await.status(), 200);
    let deleted = app.api.delete(gone, false).await.expect("accepted").operation_id;
    assert_eq!(app.until_final(deleted).await.state, OperationState::Succeeded);
    let note = world.runtime().join(format!("instances/{gone}/data/note"));
    std::fs::write(&note, "kept").expect("written");
    let before = app.api.list(&ListQuery::default()).await.expect("a list").instances;
    let (containers, calls) = (world.engine.containers(), world.engine.calls());
    let routes = ["alice", "bob", "carol", "stopped"].map(|slug| world.route(slug));
    end(app).await;

    assert!(matches!(rebuild(&world).await, Err(RebuildError::NotLost { instances: 5, .. })));
    std::fs::remove_dir_all(world.runtime().join("deploy")).expect("the database is lost");
    let report = rebuild(&world).await.expect("rebuilt");
    assert_eq!(report.restored.len(), 5, "{report}");
    assert!(report.left_out.is_empty(), "{report}");
    assert!(!report.to_string().contains("k3y"));

    let app = world.start().await;
    until("everything was looked at", async || {
        app.app.requests.context.store.active_operations().await.expect("read").is_empty()
    })
    .await;
    let after = app.api.list(&ListQuery::default()).await.expect("a list").instances;
    assert_eq!(after.len(), before.len());
    for (after, before) in after.iter().zip(&before) {
        let facts = |view: &control_api::deploy::InstanceView| {
            (view.instance_id, view.slug.clone(), view.owner_id, view.owner_username.clone(), view.state)
        };
        assert_eq!(facts(after), facts(before));
        assert_eq!((after.upstream, &after.image), (before.upstream, &before.image));
        assert_eq!((after.generation, &after.provider), (before.generation, &before.provider));
    }
    assert_eq!(world.engine.containers(), containers, "no container was touched");
    assert_eq!(world.engine.calls(), calls, "nothing was created, started, stopped or removed");
    assert_eq!(["alice", "bob", "carol", "stopped"].map(|slug| world.route(slug)), routes);

    // They live on: the same user gets the same, a sleeper wakes, a provider can be set, what was deleted comes back
    // with its data, and nobody is given an address that somebody has.
    assert_eq!(app.register_as(owner, "alice").await.instance_id, alice);
    assert_eq!(app.act(bob, "start").await.state, OperationState::Succeeded);
    assert_eq!(app.post("/api/instances/configure-provider", &provider).await.status(), 200);
    let gone_owner = report.restored.iter().find(|row| row.id == gone).expect("on record").owner_id;
    let again = app.post("/api/instances/register", &order(gone_owner, "gone")).await;
    assert_eq!(again.status(), 201, "{}", again.text().await.expect("text"));
    assert_eq!(std::fs::read_to_string(&note).expect("its data"), "kept");
    let newcomer = app.register("newcomer").await.instance_id;
    let address = app.view(newcomer).await.upstream;
    assert!(before.iter().all(|view| view.upstream != address), "{address:?} is somebody's");
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_damaged_file_is_kept_aside_and_a_half_known_instance_is_named() {
    let world = world().await;
    let app = world.start().await;
    let alice = app.register("alice").await.instance_id;
    end(app).await;
    let folder = world.runtime().join("deploy");
    // With its log, from which SQLite would read it again; a connection that is still closing has the old files.
    for name in ["deploy.sqlite", "deploy.sqlite-wal", "deploy.sqlite-shm"] {
        let removed = std::fs::remove_file(folder.join(name));
        assert!(removed.is_ok() || name != "deploy.sqlite", "{removed:?}");
    }
    std::fs::write(folder.join("deploy.sqlite"), "no database at all, but of some length").expect("damaged");
    let stray = control_api::ids::InstanceId::generate();
    std::fs::create_dir(world.runtime().join(format!("instances/{stray}"))).expect("a folder");
    std::fs::write(world.runtime().join("router/conf.d/bob.json"), "{").expect("half a route");
    let report = rebuild(&world).await.expect("rebuilt");
    let aside = report.moved_aside.clone().expect("the damaged file");
    assert!(std::fs::read_to_string(aside).expect("kept").starts_with("no database"));
    assert_eq!(report.restored.len(), 1);
    let told = report.to_string();
    assert!(told.contains(&format!("instance {stray}")) && told.contains("its folder is kept"), "{told}");
    assert!(told.contains("bob.json"), "{told}");
    let app = world.start().await;
    assert_eq!(app.view(alice).await.state, InstanceState::Ready);
    assert!(matches!(world.engine.containers()[0].state, ContainerState::Running));
    assert!(app.stop().await);
}

#[tokio::test]
async fn without_docker_nothing_is_rebuilt() {
    let world = world().await;
    let app = world.start().await;
    app.register("alice").await;
    end(app).await;
    std::fs::remove_dir_all(world.runtime().join("deploy")).expect("the database is lost");
    world.engine.set_down(true);
    assert!(matches!(rebuild(&world).await, Err(RebuildError::Docker(_))));
    assert!(!world.runtime().join("deploy/deploy.sqlite").exists());
    world.engine.set_down(false);
    assert_eq!(rebuild(&world).await.expect("rebuilt").restored.len(), 1);
}
