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
async fn an_instance_that_falls_asleep_again_at_once_is_woken_again_at_once() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    let cookie = world.alice_cookie();
    // Who navigates is held for two seconds, which is less than the time between two questions for one sleep.
    let headers = [("cookie", cookie.as_str()), PERSON];
    // Its container is still there, as after a real sleep, and what is under way comes to its end.
    let mut asleep = world.alice_route(app.address);
    asleep["state"] = "asleep".into();
    for sleeps in 1..=3 {
        world.put_route(&asleep).await;
        let deploy_control = async {
            eventually("the wake", || async { world.deploy.state.woken.lock().unwrap().len() >= sleeps })
                .await;
            world.put_route(&in_state(&world, &app, "ready")).await;
        };
        // The first of them may come before the router has seen that it sleeps.
        let person = async {
            while world.deploy.state.woken.lock().unwrap().len() < sleeps {
                let answer = world.get("alice", "/", &headers).await;
                let status = answer.status();
                assert_eq!(status, 200, "{}", answer.text().await.expect("text"));
            }
        };
        tokio::join!(person, deploy_control);
    }
    assert_eq!(world.deploy.state.woken.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_request_whose_container_is_replaced_under_it_is_carried_to_the_next() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    let cookie = world.alice_cookie();
    // It takes what it is sent, and is stopped before it has answered.
    let stopping = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let std::net::SocketAddr::V4(address) = stopping.local_addr().expect("an address") else {
        panic!("an IPv4 address")
    };
    let old = world.alice_route(address);
    world.put_route(&old).await;
    let mut new = world.alice_route(app.address);
    new["generation"] = (old["generation"].as_u64().expect("a number") + 1).into();
    let mut between = new.clone();
    between["state"] = "starting".into();
    between.as_object_mut().expect("an object").remove("upstream");
    let headers = [("cookie", cookie.as_str())];
    let deploy_control = async {
        let under_way = [stopping.accept().await.expect("one"), stopping.accept().await.expect("the other")];
        world.write_route("alice", &between.to_string());
        world.write_route("alice", &new.to_string());
        under_way
    };
    let post =
        world.request(http::Method::POST, "alice", "/say").header("cookie", &cookie).body("once").send();
    let (held, posted, _) = tokio::join!(world.get("alice", "/held", &headers), post, deploy_control);
    assert_eq!(Echo::of(held).await.0["target"], "/held");
    assert_eq!(posted.expect("an answer").status(), 502, "what may have an effect is not said twice");
}

#[tokio::test]
async fn one_that_may_not_wake_is_explained_at_once() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    *world.deploy.state.leaves_asleep.lock().unwrap() = Some("its disk is full: 2 GiB of 1 GiB".to_owned());
    world.put_route(&in_state(&world, &app, "asleep")).await;
    let cookie = world.alice_cookie();
    let page = world.get("alice", "/", &[("cookie", &cookie), PERSON]).await;
    assert_eq!(page.status(), 503);
    assert!(!page.headers().contains_key("retry-after"), "to wait is of no use");
    let text = page.text().await.expect("text");
    assert!(text.contains("its disk is full: 2 GiB of 1 GiB"), "{text}");
    assert!(text.contains(&format!("{PORTAL}/account")), "{text}");
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
