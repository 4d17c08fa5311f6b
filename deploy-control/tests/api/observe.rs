//! Logs, statistics, the ledger, and operations as events.

use control_api::deploy::{EventView, EventsQuery, InstanceState, OperationState, OperationView};
use control_api::ids::{InstanceId, UserId};
use serde_json::Value;
use service_kit::sse::{Event, Parser};

use crate::fake_app::Behaviour;
use crate::harness::{DEPLOY_TOKEN, Running, World, order, problem, until};

/// Reads events until `enough` says so or the stream ends.
async fn read(response: reqwest::Response, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let (mut response, mut parser, mut events) = (response, Parser::new(64 * 1024), Vec::new());
    while let Some(bytes) = response.chunk().await.expect("bytes") {
        events.extend(parser.push(&bytes).expect("well formed"));
        if enough(&events) {
            break;
        }
    }
    events
}

async fn follow(app: &Running, path: &str) -> reqwest::Response {
    let request = app.http.get(format!("{}{path}", app.base)).bearer_auth(DEPLOY_TOKEN);
    request.header("accept", "text/event-stream").send().await.expect("an answer")
}

#[tokio::test]
async fn an_operation_can_be_followed_to_its_end() {
    let world = World::new().await;
    let app = world.start().await;
    let order = serde_json::from_value(order(UserId::generate(), "alice")).expect("an order");
    let answer = app.api.register(&order).await.expect("accepted");
    let response = app.api.follow_operation(answer.operation_id).await.expect("a stream");
    let events = read(response, |_| false).await;
    let views: Vec<OperationView> =
        events.iter().map(|event| serde_json::from_str(&event.data).expect("a view")).collect();
    let last = views.last().expect("an event");
    assert_eq!((last.state, last.percent), (OperationState::Succeeded, 100));
    assert!(views.windows(2).all(|pair| pair[0].percent <= pair[1].percent), "progress never goes back");
    assert!(app.stop().await);
}

#[tokio::test]
async fn the_end_of_the_process_ends_a_stream() {
    let world = World::new().await;
    world.engine.image("app", "sha256:one", Behaviour::NeverReady);
    let app = world.start().await;
    let id = app.register_async("alice").await;
    let mut response = follow(&app, &format!("/api/instances/{id}/events?follow=true")).await;
    assert!(response.chunk().await.expect("bytes").is_some(), "it has begun");
    assert!(app.stop().await, "no stream holds the process up");
    while response.chunk().await.expect("a clean end").is_some() {}
}

#[tokio::test]
async fn the_ledger_is_read_newest_first_and_followed_from_a_number() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    app.act(id, "stop").await;
    let ledger = app.ledger(id).await;
    let whats: Vec<&str> = ledger.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(whats, ["ordered", "ready", "stop asked for", "stopped"]);
    let path = format!("/api/instances/{id}/events");
    let all = read(follow(&app, &path).await, |events| events.len() == 4).await;
    let first: EventView = serde_json::from_str(&all[0].data).expect("an event");
    assert_eq!((first.what.as_str(), first.actor.as_str()), ("ordered", "user"));
    assert_eq!(all[0].id.as_deref(), Some(first.seq.to_string().as_str()));
    let request = app.http.get(format!("{}{path}", app.base)).bearer_auth(DEPLOY_TOKEN);
    let request = request.header("accept", "text/event-stream").header("last-event-id", first.seq + 2);
    let rest = read(request.send().await.expect("an answer"), |events| !events.is_empty()).await;
    let rest: EventView = serde_json::from_str(&rest[0].data).expect("an event");
    assert_eq!(rest.what, "stopped");
    assert!(app.stop().await);
}

#[tokio::test]
async fn the_ledger_is_paged_backwards() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let bob = app.register("bob").await.instance_id;
    app.act(id, "stop").await;
    app.act(bob, "stop").await;
    app.act(id, "start").await;
    let whole: Vec<i64> =
        app.api.events(id).await.expect("events").events.iter().map(|event| event.seq).collect();
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let query = EventsQuery { limit: Some(2), before };
        let page = app.api.events_page(id, query).await.expect("events").events;
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        before = Some(last.seq);
        pages.extend(page.iter().map(|event| event.seq));
    }
    assert!(whole.len() > 4, "{whole:?}");
    assert_eq!(pages, whole, "no entry is missed, shown twice, or another's");
    assert!(app.stop().await);
}

