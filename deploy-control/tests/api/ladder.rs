//! The sleep ladder's first rung, and the lease that keeps an instance off the ladder.

use std::time::Duration;

use control_api::deploy::InstanceState;
use deploy_control::engine::ContainerState;
use serde_json::json;
use service_kit::clock::{Clock, from_millis};

use crate::harness::{DEPLOY_TOKEN, World, problem, until};
use crate::sleep::{report, rounds, router};

const FROZEN: &str = "frozen; the next request thaws it";

async fn world() -> World {
    let mut world = World::new().await;
    world.env.push(("BEAVER_IDLE_PAUSE", "5m".to_owned()));
    world.clock = Clock::manual(from_millis(1_800_000_000_000));
    world
}

fn calls(world: &World, kind: &str) -> usize {
    world.engine.calls().iter().filter(|call| call.starts_with(kind)).count()
}

#[tokio::test]
async fn an_idle_instance_is_frozen_thawed_by_a_request_and_stopped_at_last() {
    let world = world().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let state = || world.engine.containers()[0].state;
    until("it is measured", async || app.app.requests.live(id).await.is_ok_and(|row| row.cpu.is_some()))
        .await;
    world.clock.advance(Duration::from_mins(5));
    report(&app, &world, None).await;
    let view = app.until_state(id, InstanceState::Asleep).await;
    assert_eq!(view.reason.as_deref(), Some(FROZEN));
    until("it is frozen", async || state() == ContainerState::Paused).await;
    let route = world.route("alice").expect("a route");
    assert_eq!((&route["state"], &route["reason"]), (&json!("asleep"), &json!(FROZEN)));
    // A restart of the service leaves it as it is.
    assert!(app.stop().await);
    let app = world.start().await;
    assert_eq!(app.view(id).await.reason.as_deref(), Some(FROZEN));

    router(&app, "/api/routes/alice/wake", &json!({})).await;
    let view = app.until_state(id, InstanceState::Ready).await;
    assert_eq!((view.generation, view.reason), (1, None));
    assert_eq!(state(), ContainerState::Running);
    until("the route follows", async || world.route("alice").expect("a route")["state"] == "ready").await;
    assert_eq!(calls(&world, "start"), 1, "it was not started again");

    // Down to the second rung: half an hour in all.
    world.clock.advance(Duration::from_mins(6));
    report(&app, &world, None).await;
    until("it is frozen again", async || state() == ContainerState::Paused).await;
    world.clock.advance(Duration::from_mins(23));
    report(&app, &world, None).await;
    rounds(&world, &app).await;
    let alice =
        || world.engine.containers().into_iter().find(|c| c.name == "beaver-alice-1").expect("alice's");
    assert_eq!(alice().state, ContainerState::Paused);
    world.clock.advance(Duration::from_mins(2));
    report(&app, &world, None).await;
    until("it is stopped", async || matches!(alice().state, ContainerState::Exited { .. })).await;
    until("it says so", async || app.view(id).await.reason.is_none()).await;
    assert_eq!(app.view(id).await.state, InstanceState::Asleep);
    router(&app, "/api/routes/alice/wake", &json!({})).await;
    app.until_state(id, InstanceState::Ready).await;
    let ledger: Vec<_> = app.ledger(id).await.into_iter().map(|(what, _)| what).collect();
    for what in ["frozen", "wake asked for", "put to sleep"] {
        assert!(ledger.iter().any(|seen| seen == what), "{what} in {ledger:?}");
    }
    assert!(app.stop().await);
}

