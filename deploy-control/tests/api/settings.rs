//! What administrators set while the service runs: idle times and limits, and how the machine is.

use std::time::Duration;

use control_api::codes;
use control_api::deploy::{InstanceState, OperationState};
use control_api::deploy_settings::{
    Administrator, ChangeDeploySettings, DeploySettingsView, InstanceSettings,
};
use control_api::ids::{InstanceId, UserId};
use deploy_control::engine::Limits;
use http::StatusCode;
use serde_json::json;
use service_kit::clock::{Clock, from_millis};

use crate::fake_app::Behaviour;
use crate::harness::{ROUTER_TOKEN, Running, World, problem};
use crate::sleep::{report, rounds};

fn change(version: i64, chosen: InstanceSettings) -> ChangeDeploySettings {
    let actor = Administrator { user_id: UserId::generate(), name: "carol".parse().expect("a name") };
    ChangeDeploySettings { version, actor, chosen }
}

async fn set(app: &Running, version: i64, chosen: InstanceSettings) -> DeploySettingsView {
    app.api.change_settings(&change(version, chosen)).await.expect("changed")
}

fn memory(text: &str) -> InstanceSettings {
    InstanceSettings { memory: Some(text.to_owned()), ..InstanceSettings::default() }
}

async fn limits(app: &Running, id: InstanceId) -> Limits {
    app.app.requests.live(id).await.expect("a row").limits
}

#[tokio::test]
async fn settings_are_told_changed_and_kept() {
    let world = World::new().await;
    let app = world.start().await;
    let first = app.api.settings().await.expect("settings");
    assert_eq!((first.version, first.changed_at), (0, None));
    assert_eq!(first.chosen, InstanceSettings::default());
    assert_eq!(first.configured.memory.as_deref(), Some("256m"));
    assert_eq!(first.configured.idle_sleep.as_deref(), Some("30m"));
    let chosen = InstanceSettings {
        idle_sleep: Some("2h".to_owned()),
        idle_pause: Some("10m".to_owned()),
        memory: Some("64m".to_owned()),
        cpus: Some("0.5".to_owned()),
        pids: Some("64".to_owned()),
        disk: Some("2g".to_owned()),
    };
    let changed = set(&app, 0, chosen.clone()).await;
    assert_eq!((changed.version, &changed.chosen), (1, &chosen));
    assert_eq!(changed.changed_by.as_ref().map(|actor| actor.name.as_str()), Some("carol"));
    assert!(app.stop().await);
    let app = world.start().await;
    assert_eq!(app.api.settings().await.expect("settings"), changed, "also after a restart");
    assert_eq!(limits(&app, app.register("alice").await.instance_id).await.memory_bytes, 64 << 20);
    // Off is a choice; what is left out is as configured again.
    let off = InstanceSettings { idle_sleep: Some("off".to_owned()), ..InstanceSettings::default() };
    assert_eq!(set(&app, 1, off.clone()).await.chosen, off);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_field_out_of_its_range_is_told_and_nothing_is_changed() {
    let world = World::new().await;
    let app = world.start().await;
    let body = json!({
        "version": 0, "actor": { "user_id": UserId::generate(), "name": "carol" },
        "chosen": { "memory": "1m", "cpus": "100000", "pids": "7", "disk": "x", "idle_sleep": "1s", "idle_pause": "10m" },
    });
    let url = format!("{}/api/settings", app.base);
    let put = || app.http.put(&url).bearer_auth(crate::harness::DEPLOY_TOKEN).json(&body);
    let refused = problem(put().send().await.expect("an answer"), 422).await;
    assert_eq!(refused["type"], codes::INVALID_INPUT);
    let errors = refused["errors"].as_object().expect("errors");
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["cpus", "disk", "idle_sleep", "memory", "pids"]);
    assert!(errors["pids"].as_str().is_some_and(|text| text.contains("from 8 to 32768")), "{errors:?}");
    assert_eq!(app.api.settings().await.expect("settings").version, 0);
    let router = app.http.get(&url).bearer_auth(ROUTER_TOKEN).send().await.expect("an answer");
    assert_eq!(router.status(), StatusCode::UNAUTHORIZED);
    assert!(app.stop().await);
}

