//! `kill -9` between any two steps: the service is stopped dead at each fault point on the way of each
//! operation, started again, and must converge with no orphan, no duplicate and no key left lying about.

use std::collections::BTreeSet;
use std::time::Duration;

use control_api::deploy::{InstanceState, ListQuery, OperationState};
use control_api::ids::{InstanceId, OperationId, UserId};
use deploy_control::engine::ContainerState;
use deploy_control::fault::{self, FaultPoints};
use deploy_control::idleness::Rung;
use deploy_control::requests::Requests;
use serde_json::json;

use crate::fake_app::{BROKEN_MODEL, Behaviour};
use crate::harness::{DEPLOY_TOKEN, Running, World, order, until};

/// What is under way when the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Register,
    RegisterFails,
    Configure,
    ConfigureFails,
    Sleep,
    Freeze,
    Wake,
    Thaw,
    Restart,
    Delete,
    Purge,
    Upgrade,
    UpgradeFails,
    Rollback,
    RollbackRestore,
    RollbackFails,
    Rollout,
    RolloutOfSleeper,
}

const WAYS: [Way; 18] = [
    Way::Register,
    Way::RegisterFails,
    Way::Configure,
    Way::ConfigureFails,
    Way::Sleep,
    Way::Freeze,
    Way::Wake,
    Way::Thaw,
    Way::Restart,
    Way::Delete,
    Way::Purge,
    Way::Upgrade,
    Way::UpgradeFails,
    Way::Rollback,
    Way::RollbackRestore,
    Way::RollbackFails,
    Way::Rollout,
    Way::RolloutOfSleeper,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_any_fault_point_it_converges() {
    let mut walked = BTreeSet::new();
    for way in WAYS {
        let walks = fault::ALL.iter().map(|point| walk(way, point));
        let hit = futures_util::future::join_all(walks).await;
        walked.extend(fault::ALL.iter().zip(hit).filter(|(_, hit)| *hit).map(|(point, _)| *point));
    }
    let missed: Vec<_> = fault::ALL.iter().filter(|point| !walked.contains(*point)).collect();
    assert!(missed.is_empty(), "no way leads over {missed:?}");
}

/// Walks one way with one point armed. Answers whether the way led over it.
async fn walk(way: Way, point: &'static str) -> bool {
    for _ in 0..5 {
        match walk_once(way, point).await {
            Walk::Over => return true,
            Walk::Beside => return false,
            // The last look at what was prepared hit the point before the request came.
            Walk::TooEarly => {}
        }
    }
    panic!("{way:?} at {point}: never late enough");
}

enum Walk {
    Over,
    Beside,
    TooEarly,
}

async fn walk_once(way: Way, point: &'static str) -> Walk {
    let mut world = World::new().await;
    // A dozen of worlds share the machine.
    world.timings.operation = Duration::from_mins(1);
    world.timings.request = Duration::from_mins(1);
    if way == Way::ConfigureFails {
        // What the put-back waits for; the good starts around it have the same time, on a busy machine too.
        world.timings.ready = Duration::from_secs(3);
    }
    let app = world.start().await;
    let user = UserId::generate();
    let id = prepare(way, &world, &app, user).await;
    let before = newest(&app, id).await;
    let reached = world.faults.arm(point);
    let request = match (way, id) {
        (Way::Freeze, Some(id)) => tokio::spawn(freeze(app.app.requests.clone(), id)),
        _ => tokio::spawn(begin(way, app.base.clone(), app.http.clone(), user, id)),
    };
    let over = async {
        let _ = request.await;
        until("it is settled", async || settled(&app).await).await;
    };
    let hit = tokio::select! {
        () = reached.cancelled() => true,
        () = over => false,
    };
    if !hit {
        assert!(app.stop().await);
        return Walk::Beside;
    }
    let rolls = app.app.requests.context.store.rollout_under_way().await.expect("read").is_some();
    let asked =
        point == "configure.file-written" || id.is_none() || rolls || newest(&app, id).await != before;
    app.kill().await;
    if !asked {
        return Walk::TooEarly;
    }
    world.faults = FaultPoints::default();
    let app = world.start().await;
    until(&format!("{way:?} at {point} converges"), async || settled(&app).await).await;
    check(way, point, &world, &app, user).await;
    assert!(app.stop().await, "{way:?} at {point}");
    Walk::Over
}

async fn newest(app: &Running, id: Option<InstanceId>) -> Option<OperationId> {
    app.app.requests.context.store.newest_operation(id?).await.expect("read")
}

async fn prepare(way: Way, world: &World, app: &Running, user: UserId) -> Option<InstanceId> {
    if matches!(way, Way::Register | Way::RegisterFails) {
        if way == Way::RegisterFails {
            world.engine.image("app", "sha256:one", Behaviour::Exits);
        }
        return None;
    }
    let id = app.register_as(user, "alice").await.instance_id;
    std::fs::write(world.runtime().join(format!("instances/{id}/data/note")), "kept").expect("written");
    match way {
        Way::ConfigureFails => {
            let body = json!({ "instance_id": id, "provider": { "kind": "echo", "model": "old" } });
            assert_eq!(app.post("/api/instances/configure-provider", &body).await.status(), 200);
        }
        Way::Wake => drop(app.act(id, "sleep").await),
        Way::Rollout | Way::RolloutOfSleeper => {
            world.engine.image("old", "sha256:one", Behaviour::Good);
            world.engine.image("app", "sha256:two", Behaviour::Good);
            if way == Way::RolloutOfSleeper {
                app.act(id, "sleep").await;
            }
        }
        Way::Thaw => {
            freeze(app.app.requests.clone(), id).await;
            app.until_state(id, InstanceState::Asleep).await;
            until("it is frozen", async || settled(app).await).await;
        }
        Way::Upgrade | Way::UpgradeFails => {
            let next = if way == Way::Upgrade { Behaviour::Good } else { Behaviour::Exits };
            world.engine.image("old", "sha256:one", Behaviour::Good);
            world.engine.image("app", "sha256:two", next);
        }
        Way::Rollback | Way::RollbackRestore | Way::RollbackFails => {
            prepare_rollback(way, world, app, id).await;
        }
        _ => {}
    }
    Some(id)
}

/// An upgrade that went well, with data before it and after; the one that the rollback should leave is `kept`.
async fn prepare_rollback(way: Way, world: &World, app: &Running, id: InstanceId) {
    let note = world.runtime().join(format!("instances/{id}/data/note"));
    let (old, new) = if way == Way::RollbackRestore { ("kept", "lost") } else { ("lost", "kept") };
    std::fs::write(&note, old).expect("written");
    world.engine.image("old", "sha256:one", Behaviour::Good);
    world.engine.image("app", "sha256:two", Behaviour::Good);
    assert_eq!(app.act(id, "upgrade").await.state, OperationState::Succeeded);
    std::fs::write(&note, new).expect("written");
    if way == Way::RollbackFails {
        world.engine.image("old", "sha256:one", Behaviour::Exits);
    }
}

/// Puts it on the first rung of the sleep ladder, as the housekeeping does.
async fn freeze(requests: Requests, id: InstanceId) {
    let instance = requests.live(id).await.expect("an instance");
    let _ = requests.go_down(&instance, Rung::Freeze).await;
}

/// Sends the request; its answer may never come.
async fn begin(way: Way, base: String, http: reqwest::Client, user: UserId, id: Option<InstanceId>) {
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    let post = |path: String, body| {
        http.post(format!("{base}{path}"))
            .bearer_auth(DEPLOY_TOKEN)
            .json(&body)
            .timeout(Duration::from_mins(1))
    };
    let configure = |model| {
        let body = json!({ "instance_id": id, "provider": { "kind": "echo", "model": model } });
        post("/api/instances/configure-provider".to_owned(), body)
    };
    let delete = |query| http.delete(format!("{base}/api/instances/{id}{query}")).bearer_auth(DEPLOY_TOKEN);
    let request = match way {
        Way::Register | Way::RegisterFails => {
            post("/api/instances/register".to_owned(), order(user, "alice"))
        }
        Way::Configure => configure("new"),
        Way::ConfigureFails => configure(BROKEN_MODEL),
        Way::Sleep => post(format!("/api/instances/{id}/sleep"), json!({})),
        Way::Wake | Way::Thaw => post("/api/instances/resolve".to_owned(), json!({ "slug": "alice" })),
        Way::Restart => post(format!("/api/instances/{id}/restart"), json!({})),
        Way::Upgrade | Way::UpgradeFails => post(format!("/api/instances/{id}/upgrade"), json!({})),
        Way::Rollout | Way::RolloutOfSleeper => post("/api/rollouts".to_owned(), json!({})),
        Way::Rollback => post(format!("/api/instances/{id}/rollback"), json!({})),
        Way::RollbackRestore | Way::RollbackFails => {
            post(format!("/api/instances/{id}/rollback"), json!({ "snapshot": 1, "data": "restore" }))
        }
        Way::Freeze => unreachable!("nobody asks for it"),
        Way::Delete => delete(""),
        Way::Purge => delete("?purge=true"),
    };
    let _ = request.send().await;
}

/// No operation is under way and every instance is where it should be.
async fn settled(app: &Running) -> bool {
    let store = &app.app.requests.context.store;
    // The rollout first: it asks for an operation before it ends.
    let rolls = store.rollout_under_way().await.expect("read").is_some();
    if rolls || !store.active_operations().await.expect("read").is_empty() {
        return false;
    }
    let rows = store.live().await.expect("read");
    rows.iter().all(|row| {
        matches!(row.state, InstanceState::Ready | InstanceState::Asleep | InstanceState::Failed)
            && row.change == deploy_control::model::Change::None
    })
}

async fn check(way: Way, point: &str, world: &World, app: &Running, user: UserId) {
    let at = format!("{way:?} at {point}");
    let list = app.api.list(&ListQuery::default()).await.expect("a list").instances;
    let containers = world.engine.containers();
    if matches!(way, Way::Delete | Way::Purge) {
        assert!(list.is_empty(), "{at}: {list:?}");
        assert!(containers.is_empty(), "{at}: {containers:?}");
        assert!(world.route("alice").is_none(), "{at}");
        // The same user can have it again; the data is as asked for.
        let again = app.register_as(user, "alice").await.instance_id;
        let note = world.runtime().join(format!("instances/{again}/data/note"));
        assert_eq!(note.exists(), way == Way::Delete, "{at}");
        return;
    }
    assert_eq!(list.len(), 1, "{at}: {list:?}");
    let view = &list[0];
    let id = view.instance_id;
    let route = world.route("alice").unwrap_or_else(|| panic!("{at}: no route"));
    assert_eq!(route["state"], view.state.as_str(), "{at}");
    assert_eq!(route["generation"], view.generation, "{at}");
    if way == Way::RegisterFails {
        assert_eq!(view.state, InstanceState::Failed, "{at}");
        assert!(containers.is_empty(), "{at}: {containers:?}");
        assert!(world.files(id).is_empty(), "{at}");
        return;
    }
    assert_eq!(containers.len(), 1, "{at}: {containers:?}");
    assert_eq!(world.files(id), ["config.json", "data", "instance.json"], "{at}");
    let config = world.config_json(id);
    let (model, shown) =
        (&config["provider"]["model"], view.provider.as_ref().and_then(|p| p.model.as_deref()));
    assert_eq!(model.as_str(), shown, "{at}: the row says what the file says");
    // Of a file that was staged and never asked for nothing is left; all else is done.
    let unasked = point == "configure.file-written";
    match way {
        Way::Configure => assert_eq!(shown, (!unasked).then_some("new"), "{at}"),
        Way::ConfigureFails => assert_eq!(shown, Some("old"), "{at}"),
        _ => assert_eq!(shown, None, "{at}"),
    }
    let image = match way {
        Way::Upgrade | Way::RollbackFails | Way::Rollout | Way::RolloutOfSleeper => "sha256:two",
        _ => "sha256:one",
    };
    assert_eq!(view.image.as_deref(), Some(image), "{at}: {:?}", app.ledger(id).await);
    assert_eq!(containers[0].image_id, image, "{at}");
    if way != Way::Register {
        let note = world.runtime().join(format!("instances/{id}/data/note"));
        assert_eq!(std::fs::read_to_string(note).expect("the data"), "kept", "{at}");
    }
    check_snapshots(way, &at, world, app, id).await;
    let row = app.app.requests.context.store.live().await.expect("read").remove(0);
    assert!(row.container_made, "{at}: the row does not know of the container");
    let ledger = app.ledger(id).await;
    assert!(!ledger.iter().any(|(what, _)| what == "lost"), "{at}: taken for lost: {ledger:?}");
    let asleep = matches!(way, Way::Sleep | Way::Freeze | Way::RolloutOfSleeper);
    let expected = if asleep { InstanceState::Asleep } else { InstanceState::Ready };
    assert_eq!(view.state, expected, "{at}");
    assert_eq!(containers[0].state == ContainerState::Running, !asleep, "{at}");
    assert_eq!(containers[0].state == ContainerState::Paused, way == Way::Freeze, "{at}");
    assert_eq!(row.nap, way == Way::Freeze, "{at}: only one that is frozen is said to be");
    assert!(world.engine.owner_told(id).is_some(), "{at}");
}

/// Rows and files agree, and what was there before is there again.
async fn check_snapshots(way: Way, at: &str, world: &World, app: &Running, id: InstanceId) {
    let rows = app.app.requests.context.store.snapshots(id).await.expect("read");
    let mut rows: Vec<u64> = rows.into_iter().map(|snapshot| snapshot.generation).collect();
    rows.reverse();
    assert_eq!(world.snapshots(id), rows, "{at}");
    let expected: &[u64] = match way {
        Way::Upgrade | Way::RollbackFails | Way::Rollout | Way::RolloutOfSleeper => &[1],
        Way::Rollback | Way::RollbackRestore => &[1, 2],
        _ => &[],
    };
    assert_eq!(rows, expected, "{at}");
    let copy = |generation: u64| {
        let path = world.runtime().join(format!("snapshots/{id}/{generation}/note"));
        std::fs::read_to_string(path).expect("a copy")
    };
    match way {
        Way::Rollback => assert_eq!((copy(1), copy(2)), ("lost".into(), "kept".into()), "{at}"),
        Way::RollbackRestore => assert_eq!((copy(1), copy(2)), ("kept".into(), "lost".into()), "{at}"),
        _ => {}
    }
}
