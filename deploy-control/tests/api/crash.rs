//! `kill -9` between any two steps: the service is stopped dead at each fault point on the way of each
//! operation, started again, and must converge with no orphan, no duplicate and no key left lying about.

use std::collections::BTreeSet;
use std::time::Duration;

use control_api::deploy::{InstanceState, ListQuery};
use control_api::ids::{InstanceId, OperationId, UserId};
use deploy_control::engine::ContainerState;
use deploy_control::fault::{self, FaultPoints};
use serde_json::json;

use crate::fake_engine::{BROKEN_MODEL, Behaviour};
use crate::harness::{DEPLOY_TOKEN, Running, World, order, until};

/// What is under way when the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Register,
    RegisterFails,
    Configure,
    ConfigureFails,
    Sleep,
    Wake,
    Restart,
    Delete,
    Purge,
    Upgrade,
    UpgradeFails,
}

const WAYS: [Way; 11] = [
    Way::Register,
    Way::RegisterFails,
    Way::Configure,
    Way::ConfigureFails,
    Way::Sleep,
    Way::Wake,
    Way::Restart,
    Way::Delete,
    Way::Purge,
    Way::Upgrade,
    Way::UpgradeFails,
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
    let request = tokio::spawn(begin(way, app.base.clone(), app.http.clone(), user, id));
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
    let asked = point == "configure.file-written" || id.is_none() || newest(&app, id).await != before;
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
        Way::Upgrade | Way::UpgradeFails => {
            let next = if way == Way::Upgrade { Behaviour::Good } else { Behaviour::Exits };
            world.engine.image("old", "sha256:one", Behaviour::Good);
            world.engine.image("app", "sha256:two", next);
        }
        _ => {}
    }
    Some(id)
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
        Way::Wake => post("/api/instances/resolve".to_owned(), json!({ "slug": "alice" })),
        Way::Restart => post(format!("/api/instances/{id}/restart"), json!({})),
        Way::Upgrade | Way::UpgradeFails => post(format!("/api/instances/{id}/upgrade"), json!({})),
        Way::Delete => delete(""),
        Way::Purge => delete("?purge=true"),
    };
    let _ = request.send().await;
}

/// No operation is under way and every instance is where it should be.
async fn settled(app: &Running) -> bool {
    let store = &app.app.requests.context.store;
    if !store.active_operations().await.expect("read").is_empty() {
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
    assert_eq!(world.files(id), ["config.json", "data"], "{at}");
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
    let image = if way == Way::Upgrade { "sha256:two" } else { "sha256:one" };
    assert_eq!(view.image.as_deref(), Some(image), "{at}");
    assert_eq!(containers[0].image_id, image, "{at}");
    if way != Way::Register {
        let note = world.runtime().join(format!("instances/{id}/data/note"));
        assert_eq!(std::fs::read_to_string(note).expect("the data"), "kept", "{at}");
    }
    let row = app.app.requests.context.store.live().await.expect("read").remove(0);
    assert!(row.container_made, "{at}: the row does not know of the container");
    let ledger = app.ledger(id).await;
    assert!(!ledger.iter().any(|(what, _)| what == "lost"), "{at}: taken for lost: {ledger:?}");
    let asleep = way == Way::Sleep;
    let expected = if asleep { InstanceState::Asleep } else { InstanceState::Ready };
    assert_eq!(view.state, expected, "{at}");
    assert_eq!(containers[0].state == ContainerState::Running, !asleep, "{at}");
    assert!(world.engine.owner_told(id).is_some(), "{at}");
}