#[tokio::test]
async fn the_overview_counts_states_and_shows_what_is_at_work() {
    let world = World::new().await;
    let app = world.start().await;
    app.register("alice").await;
    let bob = app.register("bob").await.instance_id;
    app.act(bob, "stop").await;
    world.engine.image("app", "sha256:one", Behaviour::NeverReady);
    let carol = app.register_async("carol").await;
    let overview = app.api.overview().await.expect("an overview");
    let of = |state| overview.states.iter().find(|row| row.state == state).map(|row| row.count);
    assert_eq!(of(InstanceState::Ready), Some(1));
    assert_eq!(of(InstanceState::Stopped), Some(1));
    assert_eq!(of(InstanceState::Failed), None, "a state without any is left out");
    assert_eq!(overview.states.iter().map(|row| row.count).sum::<u64>(), 3);
    assert_eq!(overview.active, 1);
    let [active] = overview.operations.as_slice() else { panic!("{overview:?}") };
    assert_eq!((active.slug.as_str(), active.operation.instance_id), ("carol", Some(carol)));
    let health = app.api.health().await.expect("health");
    assert_eq!(health.checks["docker"].state, "ok");
    assert!(app.stop().await);
}

#[tokio::test]
async fn logs_are_text_or_events_of_one_line() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let text = app.get(&format!("/api/instances/{id}/logs?tail=10")).await;
    assert_eq!(text.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(text.text().await.expect("text"), "one\r\ntwo\nthree");
    let lines = read(follow(&app, &format!("/api/instances/{id}/logs?follow=true")).await, |_| false).await;
    let lines: Vec<&str> = lines.iter().map(|event| event.data.as_str()).collect();
    assert_eq!(lines, ["one", "two", "three"]);
    world.engine.set_down(true);
    assert_eq!(app.get(&format!("/api/instances/{id}/logs")).await.status(), 503);
    assert!(app.stop().await);
}

#[tokio::test]
async fn statistics_have_use_and_limits() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    std::fs::write(world.runtime().join(format!("instances/{id}/data/big")), vec![1; 100_000])
        .expect("written");
    let stats: Value = app.get(&format!("/api/instances/{id}/stats")).await.json().await.expect("JSON");
    assert_eq!(stats["memory_bytes"], 12 << 20);
    assert_eq!((stats["cpu_limit_percent"].as_f64(), stats["pids_limit"].as_u64()), (Some(100.0), Some(256)));
    assert_eq!(stats["memory_limit_bytes"], 256 << 20);
    assert!(stats["disk_bytes"].as_u64().expect("a number") >= 100_000);
    assert!(app.stop().await);
}

#[tokio::test]
async fn statistics_can_be_followed() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let response = follow(&app, &format!("/api/instances/{id}/stats?follow=true")).await;
    let events = read(response, |events| events.len() == 2).await;
    for event in events {
        let stats: Value = serde_json::from_str(&event.data).expect("JSON");
        assert_eq!(stats["memory_bytes"], 12 << 20);
    }
    assert!(app.stop().await);
}

#[tokio::test]
async fn the_data_is_an_archive_and_two_are_made_at_once() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let data = world.runtime().join("instances").join(id.to_string()).join("data");
    // Does not become small, and fills every buffer on the way.
    let noise: Vec<u8> =
        (0..8_u32 << 20).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(data.join("noise"), &noise).expect("written");
    let path = format!("/api/instances/{id}/data");
    let (one, two) = (app.get(&path).await, app.get(&path).await);
    assert_eq!(one.headers()["content-type"], "application/zip");
    let busy = problem(app.get(&path).await, 503).await;
    assert_eq!(busy["type"], "urn:beaver:busy");
    let bytes = one.bytes().await.expect("all of it");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a ZIP file");
    let mut read = Vec::new();
    std::io::copy(&mut archive.by_name("data/noise").expect("the file"), &mut read).expect("read");
    assert!(read == noise, "as it was written");
    // Who goes away gives the place back.
    drop(two);
    until("there is a place", async || app.get(&path).await.status().is_success()).await;
    problem(app.get(&format!("/api/instances/{}/data", InstanceId::generate())).await, 404).await;
    assert!(app.stop().await);
}
