//! Sleep and wake: by hand, by the router, and for want of use.

use std::time::Duration;

use control_api::deploy::{InstanceState, OperationState, ResolveRequest};
use control_api::ids::InstanceId;
use deploy_control::engine::ContainerState;
use serde_json::{Value, json};
use service_kit::clock::{Clock, from_millis};

use crate::harness::{ROUTER_TOKEN, Running, World, until};

pub(crate) async fn router(app: &Running, path: &str, body: &Value) -> reqwest::Response {
    let request = app.http.post(format!("{}{path}", app.base)).bearer_auth(ROUTER_TOKEN);
    request.json(body).send().await.expect("an answer")
}

pub(crate) async fn report(app: &Running, world: &World, used: Option<InstanceId>) {
    let routes: Vec<Value> = used
        .iter()
        .map(|id| {
            json!({ "slug": "alice", "instance_id": id, "requests": 1, "active_connections": 0,
                    "last_activity_at": world.clock.now() })
        })
        .collect();
    assert_eq!(router(app, "/api/routes/activity", &json!({ "routes": routes })).await.status(), 204);
}

#[tokio::test]
async fn a_sleeping_instance_is_woken_by_a_request_and_by_resolve() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    assert_eq!(app.act(id, "sleep").await.state, OperationState::Succeeded);
    assert_eq!(app.view(id).await.state, InstanceState::Asleep);
    assert!(matches!(world.engine.containers()[0].state, ContainerState::Exited { .. }));
    assert_eq!(world.route("alice").expect("a route")["state"], "asleep");
    let woken = router(&app, "/api/routes/alice/wake", &json!({})).await;
    assert_eq!(woken.status(), 200);
    app.until_state(id, InstanceState::Ready).await;
    until("the route follows", async || world.route("alice").expect("a route")["state"] == "ready").await;
    // The other way, and the way that leaves it asleep.
    app.act(id, "sleep").await;
    let slug = Some("alice".parse().expect("a slug"));
    let leave = ResolveRequest { slug: slug.clone(), wake: Some(false), ..Default::default() };
    assert_eq!(app.api.resolve(&leave).await.expect("found").state, InstanceState::Asleep);
    let wake = ResolveRequest { slug, ..Default::default() };
    app.api.resolve(&wake).await.expect("found");
    let view = app.until_state(id, InstanceState::Ready).await;
    assert_eq!(view.generation, 1, "the same container");
    assert!(app.ledger(id).await.iter().any(|(what, _)| what == "wake asked for"));
    assert_eq!(router(&app, "/api/routes/nobody/wake", &json!({})).await.status(), 404);
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_idle_instance_is_put_to_sleep_but_never_on_missing_data() {
    let mut world = World::new().await;
    world.clock = Clock::manual(from_millis(1_800_000_000_000));
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    // Its first measurement, from which all others count.
    rounds(&world, &app).await;
    world.clock.advance(Duration::from_mins(29));
    report(&app, &world, Some(id)).await;
    // Long unused, but the router has been silent.
    world.clock.advance(Duration::from_mins(40));
    app.act(id, "start").await;
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    // It speaks, but the container was at work.
    world.engine.work(Duration::from_mins(1));
    world.clock.advance(Duration::from_mins(1));
    report(&app, &world, None).await;
    rounds(&world, &app).await;
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    // For half an hour it does next to nothing: 17 s of the processor are less than 1 %.
    world.engine.work(Duration::from_secs(17));
    world.clock.advance(Duration::from_mins(30));
    report(&app, &world, None).await;
    app.until_state(id, InstanceState::Asleep).await;
    assert!(app.ledger(id).await.iter().any(|(_, cause)| cause.contains("nobody has used it")));
    // A use keeps it awake.
    router(&app, "/api/routes/alice/wake", &json!({})).await;
    app.until_state(id, InstanceState::Ready).await;
    world.clock.advance(Duration::from_mins(29));
    report(&app, &world, Some(id)).await;
    world.clock.advance(Duration::from_mins(20));
    report(&app, &world, None).await;
    rounds(&world, &app).await;
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    assert!(app.stop().await);
}

/// Waits until housekeeping has been round at least twice: a deleted instance is told to authz-service once a
/// round.
pub(crate) async fn rounds(world: &World, app: &Running) {
    for _ in 0..2 {
        let name = format!("round-{}", world.authz.forgotten().len());
        let id = app.register(&name).await.instance_id;
        let deleted = app.api.delete(id, true).await.expect("accepted");
        app.until_final(deleted.operation_id).await;
        until("a round", async || world.authz.forgotten().contains(&id)).await;
    }
}

#[tokio::test]
async fn a_use_that_is_reported_while_containers_are_measured_counts() {
    let mut world = World::new().await;
    world.clock = Clock::manual(from_millis(1_800_000_000_000));
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    rounds(&world, &app).await;
    report(&app, &world, Some(id)).await;
    // Nobody used it for longer than half an hour, as far as the round knows that begins now.
    let hold = world.engine.hold_measurement();
    world.clock.advance(Duration::from_mins(31));
    hold.reached().await;
    report(&app, &world, Some(id)).await;
    hold.release();
    rounds(&world, &app).await;
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    assert!(app.stop().await);
}

#[tokio::test]
async fn sleep_can_be_switched_off() {
    let mut world = World::new().await;
    world.env.push(("BEAVER_IDLE_SLEEP", "off".to_owned()));
    world.clock = Clock::manual(from_millis(1_800_000_000_000));
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    world.clock.advance(Duration::from_hours(10));
    report(&app, &world, None).await;
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    assert!(app.stop().await);
}