#[tokio::test]
async fn what_somebody_else_froze_is_not_thawed_and_what_ended_frozen_sleeps() {
    let world = world().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    world.engine.freeze("beaver-alice-1");
    let view = app.until_state(id, InstanceState::Unknown).await;
    assert!(view.reason.expect("a reason").contains("somebody paused the container"));
    assert_eq!(calls(&world, "unpause"), 0);
    assert_eq!(app.act(id, "restart").await.state, control_api::deploy::OperationState::Succeeded);
    assert_eq!(app.view(id).await.state, InstanceState::Ready);

    let row = app.app.requests.live(id).await.expect("alice's");
    app.app.requests.go_down(&row, deploy_control::idleness::Rung::Freeze).await.expect("accepted");
    until("it is frozen", async || world.engine.containers()[0].state == ContainerState::Paused).await;
    world.engine.kill("beaver-alice-1", 137, false);
    until("that is noticed", async || app.view(id).await.reason.is_none()).await;
    assert_eq!(app.view(id).await.state, InstanceState::Asleep);
    assert!(app.ledger(id).await.iter().any(|(what, _)| what == "stopped while frozen"));
    router(&app, "/api/routes/alice/wake", &json!({})).await;
    assert_eq!(app.until_state(id, InstanceState::Ready).await.generation, 1);
    assert!(app.stop().await);
}

#[tokio::test]
async fn where_nothing_can_be_frozen_it_is_stopped() {
    let world = world().await;
    world.engine.cannot_freeze();
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    until("it is measured", async || app.app.requests.live(id).await.is_ok_and(|row| row.cpu.is_some()))
        .await;
    world.clock.advance(Duration::from_mins(5));
    report(&app, &world, None).await;
    until("it is stopped", async || {
        matches!(world.engine.containers()[0].state, ContainerState::Exited { .. })
    })
    .await;
    assert_eq!(app.until_state(id, InstanceState::Asleep).await.generation, 1);
    assert!(
        app.ledger(id)
            .await
            .iter()
            .any(|(what, cause)| what == "not frozen" && cause.contains("cannot freeze"))
    );
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_lease_keeps_it_awake_until_it_ends() {
    let world = world().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    assert_eq!(app.view(id).await.keep_awake_until, None);
    let view = app.api.keep_awake(id, 2).await.expect("kept");
    let until_then = view.keep_awake_until.expect("a lease");
    assert_eq!(until_then.as_millisecond(), 1_800_000_000_000 + 2 * 3_600_000);
    world.clock.advance(Duration::from_mins(119));
    report(&app, &world, None).await;
    rounds(&world, &app).await;
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    // It holds over a restart, and says nothing against a sleep on request.
    assert!(app.stop().await);
    let app = world.start().await;
    assert_eq!(app.view(id).await.keep_awake_until, Some(until_then));
    app.act(id, "sleep").await;
    assert_eq!(app.view(id).await.state, InstanceState::Asleep);
    router(&app, "/api/routes/alice/wake", &json!({})).await;
    app.until_state(id, InstanceState::Ready).await;
    // It ends by itself.
    until("it is measured", async || {
        let row = app.app.requests.live(id).await.expect("alice's");
        row.cpu.is_some_and(|cpu| Some(cpu.at) >= row.ready_at)
    })
    .await;
    world.clock.advance(Duration::from_mins(40));
    report(&app, &world, None).await;
    app.until_state(id, InstanceState::Asleep).await;
    assert_eq!(app.view(id).await.keep_awake_until, None);
    let view = app.api.keep_awake(id, 1).await.expect("kept");
    assert!(view.keep_awake_until.is_some());
    assert_eq!(app.api.end_keep_awake(id).await.expect("ended").keep_awake_until, None);
    let ledger = app.ledger(id).await;
    let said = |what: &str| ledger.iter().find(|(seen, _)| seen == what).map(|(_, cause)| cause.clone());
    assert_eq!(said("kept awake").as_deref(), Some("until 2027-01-15 10:00 UTC, on request"));
    assert_eq!(said("no longer kept awake").as_deref(), Some("on request"));
    for hours in [json!(0), json!(169)] {
        let path = format!("{}/api/instances/{id}/keep-awake", app.base);
        let body = json!({ "hours": hours });
        let answer =
            app.http.put(path).bearer_auth(DEPLOY_TOKEN).json(&body).send().await.expect("an answer");
        assert!(problem(answer, 422).await["errors"]["hours"].is_string());
    }
    assert!(app.stop().await);
}