#[tokio::test]
async fn of_fifty_who_change_the_same_version_one_is_heard() {
    let world = World::new().await;
    let app = world.start().await;
    let tries = (0..50).map(|n| {
        let change = change(0, memory(&format!("{}m", 32 + n)));
        let app = &app;
        async move { app.api.change_settings(&change).await }
    });
    let answers = futures_util::future::join_all(tries).await;
    let (done, late): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), late.len()), (1, 49));
    assert!(late.iter().all(|error| error.as_ref().is_err_and(|error| error.is(codes::CHANGED_MEANWHILE))));
    let kept = app.api.settings().await.expect("settings");
    assert_eq!(done[0].as_ref().ok(), Some(&kept));
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_idle_time_holds_at_once_for_those_that_run() {
    let mut world = World::new().await;
    world.clock = Clock::manual(from_millis(1_800_000_000_000));
    world.env.push(("BEAVER_IDLE_SLEEP", "off".to_owned()));
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    rounds(&world, &app).await;
    world.clock.advance(Duration::from_hours(2));
    report(&app, &world, None).await;
    rounds(&world, &app).await;
    assert_eq!(app.view(id).await.state, InstanceState::Ready, "nobody is put to sleep");
    let five = InstanceSettings { idle_sleep: Some("5m".to_owned()), ..InstanceSettings::default() };
    set(&app, 0, five).await;
    rounds(&world, &app).await;
    world.clock.advance(Duration::from_mins(6));
    report(&app, &world, None).await;
    app.until_state(id, InstanceState::Asleep).await;
    assert!(app.stop().await);
}

#[tokio::test]
async fn limits_go_with_the_next_container_and_come_back_with_the_one_before() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let before = limits(&app, id).await;
    set(&app, 0, memory("64m")).await;
    assert_eq!(app.act(id, "restart").await.state, OperationState::Succeeded);
    assert_eq!(limits(&app, id).await, before, "the same container");
    assert_eq!(limits(&app, app.register("bob").await.instance_id).await.memory_bytes, 64 << 20);

    // An upgrade that fails goes back to a container that has its own limits.
    world.engine.image("old", "sha256:one", Behaviour::Good);
    world.engine.image("app", "sha256:two", Behaviour::Exits);
    assert_eq!(app.act(id, "upgrade").await.state, OperationState::Failed);
    assert_eq!(limits(&app, id).await, before);
    world.engine.image("app", "sha256:three", Behaviour::Good);
    assert_eq!(app.act(id, "upgrade").await.state, OperationState::Succeeded);
    assert_eq!(limits(&app, id).await, Limits { memory_bytes: 64 << 20, ..before });
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_larger_disk_holds_at_once() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let disk = |text: &str| InstanceSettings { disk: Some(text.to_owned()), ..InstanceSettings::default() };
    set(&app, 0, disk("3g")).await;
    assert_eq!(app.view(id).await.disk_limit_bytes, 3 << 30);
    set(&app, 1, disk("512m")).await;
    assert_eq!(app.view(id).await.disk_limit_bytes, 1 << 30, "a smaller one does not");
    assert!(app.stop().await);
}

#[tokio::test]
async fn the_machine_is_told() {
    let world = World::new().await;
    let app = world.start().await;
    let host = app.api.host().await.expect("the machine");
    assert!(host.cpus.is_some_and(|cpus| cpus > 0) && host.load.is_some(), "{host:?}");
    assert!(host.memory_available_bytes <= host.memory_bytes && host.memory_bytes.is_some(), "{host:?}");
    assert_eq!(host.disk_free_bytes, Some(100 << 30));
    assert!(host.disk_bytes.is_some());
    assert_eq!(host.queued, 0);
    assert!(app.stop().await);
}
