//! What an instance has used up: its disk, which puts it to sleep, and its memory, which is told to its owner.

use std::time::Duration;

use control_api::deploy::{InstanceState, OperationState, ResolveRequest};
use control_api::ids::InstanceId;
use serde_json::json;
use service_kit::clock::{Clock, from_millis};

use crate::harness::{Running, World, until};
use crate::sleep::router;

/// Lets the next measurement come, and waits for it.
async fn measured(world: &World, app: &Running, id: InstanceId) {
    world.clock.advance(Duration::from_mins(6));
    let now = world.clock.now_ms();
    until("it is measured", async || {
        app.app.requests.live(id).await.is_ok_and(|row| row.disk.is_some_and(|disk| disk.at >= now))
    })
    .await;
}

fn times(ledger: &[(String, String)], what: &str) -> usize {
    ledger.iter().filter(|(seen, _)| seen == what).count()
}

#[tokio::test]
async fn a_disk_that_fills_up_is_told_and_then_stops_the_instance() {
    let mut world = World::new().await;
    world.env.push(("BEAVER_INSTANCE_DISK", "1m".to_owned()));
    world.clock = Clock::manual(from_millis(1_800_000_000_000));
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let blob = world.runtime().join(format!("instances/{id}/data/blob"));
    let fill = |kib: usize| std::fs::write(&blob, vec![1_u8; kib << 10]).expect("written");
    fill(100);
    measured(&world, &app, id).await;
    let view = app.view(id).await;
    assert!(view.disk_used_bytes.expect("measured") >= 100 << 10, "{view:?}");
    assert_eq!((view.disk_limit_bytes, view.warning), (1 << 20, None));

    fill(900);
    measured(&world, &app, id).await;
    let warning = app.view(id).await.warning.expect("a warning");
    assert!(
        warning.starts_with("its disk is nearly full: 9") && warning.ends_with("KiB of 1 MiB"),
        "{warning}"
    );
    measured(&world, &app, id).await;
    fill(100);
    measured(&world, &app, id).await;
    assert_eq!(app.view(id).await.warning, None);
    fill(900);
    measured(&world, &app, id).await;
    assert!(app.view(id).await.warning.is_some());
    assert_eq!(times(&app.ledger(id).await, "disk nearly full"), 1, "told once");

    fill(1_300);
    measured(&world, &app, id).await;
    let reason = app.until_state(id, InstanceState::Asleep).await.reason.expect("a reason");
    assert!(reason.starts_with("its disk is full: 1.") && reason.ends_with("MiB of 1 MiB"), "{reason}");
    until("the route says why", async || world.route("alice").expect("a route")["reason"] == json!(reason))
        .await;
    assert!(app.ledger(id).await.iter().any(|(what, cause)| what == "sleep asked for" && *cause == reason));
    until("it is settled", async || app.view(id).await.operation_id.is_none()).await;

    // No request wakes it, whichever way.
    let woken = router(&app, "/api/routes/alice/wake", &json!({})).await;
    let woken: serde_json::Value = woken.json().await.expect("an answer");
    assert_eq!((&woken["state"], &woken["reason"]), (&json!("asleep"), &json!(reason)));
    let resolve = ResolveRequest { slug: Some("alice".parse().expect("a slug")), ..Default::default() };
    let found = app.api.resolve(&resolve).await.expect("found");
    assert_eq!((found.state, found.reason), (InstanceState::Asleep, Some(reason)));

    // Its owner can start it, and has a while to make room.
    assert_eq!(app.act(id, "start").await.state, OperationState::Succeeded);
    measured(&world, &app, id).await;
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    world.clock.advance(Duration::from_mins(10));
    app.until_state(id, InstanceState::Asleep).await;
    until("it is settled", async || app.view(id).await.operation_id.is_none()).await;

    // Below the limit a request wakes it again.
    fill(100);
    measured(&world, &app, id).await;
    assert_eq!(app.view(id).await.reason, None);
    until("the route follows", async || world.route("alice").expect("a route").get("reason").is_none()).await;
    router(&app, "/api/routes/alice/wake", &json!({})).await;
    app.until_state(id, InstanceState::Ready).await;
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_raised_limit_lets_it_wake() {
    let mut world = World::new().await;
    world.env.push(("BEAVER_INSTANCE_DISK", "1m".to_owned()));
    world.clock = Clock::manual(from_millis(1_800_000_000_000));
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    std::fs::write(world.runtime().join(format!("instances/{id}/data/blob")), vec![1_u8; 2 << 20])
        .expect("written");
    // Measured once more when it has gone to sleep.
    app.act(id, "sleep").await;
    measured(&world, &app, id).await;
    assert!(app.view(id).await.disk_used_bytes >= Some(2 << 20));
    let wake = async |app: &Running| {
        let woken = router(app, "/api/routes/alice/wake", &json!({})).await;
        woken.json::<serde_json::Value>().await.expect("an answer")["state"].clone()
    };
    assert_eq!(wake(&app).await, "asleep");
    assert!(app.stop().await);
    world.env.push(("BEAVER_INSTANCE_DISK", "1g".to_owned()));
    let app = world.start().await;
    assert_eq!(app.view(id).await.disk_limit_bytes, 1 << 30);
    assert_ne!(wake(&app).await, "asleep");
    app.until_state(id, InstanceState::Ready).await;
    assert!(app.stop().await);
}

#[tokio::test]
async fn memory_that_ran_out_is_told_to_the_owner() {
    let mut world = World::new().await;
    world.timings.back_off = Duration::from_mins(1);
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let words = "it used up its memory (limit 256 MiB); the kernel ended what needed more";
    // A process inside: the instance goes on, and shows it until it is started again.
    world.engine.out_of_memory(id);
    world.engine.out_of_memory(id);
    until("it is shown", async || app.view(id).await.reason.as_deref() == Some(words)).await;
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    app.act(id, "restart").await;
    assert_eq!(app.view(id).await.reason, None);
    let ledger = app.ledger(id).await;
    assert_eq!(times(&ledger, "out of memory"), 1, "{ledger:?}");
    assert!(ledger.iter().any(|(what, cause)| what == "out of memory" && cause == words));
    // The whole of it: it is started again, and while that has to wait the reason is shown.
    for round in 1..=2 {
        world.engine.kill("beaver-alice-1", 137, true);
        let lost = async || app.ledger(id).await.iter().filter(|(w, c)| w == "lost" && c == words).count();
        until("it is noticed", async || lost().await == round).await;
        if round == 1 {
            app.until_state(id, InstanceState::Ready).await;
        }
    }
    let view = app.view(id).await;
    assert_eq!((view.state, view.reason.as_deref()), (InstanceState::Starting, Some(words)));
    assert!(app.stop().await);
}
