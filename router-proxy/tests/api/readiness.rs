//! Instances that are not ready: held, woken, or explained.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::instances::Instance;
use crate::world::{Echo, PORTAL, World, eventually};

fn in_state(world: &World, app: &Instance, state: &str) -> Value {
    let mut route = world.alice_route(app.address);
    route["state"] = state.into();
    if state != "ready" {
        route.as_object_mut().expect("an object").remove("upstream");
    }
    route
}

const PERSON: (&str, &str) = ("accept", "text/html");

async fn quick() -> World {
    World::start_with(|config| config.timeouts.waiting_page = Duration::from_millis(100)).await
}

#[tokio::test]
async fn a_sleeping_instance_is_woken_once_and_the_requests_wait_for_it() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&in_state(&world, &app, "asleep")).await;
    let cookie = world.alice_cookie();
    let headers = [("cookie", cookie.as_str())];
    let requests = futures_util::future::join_all((0..5).map(|_| world.get("alice", "/held?x=1", &headers)));
    let deploy_control = async {
        eventually("the wake", || async { !world.deploy.state.woken.lock().unwrap().is_empty() }).await;
        world.write_route("alice", &in_state(&world, &app, "starting").to_string());
        world.write_route("alice", &in_state(&world, &app, "ready").to_string());
    };
    let (answers, ()) = tokio::join!(requests, deploy_control);
    for answer in answers {
        assert_eq!(Echo::of(answer).await.0["target"], "/held?x=1");
    }
    assert_eq!(*world.deploy.state.woken.lock().unwrap(), ["alice"], "once for all");
}

#[tokio::test]
async fn a_navigation_gets_a_page_that_reloads_at_the_same_path() {
    let (world, app) = (quick().await, Instance::start("app").await);
    let cookie = world.alice_cookie();
    for state in ["pending", "creating", "starting", "asleep"] {
        world.put_route(&in_state(&world, &app, state)).await;
        let page = world.get("alice", "/deep?x=1", &[("cookie", &cookie), PERSON]).await;
        assert_eq!(page.status(), 503, "{state}");
        assert_eq!(page.headers()["retry-after"], "2");
        assert_eq!(page.headers()["cache-control"], "no-store");
        let text = page.text().await.expect("text");
        assert!(text.contains("http-equiv=\"refresh\" content=\"2\""), "reloads where it is: {text}");
    }
}

#[tokio::test]
async fn other_states_are_explained() {
    let (world, app) = (quick().await, Instance::start("app").await);
    let cookie = world.alice_cookie();
    for (state, words) in [
        ("failed", "could not be started"),
        ("stopped", "was stopped"),
        ("deleting", "being removed"),
        ("unknown", "not known"),
    ] {
        let mut route = in_state(&world, &app, state);
        route["reason"] = "the disk <is> full".into();
        world.put_route(&route).await;
        eventually("the state", || async {
            let page = world.get("alice", "/", &[("cookie", &cookie), PERSON]).await;
            let (status, text) = (page.status(), page.text().await.expect("text"));
            status == 503 && text.contains(words) && text.contains("the disk &#60;is&#62; full")
        })
        .await;
        let problem = world.get("alice", "/", &[("cookie", &cookie)]).await;
        let problem: Value = serde_json::from_slice(&problem.bytes().await.expect("a body")).expect("json");
        assert_eq!(problem["type"], format!("urn:beaver:instance-{state}"));
    }
    let stranger = world.get("alice", "/", &[PERSON]).await;
    assert_eq!(stranger.status(), 303, "a stranger learns nothing of it");
    assert!(stranger.headers()["location"].to_str().expect("text").starts_with(PORTAL));
}

#[tokio::test]
async fn with_deploy_control_down_a_sleeper_is_explained_and_the_rest_is_served() {
    let (world, app) = (quick().await, Instance::start("app").await);
    world.deploy.state.down.store(true, Ordering::SeqCst);
    let cookie = world.alice_cookie();
    world.put_route(&in_state(&world, &app, "asleep")).await;
    let page = world.get("alice", "/", &[("cookie", &cookie), PERSON]).await;
    assert_eq!(page.status(), 503);
    assert!(page.text().await.expect("text").contains("does not answer"));
    world.write_route("alice", &in_state(&world, &app, "ready").to_string());
    eventually("served", || async { world.get("alice", "/", &[("cookie", &cookie)]).await.status() == 200 })
        .await;
}

#[tokio::test]
async fn a_container_that_does_not_listen_yet_is_waited_for() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    let cookie = world.alice_cookie();
    let address = app.address;
    app.task.abort();
    let _ = app.task.await;
    world.put_route(&world.alice_route(address)).await;
    let late = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let listener = tokio::net::TcpListener::bind(address).await.expect("the address is free");
        let app = axum::Router::new().fallback(|| async { "late" });
        tokio::spawn(async move { axum::serve(listener, app).await });
    };
    let headers = [("cookie", cookie.as_str())];
    let (answer, ()) = tokio::join!(world.get("alice", "/", &headers), late);
    assert_eq!(answer.text().await.expect("text"), "late");
}

#[tokio::test]
async fn an_instance_that_is_not_there_or_does_not_answer_is_told_apart() {
    let world = World::start_with(|config| {
        config.timeouts.connect = Duration::from_millis(200);
        config.timeouts.first_byte = Duration::from_millis(300);
    })
    .await;
    let app = Instance::start("app").await;
    let cookie = world.alice_cookie();
    world.put_route(&world.alice_route(app.address)).await;
    let slow = world.get("alice", "/slow", &[("cookie", &cookie), PERSON]).await;
    assert_eq!(slow.status(), 504);
    app.task.abort();
    let _ = app.task.await;
    let gone = world.get("alice", "/", &[("cookie", &cookie), PERSON]).await;
    assert_eq!(gone.status(), 502);
    assert!(gone.text().await.expect("text").contains("Try again"));
    let metrics = world.metrics().await;
    assert!(metrics.contains("beaver_router_upstream_errors_total{kind=\"timeout\"} 1"), "{metrics}");
    assert!(metrics.contains("class=\"5xx\""), "{metrics}");
}
